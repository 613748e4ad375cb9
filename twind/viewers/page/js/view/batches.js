/** Draws the pieces of the world: all that share a shape and a material in one call, wherever they are. */

import { BackSide, Box3, BufferGeometry, Color, DynamicDrawUsage, InstancedBufferAttribute, InstancedMesh, Matrix4, Vector3 } from "../../vendor/three/three.module.js";

/** @typedef {{mesh: InstancedMesh, slot: number, matrix: Matrix4}} Place Of one piece. */

const DIM = new Color(0.42, 0.44, 0.5);
const PLAIN = new Color(1, 1, 1);

export class Batches {
  /** @param {import("../twin/world.js").World} world */
  constructor(world) {
    this.world = world;
    /** @type {Place[][]} By frame. */
    this.places = world.frames.map(() => []);
    /** @type {{frame: number, prim: string, place: Place, entity: number}[]} */
    this.pieces = [];
    /** @type {InstancedMesh[]} */
    this.meshes = [];
    const groups = Map.groupBy(world.pieces, ({ mesh }) => `${mesh.geometry.uuid} ${mesh.material.uuid}`);
    for (const pieces of groups.values()) this.add(pieces);
    world.root.updateMatrixWorld(true);
    this.move(world.frames.keys());
    this.measure();
  }

  /** @param {import("../twin/world.js").Piece[]} pieces */
  add(pieces) {
    const { geometry: shared, material } = pieces[0].mesh;
    const geometry = new BufferGeometry();  // others may have the shape too, but not the instances
    geometry.index = shared.index;
    geometry.attributes = { ...shared.attributes };
    material.shadowSide = BackSide;  // what is lit does not shade itself
    const mesh = new InstancedMesh(geometry, material, pieces.length);
    mesh.instanceMatrix.setUsage(DynamicDrawUsage);
    mesh.frustumCulled = false;  // its instances are everywhere
    mesh.castShadow = mesh.receiveShadow = !material.transparent;
    mesh.matrixAutoUpdate = false;
    for (let slot = 0; slot < pieces.length; slot++) mesh.setColorAt(slot, PLAIN);
    geometry.computeBoundingBox();
    this.meshes.push(mesh);
    pieces.forEach(({ frame, prim, matrix }, slot) => {
      const place = { mesh, slot, matrix };
      this.places[frame].push(place);
      this.pieces.push({ frame, prim, place, entity: -1 });
    });
  }

  /** Tell every piece whose it is. @param {import("../twin/entities.js").Entities} entities */
  own(entities) {
    const { frames } = this.world;
    for (const piece of this.pieces) {
      piece.entity = frames[piece.frame].entity >= 0 ? frames[piece.frame].entity : entities.owning(piece.prim);
    }
    for (const mesh of this.meshes) {
      const ids = new Float32Array(mesh.count);
      mesh.geometry.setAttribute("owner", new InstancedBufferAttribute(ids, 1));
    }
    for (const { place, entity } of this.pieces) place.mesh.geometry.getAttribute("owner").array[place.slot] = entity + 1;
    /** @type {number[][]} Pieces of each entity. */
    this.piecesOf = entities.all.map(() => []);
    this.pieces.forEach(({ entity }, index) => entity >= 0 && this.piecesOf[entity].push(index));
  }

  /** Put the pieces of some frames where those are now. @param {Iterable<number>} frames */
  move(frames) {
    for (const frame of frames) {
      const { matrixWorld } = this.world.frames[frame].object;
      for (const { mesh, slot, matrix } of this.places[frame]) {
        product.multiplyMatrices(matrixWorld, matrix).toArray(mesh.instanceMatrix.array, slot * 16);
        mesh.instanceMatrix.needsUpdate = true;
      }
    }
  }

  /** Show an entity as one of which there is no news, or as usual. @param {number} entity @param {boolean} dim */
  dim(entity, dim) {
    for (const index of this.piecesOf?.[entity] ?? []) {
      const { mesh, slot } = this.pieces[index].place;
      mesh.setColorAt(slot, dim ? DIM : PLAIN);
      if (mesh.instanceColor) mesh.instanceColor.needsUpdate = true;
    }
  }

  /** Note how far all of it reaches. */
  measure() {
    this.all = new Box3();
    this.pieces.forEach((_, index) => this.all?.union(this.box(index)));
  }

  /** @param {number} index Of a piece. @returns {Box3} */
  box(index) {
    const { mesh, slot } = this.pieces[index].place;
    product.fromArray(mesh.instanceMatrix.array, slot * 16);
    return box.copy(/** @type {Box3} */ (mesh.geometry.boundingBox)).applyMatrix4(product);
  }

  /** @param {number} entity @returns {Box3} Where it is now; empty where it has no geometry at all. */
  boxOf(entity) {
    const found = new Box3();
    for (const index of this.piecesOf?.[entity] ?? []) found.union(this.box(index));
    if (found.isEmpty()) {
      this.world.frames.forEach((frame) => frame.entity === entity && found.expandByPoint(point.setFromMatrixPosition(frame.object.matrixWorld)));
      if (!found.isEmpty()) found.expandByScalar(0.1);
    }
    return found;
  }

  /** @returns {number} Triangles that are drawn. */
  get triangles() {
    return this.meshes.reduce((sum, mesh) => sum + ((mesh.geometry.index?.count ?? mesh.geometry.attributes.position.count) / 3) * mesh.count, 0);
  }

  dispose() {
    for (const mesh of this.meshes) {
      mesh.removeFromParent();
      mesh.geometry.dispose();
      mesh.dispose();
    }
  }
}
const product = new Matrix4();
const box = new Box3();
const point = new Vector3();
