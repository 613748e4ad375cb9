/** Names over entities in the scene: of what is selected or pointed at, of all on demand, and of those of which there is no news. */

import { Vector3 } from "../../vendor/three/three.module.js";
import { at, make, say, setStatus, statusMark } from "../ui/elements.js";

const MOST = 40;

export class Tags {
  /** @param {import("./view.js").View} view */
  constructor(view) {
    this.view = view;
    this.layer = at("tags");
    /** @type {Map<number, HTMLElement>} */
    this.shown = new Map();
    this.all = false;
  }

  /** @param {import("../twin/entities.js").Entities} entities @param {number} selected @param {number} hovered */
  show(entities, selected, hovered) {
    const wanted = new Set([selected, hovered].filter((one) => one >= 0));
    for (let index = 0; index < entities.all.length && wanted.size < MOST; index++) {
      if (this.all || entities.all[index].status !== "ok") wanted.add(index);
    }
    for (const [index, tag] of this.shown) {
      if (wanted.has(index) && tag.dataset.id === entities.all[index]?.id) continue;
      tag.remove();
      this.shown.delete(index);
    }
    for (const index of wanted) this.place(entities, index, index === selected || index === hovered);
  }

  /** @param {import("../twin/entities.js").Entities} entities @param {number} index @param {boolean} marked */
  place(entities, index, marked) {
    const { id, status } = entities.all[index];
    let tag = this.shown.get(index);
    if (!tag) {
      tag = make("div", { class: "tag", "data-id": id }, statusMark(status), make("span", { class: "name", text: id }));
      this.shown.set(index, tag);
      this.layer.append(tag);
    }
    setStatus(/** @type {Element} */ (tag.firstElementChild), status);
    tag.classList.toggle("marked", marked);
    const box = this.view.batches?.boxOf(index);
    if (!box || box.isEmpty()) {
      tag.hidden = true;
      return;
    }
    const { x, y, ahead } = this.view.project(top.set((box.min.x + box.max.x) / 2, box.max.y, (box.min.z + box.max.z) / 2));
    tag.hidden = !ahead;
    tag.style.transform = `translate(-50%, -100%) translate(${x.toFixed(1)}px, ${(y - 8).toFixed(1)}px)`;
  }
}
const top = new Vector3();
