"""Who is who: the prim that stands for an entity, its id, and names that are unique within a robot."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from pxr import Kind, Usd

from twind.model.errors import StageError
from twind.stage.schema_plugin import ENTITY_API
from twind.stage.schemas import applied, authored, authored_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from twind.model.topology import Topology

ID, ENABLED, NAME = "twind:id", "twind:enabled", "twind:name"
_SHOWN = 10
"""How many problems, and prims of each, are listed."""
_RESERVED = "/+#\0"
"""An id is one level of a topic, so it cannot hold what separates or matches levels."""


def robot_prims(robots: Sequence[tuple[Any, list[Any]]]) -> list[Any]:
    """Choose the prim that stands for each robot, given its articulation root and the paths of its links and joints.

    Two robots never share a prim: where they would, each stands for itself, by what is above all of its parts or by its root.
    """
    above = [_common(root, paths) for root, paths in robots]
    chosen = [_claimed(root) or common for (root, _), common in zip(robots, above, strict=True)]
    for instead in (above, [root for root, _ in robots]):
        count = Counter(prim.GetPath() for prim in chosen)
        chosen = [prim if count[prim.GetPath()] == 1 else other for prim, other in zip(chosen, instead, strict=True)]
    return chosen


def _claimed(root: Any) -> Any:
    """Return the nearest prim, from a root upwards, that says it is an entity, else a robot, else a component."""
    for fits in (claims_entity, _is_isaac_robot, _is_component):
        for prim in _upwards(root):
            if fits(prim):
                return prim
    return None


def _common(root: Any, paths: list[Any]) -> Any:
    """Return the nearest prim above all parts of a robot, its root when they have none in common."""
    common = root.GetPath()
    for path in paths:
        common = common.GetCommonPrefix(path)
    return root if common.IsAbsoluteRootPath() else root.GetStage().GetPrimAtPath(common)


def _upwards(prim: Any) -> Iterator[Any]:
    while prim and not prim.IsPseudoRoot():
        yield prim
        prim = prim.GetParent()


def claims_entity(prim: Any) -> bool:
    """Whether a prim says that it stands for an entity, by an id or by the schema."""
    return authored_text(prim, ID) is not None or ENTITY_API in applied(prim)


def _is_isaac_robot(prim: Any) -> bool:
    return "IsaacRobotAPI" in applied(prim)


def _is_component(prim: Any) -> bool:
    return bool(Kind.Registry.IsA(Usd.ModelAPI(prim).GetKind(), Kind.Tokens.component))


def entity_id(prim: Any) -> str:
    """Return a prim's `twind:id`, else its name."""
    return authored_text(prim, ID) or str(prim.GetName())


def is_enabled(prim: Any) -> bool:
    """Whether the entity that a prim stands for is to be followed (`twind:enabled`)."""
    return authored(prim, ENABLED) is not False


def check_ids(topology: Topology) -> None:
    """Check that every entity has an id of its own, and one that can stand in a topic.

    Raises:
        StageError: It names every id that does not, up to a bound.
    """
    prims: dict[str, list[str]] = {}
    for entity in topology.entities:
        prims.setdefault(entity.id, []).append(entity.prim)
    problems = [
        f"{paths[0]}: the id {name!r} must not hold '/', '+' or '#'; change its `{ID}` attribute"
        for name, paths in prims.items()
        if any(character in name for character in _RESERVED)
    ]
    problems += [
        f"the id {name!r} is ambiguous: {_and(paths)} all have it"
        if len(paths) > 2  # noqa: PLR2004
        else f"the id {name!r} is ambiguous: {_and(paths)} both have it"
        for name, paths in prims.items()
        if len(paths) > 1
    ]
    if problems:
        more = [f"and {len(problems) - _SHOWN} more ids"] if len(problems) > _SHOWN else []
        cure = f'Give each an id of its own, as `twind bind` does: uniform string {ID} = "..."'
        raise StageError("\n".join([*problems[:_SHOWN], *more, cure]))


def _and(paths: Sequence[str]) -> str:
    if len(paths) > _SHOWN:
        return f"{', '.join(paths[:_SHOWN])} and {len(paths) - _SHOWN} more"
    return f"{', '.join(paths[:-1])} and {paths[-1]}"


def local_name(prim: Any) -> str:
    """Return the name of a joint or link: `twind:name`, Isaac's override, else the prim's."""
    return authored_text(prim, NAME, "isaac:NameOverride", "isaac:nameOverride") or str(prim.GetName())


def message_order(root: Any, joints: Sequence[Any]) -> list[int]:
    """Return a robot's joint prims, by index, in the order that `isaac:physics:robotJoints` states; empty when nothing does.

    A target that is itself a robot stands for that robot's joints. Joints that are not listed come last.
    """
    holder = next((prim for prim in _upwards(root) if _targets(prim)), None)
    if holder is None:
        return []
    index: dict[Any, list[int]] = {}
    for at, prim in enumerate(joints):
        index.setdefault(prim.GetPath(), []).append(at)
    listed: dict[int, None] = {}
    seen, ahead = {holder.GetPath()}, list(reversed(_targets(holder)))
    while ahead:
        path = ahead.pop()
        if path in seen:
            continue
        seen.add(path)
        if path in index:
            listed.update(dict.fromkeys(index[path]))
        else:
            prim = root.GetStage().GetPrimAtPath(path)
            ahead += reversed(_targets(prim) if prim else [])
    return list(listed | dict.fromkeys(range(len(joints)))) if listed else []


def _targets(prim: Any) -> list[Any]:
    relationship = prim.GetRelationship("isaac:physics:robotJoints")
    return list(relationship.GetForwardedTargets()) if relationship else []


def namespace(root: Any) -> str:
    """Return the ROS namespace that the nearest prim from a robot's root upwards states."""
    return next((found for prim in _upwards(root) if (found := authored_text(prim, "isaac:namespace"))), "")


def unique_names(prims: Sequence[Any], wanted: Sequence[str]) -> list[str]:
    """Return one name per prim; where wanted ones collide, all of them get as much of their path as tells them apart."""
    count = Counter(wanted)
    names = [name if count[name] == 1 else "" for name in wanted]
    for index, prim in enumerate(prims):
        if not names[index]:
            parts = str(prim.GetParent().GetPath()).strip("/").split("/")
            rivals = [other for other, name in enumerate(wanted) if name == wanted[index] and other != index]
            names[index] = _shortest(
                parts, [str(prims[r].GetParent().GetPath()).strip("/").split("/") for r in rivals], wanted[index]
            )
    return names


def _shortest(parts: list[str], rivals: list[list[str]], name: str) -> str:
    for length in range(1, len(parts) + 1):
        if all(parts[-length:] != rival[-length:] for rival in rivals):
            return "/".join([*parts[-length:], name])
    return "/".join([*parts, name])
