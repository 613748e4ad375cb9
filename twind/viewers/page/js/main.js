/** Joins the parts of the page: stream in, scene and panels out. */

import { takeFromAddress } from "./net/access.js";
import { get, Refusal } from "./net/api.js";
import { DaemonClock } from "./net/clock.js";
import { Stream } from "./net/stream.js";
import { Entities } from "./twin/entities.js";
import { Playback } from "./twin/playback.js";
import { worldFrom } from "./twin/world.js";
import { ConnectionNote } from "./ui/connection.js";
import { Details } from "./ui/details.js";
import { at, make, say } from "./ui/elements.js";
import { age } from "./ui/format.js";
import { watchSystem } from "./ui/system.js";
import { startTheme } from "./ui/theme.js";
import { askForToken } from "./ui/token.js";
import { Tree } from "./ui/tree.js";
import { Tags } from "./view/tags.js";
import { View } from "./view/view.js";

const REFRESH_MS = 250;
const SCENE_RETRY_MS = 3000;

takeFromAddress();

/** @type {Entities | null} */
let entities = null;
/** @type {Playback | null} */
let playback = null;
/** @type {import("./twin/world.js").World | null} */
let world = null;
let session = "";
let sceneOf = "";
let selected = -1;
let hovered = -1;
let word = "connecting";
/** @type {string[]} */
let statuses = [];
let updates = 0;
let latencyMs = NaN;

const clock = new DaemonClock();
const note = new ConnectionNote();
const live = () => word === "live" || word === "stale";
const details = new Details(clock, live);
const tree = new Tree(select, hover);
const view = new View(/** @type {HTMLCanvasElement} */ (at("canvas")), advance);
const tags = new Tags(view);
view.after = () => entities && tags.show(entities, selected, hovered);

const stream = new Stream({
  onCatalogue(catalogue) {
    session = catalogue.session;
    entities = new Entities(catalogue);
    playback = new Playback(catalogue);
    statuses = [];
    const id = details.id;
    tree.show(entities);
    if (session !== sceneOf) loadScene(session);
    else join(catalogue);
    const place = entities.all.findIndex((one) => one.id === id);
    if (place !== selected) select(place);
  },
  onFrame(frame, arrivedMs) {
    updates += frame.changes.length ? 1 : 0;
    playback?.push(frame, arrivedMs);
    entities?.take(frame, arrivedMs);
    if (frame.changes.length && clock.offsetMs !== null) {
      const tookMs = Math.max(0, clock.nowMs() - frame.stampMs);
      latencyMs = Number.isNaN(latencyMs) ? tookMs : latencyMs + 0.1 * (tookMs - latencyMs);
    }
  },
  onState(state) {
    word = state.word;
    note.show(state);
  },
  async onTokenNeeded() {
    await askForToken();
    if (session !== sceneOf) sceneOf = "";
    stream.connect();
  },
});

/** Load the scene of a session; tries again until it is there. @param {string} wanted */
async function loadScene(wanted) {
  sceneOf = wanted;
  if (!world) at("loading").hidden = false;
  try {
    const answer = await get("api/v1/scene.glb", 300_000);
    const loaded = await worldFrom(await answer.arrayBuffer());
    if (wanted !== session) return;
    world = loaded;
    const first = !view.world;
    view.show(world);
    join(stream.catalogue);
    if (first) view.overview(true);
    listCameras();
    at("loading").hidden = true;
  } catch (error) {
    if (wanted !== session) return;
    say(at("loading-text"), error instanceof Refusal ? error.message : "The scene cannot be loaded; trying again");
    if (error instanceof Refusal && error.status === 401) return;
    setTimeout(() => wanted === session && loadScene(wanted), SCENE_RETRY_MS);
  }
}

/** Join the scene to the stream, once both are there. @param {any} catalogue */
function join(catalogue) {
  if (!world || !playback || !entities || sceneOf !== session) return;
  world.bind(catalogue, playback);
  view.own(entities);
  statuses = [];
}

/** @param {number} nowMs @returns {boolean} Whether anything has moved. */
function advance(nowMs) {
  if (!world || !playback) return false;
  const there = world;
  playback.advance(nowMs, (channel, row) => there.touch(channel, row));
  const moved = world.settle();
  if (moved.size) view.moved(moved);
  return moved.size > 0;
}

/** @param {number} entity */
function select(entity) {
  selected = entity;
  tree.select(entity);
  view.owners.selected = entity;
  const one = entities?.all[entity];
  if (one) details.show(one, () => entities?.age(selected) ?? null);
  else details.hide();
  view.invalidate();
}

/** @param {number} entity */
function hover(entity) {
  if (entity === hovered) return;
  hovered = view.owners.hovered = entity;
  view.canvas.style.cursor = entity >= 0 ? "pointer" : "";
  view.invalidate();
}

// The read-outs, a few times a second.

