"""Who is who: the prim that stands for an entity, its id, and names that are unique within a robot."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from pxr import Kind, Usd

from twind.model.errors import StageError
from twind.stage.schemas import applied, authored_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ID, ENABLED, NAME = "twind:id", "twind:enabled", "twind:name"
_RESERVED = "/+#\0"
"""An id is one level of a topic, so it cannot hold what separates or matches levels."""


def robot_prims(robots: Sequence[tuple[Any, list[Any]]]) -> list[Any]:
    """Choose the prim that stands for each robot, given its articulation root and the paths of its links and joints."""
    chosen = [_robot_prim(root, paths) for root, paths in robots]
    count = Counter(prim.GetPath() for prim in chosen)
    return [
        prim if count[prim.GetPath()] == 1 else root for prim, (root, _) in zip(chosen, robots, strict=True)
    ]  # two robots never share a prim: each then stands for itself


def _robot_prim(root: Any, paths: list[Any]) -> Any:
    for fits in (_has_id, _is_isaac_robot, _is_component):
        for prim in _upwards(root):
            if fits(prim):
                return prim
    common = root.GetPath()
    for path in paths:
        common = common.GetCommonPrefix(path)
    return root if common.IsAbsoluteRootPath() else root.GetStage().GetPrimAtPath(common)


def _upwards(prim: Any) -> Iterator[Any]:
    while prim and not prim.IsPseudoRoot():
        yield prim
        prim = prim.GetParent()


def _has_id(prim: Any) -> bool:
    return authored_text(prim, ID) is not None


def _is_isaac_robot(prim: Any) -> bool:
    return "IsaacRobotAPI" in applied(prim)


def _is_component(prim: Any) -> bool:
    return bool(Kind.Registry.IsA(Usd.ModelAPI(prim).GetKind(), Kind.Tokens.component))


def entity_id(prim: Any) -> str:
    """Return a prim's `twind:id`, else its name.

    Raises:
        StageError: The id could not stand as one level of a topic.
    """
    found = authored_text(prim, ID) or str(prim.GetName())
    if any(character in found for character in _RESERVED):
        raise StageError(f"{prim.GetPath()}: the id {found!r} must not hold '/', '+' or '#'; change its `{ID}` attribute")
    return found


def refuse_ambiguous(entities: Sequence[tuple[str, str]]) -> None:
    """Check that every (id, prim path) has an id of its own.

    Raises:
        StageError: Two entities have the same id.
    """
    seen: dict[str, str] = {}
    for name, prim in entities:
        if name in seen:
            raise StageError(
                f"the id {name!r} is ambiguous: {seen[name]} and {prim} both have it. "
                f'Give at least one of them an id of its own: custom string {ID} = "..."'
            )
        seen[name] = prim


def local_name(prim: Any) -> str:
    """Return the name of a joint or link: `twind:name`, Isaac's override, else the prim's."""
    return authored_text(prim, NAME, "isaac:NameOverride", "isaac:nameOverride") or str(prim.GetName())


def unique_names(prims: Sequence[Any]) -> list[str]:
    """Return one name per prim; where names collide, all of them get as much of their path as tells them apart."""
    wanted = [local_name(prim) for prim in prims]
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
