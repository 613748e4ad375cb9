/** What is known of one entity: its joints or its pose, with how sure that is. */

import { getJson } from "../net/api.js";
import { at, make, say, setStatus, statusMark } from "./elements.js";
import { age, angles, fixed, shownAs, small } from "./format.js";
import { Plot } from "./plot.js";

const ASK_MS = 200;

export class Details {
  /** @param {import("../net/clock.js").DaemonClock} clock @param {() => boolean} live */
  constructor(clock, live) {
    this.panel = at("details");
    this.body = at("details-body");
    this.title = at("details-title");
    this.clock = clock;
    this.live = live;
    this.id = "";
    /** @type {Plot | null} */
    this.plot = null;
    this.timer = 0;
    /** @type {Map<string, Record<string, HTMLElement>>} */
    this.rows = new Map();
    this.plotted = "";
    /** @type {() => number | null} */
    this.ageNow = () => null;
  }

  /** @param {{id: string, prim: string, kind: string, status: string}} entity @param {() => number | null} ageNow */
  show(entity, ageNow) {
    this.hide();
    Object.assign(this, { id: entity.id, ageNow });
    this.panel.hidden = false;
    document.body.classList.add("chosen");
    say(this.title, entity.id);
    this.status = statusMark(entity.status);
    this.age = make("dd");
    this.behind = make("dd");
    this.body.replaceChildren(
      make("p", { class: "sub" }, this.status, make("span", { class: "dim", text: entity.kind })),
      make("dl", { class: "facts" },
        make("div", { title: "How old the newest measurement is" }, make("dt", { text: "age" }), this.age),
        make("div", { title: "The instant that is shown, from now" }, make("dt", { text: "shown for" }), this.behind)),
    );
    this.content = make("div");
    this.path = make("p", { class: "path", text: entity.prim });
    this.body.append(this.content, this.path);
    this.ask();
  }

  hide() {
    clearTimeout(this.timer);
    this.plot?.stop();
    this.plot = null;
    this.plotted = "";
    this.rows.clear();
    this.id = "";
    this.panel.hidden = true;
    document.body.classList.remove("chosen");
  }

  /** @param {string} status */
  refresh(status) {
    if (!this.status || !this.age) return;
    setStatus(this.status, status);
    say(this.age, age(this.ageNow()));
  }

  async ask() {
    const { id } = this;
    try {
      if (!document.hidden && this.live()) {
        const document_ = await getJson(`api/v1/entities/${id.split("/").map(encodeURIComponent).join("/")}`);
        if (this.id !== id) return;
        this.fill(document_);
      }
    } catch {
      // The connection's own state says what is wrong.
    }
    if (this.id === id) this.timer = setTimeout(() => this.ask(), ASK_MS);
  }

  /** @param {any} entity */
  fill(entity) {
    if (this.behind) say(this.behind, entity.stamp_ns ? `${age((this.clock.nowMs() - entity.stamp_ns / 1e6) / 1000)} ago` : "nothing yet");
    if (entity.joints) this.joints(entity.joints);
    else if (entity.pose) this.pose(entity.pose);
  }

  /** @param {Record<string, any>} joints */
  joints(joints) {
    if (!this.rows.size) this.build(joints);
    for (const [name, joint] of Object.entries(joints)) {
      const row = this.rows.get(name);
      if (!row) continue;
      const { unit, factor, digits } = shownAs(joint.unit);
      say(row.value, `${fixed(joint.position * factor, digits)} ${unit}`);
      say(row.std, joint.position_std === null ? "–" : `± ${small(joint.position_std * factor)}`);
      say(row.speed, `${fixed(joint.velocity * factor, 1)}`);
      setStatus(row.status, joint.status);
      row.row.classList.toggle("limited", !!joint.limited);
      say(row.flag, joint.limited ? "at limit" : "");
      if (row.bar) {
        const share = (joint.position - joint.lower) / (joint.upper - joint.lower);
        row.bar.style.left = `${100 * Math.min(1, Math.max(0, share))}%`;
      }
    }
  }

