/** Numbers and words for people. */

/** Marks and words of statuses: shape and word tell them apart, colour only helps. */
export const MARKS = { ok: "●", coasting: "◐", stale: "▲", lost: "✕" };

/** @param {number | null} seconds */
export function age(seconds) {
  if (seconds === null || !Number.isFinite(seconds)) return "never";
  if (seconds < 0.9995) return `${Math.max(0, seconds * 1000).toFixed(0)} ms`;
  return span(seconds);
}

/** @param {number} seconds */
export function span(seconds) {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${(seconds / 3600).toFixed(1)} h`;
  return `${Math.round(seconds / 86400)} d`;
}

/** @param {number} value */
export function count(value) {
  return value.toLocaleString("en").replaceAll(",", "\u2009");
}

const SHOWN = { rad: { unit: "°", factor: 180 / Math.PI, digits: 2 }, m: { unit: "mm", factor: 1000, digits: 1 } };

/** @param {string} unit Of the API: rad or m. @returns {{unit: string, factor: number, digits: number}} */
export function shownAs(unit) {
  return SHOWN[/** @type {"rad" | "m"} */ (unit)] ?? { unit, factor: 1, digits: 3 };
}

/** @param {number} value @param {number} digits */
export function fixed(value, digits) {
  const text = value.toFixed(digits);
  return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", "\u2212");
}

/** @param {number} value A small positive number. */
export function small(value) {
  if (!Number.isFinite(value)) return "unknown";
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value >= 0.001 || value === 0 ? value.toPrecision(2) : "< 0.001";
}

/** Yaw, pitch and roll of a quaternion (w, x, y, z) [deg]. @param {number[]} q */
export function angles([w, x, y, z]) {
  const degrees = 180 / Math.PI;
  return [
    Math.atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z)) * degrees,
    Math.asin(Math.max(-1, Math.min(1, 2 * (w * y - z * x)))) * degrees,
    Math.atan2(2 * (w * x + y * z), 1 - 2 * (x * x + y * y)) * degrees,
  ];
}
