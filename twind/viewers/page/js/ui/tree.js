/** The list of entities as a tree for mouse, finger, keyboard and screen reader (WAI-ARIA tree view pattern). */

import { at, make, say, setStatus, statusMark } from "./elements.js";
import { age } from "./format.js";

const TITLES = { robot: "Robots", object: "Objects" };

export class Tree {
  /** @param {(entity: number) => void} choose @param {(entity: number) => void} hover */
  constructor(choose, hover) {
    this.root = at("tree");
    this.filter = /** @type {HTMLInputElement} */ (at("filter"));
    this.choose = choose;
    /** @type {HTMLElement[]} By entity. */
    this.items = [];
    /** @type {import("../twin/entities.js").Entities | null} */
    this.entities = null;
    this.selected = -1;
    this.filter.addEventListener("input", () => this.sift());
    this.filter.addEventListener("keydown", (event) => event.key === "ArrowDown" && (this.focus(this.visible()[0]), event.preventDefault()));
    this.root.addEventListener("click", (event) => this.act(/** @type {HTMLElement} */ (event.target)));
    this.root.addEventListener("keydown", (event) => this.key(event));
    this.root.addEventListener("pointerover", (event) => hover(this.entityOf(/** @type {HTMLElement} */ (event.target))));
    this.root.addEventListener("pointerleave", () => hover(-1));
  }

  /** @param {import("../twin/entities.js").Entities} entities */
  show(entities) {
    this.entities = entities;
    this.items = [];
    const groups = Object.entries(Object.groupBy([...entities.all.keys()], (index) => entities.all[index].kind));
    this.root.replaceChildren(...groups.map(([kind, members]) => this.group(kind, members ?? [])));
    at("filter").parentElement?.toggleAttribute("hidden", entities.all.length < 12);
    this.reach(this.visible()[0]);
    this.select(this.selected);
    this.sift();
  }

  /** @param {string} kind @param {number[]} members */
  group(kind, members) {
    const title = TITLES[/** @type {"robot" | "object"} */ (kind)] ?? kind;
    const id = `kind-${kind}`;
    const row = make("div", { role: "treeitem", "aria-expanded": "true", "aria-level": "1", tabindex: "-1", class: "kind row", id },
      make("span", { class: "twist", "aria-hidden": "true" }), make("span", { class: "name", text: title }), make("span", { class: "dim", text: String(members.length) }));
    return make("div", { role: "none" }, row, make("div", { role: "group", "aria-labelledby": id }, ...members.map((index) => this.item(index))));
  }

  /** @param {number} index */
  item(index) {
    const { id, prim, status } = /** @type {import("../twin/entities.js").Entities} */ (this.entities).all[index];
    const item = make("div", { role: "treeitem", "aria-level": "2", "aria-selected": "false", tabindex: "-1", class: "entity row", title: prim, "data-entity": String(index) },
      statusMark(status), make("span", { class: "name", text: id }), make("span", { class: "age dim" }));
    this.items[index] = item;
    return item;
  }

  /** Say how all of them are now. */
  refresh() {
    const { entities } = this;
    if (!entities) return;
    entities.all.forEach(({ status }, index) => {
      const item = this.items[index];
      setStatus(/** @type {Element} */ (item.firstElementChild), status);
      say(/** @type {Element} */ (item.lastElementChild), age(entities.age(index)));
    });
  }

  /** @param {number} entity */
  select(entity) {
    this.items[this.selected]?.setAttribute("aria-selected", "false");
    this.selected = entity;
    const item = this.items[entity];
    item?.setAttribute("aria-selected", "true");
    if (item && !item.hidden) this.reach(item);
    item?.scrollIntoView({ block: "nearest" });
  }

  sift() {
    const wanted = this.filter.value.trim().toLowerCase();
    this.items.forEach((item, index) => {
      const { id, prim } = /** @type {import("../twin/entities.js").Entities} */ (this.entities).all[index];
      item.hidden = !`${id} ${prim}`.toLowerCase().includes(wanted);
    });
    for (const kind of this.root.children) /** @type {HTMLElement} */ (kind).hidden = !kind.querySelector(".entity:not([hidden])");
    if (!this.visible().includes(/** @type {HTMLElement} */ (this.root.querySelector('[tabindex="0"]')))) this.reach(this.visible()[0]);
  }

  /** @returns {HTMLElement[]} Items that can be reached by keys, in order. */
  visible() {
    const all = /** @type {HTMLElement[]} */ ([...this.root.querySelectorAll('[role="treeitem"]')]);
    return all.filter((item) => !item.hidden && !item.closest('[aria-expanded="false"] + [role="group"], [hidden]'));
  }

  /** @param {HTMLElement | undefined} item Make it the one that Tab leads to. */
  reach(item) {
    this.root.querySelector('[tabindex="0"]')?.setAttribute("tabindex", "-1");
    item?.setAttribute("tabindex", "0");
  }

  /** @param {HTMLElement | undefined} item */
  focus(item) {
    if (!item) return;
    this.reach(item);
    item.focus();
  }

  /** @param {Element} element */
  entityOf(element) {
    const item = element.closest("[data-entity]");
    return item ? Number(item.getAttribute("data-entity")) : -1;
  }

  /** @param {HTMLElement} element */
  act(element) {
    const item = /** @type {HTMLElement | null} */ (element.closest('[role="treeitem"]'));
    if (!item) return;
    this.reach(item);
    if (item.hasAttribute("aria-expanded")) item.setAttribute("aria-expanded", String(item.getAttribute("aria-expanded") !== "true"));
    else this.choose(this.entityOf(item));
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const item = /** @type {HTMLElement} */ (/** @type {HTMLElement} */ (event.target).closest('[role="treeitem"]'));
    const items = this.visible();
    const place = items.indexOf(item);
    const kind = /** @type {HTMLElement | null} */ (item.closest('[role="group"]')?.previousElementSibling ?? null);
    const expanded = item.getAttribute("aria-expanded");
    if (event.key === "ArrowDown") this.focus(items[place + 1]);
    else if (event.key === "ArrowUp") this.focus(items[place - 1]);
    else if (event.key === "Home") this.focus(items[0]);
    else if (event.key === "End") this.focus(items[items.length - 1]);
    else if (event.key === "ArrowRight" && expanded) expanded === "true" ? this.focus(items[place + 1]) : item.setAttribute("aria-expanded", "true");
    else if (event.key === "ArrowLeft") expanded === "true" ? item.setAttribute("aria-expanded", "false") : this.focus(kind ?? undefined);
    else if (event.key === "Enter" || event.key === " ") this.act(item);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
