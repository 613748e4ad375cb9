"""A recording as an animation layer says what `joints.csv` and `bodies.csv` say."""

from __future__ import annotations

import csv
import math
import tracemalloc
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pxr import Gf, Sdf, Usd, UsdGeom

from tests.usd_2511 import seen_by, seen_here
from twind.config.load import load
from twind.model.errors import StageError
from twind.runtime.replay.run import ReplayOptions, replay_to_folder
from twind.stage import spool
from twind.stage.synthetic import random_update, serial_robots
from twind.stage.take import Take
from twind.testing.recordings import pose
from twind.testing.recordings import write_recording as write

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Bench

    from twind.testing.recordings import Message

    Swing = Callable[[str], list[Message]]

T0 = 1_700_000_000_000_000_000
MS = 1_000_000


def _record(bench: Bench, recording: Path, out: Path, **options: Any) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Replay with a take; return the rows of joints and bodies."""
    loaded = load([bench.config], bench.registry)
    with Take(loaded.settings.stage.root, out, sample_hz=options.get("sample_hz", 50.0)) as take:
        folder = out.parent / f"{out.stem}-csv"
        replay_to_folder([recording], loaded, take.topology, folder, options=ReplayOptions(**options), take=take)
    joints, bodies = (list(csv.DictReader((folder / name).read_text().splitlines())) for name in ("joints.csv", "bodies.csv"))
    return joints, bodies


def test_a_take_opened_alone_moves_the_robot_through_the_states_of_the_csv(
    pendulum: Bench, swing: Swing, tmp_path: Path
) -> None:
    out = tmp_path / "takes" / "swing.usda"
    joints, _ = _record(pendulum, write(tmp_path / "a.mcap", swing("sys_id_01")[:2000]), out)
    stage = Usd.Stage.Open(str(out))
    assert stage.GetTimeCodesPerSecond() == 1
    first = int(joints[0]["sample_ns"])
    assert (stage.GetStartTimeCode(), stage.GetEndTimeCode()) == (0, (int(joints[-1]["sample_ns"]) - first) / 1e9)
    assert stage.GetRootLayer().customLayerData["twind"]["startNs"] == str(first)
    with Take(_root(stage), tmp_path / "x.usda", sample_hz=1) as look:
        prims = {joint.name: joint.prim for joint in look.topology.robots[0].joints}
    rows = {(int(row["sample_ns"]) - first) / 1e9: {} for row in joints}
    for row in joints:
        rows[(int(row["sample_ns"]) - first) / 1e9][row["joint"]] = row
    for time_s, of_joints in rows.items():
        for name, row in of_joints.items():
            for what in ("position", "velocity"):
                shown = stage.GetAttributeAtPath(f"{prims[name]}.state:angular:physics:{what}").Get(time_s)
                assert shown == np.float32(math.degrees(float(row[what])))
    moved = [
        UsdGeom.XformCache(time_s).GetLocalToWorldTransform(stage.GetPrimAtPath(look.topology.robots[0].links[-1].prim))
        for time_s in rows
    ]
    assert len({str(matrix) for matrix in moved}) > len(rows) * 0.9


def _root(stage: Any) -> str:
    return str(stage.GetRootLayer().ComputeAbsolutePath(stage.GetRootLayer().subLayerPaths[0]))


def test_the_poses_of_objects_are_those_of_the_csv(crate: Bench, tmp_path: Path) -> None:
    flight = [
        (T0 + index * 10 * MS, "cell/crate/pose", pose(T0 + index * 10 * MS, index * 0.004, 1.0, 2.0)) for index in range(100)
    ]
    out = tmp_path / "crate.usda"
    _, bodies = _record(crate, write(tmp_path / "a.mcap", flight), out, sample_hz=20)
    stage = Usd.Stage.Open(str(out))
    attribute = stage.GetAttributeAtPath("/World/crate.xformOp:translate")
    for row in bodies:
        shown = attribute.Get((int(row["sample_ns"]) - T0) / 1e9)
        assert tuple(shown) == tuple(float(row[axis]) for axis in ("px", "py", "pz"))
    assert attribute.GetNumTimeSamples() == len(bodies)
    assert stage.GetAttributeAtPath("/World/crate.twind:quality").Get(0.0) == "ok"


def test_the_same_recording_gives_the_same_bytes_in_whatever_pieces_it_is_written(
    pendulum: Bench, swing: Swing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = write(tmp_path / "a.mcap", swing("sys_id_03")[:1500])
    _record(pendulum, recording, tmp_path / "one.usda")
    monkeypatch.setattr(spool, "_MAX_BLOCK_ROWS", 7)
    _record(pendulum, recording, tmp_path / "two.usda")
    assert (tmp_path / "one.usda").read_bytes() == (tmp_path / "two.usda").read_bytes()


def test_neighbouring_orientations_lie_on_the_same_side_and_have_the_precision_of_their_op(
    pendulum: Bench, swing: Swing, tmp_path: Path
) -> None:
    _record(pendulum, write(tmp_path / "a.mcap", swing("sys_id_01")[:3000]), tmp_path / "t.usda")
    found = 0
    layer = Sdf.Layer.FindOrOpen(str(tmp_path / "t.usda"))
    stage = Usd.Stage.Open(layer)
    for prim in stage.TraverseAll():
        orient = prim.GetAttribute("xformOp:orient")
        if orient and orient.GetNumTimeSamples() > 1:
            values = [orient.Get(time_s) for time_s in orient.GetTimeSamples()]
            assert all(isinstance(value, Gf.Quatf) for value in values)
            rows = np.array([[value.GetReal(), *value.GetImaginary()] for value in values])
            assert ((rows[1:] * rows[:-1]).sum(axis=1) > 0).all()
            found += 1
    assert found == 2


def test_what_does_not_change_takes_no_samples_and_silence_holds_what_was_shown(crate: Bench, tmp_path: Path) -> None:
    def at(second: float, x: float) -> Message:
        stamp = T0 + round(second * 1e9)
        return stamp, "cell/crate/pose", pose(stamp, x, 0.0, 0.0)

    days = 3 * 86400.0
    messages = [at(index / 100, 1.0) for index in range(200)] + [at(days + index / 100, 2.0) for index in range(200)]
    out = tmp_path / "silence.usda"
    _, bodies = _record(crate, write(tmp_path / "a.mcap", messages), out, sample_hz=10)
    stage = Usd.Stage.Open(str(out))
    orient = stage.GetAttributeAtPath("/World/crate.xformOp:orient")
    assert orient.GetNumTimeSamples() < len(bodies) / 10
    translate = stage.GetAttributeAtPath("/World/crate.xformOp:translate")
    assert translate.Get(days / 2)[0] == pytest.approx(1.0, abs=1e-3)
    assert translate.Get(days - 1)[0] == pytest.approx(1.0, abs=1e-3)
    assert translate.Get(days + 1)[0] == pytest.approx(2.0, abs=1e-3)
    assert stage.GetAttributeAtPath("/World/crate.twind:quality").Get(days / 2) == "lost"


def test_a_take_never_replaces_a_part_of_the_stage_and_leaves_nothing_when_it_fails(crate: Bench, tmp_path: Path) -> None:
    root = load([crate.config], crate.registry).settings.stage.root
    (tmp_path / "alias.usda").symlink_to(root)
    for out in (tmp_path / "cell.usda", tmp_path / "alias.usda"):
        with pytest.raises(StageError, match="a part of the stage"):
            Take(root, out, sample_hz=50)
    with pytest.raises(StageError, match=r"\.usda"):
        Take(root, tmp_path / "take.usdc", sample_hz=50)
    before = sorted(path.name for path in tmp_path.iterdir())
    with Take(root, tmp_path / "unfinished.usda", sample_hz=50):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_an_empty_recording_gives_a_take_that_stands_still(crate: Bench, tmp_path: Path) -> None:
    _record(crate, write(tmp_path / "a.mcap", []), tmp_path / "empty.usda")
    stage = Usd.Stage.Open(str(tmp_path / "empty.usda"))
    assert (stage.GetStartTimeCode(), stage.GetEndTimeCode()) == (0, 0)
    assert stage.GetPrimAtPath("/World/crate")


def test_openusd_25_11_sees_the_same_take(pendulum: Bench, swing: Swing, tmp_path: Path, usd_2511: Path) -> None:
    out = tmp_path / "t.usda"
    _record(pendulum, write(tmp_path / "a.mcap", swing("sys_id_01")[:600]), out)
    times = [0.0, 0.1, 0.123, 1.0]
    seen = seen_by(usd_2511, out, times=times)
    assert seen["errors"] == 0
    assert seen == seen_here(out, times=times)


def test_memory_does_not_grow_with_the_length_of_a_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "_BLOCK_BYTES", 25_000)
    root = tmp_path / "robots.usda"
    stage = serial_robots(1, joints=3)
    stage.GetRootLayer().Export(str(root))

    def peak(instants: int) -> int:
        with Take(str(root), tmp_path / "take.usda", sample_hz=50) as take:
            updates = [random_update(take.topology, seq=seq, rng=np.random.default_rng(seq)) for seq in range(1, 9)]
            tracemalloc.start()
            for index in range(instants):
                take.add(index / 50, updates[index % 8])
            take.finish(start_ns=T0, horizon_s=0.1)
            found = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        return found

    short = peak(300)
    assert peak(1200) < 1.25 * short
