"""The Omniverse extension, in a fake Kit that has exactly what it calls (the real one cannot be had here)."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pxr import Gf, Usd, UsdGeom

from tests.end_to_end.conftest import start_daemon  # noqa: F401  (a fixture)
from tests.end_to_end.daemon import Daemon, settings
from tests.end_to_end.robots import Player, Track
from tests.viewers.in_kit import PREFIX, Kit, fake_kit
from tests.viewers.layers import layer_as_data
from twind.model.estimates import Status
from twind.stage.discover import discover
from twind.viewers.protocol.messages import Subscription
from twind.viewers.protocol.selection import Selection
from twind.viewers.state import NOTHING, LiveState, View

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.viewers.conftest import Streamed

CELL = Path(__file__).parents[2] / "stages" / "demo_cell" / "cell.usda"


@pytest.fixture
def kit() -> Iterator[Kit]:
    """Kit with an empty stage; the extension connects when it is started."""
    with fake_kit(connect_at_start=True) as kit:
        kit.context.new_stage()
        yield kit


@pytest.fixture
def canned(kit: Kit) -> Iterator[Any]:
    """A daemon that says what it is told, and the module that it comes from."""
    from omni.twind.live.tests import canned_daemon  # type: ignore[import-not-found]

    with canned_daemon.CannedDaemon() as daemon:
        kit.settings.set(f"{PREFIX}address", daemon.address)
        daemon.frame, daemon.catalogue = canned_daemon.frame, canned_daemon.CATALOGUE
        yield daemon


def draw(kit: Kit) -> Any:
    """Put an arm into the stage that is open."""
    stage = kit.context.get_stage()
    UsdGeom.Xform.Define(stage, "/arm")
    link = UsdGeom.Xform.Define(stage, "/arm/link")
    link.AddTranslateOp(UsdGeom.XformOp.PrecisionDouble).Set(Gf.Vec3d(0))
    link.AddScaleOp().Set(Gf.Vec3f(2))
    return stage


def place(stage: Any) -> tuple[float, ...]:
    world = UsdGeom.XformCache(Usd.TimeCode.Default()).GetLocalToWorldTransform(stage.GetPrimAtPath("/arm/link"))
    return tuple(world.ExtractTranslation())


def quality(stage: Any) -> str | None:
    attribute = stage.GetAttributeAtPath("/arm.twind:quality")
    return attribute.Get() if attribute else None


def shows(kit: Kit, canned: Any, sequence: int, where: tuple[float, float, float]) -> None:
    canned.say(canned.frame(sequence, where))
    kit.until(lambda: kit.sequence == sequence, f"frame {sequence}")
    assert place(kit.context.get_stage()) == where


@pytest.mark.parametrize("openusd", ["ours", "25.11"])
def test_its_layer_equals_the_daemons_at_every_sequence_number_and_nothing_is_left(
    openusd: str, streamed: Callable[..., Streamed], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    python = sys.executable if openusd == "ours" else request.getfixturevalue("usd_2511")
    cell, base, expected = streamed(), NOTHING, []
    state = LiveState(cell.live.layout)
    cell.live.tell(state.take)
    view = View(state, Selection(cell.source, Subscription()), 1)
    (tmp_path / "catalogue.json").write_text(json.dumps(view.selection.catalogue(1, max_rate_hz=30.0)))
    for step in range(12):
        cell.write(None if step % 3 == 0 else [step % 7], status=list(Status)[step % 4])
        (tmp_path / f"{step:02}.frame").write_bytes(view.since(base) or b"")
        base = state.seq
        expected.append({"layer": layer_as_data(cell.live.layer), "told": [1] if step else []})
    cell.stage.GetRootLayer().Export(str(tmp_path / "root.usda"))
    program = [python, Path(__file__).with_name("in_kit.py"), tmp_path, tmp_path / "root.usda"]
    done = subprocess.run(program, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == json.loads(json.dumps(expected))


def test_it_comes_to_a_stage_that_is_opened_and_goes_before_it_is_closed(kit: Kit, canned: Any) -> None:
    first = draw(kit)
    kit.start()
    canned.say(canned.catalogue)
    shows(kit, canned, 1, (1.0, 2.0, 3.0))
    (layer,) = kit.layers()
    kit.context.new_stage()
    assert not first.GetSessionLayer().subLayerPaths
    assert place(first) == (0.0, 0.0, 0.0)
    assert kit.layers() == [layer], "the same layer, without waiting for a frame"
    second = draw(kit)
    shows(kit, canned, 2, (4.0, 5.0, 6.0))
    kit.context.close_stage()
    kit.app.update()
    canned.say(canned.frame(3, (7.0, 8.0, 9.0)))
    kit.until(lambda: kit.viewer._sink.sequence == 3, "frames go on arriving without a stage")
    assert not second.GetSessionLayer().subLayerPaths


def test_when_it_is_disabled_nothing_of_it_is_left(kit: Kit, canned: Any) -> None:
    stage = draw(kit)
    before = stage.GetRootLayer().ExportToString()
    kit.start()
    canned.say(canned.catalogue)
    shows(kit, canned, 1, (1.0, 2.0, 3.0))
    kit.extension.on_shutdown()
    assert kit.ui.Window.shown == []
    assert stage.GetSessionLayer().empty
    assert not stage.GetSessionLayer().subLayerPaths
    assert stage.GetRootLayer().ExportToString() == before
    assert {*map(repr, stage.GetUsedLayers())} == {*map(repr, (stage.GetSessionLayer(), stage.GetRootLayer()))}
    from carb.eventdispatcher import get_eventdispatcher  # type: ignore[import-not-found]

    assert not get_eventdispatcher()._observers
    kit.start()  # and it can be enabled again, which the daemon sees as somebody new
    canned.wait_for_connection(2)
    canned.say(canned.catalogue)
    shows(kit, canned, 2, (4.0, 5.0, 6.0))


def test_a_new_run_of_the_daemon_replaces_the_layer_without_a_moment_at_rest(kit: Kit, canned: Any) -> None:
    stage = draw(kit)
    kit.start()
    canned.say(canned.catalogue)
    shows(kit, canned, 1, (1.0, 2.0, 3.0))
    (old,) = kit.layers()
    canned.cut()
    canned.say(canned.catalogue | {"session": "second"})
    for _ in range(20):
        kit.app.update()
        assert place(stage) == (1.0, 2.0, 3.0)
    shows(kit, canned, 2, (4.0, 5.0, 6.0))
    kit.until(lambda: len(kit.layers()) == 1, "the old layer goes")
    assert kit.layers() != [old]


def test_silence_shows_as_stale_within_a_second_and_news_take_it_back(kit: Kit, canned: Any) -> None:
    now = [1000.0]
    stage = draw(kit)
    kit.settings.set(f"{PREFIX}connect_at_start", False)
    kit.start()
    kit.viewer._clock = lambda: now[0]
    kit.button("Connect").call_clicked_fn()
    canned.say(canned.catalogue)
    shows(kit, canned, 1, (1.0, 2.0, 3.0))
    kit.app.update()
    assert (kit.status, quality(stage)) == ("live", "ok")
    now[0] += 0.8  # two of the daemon's signs of life came late
    kit.app.update()
    assert (kit.status, quality(stage)) == ("live", "ok")
    now[0] += 0.15
    kit.app.update()
    assert (kit.status, quality(stage)) == ("stale", "stale")
    assert place(stage) == (1.0, 2.0, 3.0), "what was known last stays in sight"
    assert kit.viewer.readout().age_s == pytest.approx(0.955)
    assert "1 stale" in kit.viewer.readout().figures()
    shows(kit, canned, 2, (1.5, 2.0, 3.0))
    kit.app.update()
    assert (kit.status, quality(stage)) == ("live", "ok")
    canned.cut()
    kit.until(lambda: kit.status.startswith(("waiting", "connecting")), "the connection is gone")
    assert quality(stage) == "stale"
    canned.say(canned.catalogue)
    shows(kit, canned, 3, (2.0, 2.0, 3.0))
    kit.app.update()
    assert (kit.status, quality(stage)) == ("live", "ok")


def test_a_daemon_that_dies_in_the_middle_of_a_motion_is_stale_until_it_is_back(
    kit: Kit,
    start_daemon: Callable[[Any], Daemon],  # noqa: F811
    mosquitto: Any,
) -> None:
    robot = discover(str(CELL)).robots[0]
    movable = [index for index, joint in enumerate(robot.joints) if joint.movable]
    t_s = np.arange(0.0, 600.0, 0.02)
    names = tuple(robot.joints[index].name for index in movable)
    track = Track(names, t_s, 0.3 * np.sin(t_s)[:, None] * np.ones(len(names)))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        listen = f"127.0.0.1:{probe.getsockname()[1]}"
    configuration = settings(CELL, mosquitto.url) | {"http": {"listen": listen}}
    stage = Usd.Stage.Open(str(CELL))
    kit.context.opened["cell"] = stage
    kit.context.open_stage_with_callback("cell", lambda *_: None)
    kit.settings.set(f"{PREFIX}address", f"http://{listen}")
    attribute = f"{robot.prim}.twind:quality"
    with Player(mosquitto.url, robot.id, track):
        daemon = start_daemon(configuration)
        daemon.wait_ready()
        kit.start()
        kit.until(lambda: kit.sequence > 0 and stage.GetAttributeAtPath(attribute).Get() == "ok", "the robot moves")
        daemon.process.send_signal(signal.SIGSTOP)
        kit.until(lambda: kit.status == "stale" and stage.GetAttributeAtPath(attribute).Get() == "stale", "silence")
        daemon.process.kill()
        kit.until(lambda: kit.status.startswith(("waiting", "connecting")), "it is gone")
        assert stage.GetAttributeAtPath(attribute).Get() == "stale"
        daemon.ends()
        start_daemon(configuration).wait_ready()
        kit.until(lambda: kit.status == "live" and stage.GetAttributeAtPath(attribute).Get() == "ok", "it is back")


def test_the_window_connects_opens_and_selects(kit: Kit, canned: Any) -> None:
    kit.settings.set(f"{PREFIX}connect_at_start", False)
    kit.settings.set(f"{PREFIX}address", "http://somewhere.else:1")
    kit.start()
    assert kit.status == "not connected"
    kit.button("Open the stage").call_clicked_fn()
    assert "connect first" in kit.log[-1][1]
    (field,) = kit.window.frame.find(kit.ui.StringField)
    assert field.model.get_value_as_string() == "http://somewhere.else:1"
    field.model.set_value(canned.address)
    kit.button("Connect").call_clicked_fn()
    assert kit.settings.get(f"{PREFIX}address") == canned.address
    canned.say(canned.catalogue)
    canned.say(canned.frame(1, (1.0, 2.0, 3.0)))
    kit.until(lambda: kit.status == "live", "it is live")
    opened = Usd.Stage.CreateInMemory()
    kit.context.opened[f"{canned.address}/stage/twin.usda"] = opened
    kit.context.set_pending_edit(True)
    kit.button("Open the stage").call_clicked_fn()
    assert "would lose them" in kit.log[-1][1]
    kit.context.set_pending_edit(False)
    kit.button("Open the stage").call_clicked_fn()
    assert kit.context.get_stage() == opened
    kit.until(lambda: "2 prims are not in this stage" in kit.viewer.readout().figures(), "what is missing is said")
    kit.until(lambda: any(one.text == "arm" for one in kit.window.frame.find(kit.ui.Button)), "it is listed")
    kit.button("arm").call_clicked_fn()
    assert kit.context.get_selection().get_selected_prim_paths() == ["/arm"]
    (follow,) = kit.window.frame.find(kit.ui.CheckBox)
    row = kit.window.frame.find(kit.ui.HStack)[-1]
    follow.model.set_value(True)
    for selected, visible in ((["/arm/link"], True), (["/else"], False), (["/"], True)):
        kit.context.get_selection().set_selected_prim_paths(selected)
        kit.until(lambda visible=visible: row.visible is visible, f"the list for {selected}")
    kit.button("Disconnect").call_clicked_fn()
    kit.app.update()
    assert (kit.status, kit.layers()) == ("not connected", [])


@pytest.mark.parametrize("empty", [True, False])
def test_the_daemons_stage_is_opened_only_where_nothing_is_lost(kit: Kit, canned: Any, empty: bool) -> None:  # noqa: FBT001
    kit.settings.set(f"{PREFIX}open_stage", True)
    kit.context.opened[f"{canned.address}/stage/twin.usda"] = Usd.Stage.CreateInMemory()
    kit.context.set_pending_edit(not empty)
    before = kit.context.get_stage()
    kit.start()
    canned.say(canned.catalogue)
    canned.say(canned.frame(1, (1.0, 2.0, 3.0)))
    kit.until(lambda: kit.sequence == 1, "a frame")
    assert (kit.context.get_stage() == before) is not empty


@pytest.mark.parametrize(
    ("message", "why"),
    [
        ({"type": "catalogue"}, "not a catalogue"),
        (b"\x01\x01", "a frame of 2 bytes"),
        (b"\x09" * 60, "a frame of kind 9"),
        ({"no type": 1}, "without a type"),
    ],
)
def test_what_the_protocol_does_not_have_is_a_sentence_in_the_window(
    kit: Kit, canned: Any, message: dict[str, Any] | bytes, why: str
) -> None:
    stage = draw(kit)
    kit.start()
    canned.say(canned.catalogue)
    shows(kit, canned, 1, (1.0, 2.0, 3.0))
    canned.say(message)
    kit.until(lambda: why in kit.status, "it is said")
    assert place(stage) == (1.0, 2.0, 3.0)
    canned.wait_for_connection(2)
    canned.say(canned.catalogue)
    shows(kit, canned, 2, (4.0, 5.0, 6.0))


def test_a_catalogue_that_usd_refuses_is_said_and_tried_again_later(kit: Kit, canned: Any) -> None:
    now = [0.0]
    stage = draw(kit)
    kit.settings.set(f"{PREFIX}connect_at_start", False)
    kit.start()
    kit.viewer._clock = lambda: now[0]
    kit.button("Connect").call_clicked_fn()
    canned.say(canned.catalogue | {"prims": [{"path": "no path"}, {"path": "/arm/link"}]})
    kit.until(lambda: "waiting: " in kit.status and "no path" in kit.status, "it is said")
    assert stage.GetSessionLayer().empty
    now[0] += 9.9
    kit.app.update()
    assert kit.viewer._follower is None
    now[0] += 0.2
    kit.until(lambda: kit.viewer._follower is not None, "it tries again")
    canned.wait_for_connection(2)
    canned.say(canned.catalogue)
    shows(kit, canned, 1, (1.0, 2.0, 3.0))


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("address", "http://[", "failed"),
        ("address", "http://127.0.0.1:99999", "no address of a daemon"),
        ("address", "ftp://there", "no address of a daemon"),
        ("address", "http://" + "a" * 70 + ".b", "no address of a daemon"),
        ("token_file", "/nowhere/token", "the token cannot be read from /nowhere/token"),
    ],
)
def test_settings_that_cannot_be_are_said_in_the_window_and_leave_the_stage_alone(
    kit: Kit, name: str, value: str, said: str
) -> None:
    stage = draw(kit)
    kit.settings.set(f"{PREFIX}{name}", value)
    kit.start()
    kit.until(lambda: said in kit.status, "it is said")
    kit.app.update()
    assert said in kit.status
    assert stage.GetSessionLayer().empty
    assert place(stage) == (0.0, 0.0, 0.0)


def test_settings_of_another_kind_are_logged(kit: Kit) -> None:
    kit.settings.set(f"{PREFIX}max_rate_hz", "fast")
    kit.start()
    assert kit.log[-1] == ("error", "[omni.twind.live] /exts/omni.twind.live/max_rate_hz is 'fast', which it cannot be")
    kit.app.update()
    assert kit.ui.Window.shown == []


def test_the_token_goes_to_the_daemon_and_nowhere_else(kit: Kit, canned: Any, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("open sesame\n")
    kit.settings.set(f"{PREFIX}token_file", str(tmp_path / "token"))
    kit.start()
    canned.say(canned.catalogue)
    assert kit.viewer._follower._headers == {"Authorization": "Bearer open sesame"}
    canned.cut()
    kit.until(lambda: kit.status.startswith(("waiting", "connecting")), "cut")
    assert "sesame" not in f"{kit.log} {kit.viewer!r} {kit.status} {kit.viewer.options!r} {kit.viewer._follower!r}"


def test_with_fabric_a_prim_is_driven_there_and_not_in_usd(kit: Kit, canned: Any) -> None:
    import usdrt  # type: ignore[import-not-found]

    kit.settings.set(f"{PREFIX}fabric", True)
    stage = draw(kit)
    kit.start()
    canned.say(canned.catalogue)
    canned.say(canned.frame(1, (1.0, 2.0, 3.0)))
    kit.until(lambda: kit.sequence == 1, "a frame")
    (layer,) = kit.layers()
    assert layer.GetPrimAtPath("/arm/link") is None
    assert place(stage) == (0.0, 0.0, 0.0)
    assert quality(stage) == "ok"
    (populated,) = usdrt.hierarchy.populated.values()
    scaled = ((2, 0, 0, 0), (0, 2, 0, 0), (0, 0, 2, 0))
    assert populated.locals["/arm/link"].rows == (*scaled, (1, 2, 3, 1)), "with the ops of the stage that nobody moves"
    untouched = populated.locals["/arm"]
    canned.say(canned.frame(2, (4.0, 5.0, 6.0)))
    kit.until(lambda: kit.sequence == 2, "another")
    assert populated.locals["/arm/link"].rows == (*scaled, (4, 5, 6, 1))
    assert populated.locals["/arm"] is untouched
    kit.button("Disconnect").call_clicked_fn()
    kit.app.update()
    assert populated.locals["/arm/link"].rows == (*scaled, (0, 0, 0, 1)), "and all is as it was"
    assert kit.layers() == []
