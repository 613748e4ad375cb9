/** How far the daemon's clock is from this one, as NTP does it: the sample with the shortest way there and back counts most. */

const KEPT = 8;

export class DaemonClock {
  constructor() {
    /** @type {{tripMs: number, offsetMs: number}[]} */
    this.samples = [];
  }

  /** @param {number} askedMs `Date.now()`-like times of ours @param {number} answeredMs @param {number} theirsMs */
  add(askedMs, answeredMs, theirsMs) {
    if (!theirsMs) return;
    this.samples.push({ tripMs: answeredMs - askedMs, offsetMs: theirsMs - (askedMs + answeredMs) / 2 });
    if (this.samples.length > KEPT) this.samples.shift();
  }

  /** @returns {number | null} Daemon's clock less ours [ms]. */
  get offsetMs() {
    if (!this.samples.length) return null;
    return this.samples.reduce((best, one) => (one.tripMs < best.tripMs ? one : best)).offsetMs;
  }

  /** @returns {number} The daemon's time now, as well as it is known [ms since the epoch]. */
  nowMs() {
    return performance.timeOrigin + performance.now() + (this.offsetMs ?? 0);
  }
}
