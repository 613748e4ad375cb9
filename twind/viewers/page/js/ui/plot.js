/** A joint over the last seconds: what was measured as dots, what is estimated as a line with its two-sigma band. */

import { getJson } from "../net/api.js";
import { fixed, shownAs } from "./format.js";

const SHOWN_S = 8;
const ASK_MS = 200;
const BEHIND_MS = 350;
const MAX_POINTS = 6000;

export class Plot {
  /** @param {HTMLCanvasElement} canvas @param {import("../net/clock.js").DaemonClock} clock @param {() => boolean} live */
  constructor(canvas, clock, live) {
    this.canvas = canvas;
    this.clock = clock;
    this.live = live;
    this.after = 0;
    this.frozenMs = 0;
    /** @type {{t: number, y: number, used: boolean}[]} */
    this.measured = [];
    /** @type {{t: number, y: number, std: number}[]} */
    this.estimated = [];
    this.name = "";
    this.timer = 0;
    this.low = this.high = NaN;
  }

  /** @param {string} entity @param {string} joint @param {string} unit */
  start(entity, joint, unit) {
    this.stop();
    Object.assign(this, { entity, joint, unit: shownAs(unit), after: 0, low: NaN, high: NaN, running: true });
    this.measured.length = this.estimated.length = 0;
    this.ask();
    const draw = () => {
      if (!this.running) return;
      this.draw();
      this.frame = requestAnimationFrame(draw);
    };
    draw();
  }

  stop() {
    this.running = false;
    clearTimeout(this.timer);
    cancelAnimationFrame(this.frame ?? 0);
  }

  async ask() {
    const { entity, joint, unit } = this;
    try {
      if (!document.hidden && this.live()) {
        const query = new URLSearchParams({ entity: entity ?? "", joint: joint ?? "", after: String(this.after) });
        const answer = await getJson(`api/v1/trace?${query}`);
        if (this.entity !== entity || this.joint !== joint || !this.running || !unit) return;
        this.after = answer.next;
        const { measured, estimated } = answer;
        measured.stamp_ns.forEach((/** @type {number} */ t, /** @type {number} */ i) =>
          this.measured.push({ t: t / 1e6, y: measured.position[i] * unit.factor, used: ["accepted", "reset"].includes(measured.verdict[i]) }));
        estimated.stamp_ns.forEach((/** @type {number} */ t, /** @type {number} */ i) =>
          this.estimated.push({ t: t / 1e6, y: estimated.position[i] * unit.factor, std: estimated.position_std[i] * unit.factor }));
        this.forget();
        this.describe();
      }
    } catch {
      // The connection's own state says what is wrong.
    }
    if (this.running && this.entity === entity && this.joint === joint) this.timer = setTimeout(() => this.ask(), ASK_MS);
  }

  forget() {
    const oldest = (this.estimated.at(-1)?.t ?? 0) - (SHOWN_S + 2) * 1000;
    for (const list of [this.measured, this.estimated]) {
      let gone = 0;
      while (gone < list.length && (list[gone].t < oldest || list.length - gone > MAX_POINTS)) gone += 1;
      list.splice(0, gone);
    }
    this.estimated.sort((a, b) => a.t - b.t);
  }

  describe() {
    const last = this.estimated.at(-1);
    if (!last || !this.unit) return;
    const { unit, digits } = this.unit;
    const text = `${this.joint} over the last ${SHOWN_S} seconds: now ${fixed(last.y, digits)} ${unit}, between ${fixed(this.low, digits)} and ${fixed(this.high, digits)} ${unit}`;
    this.canvas.setAttribute("aria-label", text);
  }

