"""The part of a live layer that one subscription is about, and its catalogue: what the entries of frames mean."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from twind.viewers.protocol import VERSION
from twind.viewers.protocol.messages import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from twind.model.live_layer import LiveAttribute, LiveColumn, LiveLayout
    from twind.model.topology import Topology
    from twind.viewers.protocol.messages import Subscription

_SCALARS = {"<f2": "f2", "<f4": "f4", "<f8": "f8", "<i8": "i8", "|u1": "u1"}


@dataclass(frozen=True, slots=True)
class LiveSource:
    """Whose live layer it is. All that a catalogue says before anybody has asked for a part."""

    layout: LiveLayout
    topology: Topology
    instance: str
    generation: int
    session: str
    """Names this run of the daemon; sequence numbers of another one mean nothing."""
    schema_version: int
    rate_hz: float
    """How often there is something new, at most [Hz]."""
    stage_url: str | None
    """Where the listener has the layer to open; None where the stage cannot be had over HTTP."""
    live_url: str | None


@dataclass(frozen=True, slots=True)
class Group:
    """The entries of one column that a subscription is about."""

    column: int
    rows: NDArray[np.int64] | None
    """(n,) which of them, ascending; None: all."""
    size: int


class Selection:
    """What one subscription selects."""

    def __init__(self, source: LiveSource, subscription: Subscription) -> None:
        """Select.

        Raises:
            ProtocolError: It names an entity that the stage does not have, or selects nothing.
        """
        self._source = source
        self._entities = _entities(source.topology, subscription.entities)
        self._prims = tuple(prim.rstrip("/") for prim in subscription.prims)
        self._below = tuple(one.prim for index, one in enumerate(source.topology.entities) if index in self._entities)
        """What no entity has alone belongs to those that it stands below."""
        self._everything = not (subscription.entities or subscription.prims)
        found = (self._group(index, column) for index, column in enumerate(source.layout.columns))
        self.groups = tuple(group for group in found if group.size)
        if not (self.groups or self._everything):
            msg = "the subscription selects nothing that moves: look at the catalogue of everything"
            raise ProtocolError(msg)

    def catalogue(self, number: int, *, max_rate_hz: float) -> dict[str, Any]:
        """Return the document that says what frames with this catalogue number hold."""
        source, layout = self._source, self._source.layout
        columns = [(group, layout.columns[group.column]) for group in self.groups]
        used = {one.entity for group, column in columns for one in _attributes(group, column)}
        moving = dict.fromkeys(one.prim for group, column in columns for one in _attributes(group, column))
        fixed = [one for one in layout.fixed if one.prim in moving or self._has(one.prim, one.entity)]
        prims = moving | dict.fromkeys(one.prim for one in fixed)
        paths = {prim: place for place, prim in enumerate(prims)}
        topology = source.topology
        return {
            "type": "catalogue",
            "protocol": VERSION,
            "catalogue": number,
            "instance": source.instance,
            "generation": source.generation,
            "session": source.session,
            "schema_version": source.schema_version,
            "max_rate_hz": max_rate_hz,
            "stage": {
                "url": source.stage_url,
                "live_url": source.live_url,
                "up_axis": topology.up_axis,
                "meters_per_unit": topology.meters_per_unit,
            },
            "entities": [
                {"index": index, "id": one.id, "kind": "robot" if index < len(topology.robots) else "object", "prim": one.prim}
                for index, one in enumerate(topology.entities)
                if index in used
            ],
            "prims": [_prim(prim, layout.schemas) for prim in paths],
            "fixed": [
                _without_defaults(
                    prim=paths[one.prim],
                    name=one.name,
                    type=one.type_name,
                    value=one.value,
                    custom=one.custom,
                    uniform=one.uniform,
                )
                for one in fixed
            ],
            "groups": [
                _without_defaults(
                    type=column.type_name,
                    scalar=_SCALARS[column.dtype],
                    width=column.width,
                    names=list(column.names),
                    attributes=[_attribute(one, paths) for one in _attributes(group, column)],
                )
                for group, column in columns
            ],
        }

    def _group(self, index: int, column: LiveColumn) -> Group:
        if self._everything:
            return Group(index, None, len(column.attributes))
        rows = [row for row, one in enumerate(column.attributes) if self._has(one.prim, one.entity)]
        return Group(index, np.array(rows, np.int64), len(rows))

    def _has(self, prim: str, entity: int) -> bool:
        if self._everything or entity in self._entities:
            return True
        roots = self._prims if entity >= 0 else (*self._prims, *self._below)
        return any(prim == root or prim.startswith(f"{root}/") for root in roots)


def _entities(topology: Topology, ids: tuple[str, ...]) -> set[int]:
    found = set()
    for name in ids:
        if name not in topology.entity_index:
            close = difflib.get_close_matches(name[:100], topology.entity_index, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise ProtocolError(f"no entity has the id {name[:100]!r}{hint}")
        found.add(topology.entity_index[name])
    return found


def _attributes(group: Group, column: LiveColumn) -> list[LiveAttribute]:
    if group.rows is None:
        return [*column.attributes]
    return [column.attributes[row] for row in group.rows.tolist()]


def _prim(path: str, schemas: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    return _without_defaults(path=path, schemas=list(schemas.get(path, ())))


def _attribute(one: LiveAttribute, paths: Mapping[str, int]) -> dict[str, Any]:
    return _without_defaults(
        prim=paths[one.prim], name=one.name, entity=one.entity, unit=one.unit, custom=one.custom, choices=list(one.choices)
    )


def _without_defaults(**fields: Any) -> dict[str, Any]:
    """Leave out empty lists, empty strings and False: what is absent is that."""
    return {name: value for name, value in fields.items() if name == "value" or (value not in ([], "") and value is not False)}
