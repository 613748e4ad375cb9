/** What the stream says of each entity besides where it is: its status, and how old its news are. */

const WORDS = ["ok", "coasting", "stale", "lost"];

/**
 * @typedef {object} Entity
 * @property {string} id @property {string} kind @property {string} prim
 * @property {string} status One of ok, coasting, stale, lost.
 * @property {number} ageS As the daemon said it last [s]; negative: there was never any news.
 * @property {number} saidMs When it said so (`performance.now()`).
 */

export class Entities {
  /** @param {any} catalogue */
  constructor(catalogue) {
    /** @type {Entity[]} */
    this.all = catalogue.entities.map((/** @type {any} */ one) => ({ id: one.id, kind: one.kind, prim: one.prim, status: "lost", ageS: -1, saidMs: 0 }));
    const placeOf = new Map(catalogue.entities.map((/** @type {any} */ one, /** @type {number} */ place) => [one.index, place]));
    /** @type {Map<number, (row: number, value: number, now: number) => void>} */
    this.readers = new Map();
    catalogue.groups.forEach((/** @type {any} */ group, /** @type {number} */ number) => {
      const name = group.attributes[0]?.name;
      const at = group.attributes.map((/** @type {any} */ one) => this.all[placeOf.get(one.entity) ?? -1]);
      if (name === "twind:quality") this.readers.set(number, (row, value) => at[row] && (at[row].status = group.names?.[value] ?? WORDS[value]));
      if (name === "twind:age") this.readers.set(number, (row, value, now) => at[row] && ((at[row].ageS = value), (at[row].saidMs = now)));
    });
    this.byPrim = [...this.all.keys()].sort((a, b) => this.all[b].prim.length - this.all[a].prim.length);
  }

  /** @param {import("../net/frames.js").Frame} frame @param {number} now */
  take(frame, now) {
    for (const { group, rows, values } of frame.changes) {
      const read = this.readers.get(group);
      for (let i = 0; read && i < values.length; i++) read(rows ? rows[i] : i, values[i], now);
    }
  }

  /** @param {number} index @returns {number | null} Age of its news now [s]. */
  age(index) {
    const { ageS, saidMs, status } = this.all[index];
    if (ageS < 0) return null;
    // While messages come, each brings the age anew; the time since counts where it has stopped.
    const sinceS = (performance.now() - saidMs) / 1000;
    return status === "ok" && sinceS < 0.5 ? ageS : ageS + sinceS;
  }

  /** @param {string} prim @returns {number} The entity that a prim belongs to; -1: none. */
  owning(prim) {
    return this.byPrim.find((index) => prim === this.all[index].prim || prim.startsWith(`${this.all[index].prim}/`)) ?? -1;
  }
}
