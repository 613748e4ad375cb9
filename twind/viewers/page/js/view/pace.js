/** Measures how long frames take, and says how fine the picture may be: a slow machine gets a coarser one, not a stuttering one. */

const SLOW_MS = 45;
const FAST_MS = 20;
const WINDOW = 40;
const PATIENCE_MS = 2000;
const IDLE_MS = 3000;
const LEVELS = [2, 1.25, 1, 0.8];

export class Pace {
  /** @param {boolean} software Whether there is no graphics card. */
  constructor(software) {
    /** @type {number[]} */
    this.times = [];
    this.level = software ? 2 : 0;
    this.lastMs = 0;
    this.calm = 0;
    this.spentMs = 0;
    this.medianMs = 0;
  }

  /** Note a frame. @param {number} nowMs @returns {boolean} Whether the level is another one now. */
  note(nowMs) {
    const took = nowMs - this.lastMs;
    this.lastMs = nowMs;
    if (took > IDLE_MS) return false;  // nothing was to be drawn
    this.times.push(took);
    this.spentMs += took;
    if (this.times.length < WINDOW && this.spentMs < PATIENCE_MS) return false;
    const median = [...this.times].sort((a, b) => a - b)[this.times.length >> 1];
    this.spentMs = 0;
    this.times.length = 0;
    this.medianMs = median;
    if (median > SLOW_MS && this.level < LEVELS.length - 1) {
      this.level = Math.min(LEVELS.length - 1, this.level + (median > 4 * SLOW_MS ? 2 : 1));
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
    return Math.min(devicePixelRatio, LEVELS[this.level]);
  }

  /** @returns {number} How many frames one picture of the shadows serves. */
  get perShadow() {
    return this.level < 3 ? 1 : 2;
  }
}
