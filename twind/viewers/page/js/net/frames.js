/** Decodes the binary frames of the live protocol (docs/live-protocol.md). */

/**
 * @typedef {object} GroupChange
 * @property {number} group
 * @property {Uint16Array | Uint32Array | null} rows Entries that changed; null: all, in order.
 * @property {ArrayLike<number>} values `rows` x `width` numbers.
 */

/**
 * @typedef {object} Frame
 * @property {boolean} full
 * @property {number} catalogue
 * @property {number} sequence
 * @property {number} base
 * @property {number} stampMs When the daemon made it, by its clock [ms since the epoch].
 * @property {GroupChange[]} changes
 */

const FULL = 1;
const BYTES = { f2: 2, f4: 4, f8: 8, i8: 8, u1: 1 };

/**
 * @param {ArrayBuffer} buffer
 * @param {{scalar: string, width?: number, attributes: unknown[]}[]} groups Of the catalogue.
 * @returns {Frame}
 */
export function decode(buffer, groups) {
  const view = new DataView(buffer);
  if (view.getUint8(0) !== 1) throw new Error("not a frame");
  /** @type {Frame} */
  const frame = {
    full: (view.getUint8(1) & FULL) !== 0,
    catalogue: view.getUint32(4, true),
    sequence: Number(view.getBigInt64(8, true)),
    base: Number(view.getBigInt64(16, true)),
    stampMs: Number(view.getBigInt64(24, true) / 1000n) / 1000,
    changes: [],
  };
  let at = 32;
  for (let left = view.getUint16(2, true); left > 0; left--) {
    const group = view.getUint16(at, true);
    const indexBytes = view.getUint8(at + 2);
    const count = view.getUint32(at + 4, true);
    at += 8;
    const rows = indexBytes === 0 ? null : indexBytes === 2 ? new Uint16Array(buffer, at, count) : new Uint32Array(buffer, at, count);
    at += padded(count * indexBytes);
    const scalar = /** @type {keyof typeof BYTES} */ (groups[group].scalar);
    const length = count * (groups[group].width ?? 1);
    frame.changes.push({ group, rows, values: numbers(buffer, at, length, scalar) });
    at += padded(length * BYTES[scalar]);
  }
  return frame;
}

/** @param {number} size */
const padded = (size) => (size + 7) & ~7;

/**
 * @param {ArrayBuffer} buffer @param {number} at @param {number} length @param {keyof typeof BYTES} scalar
 * @returns {ArrayLike<number>}
 */
function numbers(buffer, at, length, scalar) {
  switch (scalar) {
    case "f8": return new Float64Array(buffer, at, length);
    case "f4": return new Float32Array(buffer, at, length);
    case "u1": return new Uint8Array(buffer, at, length);
    case "i8": return Float64Array.from(new BigInt64Array(buffer, at, length), Number);
    case "f2": return Float64Array.from(new Uint16Array(buffer, at, length), half);
    default: throw new Error(`numbers of an unknown kind: ${scalar}`);
  }
}

/** @param {number} bits IEEE 754 binary16. */
function half(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
