/** The daemon itself: its sources, its parts, and why it is not ready where it is not. Asked once a second. */

import { getJson } from "../net/api.js";
import { at, make, say } from "./elements.js";
import { count, span } from "./format.js";

const ASK_MS = 1000;

/** @param {import("../net/clock.js").DaemonClock} clock @param {() => boolean} wanted Whether it is worth asking. */
export function watchSystem(clock, wanted) {
  /** @type {Map<string, {received: number, atMs: number}>} */
  const before = new Map();
  const ask = async () => {
    try {
      if (!document.hidden && wanted()) {
        const asked = performance.timeOrigin + performance.now();
        const status = await getJson("api/v1/status");
        clock.add(asked, performance.timeOrigin + performance.now(), status.now_ns / 1e6);
        show(status, before);
      }
    } catch {
      // The connection's own state says what is wrong.
    }
    setTimeout(ask, ASK_MS);
  };
  ask();
}

/** @param {any} status @param {Map<string, {received: number, atMs: number}>} before */
function show(status, before) {
  document.title = `${status.instance} · twind`;
  say(at("instance"), status.instance);
  say(at("system-state"), status.ready ? "ready" : "not ready");
  if (!(/** @type {HTMLDetailsElement} */ (at("system")).open) && status.ready) return;
  const now = performance.now();
  const rows = status.sources.map((/** @type {any} */ source) => {
    const last = before.get(source.name);
    const rate = last ? Math.round(((source.received - last.received) / (now - last.atMs)) * 1000) : null;
    before.set(source.name, { received: source.received, atMs: now });
    const lost = source.refused + source.dropped ? `, ${count(source.refused)} refused, ${count(source.dropped)} dropped` : "";
    const text = `${source.connected ? "connected" : "away"} ${span(source.since_s)}, ${rate === null ? "" : `${count(rate)}/s, `}${count(source.received)} received${lost}`;
    return fact(source.name, source.connected ? text : `${text}. ${source.detail}`, source.connected ? "ok" : "lost");
  });
  const parts = status.components.filter((/** @type {any} */ one) => one.state !== "ok" || one.restarts);
  at("system-body").replaceChildren(
    make("dl", { class: "system" },
      ...status.reasons.map((/** @type {string} */ reason) => fact("not ready", reason, "lost")),
      ...rows,
      ...parts.map((/** @type {any} */ one) => fact(one.name, `${one.state}${one.restarts ? `, ${one.restarts} restarts` : ""}${one.error ? `. ${one.error}` : ""}`, one.state === "ok" ? "coasting" : "stale")),
      fact("stage", `update ${count(status.stage.seq)}, up to ${status.stage.rate_hz} Hz`, "ok"),
      fact("daemon", `twind ${status.version}, up ${span(status.uptime_s)}`, "ok")),
    make("p", { class: "path", text: status.stage.root }));
}

/** @param {string} name @param {string} text @param {string} state */
function fact(name, text, state) {
  return make("div", { "data-status": state, class: "status" }, make("dt", { text: name }), make("dd", { text }));
}
