"""What can be bound in a stage, and an id for each that no other has."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twind.model.topology import JointKind, RigidObject, Robot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twind.model.topology import Topology


@dataclass(frozen=True, slots=True)
class Candidate:
    """One entity that was discovered."""

    prim: str
    found_id: str
    """The id that it has without further ado."""
    proposed_id: str
    """The same, or one that tells it apart from others with that id."""
    joints: tuple[str, ...]
    """Names of the joints that move, in discovery order; none for an object."""
    free: bool
    """Whether it moves about, so that its pose must be measured: an object, or a robot with a floating base."""
    is_robot: bool
    holder: str
    """Prim of the fixed joint that holds a robot to the world; empty when nothing does, or another kind of joint."""

    @property
    def ambiguous(self) -> bool:
        """Whether another entity has the same id."""
        return self.found_id != self.proposed_id


def candidates(topology: Topology) -> list[Candidate]:
    """Return the entities in discovery order."""
    ids = _told_apart([(entity.id, entity.prim) for entity in topology.entities])
    return [_candidate(entity, proposed) for entity, proposed in zip(topology.entities, ids, strict=True)]


def _candidate(entity: Robot | RigidObject, proposed: str) -> Candidate:
    if isinstance(entity, RigidObject):
        return Candidate(entity.prim, entity.id, proposed, (), free=True, is_robot=False, holder="")
    holders = [joint.prim for joint in entity.joints if joint.parent < 0 and joint.kind is JointKind.FIXED]
    return Candidate(
        prim=entity.prim,
        found_id=entity.id,
        proposed_id=proposed,
        joints=tuple(joint.name for joint in entity.joints if joint.movable),
        free=entity.floating,
        is_robot=True,
        holder=holders[0] if holders else "",
    )


def _told_apart(entities: Sequence[tuple[str, str]]) -> list[str]:
    """Return one id per (id, prim path): where several share one, all get as much of their path as tells them apart."""
    count = Counter(name for name, _ in entities)
    taken = {name for name, times in count.items() if times == 1}
    found = []
    for name, prim in entities:
        if count[name] == 1:
            found.append(name)
            continue
        rivals = [_above(path) for rival, path in entities if rival == name and path != prim]
        chosen = _shortest(_above(prim), rivals, name)
        while chosen in taken:
            chosen += "-2"
        taken.add(chosen)
        found.append(chosen)
    return found


def _above(prim: str) -> list[str]:
    return prim.strip("/").split("/")[:-1]


def _shortest(parts: list[str], rivals: list[list[str]], name: str) -> str:
    for length in range(1, len(parts) + 1):
        if all(parts[-length:] != rival[-length:] for rival in rivals):
            return "-".join([parts[-length], name])
    return "-".join([*parts, name])
