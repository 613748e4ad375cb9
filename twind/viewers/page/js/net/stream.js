/** Keeps the live stream: connects, says hello, acknowledges, notices silence, and comes back by itself, less and less eagerly. */

import { subprotocols } from "./access.js";
import { getJson, Refusal } from "./api.js";
import { decode } from "./frames.js";

export const SILENT_MS = 1000;
const ACK_MS = 250;
const LOOK_MS = 50;
const FIRST_RETRY_MS = 400;
const LAST_RETRY_MS = 8000;
const OPEN_WITHIN_MS = 6000;

/**
 * @typedef {object} Listener
 * @property {(catalogue: any) => void} onCatalogue
 * @property {(frame: import("./frames.js").Frame, arrivedMs: number) => void} onFrame
 * @property {(state: StreamState) => void} onState
 * @property {() => void} onTokenNeeded
 */

/**
 * @typedef {object} StreamState
 * @property {"connecting" | "live" | "stale" | "away" | "refused"} word
 * @property {string} reason A sentence, or nothing.
 * @property {number} silentMs How long nothing was heard [ms].
 * @property {number} retryMs Until the next attempt [ms]; 0 where none is planned.
 */

export class Stream {
  /** @param {Listener} listener */
  constructor(listener) {
    this.listener = listener;
    /** @type {WebSocket | null} */
    this.socket = null;
    /** @type {any} */
    this.catalogue = null;
    this.sequence = -1;
    this.heardMs = performance.now();
    this.everHeard = false;
    this.failures = 0;
    this.retryAtMs = 0;
    this.reason = "";
    this.stageReason = "";
    this.stopped = false;
    this.openedMs = 0;
    this.ackedMs = 0;
    setInterval(() => this.look(), LOOK_MS);
    addEventListener("online", () => this.retryNow());
    document.addEventListener("visibilitychange", () => document.hidden || this.retryNow());
  }

  /** Connect now. */
  connect() {
    this.stopped = false;
    this.retryAtMs = 0;
    this.drop();
    const socket = new WebSocket(new URL("live", location.href.replace(/^http/, "ws").replace(/[?#].*$/, "")), subprotocols());
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    this.openedMs = performance.now();
    socket.onopen = () => socket.send(JSON.stringify({ type: "hello", client: "the page", acknowledges: true, subscribe: {} }));
    socket.onmessage = (event) => this.socket === socket && this.take(event.data);
    socket.onclose = () => this.socket === socket && this.lost();
    this.look();
  }

  retryNow() {
    if (this.retryAtMs && !this.stopped) this.connect();
  }

  /** @param {string | ArrayBuffer} data */
  take(data) {
    const now = performance.now();
    this.heardMs = now;
    if (typeof data === "string") this.hear(JSON.parse(data));
    else this.show(decode(data, this.catalogue.groups), now);
  }

  /** @param {any} message */
  hear(message) {
    if (message.type === "catalogue") {
      this.catalogue = message;
      this.sequence = -1;
      this.listener.onCatalogue(message);
    } else if (message.type === "stale") {
      this.stageReason = message.stale ? message.reason || "the daemon cannot write its stage" : "";
    } else if (message.type === "end") {
      this.reason = message.message;
      this.stopped = !message.again;
    }
  }

  /** @param {import("./frames.js").Frame} frame @param {number} now */
  show(frame, now) {
    if (frame.catalogue !== this.catalogue.catalogue) return;
    if (!frame.full && frame.base !== this.sequence) {
      if (this.sequence >= 0) this.send({ type: "resync" });
      this.sequence = -1;
      return;
    }
    this.sequence = frame.sequence;
    this.everHeard = true;
    this.failures = 0;
    this.reason = "";
    this.listener.onFrame(frame, now);
    if (now - this.ackedMs > ACK_MS) {
      this.ackedMs = now;
      this.send({ type: "ack", sequence: frame.sequence });
    }
  }

  /** @param {object} message */
  send(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  drop() {
    const socket = this.socket;
    this.socket = null;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    }
  }

  lost() {
    this.drop();
    this.failures += 1;
    const wait = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 1.7 ** (this.failures - 1)) * (0.75 + 0.5 * Math.random());
    this.retryAtMs = this.stopped ? 0 : performance.now() + wait;
    this.askWhy();
    this.look();
  }

  /** A browser does not tell why a WebSocket was refused; an ordinary request does. */
  async askWhy() {
    try {
      await getJson("api/v1/status");
    } catch (error) {
      if (error instanceof Refusal && error.status === 401) {
        this.stopped = true;
        this.retryAtMs = 0;
        this.listener.onTokenNeeded();
      } else if (error instanceof Refusal) {
        this.reason = error.message;
      }
    }
  }

  /** Look whether it is time to do or to say something. */
  look() {
    const now = performance.now();
    const silentMs = now - this.heardMs;
    if (this.retryAtMs && now >= this.retryAtMs) {
      this.connect();
      return;
    }
    // What is open but silent for long is dead, and so is what does not open: a router that forgot the connection tells nobody.
    const patience = Math.max(OPEN_WITHIN_MS, 4 * SILENT_MS);
    if (this.socket && silentMs > patience && now - this.openedMs > patience) {
      this.lost();
      return;
    }
    this.listener.onState(this.state(now, silentMs));
  }

  /** @param {number} now @param {number} silentMs @returns {StreamState} */
  state(now, silentMs) {
    const retryMs = this.retryAtMs ? Math.max(0, this.retryAtMs - now) : 0;
    if (this.stopped) return { word: "refused", reason: this.reason, silentMs, retryMs };
    const open = this.socket?.readyState === WebSocket.OPEN;
    if (open && this.sequence >= 0 && silentMs <= SILENT_MS * 0.9) {
      return this.stageReason ? { word: "stale", reason: this.stageReason, silentMs, retryMs } : { word: "live", reason: "", silentMs, retryMs };
    }
    if (!this.everHeard) return { word: this.failures ? "away" : "connecting", reason: this.reason, silentMs, retryMs };
    return { word: open && this.sequence >= 0 ? "stale" : "away", reason: this.reason, silentMs, retryMs };
  }
}
