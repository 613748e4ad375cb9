"""Files for tools that cannot connect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pxr import Sdf, Usd, UsdGeom

from twind.model.errors import StageError
from twind.stage.live import LiveStage
from twind.stage.snapshot import Snapshot
from twind.stage.synthetic import serial_robots

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


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
