"""The state of all banks by the names of what it belongs to: copied out, written down, read back, put into other banks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from twind.estimation.kept import Arrays, Kept, copy_rows, put_rows
from twind.estimation.pose_layout import NO_STREAM, renumber_streams
from twind.model.errors import SnapshotError, SnapshotFault
from twind.model.messages import ClockSample
from twind.runtime.estimators import Stream

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from twind.model.topology import Topology
    from twind.runtime.estimators import Estimators

Key = list[str]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of one bank."""

    keys: Sequence[Key]
    """What each row belongs to: entity and joint, entity, or source, topic and entity."""
    arrays: Arrays
    layouts: Mapping[str, str]
    """Layout of each array."""
    axes: Mapping[str, int] = field(default_factory=dict)
    """Which axis of each array counts the rows."""


@dataclass(frozen=True, slots=True)
class State:
    """Everything that is estimated, at one instant between two batches."""

    tables: Mapping[str, Table]
    clocks: Sequence[tuple[str, str, ClockSample]]
    """What was last said of the clock of an entity, by source."""
    configured: Sequence[tuple[int, int]]
    """Latency floor and period of each stream, as set [ns]."""


@dataclass(frozen=True, slots=True)
class Restored:
    """How much of a state fitted."""

    entities: int
    """Entities that have their state back."""
    left_out: int
    """Rows that were not put back: what they belong to is not in the stage any more, or its settings are others."""


def capture(estimators: Estimators) -> State:
    """Copy the state; nothing may be ingested meanwhile."""
    topology = estimators.topology
    joints = np.flatnonzero(estimators.joints.seen)
    bodies = np.flatnonzero(estimators.poses.seen)
    streams = np.arange(len(estimators.streams))
    joint_keys, entity_keys = _joint_keys(topology), [[entity.id] for entity in topology.entities]
    tables = {
        "joints": _table([joint_keys[row] for row in joints], estimators.joints.kept, joints),
        "bodies": _table([entity_keys[row] for row in bodies], estimators.poses.kept, bodies),
        "streams": _table(
            [[stream.source, stream.topic, stream.entity] for stream in estimators.streams],
            estimators.clocks.kept | estimators.tally.kept,
            streams,
        ),
    }
    if estimators.efforts is not None:
        tables["efforts"] = _table([joint_keys[row] for row in joints], estimators.efforts.kept, joints)
    return State(
        tables,
        [(source, entity, sample) for (source, entity), sample in estimators.clock_samples.items()],
        [(stream.latency_floor_ns, stream.period_ns) for stream in estimators.streams],
    )


def part_of(state: State, entities: Collection[str], source: str) -> State:
    """Return the state of some entities, with the streams of one source that are about them."""

    def picked(name: str, table: Table) -> tuple[Table, list[int]]:
        wanted = [row for row, key in enumerate(table.keys) if key[-1 if name == "streams" else 0] in entities]
        if name == "streams":
            wanted = [row for row in wanted if table.keys[row][0] == source]
        arrays = {array: values.take(wanted, axes[name][array]) for array, values in table.arrays.items()}
        return Table([table.keys[row] for row in wanted], arrays, table.layouts), wanted

    axes = {name: table.axes for name, table in state.tables.items()}
    tables = {name: picked(name, table) for name, table in state.tables.items()}
    rows = np.full(len(state.tables["streams"].keys), NO_STREAM)
    rows[tables["streams"][1]] = np.arange(len(tables["streams"][1]))
    for values in tables["bodies"][0].arrays.values():  # copies by now
        renumber_streams(values, slice(None), rows)
    return State(
        {name: table for name, (table, _) in tables.items()},
        [(of, entity, sample) for of, entity, sample in state.clocks if of == source and entity in entities],
        [state.configured[row] for row in tables["streams"][1]],
    )


def restore(estimators: Estimators, state: State) -> Restored:
    """Put a state into banks, row by row, by the names of what each belongs to. Rows of anything else stay as they are.

    Raises:
        SnapshotError: The banks of this twind keep something else; nothing was changed.
    """
    topology, joints = estimators.topology, _joint_keys(estimators.topology)
    rows_of = {tuple(key): row for row, key in enumerate(joints)}
    banks: list[tuple[str, dict[str, Kept], dict[tuple[str, ...], int]]] = [
        ("joints", estimators.joints.kept, rows_of),
        ("bodies", estimators.poses.kept, {(entity.id,): row for row, entity in enumerate(topology.entities)}),
    ]
    if estimators.efforts is not None:
        banks.append(("efforts", estimators.efforts.kept, rows_of))
    for_streams = estimators.clocks.kept | estimators.tally.kept
    for name, kept, _ in (*banks, ("streams", for_streams, {})):
        _check(name, state.tables.get(name), kept)
    left_out = 0
    entities: set[str] = set()
    for name, kept, rows in banks:
        table = state.tables.get(name)
        if table is not None:
            put, missing = _put(table, kept, rows)
            entities |= {key[0] for key in put}
            left_out += missing
    estimators.joints.rearrange()
    missing, streams = _put_streams(estimators, state, for_streams)
    left_out += missing
    bodies = state.tables.get("bodies")
    if bodies is not None:
        rows = banks[1][2]
        put_back = [rows[tuple(key)] for key in bodies.keys if tuple(key) in rows]
        for each in estimators.poses.kept.values():
            renumber_streams(each.array, put_back, streams)
    return Restored(len(entities), left_out)