  draw() {
    const { canvas, unit } = this;
    const ratio = Math.min(devicePixelRatio, 2);
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const paper = canvas.getContext("2d");
    if (!paper || !unit || !width) return;
    const style = getComputedStyle(canvas);
    const ink = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
    paper.setTransform(ratio, 0, 0, ratio, 0, 0);
    paper.clearRect(0, 0, width, height);
    paper.font = "11px system-ui, sans-serif";
    if (this.live() || !this.frozenMs) this.frozenMs = this.clock.nowMs() - BEHIND_MS;
    const end = this.frozenMs;
    const begin = end - SHOWN_S * 1000;
    const shown = this.estimated.filter(({ t }) => t >= begin - 500 && t <= end + 500);
    const dots = this.measured.filter(({ t }) => t >= begin && t <= end);
    this.scale(shown, dots);
    const left = 46;
    const x = (/** @type {number} */ t) => left + ((t - begin) / (end - begin)) * (width - left - 6);
    const y = (/** @type {number} */ value) => height - 20 - ((value - this.low) / (this.high - this.low)) * (height - 30);
    this.axes(paper, ink, { left, width, height, x, y, end });
    if (!shown.length) {
      paper.fillStyle = ink("--dim");
      paper.fillText("waiting for measurements", left + 10, height / 2);
      return;
    }
    paper.save();
    paper.beginPath();
    paper.rect(left, 4, width - left - 4, height - 22);
    paper.clip();
    paper.fillStyle = ink("--band");
    paper.beginPath();
    shown.forEach((one, i) => paper[i ? "lineTo" : "moveTo"](x(one.t), y(one.y + 2 * one.std)));
    [...shown].reverse().forEach((one) => paper.lineTo(x(one.t), y(one.y - 2 * one.std)));
    paper.fill();
    const step = Math.max(1, Math.ceil(dots.length / 1200));
    dots.forEach((dot, i) => {
      if (dot.used && i % step) return;
      paper.fillStyle = paper.strokeStyle = ink(dot.used ? "--measured" : "--stale");
      if (dot.used) paper.fillRect(x(dot.t) - 1, y(dot.y) - 1, 2, 2);
      else {
        paper.beginPath();  // refused: a cross
        paper.moveTo(x(dot.t) - 3, y(dot.y) - 3);
        paper.lineTo(x(dot.t) + 3, y(dot.y) + 3);
        paper.moveTo(x(dot.t) - 3, y(dot.y) + 3);
        paper.lineTo(x(dot.t) + 3, y(dot.y) - 3);
        paper.stroke();
      }
    });
    paper.strokeStyle = ink("--accent");
    paper.lineWidth = 1.6;
    paper.lineJoin = "round";
    paper.beginPath();
    shown.forEach((one, i) => paper[i ? "lineTo" : "moveTo"](x(one.t), y(one.y)));
    paper.stroke();
    paper.restore();
  }

  /** Keep all of it in sight, without jumping about. @param {{y: number, std: number}[]} shown @param {{y: number, used: boolean}[]} dots */
  scale(shown, dots) {
    let [low, high] = [Infinity, -Infinity];
    for (const { y, std } of shown) [low, high] = [Math.min(low, y - 2 * std), Math.max(high, y + 2 * std)];
    for (const { y, used } of dots) if (used) [low, high] = [Math.min(low, y), Math.max(high, y)];
    if (low > high) [low, high] = [-1, 1];
    const least = this.unit?.unit === "mm" ? 0.5 : 0.05;
    const margin = Math.max((high - low) * 0.08, least);
    [low, high] = [low - margin, high + margin];
    const ease = Number.isNaN(this.low) ? 1 : 0.12;
    this.low = low < this.low || Number.isNaN(this.low) ? low : this.low + ease * (low - this.low);
    this.high = high > this.high || Number.isNaN(this.high) ? high : this.high + ease * (high - this.high);
  }

  /** @param {CanvasRenderingContext2D} paper @param {(name: string) => string} ink @param {any} place */
  axes(paper, ink, { left, width, height, x, y, end }) {
    paper.strokeStyle = ink("--line");
    paper.fillStyle = ink("--dim");
    paper.lineWidth = 1;
    const span = this.high - this.low;
    const step = [1, 2, 5, 10].map((one) => one * 10 ** Math.floor(Math.log10(span / 3))).find((one) => span / one <= 4) ?? span;
    const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
    paper.textAlign = "right";
    for (let value = Math.ceil(this.low / step) * step; value <= this.high; value += step) {
      const at = Math.round(y(value)) + 0.5;
      if (at < 8) continue;
      paper.beginPath();
      paper.moveTo(left, at);
      paper.lineTo(width - 6, at);
      paper.stroke();
      paper.fillText(fixed(value, digits), left - 6, at + 4);
    }
    for (let ago = 0; ago <= SHOWN_S; ago += 2) {
      paper.textAlign = ago ? "center" : "right";
      paper.fillText(ago ? `\u2212${ago} s` : "now", ago ? x(end - ago * 1000) : width - 6, height - 4);
    }
    paper.textAlign = "left";
  }
}
