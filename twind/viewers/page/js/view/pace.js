/** Measures how long frames take, and says how fine the picture may be: a slow machine gets a coarser one, not a stuttering one. */

const SLOW_MS = 45;
const FAST_MS = 20;
const WINDOW = 40;

export class Pace {
  constructor() {
    /** @type {number[]} */
    this.times = [];
    this.level = 0;
    this.lastMs = 0;
    this.calm = 0;
  }

  /** Note a frame. @param {number} nowMs @returns {boolean} Whether the level is another one now. */
  note(nowMs) {
    const took = nowMs - this.lastMs;
    this.lastMs = nowMs;
    if (took > 400) return false;  // nothing was to be drawn
    this.times.push(took);
    if (this.times.length < WINDOW) return false;
    const median = [...this.times].sort((a, b) => a - b)[WINDOW >> 1];
    this.times.length = 0;
    this.medianMs = median;
    if (median > SLOW_MS && this.level < 3) {
      this.level += 1;
      this.calm = 0;
      return true;
    }
    if (median < FAST_MS && this.level > 0 && ++this.calm > 12) {
      this.level -= 1;
      this.calm = 0;
      return true;
    }
    return false;
  }

  /** @returns {number} Pixels of the picture for each of the page's. */
  get ratio() {
    return Math.min(devicePixelRatio, [2, 1.25, 1, 0.75][this.level]);
  }

  get shadows() {
    return this.level < 3;
  }
}
