"""The extension in the fake Kit of `kit/`; as a program, what it shows of frames on disk with whatever OpenUSD there is."""

from __future__ import annotations

import json
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).parent
EXTENSION = HERE.parents[1] / "adapters" / "omni.twind.live"
PREFIX = "/exts/omni.twind.live/"
PATIENCE_S = 60.0


class Kit:
    """The application, with the extension in it."""

    def __init__(self, **options: Any) -> None:
        import carb
        import carb.settings
        import omni.kit.app
        import omni.ui
        import omni.usd
        from omni.twind.live.extension import TwindLiveExtension

        self.log: list[tuple[str, str]] = carb.logged
        self.ui = omni.ui
        self.app = omni.kit.app.get_app()
        self.context = omni.usd.get_context()
        self.settings = carb.settings.get_settings()
        for name, value in options.items():
            self.settings.set(PREFIX + name, value)
        self.extension = TwindLiveExtension()

    def start(self) -> None:
        """Enable the extension."""
        self.extension.on_startup("omni.twind.live-0")

    def until(self, condition: Callable[[], Any], what: str) -> Any:
        """Let the application run until a condition holds."""
        deadline_s = time.monotonic() + PATIENCE_S
        while True:
            self.app.update()
            if found := condition():
                return found
            assert time.monotonic() < deadline_s, f"{what}: never; {self.viewer!r} {self.log}"
            time.sleep(0.002)

    @property
    def viewer(self) -> Any:
        return self.extension._viewer

    @property
    def sequence(self) -> int:
        """What is shown."""
        return -1 if self.viewer._shown is None else self.viewer._shown.sequence

    @property
    def status(self) -> str:
        """The status as the window has it."""
        text: str = self.window.frame.find(self.ui.Label)[0].text
        return text

    @property
    def window(self) -> Any:
        (window,) = self.ui.Window.shown
        return window

    def button(self, text: str) -> Any:
        """Return the button that says so."""
        return next(one for one in self.window.frame.find(self.ui.Button) if one.text == text)

    def forget_stages(self) -> None:
        """Let go of every stage that was ever open."""
        from pxr import UsdUtils

        self.context.opened.clear()
        UsdUtils.StageCache.Get().Clear()

    def layers(self) -> list[Any]:
        """Return the layers that are in the session layer of the stage that is open."""
        from pxr import Sdf

        return [Sdf.Layer.Find(path) for path in self.context.get_stage().GetSessionLayer().subLayerPaths]


@contextmanager
def fake_kit(**options: Any) -> Iterator[Kit]:
    """Make Kit, and take it away again with all of its modules; the extension is not started yet."""
    before = sys.path[:]
    sys.path[:0] = [str(HERE / "kit"), str(EXTENSION)]
    kit = None
    try:
        kit = Kit(**options)
        yield kit
    finally:
        if kit is not None:
            if hasattr(kit.extension, "_viewer"):
                kit.extension.on_shutdown()
            kit.context.close_stage()
            kit.forget_stages()
        sys.path[:] = before
        for name in [name for name in sys.modules if name.partition(".")[0] in ("omni", "carb", "usdrt")]:
            del sys.modules[name]


def follow(folder: Path, root: str) -> list[dict[str, Any]]:
    """Send `catalogue.json` and the frames beside it to the extension; return what its layer says after each, and notices."""
    sys.path.insert(0, str(HERE.parents[1]))
    from pxr import Usd

    from tests.viewers.layers import Told, layer_as_data

    with fake_kit(connect_at_start=True) as kit:
        from omni.twind.live.tests.canned_daemon import CannedDaemon

        with CannedDaemon() as daemon:
            kit.settings.set(f"{PREFIX}address", daemon.address)
            stage = Usd.Stage.Open(root)
            kit.context.opened[root] = stage
            kit.context.open_stage_with_callback(root, lambda *_: None)
            kit.start()
            daemon.say(json.loads((folder / "catalogue.json").read_text(encoding="utf-8")))
            shown: list[dict[str, Any]] = []
            told = None
            for path in sorted(folder.glob("*.frame")):
                before = (0, 0) if told is None else (told.notices, len(told.resynced))
                data = path.read_bytes()
                daemon.say(data)
                kit.until(lambda data=data: kit.sequence == int.from_bytes(data[8:16], "little"), "the next frame")
                (layer,) = kit.layers()
                told_now = [] if told is None else [told.notices - before[0], *told.resynced[before[1] :]]
                shown.append({"layer": layer_as_data(layer), "told": told_now})
                told = told or Told(stage)
            session = stage.GetSessionLayer()
            kit.button("Disconnect").call_clicked_fn()
            assert session.subLayerPaths, "a layer is removed with the next update, not within the click"
            kit.app.update()
            assert not session.subLayerPaths
            assert session.empty
    return shown


if __name__ == "__main__":
    json.dump(follow(Path(sys.argv[1]), sys.argv[2]), sys.stdout)
