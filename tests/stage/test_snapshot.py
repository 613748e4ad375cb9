"""Files for tools that cannot connect."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pxr import Sdf, Usd, UsdGeom

from tests.stage.viewer import Viewer
from tests.usd_2511 import seen_by, seen_here
from twind.model.errors import StageError
from twind.stage.live import LiveStage
from twind.stage.snapshot import Snapshot
from twind.stage.synthetic import serial_robots

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def root(tmp_path: Path) -> str:
    path = tmp_path / "cell.usda"
    stage = serial_robots(2, objects=1, meters_per_unit=0.01)
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
    stage.SetDefaultPrim(stage.GetPrimAtPath("/World"))
    stage.SetTimeCodesPerSecond(60)
    stage.GetRootLayer().Export(str(path))
    return str(path)


def test_snapshot_composes_to_the_same_values_as_the_live_stage(
    root: str, tmp_path: Path, update_at: Callable[..., Any]
) -> None:
    live = LiveStage.open(root, instance="cell-7")
    snapshot = Snapshot(live, tmp_path / "out" / "live")
    live.write(update_at(live.topology, {"robot_1/joint_3": 0.6}, seq=5))
    snapshot.replace(live.layer_text().encode())
    twin = Usd.Stage.Open(str(tmp_path / "out" / "live" / "twin.usda"))
    here, there = UsdGeom.XformCache(), UsdGeom.XformCache()
    for prim in live.stage.Traverse():
        other = twin.GetPrimAtPath(prim.GetPath())
        assert other
        if prim.IsA(UsdGeom.Xformable):
            np.testing.assert_allclose(here.GetLocalToWorldTransform(prim), there.GetLocalToWorldTransform(other), atol=1e-9)
        for attribute in prim.GetAttributes():
            assert other.GetAttribute(attribute.GetName()).Get() == attribute.Get()
    assert twin.GetAttributeAtPath("/World/robot_1.twind:seq").Get() == 5
    live.close()


@pytest.mark.parametrize("asset", ["demo_cell", "panda"])
def test_openusd_25_11_sees_the_same_snapshot(
    tmp_path: Path, data_dir: Path, update_at: Callable[..., Any], usd_2511: Path, asset: str
) -> None:
    stages = Path(__file__).parents[2] / "stages"
    root = data_dir / "robots" / "panda" / "panda.usda" if asset == "panda" else stages / "demo_cell" / "cell.usda"
    live = LiveStage.open(str(root), instance="cell-7")
    live.write(update_at(live.topology, seq=3))
    Snapshot(live, tmp_path / "live")
    live.close()
    for name in ("live.usda", "twin.usda"):
        seen = seen_by(usd_2511, tmp_path / "live" / name)
        assert seen["errors"] == 0
        assert seen == seen_here(tmp_path / "live" / name)


def test_twin_carries_over_what_usd_reads_from_a_root_layer(root: str, tmp_path: Path) -> None:
    live = LiveStage.open(root, instance="cell-7")
    Snapshot(live, tmp_path / "live")
    twin = Usd.Stage.Open(str(tmp_path / "live" / "twin.usda"))
    assert UsdGeom.GetStageMetersPerUnit(twin) == 0.01
    assert UsdGeom.GetStageUpAxis(twin) == "Y"
    assert twin.GetDefaultPrim().GetPath() == "/World"
    assert twin.GetTimeCodesPerSecond() == 60
    layer = Sdf.Layer.FindOrOpen(str(tmp_path / "live" / "live.usda"))
    assert layer.customLayerData["twind"]["instance"] == "cell-7"
    live.close()


def test_replacing_the_live_file_resyncs_nothing_in_an_open_viewer(
    root: str, tmp_path: Path, update_at: Callable[..., Any]
) -> None:
    live = LiveStage.open(root, instance="t")
    snapshot = Snapshot(live, tmp_path / "live")
    viewer = Usd.Stage.Open(str(tmp_path / "live" / "twin.usda"))
    resynced = []
    from pxr import Tf

    key = Tf.Notice.Register(Usd.Notice.ObjectsChanged, lambda notice, _: resynced.extend(notice.GetResyncedPaths()), viewer)
    live.write(update_at(live.topology, {"robot_0/joint_1": 1.0}, seq=2))
    snapshot.replace(live.layer_text().encode())
    assert Sdf.Layer.Find(str(tmp_path / "live" / "live.usda")).Reload(force=True)
    assert viewer.GetAttributeAtPath("/World/robot_0.twind:seq").Get() == 2
    assert resynced == []
    del key
    live.close()


@pytest.mark.parametrize("reader", ["ours", "25.11"])
def test_a_viewer_in_another_process_sees_new_values_and_no_new_structure(
    root: str, tmp_path: Path, update_at: Callable[..., Any], reader: str, request: pytest.FixtureRequest
) -> None:
    python = Path(sys.executable) if reader == "ours" else request.getfixturevalue("usd_2511")
    live = LiveStage.open(root, instance="t")
    snapshot = Snapshot(live, tmp_path / "live")
    with Viewer(python, tmp_path / "live" / "twin.usda") as viewer:
        for seq in range(1, 6):
            live.write(update_at(live.topology, {"robot_0/joint_1": 0.1 * seq}, seq=seq))
            snapshot.replace(live.layer_text().encode())
            seen = viewer.reload("/World/robot_0.twind:seq")
            assert (seen["value"], seen["resynced"], seen["notices"]) == (seq, [], 1)
            assert seen["changed"] > 1  # a reload of the same text speaks of the root alone
        Snapshot(live, tmp_path / "live")  # as a daemon that is started again does
        again = viewer.reload("/World/robot_0.twind:seq")
        assert (again["value"], again["resynced"], again["changed"]) == (5, [], 1)
    live.close()


def test_the_stage_and_its_snapshot_move_together(root: str, tmp_path: Path) -> None:
    live = LiveStage.open(root, instance="t")
    Snapshot(live, tmp_path / "out" / "live")
    live.close()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").rename(tmp_path / "elsewhere" / "out")
    (tmp_path / "cell.usda").rename(tmp_path / "elsewhere" / "cell.usda")
    twin = Usd.Stage.Open(str(tmp_path / "elsewhere" / "out" / "live" / "twin.usda"))
    assert twin.GetPrimAtPath("/World/robot_0/base").IsA(UsdGeom.Xform)
    assert not twin.GetCompositionErrors()


def test_a_stage_on_another_file_system_is_named_by_its_whole_path(root: str) -> None:
    memory = Path("/dev/shm")  # noqa: S108  (memory is another file system on Linux)
    if not memory.is_dir() or memory.stat().st_dev == Path(root).stat().st_dev:
        pytest.skip("there is no second file system here")
    live = LiveStage.open(root, instance="t")
    with TemporaryDirectory(dir=memory) as folder:
        Snapshot(live, Path(folder, "live"))
        moved = Path(folder, "moved", "far", "away")
        moved.parent.mkdir(parents=True)
        Path(folder, "live").rename(moved)
        assert not Usd.Stage.Open(str(moved / "twin.usda")).GetCompositionErrors()
    live.close()


def test_a_snapshot_opens_under_every_name_of_its_folder(root: str, tmp_path: Path) -> None:
    (tmp_path / "a" / "b" / "c").mkdir(parents=True)
    (tmp_path / "short").symlink_to(tmp_path / "a" / "b" / "c")
    live = LiveStage.open(root, instance="t")
    Snapshot(live, tmp_path / "short" / "live")
    live.close()
    for folder in (tmp_path / "short" / "live", tmp_path / "a" / "b" / "c" / "live"):
        assert not Usd.Stage.Open(str(folder / "twin.usda")).GetCompositionErrors()


def test_a_killed_writer_leaves_a_whole_layer_and_the_next_one_cleans_up(root: str, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from twind.stage.live import LiveStage; from twind.stage.snapshot import Snapshot\n"
        "live = LiveStage.open(sys.argv[1], instance='t'); snapshot = Snapshot(live, Path(sys.argv[2]))\n"
        "text = live.layer_text().encode()\nprint('writing', flush=True)\nwhile True: snapshot.replace(text)\n"
    )
    folder = tmp_path / "live"
    for _ in range(2):
        command = [sys.executable, "-c", program, root, str(folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "writing\n"
            writer.kill()
        assert Sdf.Layer.OpenAsAnonymous(str(folder / "live.usda")).GetPrimAtPath("/World/robot_0")
    (folder / ".live-new.usda").write_text("half a la")
    live = LiveStage.open(root, instance="t")
    Snapshot(live, folder)
    live.close()
    assert sorted(path.name for path in folder.iterdir()) == ["live.usda", "twin.usda"]


def test_no_temporary_file_stays_behind(root: str, tmp_path: Path) -> None:
    live = LiveStage.open(root, instance="t")
    Snapshot(live, tmp_path / "live").replace(b"#usda 1.0")
    assert sorted(path.name for path in (tmp_path / "live").iterdir()) == ["live.usda", "twin.usda"]
    live.close()


def test_folder_that_cannot_be_written_is_a_stage_error(root: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    live = LiveStage.open(root, instance="t")
    with pytest.raises(StageError, match=r"stage\.snapshot\.path"):
        Snapshot(live, tmp_path / "file")
    snapshot = Snapshot(live, tmp_path / "live")
    (tmp_path / "live" / "live.usda").unlink()
    (tmp_path / "live" / "live.usda").mkdir()
    with pytest.raises(StageError, match="cannot write"):
        snapshot.replace(b"#usda 1.0")
    live.close()


def test_a_file_in_the_place_of_the_folder_is_a_stage_error(root: str, tmp_path: Path) -> None:
    live = LiveStage.open(root, instance="t")
    snapshot = Snapshot(live, tmp_path / "live")
    (tmp_path / "live").rename(tmp_path / "away")
    (tmp_path / "live").write_text("in the way")
    with pytest.raises(StageError, match="cannot write"):
        snapshot.replace(b"#usda 1.0")
    live.close()