  /** @param {Record<string, any>} joints */
  build(joints) {
    const head = make("tr", {}, ...["joint", "position", "1 σ", "speed / s"].map((text, i) => make("th", { scope: "col", ...(i ? { class: "num" } : {}), text })));
    const body = make("tbody");
    for (const [name, joint] of Object.entries(joints)) body.append(...this.row(name, joint));
    const canvas = make("canvas", { class: "plot", role: "img", "aria-label": "A joint over time" });
    const legend = make("p", { class: "legend dim" },
      make("span", { class: "key line" }), "estimated", make("span", { class: "key band" }), "2 σ", make("span", { class: "key dot" }), "measured", make("span", { class: "key cross" }), "refused");
    this.plotTitle = make("h3");
    this.content?.replaceChildren(
      make("table", { class: "joints" }, make("caption", { class: "quiet", text: "Joints; choose one to see it over time" }), make("thead", {}, head), body),
      make("section", { class: "plotted", "aria-label": "Plot" }, this.plotTitle, canvas, legend));
    this.plot = new Plot(canvas, this.clock, this.live);
    const first = Object.keys(joints)[0];
    if (first) this.choose(first, joints[first].unit);
  }

  /** @param {string} name @param {any} joint */
  row(name, joint) {
    const { unit, factor, digits } = shownAs(joint.unit);
    const status = statusMark(joint.status);
    const flag = make("span", { class: "flag" });
    const button = make("button", { type: "button", "aria-pressed": "false", title: `Plot ${name}` }, name);
    button.addEventListener("click", () => this.choose(name, joint.unit));
    const [value, std, speed] = [0, 1, 2].map(() => make("td", { class: "num" }));
    const row = make("tr", {}, make("th", { scope: "row" }, status, button, flag), value, std, speed);
    /** @type {Record<string, HTMLElement>} */
    const parts = { row, value, std, speed, status, flag, button };
    this.rows.set(name, parts);
    if (joint.lower === null || joint.upper === null) return [row];
    const bar = make("span", { class: "at" });
    parts.bar = bar;
    const text = (/** @type {number} */ limit) => fixed(limit * factor, Math.max(0, digits - 2));
    const limits = make("td", { colspan: "4", class: "limits" },
      make("div", {}, make("span", { class: "dim", text: text(joint.lower) }), make("span", { class: "range", role: "presentation" }, bar), make("span", { class: "dim", text: `${text(joint.upper)} ${unit}` })));
    limits.setAttribute("aria-label", `limits of ${name}: ${text(joint.lower)} to ${text(joint.upper)} ${unit}`);
    return [row, make("tr", { class: "limits" }, limits)];
  }

  /** @param {string} name @param {string} unit */
  choose(name, unit) {
    for (const [other, { button }] of this.rows) button.setAttribute("aria-pressed", String(other === name));
    if (this.plotTitle) say(this.plotTitle, `${name}, ${shownAs(unit).unit}`);
    this.plot?.start(this.id, name, unit);
  }

  /** @param {any} pose */
  pose(pose) {
    if (!this.rows.size) {
      const fact = (/** @type {string} */ name, /** @type {string} */ unit) => {
        const value = make("td", { class: "num" });
        this.rows.set(name, { value });
        return make("tr", {}, make("th", { scope: "row", text: name }), value, make("td", { class: "dim", text: unit }));
      };
      const rows = [["x", "mm"], ["y", "mm"], ["z", "mm"], ["yaw", "°"], ["pitch", "°"], ["roll", "°"], ["position, 1 σ", "mm"], ["rotation, 1 σ", "°"]];
      this.content?.replaceChildren(make("table", { class: "pose" }, make("caption", { class: "quiet", text: "Pose in the world" }), make("tbody", {}, ...rows.map(([name, unit]) => fact(name, unit)))));
    }
    const values = { x: pose.position[0] * 1e3, y: pose.position[1] * 1e3, z: pose.position[2] * 1e3 };
    const [yaw, pitch, roll] = angles(pose.orientation);
    for (const [name, value] of Object.entries({ ...values, yaw, pitch, roll })) say(/** @type {any} */ (this.rows.get(name)).value, fixed(value, 1));
    const sure = (/** @type {number | null} */ std, /** @type {number} */ factor) => (std === null ? "–" : small(std * factor));
    say(/** @type {any} */ (this.rows.get("position, 1 σ")).value, sure(pose.position_std, 1e3));
    say(/** @type {any} */ (this.rows.get("rotation, 1 σ")).value, sure(pose.rotation_std, 180 / Math.PI));
  }
}