let countedMs = performance.now();
let framesBefore = 0;
setInterval(() => {
  tree.refresh();
  if (entities && selected >= 0) details.refresh(entities.all[selected].status);
  shade();
  const now = performance.now();
  if (now - countedMs < 1000) return;
  const seconds = (now - countedMs) / 1000;
  say(at("rate"), word === "live" ? `${Math.round(updates / seconds)} Hz` : "–");
  say(at("latency"), word === "live" && !Number.isNaN(latencyMs) ? age(latencyMs / 1000) : "–");
  say(at("behind"), word === "live" && playback ? `${age(playback.delayMs / 1000)} late` : "–");
  say(at("fps"), `${Math.round((view.frames - framesBefore) / seconds)}/s`);
  [countedMs, updates, framesBefore] = [now, 0, view.frames];
}, REFRESH_MS);

/** Show in the scene of which entities there is no news, and say how many are well. */
function shade() {
  if (!entities) return;
  /** @type {Record<string, number>} */
  const counts = {};
  entities.all.forEach(({ status, id }, index) => {
    counts[status] = (counts[status] ?? 0) + 1;
    if (statuses[index] === status) return;
    const before = statuses[index];
    statuses[index] = status;
    view.batches?.dim(index, status === "stale" || status === "lost");
    if (before && index === selected) say(at("news"), `${id} is ${status}`);
    view.invalidate();
  });
  say(at("summary"), ["ok", "coasting", "stale", "lost"].filter((status) => counts[status]).map((status) => `${counts[status]} ${status}`).join(", "));
}

// What people do.

let pressed = { x: 0, y: 0 };
view.canvas.addEventListener("pointerdown", (event) => (pressed = { x: event.clientX, y: event.clientY }));
view.canvas.addEventListener("click", (event) => {
  if (Math.hypot(event.clientX - pressed.x, event.clientY - pressed.y) < 5) select(view.entityAt(event));
});
let pointedMs = 0;
view.canvas.addEventListener("pointermove", (event) => {
  if (event.pointerType !== "mouse" || event.buttons || performance.now() - pointedMs < 60) return;
  pointedMs = performance.now();
  hover(view.entityAt(event));
});
view.canvas.addEventListener("pointerleave", () => hover(-1));
view.canvas.addEventListener("dblclick", (event) => view.lookAt(view.entityAt(event)));
view.canvas.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (view.cameras.key(event)) event.preventDefault();
  else if (event.key === "Home" || event.key === "0") view.overview();
});
document.addEventListener("keydown", (event) => {
  const typing = event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement;
  if (typing || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.key === "Escape" && selected >= 0) close();
  else if (event.key === "f" || event.key === "F") selected >= 0 ? view.lookAt(selected) : view.overview();
  else if (event.key === "l" || event.key === "L") toggleLabels();
});

function close() {
  const inside = at("details").contains(document.activeElement);
  const item = tree.items[selected];
  select(-1);
  if (inside) tree.focus(item);
}
at("close").addEventListener("click", close);
at("look").addEventListener("click", () => view.lookAt(selected));

function toggleLabels() {
  tags.all = !tags.all;
  at("labels").setAttribute("aria-pressed", String(tags.all));
  view.invalidate();
}
at("labels").addEventListener("click", toggleLabels);

const views = /** @type {HTMLSelectElement} */ (at("view"));
views.addEventListener("change", () => (views.value ? view.lookAs(views.value) : view.overview()));
function listCameras() {
  const options = world?.cameras.map(({ prim }) => make("option", { value: prim, text: prim.split("/").pop() ?? prim })) ?? [];
  views.replaceChildren(make("option", { value: "", text: "All of it" }), ...options);
}

startTheme((look) => {
  view.ground.paint(look);
  view.owners.edge.uniforms.color.value.set(look.accent);
  view.invalidate();
});
watchSystem(clock, () => word !== "refused");
stream.connect();

/** For tests and for the curious: what is shown, in the stage's axes and metres. See docs/page.md. */
Object.assign(window, {
  twind: {
    links: () => world?.positions() ?? {},
    entities: () => entities?.all ?? [],
    selected: () => entities?.all[selected]?.id ?? null,
    select: (/** @type {string} */ id) => select(entities?.all.findIndex((one) => one.id === id) ?? -1),
    sequence: () => stream.sequence,
    silentMs: () => performance.now() - stream.heardMs,
    shownMs: () => playback?.shownMs ?? null,
    box: (/** @type {string} */ id) => {
      const box = view.batches?.boxOf(entities?.all.findIndex((one) => one.id === id) ?? -1);
      if (!box || box.isEmpty()) return null;
      const corners = [0, 1, 2, 3, 4, 5, 6, 7].map((i) => box.min.clone().set(i & 1 ? box.max.x : box.min.x, i & 2 ? box.max.y : box.min.y, i & 4 ? box.max.z : box.min.z));
      const { left, top } = view.canvas.getBoundingClientRect();
      return corners.map((corner) => view.project(corner)).map(({ x, y }) => [left + x, top + y]);
    },
    stats: () => ({ frames: view.frames, frameMs: view.pace.medianMs ?? null, level: view.pace.level, triangles: view.batches?.triangles ?? 0, calls: view.renderer.info.render.calls, pieces: view.batches?.pieces.length ?? 0 }),
    scene: view.scene,
  },
});
