"""The page as people have it: a real Chromium looks at a real daemon whose robots move."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from aiohttp import ClientSession

from tests.end_to_end.daemon import Daemon, settings, until
from tests.page.chromium import MISSING, PATIENCE_S, SCALE, Chromium, program
from tests.page.pictures import pixels
from twind.demo.motion import cell_motion
from twind.model.topology import JointKind, Robot
from twind.stage.discover import discover
from twind.testing.loops import run

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from tests.page.chromium import Tab

pytestmark = pytest.mark.skipif(program() is None, reason=MISSING)

CELL = Path(__file__).parents[2] / "stages/demo_cell/cell.usda"
AXE = Path(__file__).parent / "vendor/axe.min.js"
SHOWN = (
    "window.twind && twind.sequence() > 0 && twind.stats().pieces && twind.stats().frames > 1 "
    "&& document.querySelector('#loading').hidden && document.body.dataset.connection === 'live'"
)


class Demo:
    """`twind demo` as a process. Ends with the block."""

    def __init__(self, folder: Path) -> None:
        log = folder / "demo.log"
        command = [sys.executable, "-m", "twind", "demo", "--listen", "127.0.0.1:0", "--embedded-broker"]
        with log.open("wb") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
        try:
            self.url: str = until(
                lambda: self._found(log.read_text(encoding="utf-8")), "the demo says where to look", within_s=PATIENCE_S
            )
            self.said = log.read_text(encoding="utf-8")
        except AssertionError:
            self.close()
            raise

    def _found(self, text: str) -> str:
        assert self.process.poll() is None, text
        found = re.search(r"(http://[\d.:]+)/\n", text)
        return found[1] if found else ""

    def _children(self) -> list[int]:
        found = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text(encoding="utf-8")
        return [int(pid) for pid in found.split()]

    def robots(self) -> int:
        """Return the process id of the synthetic robots."""
        return next(pid for pid in self._children() if b"twind.demo.robots" in Path(f"/proc/{pid}/cmdline").read_bytes())

    def close(self) -> None:
        """Kill it with its broker and its robots."""
        if self.process.poll() is None:
            for pid in [*self._children(), self.process.pid]:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with Chromium(tmp_path_factory.mktemp("chromium")) as started:
        yield started


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    started = Demo(tmp_path_factory.mktemp("demo"))
    yield started
    started.close()


def look(browser: Chromium, url: str, scenario: Callable[[Tab], Awaitable[None]], *, shown: str = SHOWN) -> None:
    """Open the page and run a scenario in it; nothing may complain meanwhile."""

    async def main() -> None:
        async with browser.tab() as tab:
            await tab.prefer(color_scheme="dark")
            await tab.open(f"{url}/")
            await tab.until(shown)
            await scenario(tab)
            assert tab.complaints == []

    run(main())


@dataclass(frozen=True)
class Place:
    """Where a prim is, according to the API."""

    entity: str
    position: np.ndarray
    """[m], in the stage's axes."""
    stamp_ns: int


async def places(client: ClientSession, url: str) -> dict[str, Place]:
    """Return every link and object, by prim, from the API."""
    found: dict[str, Place] = {}
    async with client.get(f"{url}/api/v1/entities") as response:
        listed = (await response.json())["entities"]
    for one in listed:
        async with client.get(f"{url}/api/v1/entities/{one['id']}") as response:
            entity: dict[str, Any] = await response.json()
        poses = {entity["prim"]: entity["pose"]} if "pose" in entity else entity["links"]
        for prim, pose in poses.items():
            found[prim] = Place(one["id"], np.array(pose["position"]), entity["stamp_ns"])
    return found


def speeds(there: dict[str, Place]) -> dict[str, float]:
    """Return how fast any part of an entity can be, from how fast the demo moves its joints and bodies [m/s]."""
    topology = discover(str(CELL))
    motion = cell_motion(topology, seed=1)
    at = np.arange(0.0, 60.0, 0.02)
    fastest: dict[str, float] = {}
    for index, entity in enumerate(topology.entities):
        speed = 0.0
        if motion.has_body(index):
            speed += float(np.linalg.norm(np.diff(motion.body(index, at)[0], axis=0), axis=1).max() / 0.02)
        if isinstance(entity, Robot):
            chain = np.array([place.position for place in there.values() if place.entity == entity.id])
            reach = float(np.linalg.norm(np.diff(chain, axis=0), axis=1).sum())
            for joint, velocity in zip(entity.joints, abs(motion.joints(index, at)[1]).max(axis=0), strict=True):
                speed += float(velocity) * (1.0 if joint.kind is JointKind.PRISMATIC else reach)
        fastest[entity.id] = 1.1 * speed  # what is estimated may overshoot
    return fastest


async def drawn(tab: Tab) -> dict[str, Any]:
    """Return where the page draws everything, the instant that it draws, and how much older than that its news can be."""
    found: dict[str, Any] = await tab.evaluate(
        "new Promise(done => requestAnimationFrame(() => done({links: twind.links(), shownMs: twind.shownMs(), "
        "ages: Object.fromEntries(twind.entities().map(one => [one.id, one.ageS]))})))"
    )
    return found


