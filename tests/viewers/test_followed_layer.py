"""The layer of a follower, made of what went over the wire, against the daemon's own."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest
from pxr import Usd

from tests.viewers.layers import Told, follow, layer_as_data
from twind.model.estimates import Status
from twind.viewers.follower.entities import Entities
from twind.viewers.follower.errors import ProtocolError
from twind.viewers.follower.frames import read_catalogue, read_frame
from twind.viewers.follower.usd_sink import UsdSink
from twind.viewers.protocol.messages import ProtocolError as RefusedByServer
from twind.viewers.protocol.messages import Subscription
from twind.viewers.protocol.selection import Selection
from twind.viewers.state import NOTHING, LiveState, View

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.viewers.conftest import Streamed

STATUSES = [Status.OK, Status.COASTING, Status.STALE, Status.LOST]


class Wire:
    """What a client with one subscription gets, without a network."""

    def __init__(self, cell: Streamed, subscription: Subscription | None = None) -> None:
        self.cell = cell
        self.state = LiveState(cell.live.layout)
        cell.live.tell(self.state.take)
        self.view = View(self.state, Selection(cell.source, subscription or Subscription()), 1)
        self.document = json.loads(json.dumps(self.view.selection.catalogue(1, max_rate_hz=30.0)))
        self.catalogue = read_catalogue(self.document)

    def frame(self, base: int) -> bytes:
        data = self.view.since(base)
        assert data is not None
        return data


@pytest.mark.parametrize("every", [1, 3])
def test_equals_the_daemons_at_every_sequence_number(streamed: Callable[..., Streamed], every: int) -> None:
    cell = streamed()
    wire = Wire(cell)
    stage = Usd.Stage.CreateInMemory()
    stage.GetRootLayer().TransferContent(cell.stage.GetRootLayer())
    sink = UsdSink(wire.catalogue)
    sink.attach(stage)
    told, base = Told(stage), NOTHING
    entities = len(cell.live.topology.entities)
    for step in range(24):
        cell.write(None if step % 5 == 0 else [step % entities], status=STATUSES[step // 5 % 4])
        if step % every == 0:  # one who gets fewer frames gets the latest values
            sink.apply([read_frame(wire.frame(base), wire.catalogue)])
            base = wire.state.seq
            assert layer_as_data(sink.layer) == layer_as_data(cell.live.layer)
            assert sink.sequence == cell.live.shown.seq  # type: ignore[union-attr]
    assert (told.notices, told.resynced) == (len(range(0, 24, every)), [])
    sink.detach()
    assert not stage.GetSessionLayer().subLayerPaths
    assert stage.GetSessionLayer().empty


def test_equals_it_in_the_openusd_of_kit_as_well(streamed: Callable[..., Streamed], tmp_path: Path, usd_2511: Path) -> None:
    cell = streamed()
    wire, base, expected = Wire(cell), NOTHING, []
    (tmp_path / "catalogue.json").write_text(json.dumps(wire.document))
    for step in range(8):
        cell.write(None if step % 3 == 0 else [step % 7], status=STATUSES[step % 4])
        (tmp_path / f"{step}.frame").write_bytes(wire.frame(base))
        base = wire.state.seq
        expected.append({"layer": layer_as_data(cell.live.layer), "notices": 1, "resynced": []})
    root = str(tmp_path / "root.usda")
    cell.stage.GetRootLayer().Export(root)
    script = __file__.replace("test_followed_layer", "layers")
    done = subprocess.run([usd_2511, script, tmp_path, root], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == json.loads(json.dumps(expected))
    assert follow(tmp_path, root) == json.loads(json.dumps(expected))


@pytest.mark.parametrize("by", ["entity", "prim"])
def test_of_one_entity_holds_that_and_nothing_else(streamed: Callable[..., Streamed], by: str) -> None:
    cell = streamed()
    one = cell.live.topology.entities[0]
    wire = Wire(cell, Subscription(entities=(one.id,)) if by == "entity" else Subscription(prims=(f"{one.prim}/",)))
    sink = UsdSink(wire.catalogue)
    assert [entity.id for entity in wire.catalogue.entities] == [one.id]
    cell.write()
    sink.apply([read_frame(wire.frame(NOTHING), wire.catalogue)])
    parts = [
        {path: value for path, value in layer_as_data(layer).items() if path.startswith((f"{one.prim}/", f"{one.prim}."))}
        for layer in (cell.live.layer, sink.layer)
    ]
    assert parts[0] == parts[1]
    assert not any(".twind:time" in path for path in layer_as_data(sink.layer) if not path.startswith(one.prim))
    before = wire.state.seq
    cell.write([1])
    assert wire.view.since(before) is None, "what others do is not sent"


def test_frames_that_do_not_follow_on_are_refused(streamed: Callable[..., Streamed]) -> None:
    cell = streamed()
    wire = Wire(cell)
    cell.write()
    full = read_frame(wire.frame(NOTHING), wire.catalogue)
    cell.write()
    second = read_frame(wire.frame(1), wire.catalogue)
    cell.write()
    third = read_frame(wire.frame(2), wire.catalogue)
    sink = UsdSink(wire.catalogue)
    for frame in (second, third):
        with pytest.raises(ProtocolError, match="is shown"):
            sink.apply([frame])
    with pytest.raises(ProtocolError, match="is shown"):
        sink.apply([full, third])
    sink.apply([full, second, third])
    assert layer_as_data(sink.layer) == layer_as_data(cell.live.layer)


def test_a_subscription_to_what_does_not_exist_is_refused_with_a_hint(streamed: Callable[..., Streamed]) -> None:
    cell = streamed()
    with pytest.raises(RefusedByServer, match="did you mean 'robot_"):
        Selection(cell.source, Subscription(entities=("robot0",)))
    with pytest.raises(RefusedByServer, match="selects nothing"):
        Selection(cell.source, Subscription(prims=("/World/robot",)))


def test_the_catalogue_says_units_and_entities(streamed: Callable[..., Streamed]) -> None:
    cell = streamed()
    wire = Wire(cell)
    units = {
        (one.name.split(":")[0], one.name.rpartition(":")[2], one.unit)
        for group in wire.catalogue.groups
        for one in group.attributes
    }
    assert {
        ("state", "position", "deg"),
        ("state", "velocity", "deg/s"),
        ("xformOp", "translate", "stage"),
        ("twind", "age", "s"),
    } <= units
    assert wire.catalogue.meters_per_unit == 0.01
    entities = Entities(wire.catalogue)
    cell.write(status=Status.COASTING)
    entities.apply([read_frame(wire.frame(NOTHING), wire.catalogue)])
    assert {one.quality for one in entities.all} == {"coasting"}
    assert entities.worst_age_s == pytest.approx(0.008)
    assert {one.seq for one in entities.all} == {1}
