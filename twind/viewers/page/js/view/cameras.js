/** Where one looks from: by mouse, finger or keys, or as a camera of the stage does. */

import { Box3, PerspectiveCamera, Spherical, Vector3, MathUtils } from "../../vendor/three/three.module.js";
import { OrbitControls } from "../../vendor/three/OrbitControls.js";

const OVERVIEW = new Spherical(1, MathUtils.degToRad(61), MathUtils.degToRad(-36));
const FLIGHT_MS = 420;

export class Cameras {
  /** @param {HTMLElement} canvas @param {() => void} changed */
  constructor(canvas, changed) {
    this.camera = new PerspectiveCamera(36, 1, 0.02, 500);
    this.controls = new OrbitControls(this.camera, canvas);
    Object.assign(this.controls, { enableDamping: true, dampingFactor: 0.14, maxPolarAngle: Math.PI * 0.93, zoomToCursor: true, screenSpacePanning: true });
    this.controls.addEventListener("change", changed);
    this.controls.addEventListener("start", () => (this.flight = null));
    this.changed = changed;
    /** @type {{from: Vector3, to: Vector3, fromTarget: Vector3, toTarget: Vector3, sinceMs: number} | null} */
    this.flight = null;
    this.box = new Box3();
    /** What panels cover of the canvas [shares of its width and height]. */
    this.covered = { left: 0, right: 0 };
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
  }

  /** @param {number} aspect */
  resize(aspect) {
    this.camera.aspect = aspect;
    this.camera.updateProjectionMatrix();
  }

  /** Look at a box, from where one looked before or from above a corner. @param {Box3} box @param {{overview?: boolean, at_once?: boolean, margin?: number}} [how] */
  frame(box, { overview = false, at_once = false, margin = 1.12 } = {}) {
    if (box.isEmpty()) return;
    const centre = box.getCenter(new Vector3());
    const direction = overview ? new Vector3().setFromSpherical(OVERVIEW) : this.camera.position.clone().sub(this.controls.target).normalize();
    const distance = this.distance(box, centre, direction) * margin;
    // Into the middle of what no panel covers.
    const right = new Vector3().crossVectors(new Vector3(0, 1, 0), direction).normalize();
    const wide = 2 * distance * Math.tan(MathUtils.degToRad(this.camera.fov / 2)) * this.camera.aspect;
    centre.addScaledVector(right, ((this.covered.right - this.covered.left) / 2) * wide);
    this.fly(centre.clone().addScaledVector(direction, distance), centre, at_once);
    const reach = this.box.isEmpty() ? distance : this.box.getSize(new Vector3()).length();
    this.controls.maxDistance = Math.max(reach, distance) * 4;
    this.controls.minDistance = reach / 500;
  }

  /** @param {Box3} box @param {Vector3} centre @param {Vector3} direction @returns {number} From where all corners are in sight. */
  distance(box, centre, direction) {
    const right = new Vector3().crossVectors(new Vector3(0, 1, 0), direction).normalize();
    const up = new Vector3().crossVectors(direction, right);
    const tallness = Math.tan(MathUtils.degToRad(this.camera.fov / 2));
    const width = tallness * this.camera.aspect * (1 - this.covered.left - this.covered.right);
    let distance = 0;
    for (let corner = 0; corner < 8; corner++) {
      const point = new Vector3(corner & 1 ? box.max.x : box.min.x, corner & 2 ? box.max.y : box.min.y, corner & 4 ? box.max.z : box.min.z).sub(centre);
      const depth = point.dot(direction);
      distance = Math.max(distance, depth + Math.abs(point.dot(right)) / width, depth + Math.abs(point.dot(up)) / tallness);
    }
    return distance;
  }

  /** Look as a camera of the stage does, as far as this one can: it does not roll. @param {any} seen @param {Box3} box */
  as(seen, box) {
    const position = new Vector3().setFromMatrixPosition(seen.matrixWorld);
    const direction = new Vector3(0, 0, -1).transformDirection(seen.matrixWorld);
    const distance = Math.max(box.getCenter(new Vector3()).sub(position).dot(direction), 0.2);
    this.camera.fov = MathUtils.clamp(seen.fov, 10, 90);
    this.camera.updateProjectionMatrix();
    this.fly(position, position.clone().addScaledVector(direction, distance), false);
  }

  /** @param {Vector3} to @param {Vector3} toTarget @param {boolean} atOnce */
  fly(to, toTarget, atOnce) {
    this.flight = { from: this.camera.position.clone(), to, fromTarget: this.controls.target.clone(), toTarget, sinceMs: performance.now() };
    if (atOnce || this.still.matches) this.flight.sinceMs -= FLIGHT_MS;
    this.changed();
  }

  /** @param {number} nowMs */
  update(nowMs) {
    if (this.flight) {
      const share = Math.min(1, (nowMs - this.flight.sinceMs) / FLIGHT_MS);
      const eased = 1 - (1 - share) ** 3;
      this.camera.position.lerpVectors(this.flight.from, this.flight.to, eased);
      this.controls.target.lerpVectors(this.flight.fromTarget, this.flight.toTarget, eased);
      if (share >= 1) this.flight = null;
      this.changed();
    }
    this.controls.update();
    this.camera.updateMatrixWorld();
    this.focus();
  }

  /** See as near and as far as matters here: what lies close upon another is told apart only within a few powers of ten. */
  focus() {
    const { camera } = this;
    const near = Math.max(camera.position.distanceTo(this.controls.target) / 40, 1e-3);
    const far = near * 40 * 3 + this.box.getSize(new Vector3()).length() * 3;
    if (Math.abs(near / camera.near - 1) < 0.1 && Math.abs(far / camera.far - 1) < 0.1) return;
    Object.assign(camera, { near, far });
    camera.updateProjectionMatrix();
  }

  /** @param {KeyboardEvent} event @returns {boolean} Whether the key was one of those that move the camera. */
  key(event) {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    const zoom = { "+": 0.85, "=": 0.85, "-": 1 / 0.85, "_": 1 / 0.85 }[event.key];
    if (!step && !zoom) return false;
    const offset = this.camera.position.clone().sub(this.controls.target);
    const target = this.controls.target.clone();
    if (zoom) offset.multiplyScalar(zoom);
    else if (step && event.shiftKey) {
      const right = new Vector3().setFromMatrixColumn(this.camera.matrix, 0);
      const up = new Vector3().setFromMatrixColumn(this.camera.matrix, 1);
      target.addScaledVector(right, step[0] * offset.length() * 0.06).addScaledVector(up, -step[1] * offset.length() * 0.06);
    } else if (step) {
      const sphere = new Spherical().setFromVector3(offset);
      sphere.theta += step[0] * 0.12;
      sphere.phi = MathUtils.clamp(sphere.phi + step[1] * 0.09, 0.05, this.controls.maxPolarAngle);
      offset.setFromSpherical(sphere);
    }
    this.flight = null;
    this.controls.target.copy(target);
    this.camera.position.copy(target).add(offset);
    this.changed();
    return true;
  }
}