def _put(table: Table, kept: Mapping[str, Kept], rows: Mapping[tuple[str, ...], int]) -> tuple[list[Key], int]:
    found = [(source, rows[tuple(key)]) for source, key in enumerate(table.keys) if tuple(key) in rows]
    sources, targets = [pair[0] for pair in found], [pair[1] for pair in found]
    same = put_rows(kept, table.arrays, sources, targets)
    put = [table.keys[source] for source, fits in zip(sources, same, strict=True) if fits]
    return put, len(table.keys) - len(put)


def _put_streams(estimators: Estimators, state: State, kept: Mapping[str, Kept]) -> tuple[int, NDArray[np.int64]]:
    """Give each saved stream a row again; return how many have none, and the row of each, by its row in the state."""
    table = state.tables["streams"]
    there = {(stream.source, stream.topic): row for row, stream in enumerate(estimators.streams)}
    sources, rows, left_out = [], [], 0
    for source, ((name, topic, entity), configured) in enumerate(zip(table.keys, state.configured, strict=True)):
        row = there.get((name, topic))
        if row is None:
            row = estimators.expect_stream(name, topic, entity, configured)
        elif estimators.streams[row] != Stream(name, topic, entity, *configured):
            row = None
        if row is None:
            left_out += 1
        else:
            sources.append(source)
            rows.append(row)
    put_rows(kept, table.arrays, sources, rows)
    for name, entity, sample in state.clocks:
        estimators.clock_samples[name, entity] = sample
    row_of = np.full(len(table.keys), NO_STREAM)
    row_of[sources] = rows
    return left_out, row_of


def _joint_keys(topology: Topology) -> list[Key]:
    return [[robot.id, joint.name] for robot in topology.robots for joint in robot.joints]


def _table(keys: list[Key], kept: Mapping[str, Kept], rows: NDArray[np.int64]) -> Table:
    layouts = {name: each.layout for name, each in kept.items()}
    return Table(keys, copy_rows(kept, rows), layouts, {name: each.axis for name, each in kept.items()})


def _check(name: str, table: Table | None, kept: Mapping[str, Kept]) -> None:
    """Compare layouts.

    Raises:
        SnapshotError: They differ.
    """
    if table is None:
        return
    differ = [array for array, each in kept.items() if table.layouts.get(array) != each.layout] + [
        array for array in table.layouts if array not in kept
    ]
    if differ:
        raise SnapshotError(SnapshotFault.LAYOUT, f"this twind keeps {name} in another way ({', '.join(sorted(set(differ)))})")


# As bytes.


def to_parts(state: State) -> tuple[dict[str, Any], list[NDArray[Any]]]:
    """Return a state as a description, and the arrays that it describes, in order."""
    tables, parts = {}, []
    for name, table in state.tables.items():
        arrays = []
        for array, values in table.arrays.items():
            arrays.append({"name": array, "layout": table.layouts[array], "shape": values.shape})
            parts.append(np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8))
        tables[name] = {"keys": table.keys, "arrays": arrays}
    clocks = [[source, entity, msgspec.to_builtins(sample)] for source, entity, sample in state.clocks]
    return {"tables": tables, "clocks": clocks, "configured": state.configured}, parts


def from_parts(description: dict[str, Any], parts: Sequence[bytes], estimators: Estimators) -> State:
    """Return a state that was described.

    Raises:
        SnapshotError: The banks of this twind keep something else.
    """
    kept = {
        "joints": estimators.joints.kept,
        "bodies": estimators.poses.kept,
        "streams": estimators.clocks.kept | estimators.tally.kept,
        "efforts": {} if estimators.efforts is None else estimators.efforts.kept,
    }
    tables, queue = {}, iter(parts)
    for name, told in description["tables"].items():
        arrays: Arrays = {}
        layouts = {array["name"]: array["layout"] for array in told["arrays"]}
        content = {array["name"]: next(queue) for array in told["arrays"]}
        if not kept.get(name):  # nobody listens any more
            continue
        _check(name, Table((), {}, layouts), kept[name])
        for array in told["arrays"]:
            values = np.frombuffer(content[array["name"]], kept[name][array["name"]].array.dtype)
            arrays[array["name"]] = values.reshape(array["shape"])
        axes = {array: kept[name][array].axis for array in arrays}
        tables[name] = Table(told["keys"], arrays, layouts, axes)
    clocks = [(source, entity, msgspec.convert(sample, ClockSample)) for source, entity, sample in description["clocks"]]
    return State(tables, clocks, [(floor, period) for floor, period in description["configured"]])
