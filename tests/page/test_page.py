"""The page as people have it: a real Chromium looks at a real daemon whose robots move."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from aiohttp import ClientSession

from tests.end_to_end.daemon import Daemon, settings, until
from tests.page.chromium import MISSING, PATIENCE_S, chromium, program
from tests.page.pictures import pixels
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
FASTEST_M_S = 4.0
"""No link of the demo is faster."""


class Demo:
    """`twind demo` as a process. Ends with the block."""

    def __init__(self, folder: Path, listen: str = "127.0.0.1:0") -> None:
        log = folder / f"demo-{time.monotonic_ns()}.log"
        command = [sys.executable, "-m", "twind", "demo", "--listen", listen, "--embedded-broker"]
        with log.open("wb") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
        try:
            self.url: str = until(
                lambda: self._found(log.read_text(encoding="utf-8")), "the demo says where to look", within_s=PATIENCE_S
            )
        except AssertionError:
            self.close()
            raise

    def _found(self, text: str) -> str:
        assert self.process.poll() is None, text
        found = re.search(r"look at +(http://[\d.:]+)/", text)
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
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    started = Demo(tmp_path_factory.mktemp("demo"))
    yield started
    started.close()


def look(url: str, scenario: Callable[[Tab], Awaitable[None]], *, shown: str = SHOWN) -> None:
    """Open the page and run a scenario in it; nothing may complain meanwhile."""

    async def main() -> None:
        async with chromium(width=900, height=600) as tab:
            await tab.prefer(color_scheme="dark")
            await tab.open(f"{url}/")
            await tab.until(shown)
            await scenario(tab)
            assert tab.complaints == []

    run(main())


async def positions(client: ClientSession, url: str) -> dict[str, np.ndarray]:
    """Return the world position of every link and object, by prim, from the API [m]."""
    found: dict[str, np.ndarray] = {}
    async with client.get(f"{url}/api/v1/entities") as response:
        listed = (await response.json())["entities"]
    for one in listed:
        async with client.get(f"{url}/api/v1/entities/{one['id']}") as response:
            entity: dict[str, Any] = await response.json()
        links = {entity["prim"]: entity["pose"]} if "pose" in entity else entity["links"]
        found |= {prim: np.array(link["position"]) for prim, link in links.items()}
    return found


def test_links_are_where_the_api_has_them_in_motion_and_at_rest(demo: Demo) -> None:
    async def scenario(tab: Tab) -> None:
        async with ClientSession() as client:
            started_s = time.monotonic()
            shown = await tab.evaluate("twind.links()")
            there = await positions(client, demo.url)
            late_s = time.monotonic() - started_s + await tab.evaluate("twind.delayMs()") / 1e3
            assert len(shown) > 20
            for prim, place in shown.items():
                assert np.linalg.norm(np.array(place) - there[prim]) < 0.001 + FASTEST_M_S * (late_s + 0.5), prim
            robots = demo.robots()
            os.kill(robots, signal.SIGSTOP)
            try:
                await tab.until("twind.entities().every(one => one.status === 'stale' || one.status === 'lost')")
                await tab.until(
                    "[...document.querySelectorAll('#tree .word')].every(one => /stale|lost/.test(one.textContent))"
                )
                there = await positions(client, demo.url)
                moved = {prim: np.linalg.norm(place - shown[prim]) for prim, place in there.items() if prim in shown}
                assert max(moved.values()) > 0.02  # it did move before
                for _ in range(100):  # what is drawn comes to rest a moment after what is said
                    shown = await tab.evaluate("new Promise(done => requestAnimationFrame(() => done(twind.links())))")
                    apart = {prim: float(np.linalg.norm(np.array(place) - there[prim])) for prim, place in shown.items()}
                    if max(apart.values()) < 0.001:
                        break
                assert max(apart.values()) < 0.001, apart
            finally:
                os.kill(robots, signal.SIGCONT)
            await tab.until("twind.entities().every(one => one.status === 'ok')")

    look(demo.url, scenario)


def test_pictures_differ_where_robots_are_and_hardly_elsewhere(demo: Demo) -> None:
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
        changed[:70], changed[:, :290] = False, False  # panels
        assert changed.sum() > 300
        near = np.zeros_like(changed)
        for box in boxes:
            (left, top), (right, bottom) = np.array(box).min(axis=0), np.array(box).max(axis=0)
            margin = 0.35 * max(right - left, bottom - top) + 20  # shadows, and what moved between the two
            near[max(0, int(top - margin)) : int(bottom + margin), max(0, int(left - margin)) : int(right + margin)] = True
        assert (changed & near).sum() > 0.9 * changed.sum()
        assert len(np.unique(first.reshape(-1, 3) // 8, axis=0)) > 200  # shaded surfaces, not flat colours

    look(demo.url, scenario)


def test_the_keyboard_reaches_everything_and_axe_finds_nothing(demo: Demo) -> None:
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

    look(demo.url, scenario)


def test_a_click_into_the_scene_selects_what_is_there_and_one_beside_it_nothing(demo: Demo) -> None:
    async def scenario(tab: Tab) -> None:
        for _ in range(20):  # parts are carried away under the pointer
            x, y = np.array(await tab.evaluate("twind.box('agv')")).mean(axis=0)
            await tab.click(float(x), float(y))
            if await tab.evaluate("twind.selected()") == "agv":
                break
        assert await tab.evaluate("twind.selected()") == "agv"
        assert await tab.evaluate("document.querySelector('[aria-selected=true]').textContent.includes('agv')")
        await tab.click(600, 594)
        assert await tab.evaluate("twind.selected()") is None

    look(demo.url, scenario)


@pytest.mark.skip(reason="was not seen to pass yet")
def test_a_lost_daemon_is_shown_within_a_second_and_found_again(tmp_path: Path) -> None:
    started = [Demo(tmp_path)]

    async def scenario(tab: Tab) -> None:
        # How late the page says it, less what its own thread was held up: that is the machine's, not the page's.
        await tab.evaluate(
            "window.seen = {}; { let last = performance.now(), held = 0; const look = () => { const now = performance.now();"
            "held = Math.max(held * .98, now - last); last = now; const word = document.body.dataset.connection;"
            "seen[word] ??= twind.silentMs() - held; setTimeout(look, 10); }; look(); }"
        )
        session = await tab.evaluate("twind.sequence()")
        await tab.evaluate("delete seen.stale; delete seen.away; 0")
        started[0].process.send_signal(signal.SIGSTOP)
        await tab.until("document.body.dataset.connection === 'stale'")
        assert await tab.until("seen.stale") < 1000
        assert "as it was at" in await tab.evaluate("document.querySelector('#notice').textContent")
        started[0].process.send_signal(signal.SIGCONT)
        await tab.until("document.body.dataset.connection === 'live' && twind.sequence() > " + str(session))
        started[0].close()
        await tab.until("document.body.dataset.connection === 'away'")
        started.append(Demo(tmp_path, started[0].url.removeprefix("http://")))
        assert started[1].url == started[0].url
        await tab.until(SHOWN)
        tab.complaints[:] = [one for one in tab.complaints if "ERR_" not in one and "WebSocket connection" not in one]

    try:
        look(started[0].url, scenario)
    finally:
        for one in started:
            one.close()


@pytest.mark.skip(reason="was not seen to pass yet")
def test_where_a_token_is_needed_the_page_asks_for_it_and_keeps_it_out_of_the_address(tmp_path: Path) -> None:
    http = {"listen": "127.0.0.1:0", "token": "s3cret-\u00fc", "auth": "token"}
    with Daemon(tmp_path, settings(CELL, None, http=http)) as daemon:
        url = daemon.event("daemon_ready")["http"]

        async def scenario(tab: Tab) -> None:
            for token, taken in (("wrong", False), ("s3cret-\u00fc", True)):
                await tab.evaluate(
                    "document.querySelector('#token-field').value = ''; document.querySelector('#token-field').focus()"
                )
                await tab.type(token)
                await tab.press("Enter")
                await tab.until(SHOWN if taken else "document.querySelector('#token-field').ariaInvalid === 'true'")
            assert "s3cret" not in await tab.evaluate("location.href + localStorage.length")
            await tab.open("about:blank#0")
            await tab.open(f"{url}/#token=s3cret-%C3%BC")
            await tab.until(SHOWN)
            assert await tab.evaluate("location.hash") == ""
            tab.complaints[:] = [one for one in tab.complaints if "401" not in one and "WebSocket" not in one]

        look(url, scenario, shown="document.querySelector('#token').open")