def test_the_demo_prints_one_address_and_it_is_the_page(demo: Demo) -> None:
    assert re.findall(r"\w+://\S+", demo.said) == [f"{demo.url}/"]


def test_links_are_where_the_api_has_them_in_motion_and_at_rest(browser: Chromium, demo: Demo) -> None:
    async def scenario(tab: Tab) -> None:
        async with ClientSession() as client:
            moving, there = await drawn(tab), await places(client, demo.url)
            assert len(moving["links"]) > 20
            fastest = speeds(there)
            for prim, position in moving["links"].items():
                place = there[prim]
                apart_s = abs(moving["shownMs"] / 1e3 - place.stamp_ns / 1e9) + moving["ages"][place.entity] + 0.1
                assert np.linalg.norm(np.array(position) - place.position) < 0.001 + fastest[place.entity] * apart_s, prim
            os.kill(demo.robots(), signal.SIGSTOP)
            try:
                await tab.until("twind.entities().every(one => one.status === 'stale' || one.status === 'lost')")
                await tab.until(
                    "[...document.querySelectorAll('#tree .word')].every(one => /stale|lost/.test(one.textContent))"
                )
                deadline_s = time.monotonic() + PATIENCE_S
                while True:  # what is drawn comes to rest a moment after what is said
                    there, resting = await places(client, demo.url), (await drawn(tab))["links"]
                    apart = {prim: float(np.linalg.norm(there[prim].position - at)) for prim, at in resting.items()}
                    if max(apart.values()) < 0.001:
                        break
                    assert time.monotonic() < deadline_s, apart
                moved = [np.linalg.norm(np.array(at) - moving["links"][prim]) for prim, at in resting.items()]
                assert max(moved) > 0.02  # it did move before
            finally:
                os.kill(demo.robots(), signal.SIGCONT)
            await tab.until("twind.entities().some(one => one.status === 'ok')")

    look(browser, demo.url, scenario)


