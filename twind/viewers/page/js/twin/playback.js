/**
 * Shows motion between updates: what is drawn lies between the two updates around an instant a little ago, so nothing is ever
 * guessed. How long ago follows the stream: one period, and as much more as the network jitters.
 */

const MAX_QUEUE = 90;
const MAX_DELAY_MS = 400;
const LEAK_MS_PER_S = 2;
const JITTER_HALF_LIFE_S = 3;

/**
 * @typedef {object} Channel
 * @property {"vector" | "quaternion" | "angles"} kind How values between two are found.
 * @property {number} width
 * @property {Float64Array} from @property {Float64Array} to @property {Float64Array} out
 * @property {ArrayLike<number> | null} rows That differ between `from` and `to`.
 */

/** @typedef {{stampMs: number, changes: {channel: number, rows: ArrayLike<number>, values: ArrayLike<number>}[]}} Step */

export class Playback {
  /** @param {any} catalogue */
  constructor(catalogue) {
    /** @type {Channel[]} */
    this.channels = [];
    /** @type {Map<number, number>} Group of the catalogue to channel. */
    this.channelOf = new Map();
    catalogue.groups.forEach((/** @type {any} */ group, /** @type {number} */ number) => {
      const name = group.attributes[0]?.name ?? "";
      if (!name.startsWith("xformOp:") || group.scalar === "u1") return;
      const width = group.width ?? 1;
      const size = group.attributes.length * width;
      const [from, to, out] = [0, 0, 0].map(() => new Float64Array(size));
      const kind = group.type.startsWith("quat") ? "quaternion" : name.startsWith("xformOp:rotate") ? "angles" : "vector";
      this.channelOf.set(number, this.channels.length);
      this.channels.push({ kind, width, from, to, out, rows: null });
    });
    /** @type {Step[]} */
    this.queue = [];
    this.fromMs = this.toMs = 0;
    this.started = false;
    this.latenessMs = Infinity;
    this.jitterMs = 0;
    this.periodMs = 1000 / (catalogue.max_rate_hz || 30);
    this.stampMs = 0;
    this.arrivedMs = 0;
    this.shownMs = 0;
  }

  /** How much older than the newest update what is drawn is, while there is motion [ms]. */
  get delayMs() {
    return Math.min(MAX_DELAY_MS, this.periodMs * 1.1 + this.jitterMs);
  }

  /** @param {import("../net/frames.js").Frame} frame @param {number} arrivedMs */
  push(frame, arrivedMs) {
    this.keepTime(frame, arrivedMs);
    /** @type {Step} */
    const step = { stampMs: frame.stampMs, changes: [] };
    for (const change of frame.changes) {
      const channel = this.channelOf.get(change.group);
      if (channel === undefined) continue;
      const count = change.values.length / this.channels[channel].width;
      step.changes.push({ channel, rows: change.rows ?? Uint32Array.from({ length: count }, (_, row) => row), values: change.values });
    }
    if (frame.full) {
      this.queue.length = 0;
      this.take(step);
      for (const channel of this.channels) {
        channel.out.set(channel.to);
        channel.from.set(channel.to);
      }
      this.fromMs = this.toMs = frame.stampMs;
      this.started = true;
    } else if (step.changes.length) {
      this.queue.push(step);
    }
  }

  /** @param {import("../net/frames.js").Frame} frame @param {number} arrivedMs */
  keepTime(frame, arrivedMs) {
    const lateness = arrivedMs - frame.stampMs;
    const sinceS = this.arrivedMs ? (arrivedMs - this.arrivedMs) / 1000 : 0;
    if (this.stampMs && frame.changes.length && !frame.full) {
      const spacing = frame.stampMs - this.stampMs;
      if (spacing > 0 && spacing < 250) this.periodMs += 0.05 * (spacing - this.periodMs);
    }
    this.latenessMs = Math.min(this.latenessMs + LEAK_MS_PER_S * sinceS, lateness);
    this.jitterMs = Math.max(this.jitterMs * 0.5 ** (sinceS / JITTER_HALF_LIFE_S), Math.min(MAX_DELAY_MS, lateness - this.latenessMs));
    this.stampMs = frame.stampMs;
    this.arrivedMs = arrivedMs;
  }

  /** @param {Step} step */
  take(step) {
    for (const { channel, rows, values } of step.changes) {
      const { to, width } = this.channels[channel];
      for (let i = 0; i < rows.length; i++) for (let k = 0; k < width; k++) to[rows[i] * width + k] = values[i * width + k];
      this.channels[channel].rows = rows;
    }
  }

  /**
   * Go on to an instant.
   * @param {number} nowMs Of `performance.now()`.
   * @param {(channel: number, row: number) => void} changed Told of every entry whose `out` is another one now.
   */
  advance(nowMs, changed) {
    if (!this.started) return;
    const playMs = nowMs - this.latenessMs - this.delayMs;
    const hurried = this.queue.length > MAX_QUEUE;  // the tab was hidden: nothing of that needs to be shown
    while (this.queue.length && (hurried || playMs >= this.toMs)) {
      this.settle(changed);
      const step = /** @type {Step} */ (this.queue.shift());
      this.fromMs = Math.max(this.toMs, step.stampMs - 1.5 * this.periodMs);  // it stood still until then
      this.toMs = step.stampMs;
      this.take(step);
    }
    const share = this.toMs > this.fromMs ? (playMs - this.fromMs) / (this.toMs - this.fromMs) : 1;
    this.shownMs = this.fromMs + Math.min(1, Math.max(0, share)) * (this.toMs - this.fromMs);
    if (share >= 1) return this.settle(changed);
    this.channels.forEach((channel, number) => {
      for (let i = 0; channel.rows && i < channel.rows.length; i++) {
        mix(channel, channel.rows[i], Math.max(0, share));
        changed(number, channel.rows[i]);
      }
    });
  }

  /** Show the newer of the two updates. @param {(channel: number, row: number) => void} changed */
  settle(changed) {
    this.channels.forEach((channel, number) => {
      for (let i = 0; channel.rows && i < channel.rows.length; i++) {
        const begin = channel.rows[i] * channel.width;
        for (let k = begin; k < begin + channel.width; k++) channel.out[k] = channel.from[k] = channel.to[k];
        changed(number, channel.rows[i]);
      }
      channel.rows = null;
    });
  }
}

/** @param {Channel} channel @param {number} row @param {number} share */
function mix({ kind, width, from, to, out }, row, share) {
  const begin = row * width;
  let sign = 1;
  if (kind === "quaternion") {
    let dot = 0;
    for (let k = begin; k < begin + 4; k++) dot += from[k] * to[k];
    sign = dot < 0 ? -1 : 1;
  }
  for (let k = begin; k < begin + width; k++) {
    let step = sign * to[k] - from[k];
    if (kind === "angles") step -= 360 * Math.round(step / 360);
    out[k] = from[k] + share * step;
  }
}
