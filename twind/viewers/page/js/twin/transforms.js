/** What USD's transform ops mean, as matrices (OpenUSD, UsdGeomXformOp). */

import { Matrix4, Quaternion, Vector3, MathUtils } from "../../vendor/three/three.module.js";

const rotation = new Quaternion();
const turn = new Quaternion();
const AXES = { X: new Vector3(1, 0, 0), Y: new Vector3(0, 1, 0), Z: new Vector3(0, 0, 1) };

/**
 * Multiply a matrix by that of an op, from the right: the first op of an order is applied last.
 * @param {Matrix4} into @param {string} name @param {ArrayLike<number>} values @param {number} at Where the op's numbers begin.
 */
export function multiplyOp(into, name, values, at) {
  if (name === "xformOp:translate") scratch.makeTranslation(values[at], values[at + 1], values[at + 2]);
  else if (name === "xformOp:orient") scratch.makeRotationFromQuaternion(asUsdShows(values[at], values[at + 1], values[at + 2], values[at + 3]));
  else if (name === "xformOp:transform") scratch.fromArray(values, at);  // row by row for row vectors is column by column for columns
  else if (name.startsWith("xformOp:rotate")) scratch.makeRotationFromQuaternion(angles(name.slice(-3), values, at));
  else throw new Error(`unknown op ${name}`);
  into.multiply(scratch);
}
const scratch = new Matrix4();

/**
 * USD takes the angle from the real part alone (GfRotation), which matters where a quaternion of floats is not quite of length
 * one: the daemon computes what hangs on a link relative to where USD shows the link.
 * @param {number} x @param {number} y @param {number} z @param {number} w
 */
function asUsdShows(x, y, z, w) {
  const length = Math.hypot(x, y, z);
  if (length === 0) return rotation.identity();
  const half = Math.acos(Math.min(1, Math.max(-1, w)));
  const share = Math.sin(half) / length;
  return rotation.set(x * share, y * share, z * share, Math.cos(half));
}

/** @param {string} order The axis named first is turned about first. @param {ArrayLike<number>} degrees @param {number} at */
function angles(order, degrees, at) {
  rotation.identity();
  for (const axis of order) {
    const place = "XYZ".indexOf(axis);
    turn.setFromAxisAngle(AXES[/** @type {"X" | "Y" | "Z"} */ (axis)], MathUtils.degToRad(degrees[at + place]));
    rotation.premultiply(turn);
  }
  return rotation;
}
