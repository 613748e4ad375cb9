"""The extension inside Kit: what it shows, and that it leaves nothing behind."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import carb.settings
import omni.kit.app
import omni.kit.test
import omni.usd
from omni.twind.live.extension import TwindLiveExtension
from pxr import Sdf, Usd, UsdGeom

from .canned_daemon import CATALOGUE, CannedDaemon, frame

if TYPE_CHECKING:
    from collections.abc import Callable

_PATIENCE_S = 60.0
_PREFIX = "/exts/omni.twind.live/"


class TestExtension(omni.kit.test.AsyncTestCase):
    """One extension of its own, besides the one that Kit has started."""

    async def setUp(self) -> None:
        """Open a stage with an arm, and follow a daemon that knows it."""
        await omni.usd.get_context().new_stage_async()
        _draw(self._stage)
        self._before = list(self._stage.GetSessionLayer().subLayerPaths)
        self._daemon = CannedDaemon()
        self._settings = carb.settings.get_settings()
        self._was = {name: self._settings.get(_PREFIX + name) for name in ("address", "connect_at_start")}
        self._settings.set(f"{_PREFIX}address", self._daemon.address)
        self._settings.set(f"{_PREFIX}connect_at_start", True)
        self._extension = TwindLiveExtension()
        self._extension.on_startup("omni.twind.live-test")

    async def tearDown(self) -> None:
        """End both, and see that the stage is as it was."""
        self._extension.on_shutdown()
        self._daemon.__exit__()
        for name, value in self._was.items():
            if value is not None:
                self._settings.set(_PREFIX + name, value)
        self.assertEqual(list(self._stage.GetSessionLayer().subLayerPaths), self._before)
        self.assertEqual(_place(self._stage), (0.0, 0.0, 0.0))

    async def _shows(self, place: tuple[float, ...]) -> None:
        await _until(lambda: _place(self._stage) == place)

    @property
    def _stage(self) -> Any:
        return omni.usd.get_context().get_stage()

    async def test_moves_what_the_daemon_moves(self) -> None:
        """The newest frame is what stands in the stage."""
        self._daemon.say(CATALOGUE)
        for sequence, place in enumerate(((1.0, 2.0, 3.0), (4.0, 5.0, 6.0)), 1):
            self._daemon.say(frame(sequence, place))
            await self._shows(place)
        self.assertFalse(self._stage.GetRootLayer().GetPrimAtPath("/arm").HasInfo("twind:quality"))

    async def test_comes_to_a_stage_that_is_opened_later(self) -> None:
        """A new stage is taken as soon as it is open."""
        self._daemon.say(CATALOGUE)
        self._daemon.say(frame(1, (1.0, 2.0, 3.0)))
        await self._shows((1.0, 2.0, 3.0))
        await omni.usd.get_context().new_stage_async()
        _draw(self._stage)
        self._before = [path for path in self._stage.GetSessionLayer().subLayerPaths if "twind-canned" not in path]
        await self._shows((1.0, 2.0, 3.0))

    async def test_says_that_it_is_stale_and_recovers(self) -> None:
        """A daemon that falls silent makes everything stale; one that is back takes that back."""
        self._daemon.say(CATALOGUE)
        self._daemon.say(frame(1, (1.0, 2.0, 3.0)))
        await _until(lambda: _quality(self._stage) == "ok")
        await _until(lambda: _quality(self._stage) == "stale")
        self._daemon.say(frame(2, (1.5, 2.0, 3.0)))
        await _until(lambda: (_quality(self._stage), _place(self._stage)) == ("ok", (1.5, 2.0, 3.0)))
        self._daemon.cut()
        await _until(lambda: _quality(self._stage) == "stale")
        self._daemon.say(CATALOGUE)
        self._daemon.say(frame(3, (2.0, 2.0, 3.0)))
        await _until(lambda: (_quality(self._stage), _place(self._stage)) == ("ok", (2.0, 2.0, 3.0)))


def _draw(stage: Any) -> None:
    UsdGeom.Xform.Define(stage, "/arm")
    UsdGeom.Xform.Define(stage, "/arm/link").AddTranslateOp(UsdGeom.XformOp.PrecisionDouble).Set((0, 0, 0))


def _place(stage: Any) -> tuple[float, ...]:
    world = UsdGeom.XformCache(Usd.TimeCode.Default()).GetLocalToWorldTransform(stage.GetPrimAtPath("/arm/link"))
    return tuple(world.ExtractTranslation())


def _quality(stage: Any) -> str | None:
    attribute = stage.GetAttributeAtPath(Sdf.Path("/arm.twind:quality"))
    return attribute.Get() if attribute else None


async def _until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + _PATIENCE_S
    while not condition():
        if time.monotonic() > deadline_s:
            raise AssertionError("it never happened")
        await omni.kit.app.get_app().next_update_async()
