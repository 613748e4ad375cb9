/** The frames that move, as a tree of three.js objects: their transforms come from the live stream. */

import { Matrix4, Object3D } from "../../vendor/three/three.module.js";
import { GLTFLoader } from "../../vendor/three/GLTFLoader.js";
import { multiplyOp } from "./transforms.js";

/**
 * @typedef {object} Op
 * @property {string} [name] Attribute of the live layer; none: `matrix` never changes.
 * @property {number[]} [value] What it was when the scene was made.
 * @property {number[]} [matrix]
 * @property {import("./playback.js").Channel} [channel] Where the live value is; bound once the stream is there.
 * @property {number} [row]
 */

/**
 * @typedef {object} Frame
 * @property {string} prim Empty for the world.
 * @property {Object3D} object
 * @property {Op[]} ops
 * @property {number[]} below Itself and all frames that hang on it.
 * @property {number} entity Index in the catalogue; -1 before it is bound, and for the world.
 */

/** @typedef {{frame: number, prim: string, mesh: any, matrix: Matrix4}} Piece A mesh, and where it is in its frame. */

const fixed = new Matrix4();

export class World {
  /** @param {any} gltf As GLTFLoader returns it. */
  constructor(gltf) {
    const about = gltf.scene.userData;
    this.metersPerUnit = about.meters_per_unit ?? 1;
    /** @type {{prim: string, reason: string}[]} */
    this.leftOut = about.left_out ?? [];
    this.root = new Object3D();
    /** The stage's axes and unit. @type {Object3D} */
    this.stage = gltf.scene.children[0];
    this.root.add(this.stage);
    /** @type {Frame[]} */
    this.frames = [{ prim: "", object: this.stage, ops: [], below: [], entity: -1 }];
    /** @type {Piece[]} */
    this.pieces = [];
    /** @type {{prim: string, frame: number, camera: any}[]} */
    this.cameras = [];
    this.root.updateMatrixWorld(true);
    this.collect(this.stage, [0]);
    this.frames.forEach((frame) => frame.object.traverse((one) => (one.matrixAutoUpdate = false)));
    for (const piece of this.pieces) piece.mesh.removeFromParent();
    this.frameOf = new Map(this.frames.map((frame, index) => [frame.prim, index]));
    /** @type {Map<string, {frame: number, op: Op}>} */
    this.live = new Map();
    this.moved = new Set(this.frames.keys());
  }

  /** @param {any} object @param {number[]} above Frames that it hangs on, the nearest last. */
  collect(object, above) {
    if (object.userData.ops) {
      const index = this.frames.length;
      this.frames.push({ prim: object.userData.prim, object, ops: object.userData.ops, below: [], entity: -1 });
      above = [...above, index];
      for (const one of above.slice(1)) this.frames[one].below.push(index);
    }
    const frame = above[above.length - 1];
    const relative = () => new Matrix4().copy(this.frames[frame].object.matrixWorld).invert().multiply(object.matrixWorld);
    if (object.isMesh) this.pieces.push({ frame, prim: object.userData.prim ?? object.parent.userData.prim, mesh: object, matrix: relative() });
    if (object.isCamera) this.cameras.push({ prim: object.userData.prim ?? object.parent?.userData.prim ?? "", frame, camera: object });
    for (const child of object.children) this.collect(child, above);
  }

  /**
   * Take the values of ops from the stream from now on.
   * @param {any} catalogue @param {import("./playback.js").Playback} playback
   */
  bind(catalogue, playback) {
    this.live.clear();
    const entityOf = new Map(catalogue.entities.map((/** @type {any} */ one, /** @type {number} */ place) => [one.index, place]));
    catalogue.groups.forEach((/** @type {any} */ group, /** @type {number} */ number) => {
      const channel = playback.channelOf.get(number);
      if (channel === undefined) return;
      group.attributes.forEach((/** @type {any} */ attribute, /** @type {number} */ row) => {
        const index = this.frameOf.get(catalogue.prims[attribute.prim].path);
        const op = index === undefined ? undefined : this.frames[index].ops.find((one) => one.name === attribute.name);
        if (index === undefined || !op) return;
        op.channel = playback.channels[channel];
        op.row = row;
        this.frames[index].entity = entityOf.get(attribute.entity) ?? -1;
        this.live.set(`${channel} ${row}`, { frame: index, op });
      });
    });
    this.frames.forEach((_, index) => index && this.place(index));
  }

  /** @param {number} channel @param {number} row */
  touch(channel, row) {
    const found = this.live.get(`${channel} ${row}`);
    if (found) this.moved.add(found.frame);
  }

  /** Put the frames that were touched where they belong. @returns {Set<number>} All that have moved with them. */
  settle() {
    const moved = new Set();
    for (const index of this.moved) {
      if (index === 0) moved.add(0);
      else this.place(index);
      for (const below of this.frames[index].below) moved.add(below);
    }
    this.moved.clear();
    if (moved.size) this.root.updateMatrixWorld();
    return moved;
  }

  /** @param {number} index */
  place(index) {
    const { object, ops } = this.frames[index];
    object.matrix.identity();
    for (const op of ops) {
      if (!op.name) object.matrix.multiply(fixed.fromArray(/** @type {number[]} */ (op.matrix)));
      else if (op.channel) multiplyOp(object.matrix, op.name, op.channel.out, /** @type {number} */ (op.row) * op.channel.width);
      else multiplyOp(object.matrix, op.name, /** @type {number[]} */ (op.value), 0);
    }
    object.matrixWorldNeedsUpdate = true;
    this.moved.add(index);
  }

  /** @returns {Record<string, number[]>} World position of every frame that moves, in the stage's axes [m]: as in the API. */
  positions() {
    const toStage = new Matrix4().copy(this.stage.matrixWorld).invert();
    const matrix = new Matrix4();
    return Object.fromEntries(this.frames.slice(1).map(({ prim, object }) => {
      matrix.multiplyMatrices(toStage, object.matrixWorld);
      return [prim, [12, 13, 14].map((place) => matrix.elements[place] * this.metersPerUnit)];
    }));
  }
}

/** @param {ArrayBuffer} data @returns {Promise<World>} */
export async function worldFrom(data) {
  return new World(await new GLTFLoader().parseAsync(data, ""));
}
