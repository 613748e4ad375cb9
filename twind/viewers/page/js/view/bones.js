/** Lines from frame to frame, for entities that have no geometry of their own: a robot without meshes is still to be seen. */

import { BufferAttribute, BufferGeometry, LineBasicMaterial, LineSegments, Points, PointsMaterial, Vector3 } from "../../vendor/three/three.module.js";

export class Bones {
  /** @param {import("../twin/world.js").World} world @param {import("./batches.js").Batches} batches */
  constructor(world, batches) {
    this.world = world;
    const bare = new Set(batches.piecesOf?.flatMap((pieces, entity) => (pieces.length ? [] : [entity])));
    this.frames = [...world.frames.keys()].filter((index) => index && bare.has(world.frames[index].entity));
    this.parents = this.frames.map((index) => this.frames.findLast((other) => other !== index && world.frames[other].below.includes(index)) ?? index);
    const geometry = new BufferGeometry();
    this.attribute = new BufferAttribute(new Float32Array(this.frames.length * 6), 3);
    geometry.setAttribute("position", this.attribute);
    const look = { color: 0xe2521c, depthTest: false, transparent: true };
    this.lines = new LineSegments(geometry, new LineBasicMaterial(look));
    this.dots = new Points(geometry, new PointsMaterial({ ...look, size: 7, sizeAttenuation: false }));
    for (const one of [this.lines, this.dots]) {
      one.frustumCulled = false;
      one.layers.set(1);
    }
  }

  move() {
    this.frames.forEach((index, slot) => {
      point.setFromMatrixPosition(this.world.frames[index].object.matrixWorld).toArray(this.attribute.array, slot * 6);
      point.setFromMatrixPosition(this.world.frames[this.parents[slot]].object.matrixWorld).toArray(this.attribute.array, slot * 6 + 3);
    });
    this.attribute.needsUpdate = this.frames.length > 0;
  }
}
const point = new Vector3();
