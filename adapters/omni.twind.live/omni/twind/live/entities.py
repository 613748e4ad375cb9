"""What a daemon says of its entities: the newest quality, instant and age of each. For read-outs; needs no USD."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .frames import Catalogue, Frame

_FIELDS = {"twind:time": "time_s", "twind:age": "age_s", "twind:quality": "quality", "twind:seq": "seq"}


@dataclass
class EntityState:
    """One robot or object, as last written."""

    id: str
    kind: str
    prim: str
    time_s: float = 0.0
    """The instant that its state is for [s since the epoch]."""
    age_s: float = -1.0
    """How old the newest measurement was when it was written [s]; -1 before the first."""
    quality: str = "lost"
    """ok | coasting | stale | lost"""
    seq: int = 0
    """The update that it comes from."""


class Entities:
    """All entities of one catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.all = tuple(EntityState(one.id, one.kind, one.prim) for one in catalogue.entities)
        by_index = {one.index: state for one, state in zip(catalogue.entities, self.all, strict=True)}
        self._groups: dict[int, tuple[str, list[EntityState], tuple[str, ...]]] = {}
        for number, group in enumerate(catalogue.groups):
            names = {_FIELDS.get(one.name) for one in group.attributes}
            field = names.pop() if len(names) == 1 else None
            owners = [by_index.get(one.entity) for one in group.attributes]
            if field is not None and None not in owners:
                self._groups[number] = (field, [owner for owner in owners if owner is not None], group.names)

    def apply(self, frames: Iterable[Frame]) -> None:
        """Take over what frames say."""
        for frame in frames:
            for change in frame.changes:
                if change.group in self._groups:
                    field, owners, names = self._groups[change.group]
                    rows: Any = range(change.count) if change.rows is None else change.rows
                    for row, number in zip(rows, change.numbers, strict=True):
                        setattr(owners[row], field, names[int(number)] if names else number)

    @property
    def worst_age_s(self) -> float:
        """Age of the oldest of the newest measurements [s]; -1 where there is none at all."""
        return max((one.age_s for one in self.all), default=-1.0)


def at_or_around(entities: Iterable[EntityState], paths: Iterable[str]) -> list[EntityState]:
    """Return the entities that have one of these prims, at, above or below their own."""
    chosen = [f"{path.rstrip('/')}/" for path in paths]
    return [
        one for one in entities if any(f"{one.prim}/".startswith(path) or path.startswith(f"{one.prim}/") for path in chosen)
    ]