def test_pictures_differ_where_robots_are_and_hardly_elsewhere(browser: Chromium, demo: Demo) -> None:
    async def scenario(tab: Tab) -> None:
        hull = "twind.entities().map(one => twind.box(one.id))"
        moved = (
            "Object.entries(was).filter(([prim, at]) => Math.hypot(...twind.links()[prim].map((x, i) => x - at[i])) > .1)"
            ".length > 3"
        )
        level, levels = "twind.stats().level", {0, 1}
        while len(levels) > 1:  # a picture that has become coarser meanwhile differs everywhere
            levels = {await tab.evaluate(level)}
            boxes = await tab.evaluate(hull)
            first = pixels(await tab.screenshot())
            await tab.evaluate("window.was = twind.links(); 0")
            await tab.until(moved)
            await tab.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
            second = pixels(await tab.screenshot())
            boxes += await tab.evaluate(hull)
            levels.add(await tab.evaluate(level))
        changed = np.abs(first - second).max(axis=2) > 24
        changed[: int(70 * SCALE)], changed[:, : int(290 * SCALE)] = False, False  # panels
        assert changed.sum() > 100
        near = np.zeros_like(changed)
        for box in boxes:
            (left, top), (right, bottom) = SCALE * np.array(box).min(axis=0), SCALE * np.array(box).max(axis=0)
            margin = 0.35 * max(right - left, bottom - top) + 10  # shadows, and what moved between the two
            near[max(0, int(top - margin)) : int(bottom + margin), max(0, int(left - margin)) : int(right + margin)] = True
        assert (changed & near).sum() > 0.9 * changed.sum()
        assert len(np.unique(first.reshape(-1, 3) // 8, axis=0)) > 200  # shaded surfaces, not flat colours

    look(browser, demo.url, scenario)


def test_the_keyboard_reaches_everything_and_axe_finds_nothing(browser: Chromium, demo: Demo) -> None:
    async def axe(tab: Tab, where: str) -> None:
        found = await tab.evaluate(
            "axe.run(document, {resultTypes: ['violations']}).then(r => r.violations.map(v => "
            "[v.id, v.help, v.nodes.slice(0, 3).map(n => n.html.slice(0, 160) + ' ' + (n.any[0]?.message ?? ''))]))"
        )
        assert found == [], where

    async def scenario(tab: Tab) -> None:
        await tab.evaluate(AXE.read_text(encoding="utf-8") + ";0")
        await tab.press("Tab")
        assert await tab.evaluate("document.activeElement.className") == "skip"
        for _ in range(12):
            await tab.press("Tab")
            if await tab.evaluate("document.activeElement.getAttribute('role') === 'treeitem'"):
                break
        await tab.press("ArrowDown")
        await tab.press("ArrowDown")
        assert await tab.evaluate("document.activeElement.textContent.includes('arm_b')")
        assert await tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        await tab.press("Enter")
        assert await tab.evaluate("twind.selected()") == "arm_b"
        await tab.until("document.querySelectorAll('.joints tbody tr').length > 5")
        assert await tab.evaluate("document.querySelector('.joints .num').textContent.length > 0")
        await tab.until("/now .* between/.test(document.querySelector('.plot').getAttribute('aria-label'))")
        await axe(tab, "dark")
        await tab.prefer(color_scheme="light")
        await tab.until("document.documentElement.dataset.theme === 'light'")
        await axe(tab, "light")
        await tab.resize(390, 844, phone=True)
        await tab.until("innerWidth === 390")
        assert await tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await axe(tab, "on a phone")
        await tab.press("Escape")
        assert await tab.evaluate("twind.selected()") is None

    look(browser, demo.url, scenario)


def test_a_click_into_the_scene_selects_what_is_there_and_one_beside_it_nothing(browser: Chromium, demo: Demo) -> None:
    async def scenario(tab: Tab) -> None:
        for share in (0.5, 0.4, 0.6, 0.3, 0.7) * 6:  # others pass in front of it, and it drives on
            corners = np.array(await tab.evaluate("twind.box('agv')"))
            x, y = share * corners.max(axis=0) + (1.0 - share) * corners.min(axis=0)
            await tab.click(float(x), float(y))
            if await tab.evaluate("twind.selected()") == "agv":
                break
        assert await tab.evaluate("twind.selected()") == "agv"
        assert await tab.evaluate("document.querySelector('[aria-selected=true]').textContent.includes('agv')")
        boxes = [np.array(box) for box in await tab.evaluate("twind.entities().map(one => twind.box(one.id))")]
        free = (
            (x, y)
            for y in range(80, 470, 10)
            for x in range(290, 440, 10)
            if all(((x, y) < box.min(axis=0) - 40).any() or ((x, y) > box.max(axis=0) + 40).any() for box in boxes)
        )
        await tab.click(*next(free))
        assert await tab.evaluate("twind.selected()") is None

    look(browser, demo.url, scenario)


def test_a_daemon_that_falls_silent_in_motion_is_shown_as_stale_within_a_second_and_found_again(
    browser: Chromium, demo: Demo
) -> None:
    async def scenario(tab: Tab) -> None:
        # How long there was no news when the page says so. A timer of the test's own tells how long none could have run.
        await tab.evaluate(
            "window.silences = []; window.heldMs = 0; { let last = performance.now(); setInterval(() => {"
            "const now = performance.now(); heldMs = Math.max(heldMs, now - last - 10); last = now; }, 10);"
            "const note = () => silences.push([document.body.dataset.connection, twind.silentMs(), heldMs]);"
            "new MutationObserver(note).observe(document.body, {attributeFilter: ['data-connection']}); } 0"
        )
        before = await tab.evaluate("silences.length = 0; heldMs = 0; twind.sequence()")
        demo.process.send_signal(signal.SIGSTOP)
        try:
            _, silent_ms, held_ms = await tab.until("silences.find(([word]) => word === 'stale')")
            assert silent_ms < 1000 + 2 * held_ms
            assert "as it was at" in await tab.evaluate("document.querySelector('#notice').textContent")
        finally:
            demo.process.send_signal(signal.SIGCONT)
        await tab.until(f"document.body.dataset.connection === 'live' && twind.sequence() > {before}")

    look(browser, demo.url, scenario)


def test_where_a_token_is_needed_the_page_asks_for_it_hides_it_and_uses_it_after_a_restart(
    browser: Chromium, tmp_path: Path
) -> None:
    http = {"listen": "127.0.0.1:0", "token": "s3cret-\u00fc", "auth": "token"}
    with Daemon(tmp_path / "first", settings(CELL, None, http=http)) as first:
        url = first.event("daemon_ready")["http"]

        async def scenario(tab: Tab) -> None:
            await tab.type("wrong")  # the field has the focus
            await tab.press("Enter")
            await tab.until("document.querySelector('#token-field').ariaInvalid === 'true'")
            assert await tab.evaluate("document.querySelector('#token-why').textContent.includes('does not take')")
            await tab.type("s3cret-\u00fc")  # instead: what was wrong is selected
            await tab.press("Enter")
            await tab.until(SHOWN)
            assert await tab.evaluate("document.querySelector('#token').open") is False
            assert "s3cret" not in await tab.evaluate("location.href + JSON.stringify(localStorage) + document.cookie")
            await tab.evaluate("sessionStorage.clear()")
            await tab.open("about:blank#0")
            await tab.open(f"{url}/#token=s3cret-%C3%BC")
            await tab.until(SHOWN)
            assert await tab.evaluate("location.hash") == ""
            first.process.kill()
            first.ends()
            await tab.until("document.body.dataset.connection === 'away'")
            again = http | {"listen": url.removeprefix("http://")}
            with Daemon(tmp_path / "second", settings(CELL, None, http=again)) as second:
                assert second.event("daemon_ready")["http"] == url
                await tab.until(SHOWN)
                tab.complaints[:] = [one for one in tab.complaints if not re.search("401|WebSocket|ERR_", one)]

        look(browser, url, scenario, shown="document.activeElement.id === 'token-field'")
