/** The 3D view: draws the world when something in it has changed. */

import { NeutralToneMapping, PCFShadowMap, Scene, Vector3, WebGLRenderer, Box3 } from "../../vendor/three/three.module.js";
import { Batches } from "./batches.js";
import { Bones } from "./bones.js";
import { Cameras } from "./cameras.js";
import { FLOOR_LAYER, Ground } from "./ground.js";
import { Lights } from "./lights.js";
import { Owners } from "./owners.js";
import { Pace } from "./pace.js";

/** @param {HTMLElement} canvas @returns {{left: number, right: number}} What panels cover of it [shares of its width]. */
function covered(canvas) {
  const whole = canvas.getBoundingClientRect();
  const list = document.getElementById("entities")?.getBoundingClientRect();
  const beside = list && list.top < whole.bottom && list.width < whole.width / 2;
  return { left: beside ? (list.right - whole.left) / whole.width : 0, right: 0 };
}

/** @returns {boolean} Whether a processor does the work of a graphics card, as in virtual machines: then some beauty is left out. */
function drawnBySoftware() {
  const gl = document.createElement("canvas").getContext("webgl2");
  const info = gl?.getExtension("WEBGL_debug_renderer_info");
  const name = info ? String(gl?.getParameter(info.UNMASKED_RENDERER_WEBGL)) : "";
  gl?.getExtension("WEBGL_lose_context")?.loseContext();
  return /swiftshader|llvmpipe|software|basic render/i.test(name);
}

export class View {
  /** @param {HTMLCanvasElement} canvas @param {(nowMs: number) => boolean} before Called before each frame; tells whether anything has moved. */
  constructor(canvas, before) {
    this.canvas = canvas;
    this.software = drawnBySoftware();
    this.renderer = new WebGLRenderer({ canvas, antialias: true, alpha: true, powerPreference: "high-performance" });
    this.renderer.debug.checkShaderErrors = false;  // asking for them waits for each shader
    this.renderer.setClearColor(0x000000, 0);
    this.renderer.toneMapping = NeutralToneMapping;
    this.renderer.shadowMap.enabled = true;
    this.renderer.shadowMap.type = PCFShadowMap;
    this.renderer.shadowMap.autoUpdate = false;
    this.shadowsDue = true;
    this.scene = new Scene();
    this.lights = new Lights();
    this.ground = new Ground();
    this.owners = new Owners();
    this.pace = new Pace(this.software);
    this.cameras = new Cameras(canvas, () => this.invalidate());
    this.cameras.camera.layers.enable(FLOOR_LAYER);
    this.scene.add(this.lights.group, this.ground.group);
    if (!this.software) this.lights.surround(this.renderer, this.scene);
    /** @type {Batches | null} */
    this.batches = null;
    /** @type {Bones | null} */
    this.bones = null;
    /** @type {import("../twin/world.js").World | null} */
    this.world = null;
    this.before = before;
    /** @type {() => void} */
    this.after = () => {};
    this.due = true;
    this.frames = 0;
    new ResizeObserver(() => this.resize()).observe(canvas.parentElement ?? canvas);
    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    canvas.addEventListener("webglcontextrestored", () => this.invalidate());
    this.renderer.setAnimationLoop((/** @type {number} */ now) => this.tick(now));
  }

  /** Show a world instead of the one before. @param {import("../twin/world.js").World} world */
  show(world) {
    const first = !this.world;
    if (this.world) this.scene.remove(this.world.root);
    this.batches?.dispose();
    this.world = world;
    this.batches = new Batches(world);
    this.scene.add(world.root, ...this.batches.meshes);
    const box = this.batches.all?.isEmpty() ? new Box3(new Vector3(-1, 0, -1), new Vector3(1, 1, 1)) : /** @type {Box3} */ (this.batches.all);
    this.ground.fit(box);
    this.lights.fit(box);
    this.cameras.box = box.clone();
    this.shadowsDue = true;
    if (first) this.overview(true);
    this.invalidate();
  }

  /** The stream has said what there is. @param {import("../twin/entities.js").Entities} entities */
  own(entities) {
    if (!this.batches || !this.world) return;
    this.batches.own(entities);
    if (this.bones) this.scene.remove(this.bones.lines, this.bones.dots);
    this.bones = new Bones(this.world, this.batches);
    this.scene.add(this.bones.lines, this.bones.dots);
    this.bones.move();
    this.invalidate();
  }

  /** Look at everything that matters: what moves, and some of what is around it. @param {boolean} [atOnce] */
  overview(atOnce = false) {
    const box = new Box3();
    this.batches?.piecesOf?.forEach((_, entity) => box.union(/** @type {Batches} */ (this.batches).boxOf(entity)));
    if (box.isEmpty()) box.copy(this.cameras.box);
    else box.expandByScalar(box.getSize(new Vector3()).length() * 0.03).intersect(this.cameras.box);
    this.cameras.camera.fov = 36;
    this.cameras.frame(box.isEmpty() ? this.cameras.box : box, { overview: true, at_once: atOnce });
  }

  /** @param {number} entity */
  lookAt(entity) {
    const box = this.batches?.boxOf(entity);
    if (box) this.cameras.frame(box, { margin: 1.7 });
  }

  /** @param {string} prim Of a camera. */
  lookAs(prim) {
    const seen = this.world?.cameras.find((one) => one.prim === prim);
    if (seen) this.cameras.as(seen.camera, this.cameras.box);
  }

  /** @param {MouseEvent} event @returns {number} The entity there; -1: none. */
  entityAt(event) {
    const { left, top, width, height } = this.canvas.getBoundingClientRect();
    return this.owners.at(this.renderer, this.scene, this.cameras.camera, event.clientX - left, event.clientY - top, width, height);
  }

  /** @param {Vector3} point @returns {{x: number, y: number, ahead: boolean}} Where it is on the page, in the canvas [CSS pixels]. */
  project(point) {
    const seen = point.clone().project(this.cameras.camera);
    const { clientWidth, clientHeight } = this.canvas;
    return { x: ((seen.x + 1) / 2) * clientWidth, y: ((1 - seen.y) / 2) * clientHeight, ahead: seen.z < 1 };
  }

  invalidate() {
    this.due = true;
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.canvas.parentElement ?? this.canvas;
    if (!width || !height) return;
    this.renderer.setPixelRatio(this.pace.ratio);
    this.renderer.setSize(width, height, false);
    this.owners.resize(Math.round(width * this.pace.ratio), Math.round(height * this.pace.ratio));
    this.cameras.resize(width / height);
    this.cameras.covered = covered(this.canvas);
    this.invalidate();
  }

  /** @param {number} nowMs */
  tick(nowMs) {
    const moved = this.before(performance.now());
    this.cameras.update(nowMs);
    if (!moved && !this.due) return;
    this.due = false;
    this.renderer.shadowMap.needsUpdate = (moved && this.frames % this.pace.perShadow === 0) || this.shadowsDue;
    this.shadowsDue = false;
    this.renderer.render(this.scene, this.cameras.camera);
    if (this.batches?.piecesOf) this.owners.outline(this.renderer, this.scene, this.cameras.camera);
    this.frames += 1;
    this.after();
    if (this.pace.note(nowMs)) this.resize();
  }

  /** @param {Iterable<number>} frames That have moved. */
  moved(frames) {
    this.batches?.move(frames);
    this.bones?.move();
  }
}
