/** Says how the stream is, on the page and, now and then, to a screen reader. */

import { at, say } from "./elements.js";
import { span } from "./format.js";

const WORDS = { connecting: "connecting", live: "live", stale: "stale", away: "no connection", refused: "refused" };
const SPOKEN_AFTER_MS = 1500;

export class ConnectionNote {
  constructor() {
    this.word = "connecting";
    this.sinceMs = performance.now();
    this.spoken = "";
    this.frozenAt = "";
  }

  /** @param {import("../net/stream.js").StreamState} state */
  show(state) {
    const now = performance.now();
    if (state.word !== this.word) {
      if (this.word === "live") this.frozenAt = new Date().toLocaleTimeString();
      this.word = state.word;
      this.sinceMs = now;
      document.body.dataset.connection = state.word;
      at("connection").dataset.state = state.word;
    }
    const silent = state.silentMs > 1000 && ["stale", "away"].includes(state.word) ? ` ${span(state.silentMs / 1000)}` : "";
    say(at("connection-text"), WORDS[state.word] + silent);
    this.notice(state);
    // What passes within a moment is not worth interrupting anybody.
    if (now - this.sinceMs > SPOKEN_AFTER_MS && this.spoken !== state.word && !(state.word === "live" && !this.spoken)) {
      say(at("news"), state.word === "live" ? "The stream is live again" : `The stream is ${WORDS[state.word]}`);
      this.spoken = state.word;
    }
  }

  /** @param {import("../net/stream.js").StreamState} state */
  notice(state) {
    const note = at("notice");
    note.hidden = ["live", "connecting"].includes(state.word);
    if (note.hidden) return;
    const retry = state.retryMs ? ` Trying again in ${Math.ceil(state.retryMs / 1000)} s.` : "";
    const shown = this.frozenAt ? ` What you see is as it was at ${this.frozenAt}.` : "";
    const what = state.reason ? `${state.reason.charAt(0).toUpperCase()}${state.reason.slice(1)}.` : "No news from the daemon.";
    say(note, what.replace("..", ".") + shown + retry);
  }
}
