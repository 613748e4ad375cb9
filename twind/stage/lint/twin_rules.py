"""Rules for what an asset says to twind: `twind:*` attributes and route hints."""

from __future__ import annotations

from collections import defaultdict
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from pxr import Usd

from twind.model.routes import TopicPattern
from twind.stage.binding.routes import PREFIX as ROUTE
from twind.stage.binding.routes import read_routes
from twind.stage.lint import rules
from twind.stage.lint.findings import Finding
from twind.stage.schema_plugin import ENTITY_API, JOINT_API
from twind.stage.structure import AGE, QUALITY, SEQ, TIME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twind.stage.lint.subject import Subject

_OURS = "twind:"
_LIVE = {TIME, SEQ, AGE, QUALITY}
_ROUTE_PARTS = ("topic", "codec", "source")


def check(subject: Subject) -> Iterator[Finding]:
    """Look at the authored attributes of every prim, and at the routes."""
    known = _known()
    live, custom = [], defaultdict(list)
    followed = {entity.prim for entity in subject.topology.entities}
    followed |= {joint.prim for robot in subject.topology.robots for joint in robot.joints}
    followed |= {link.prim for robot in subject.topology.robots for link in robot.links}
    for prim in subject.prims:
        path = str(prim.GetPath())
        names = [str(name) for name in prim.GetAuthoredPropertyNames()]
        for name in [name for name in names if name.startswith(_OURS)]:
            if name in _LIVE:
                live.append(path)
            elif name not in known and not _is_route(name):
                close = get_close_matches(name, known, n=1)
                yield Finding(rules.UNKNOWN_ATTRIBUTE, (path,), name + (f"; did you mean {close[0]}?" if close else ""))
        if path in followed:
            for name in names:
                if ":" not in name and prim.GetProperty(name).IsCustom():
                    custom[name].append(path)
    if live:
        yield Finding(rules.LIVE_STATE, tuple(dict.fromkeys(live)), f"{', '.join(sorted(_LIVE))} are authored")
    for name, paths in custom.items():
        yield Finding(rules.PREFIX, tuple(paths), name)
    yield from _routes(subject)


def _known() -> list[str]:
    registry = Usd.SchemaRegistry()
    found = [registry.FindAppliedAPIPrimDefinition(name) for name in (ENTITY_API, JOINT_API)]
    return sorted({str(name) for one in found if one for name in one.GetPropertyNames()} | _LIVE | {"twind:id", "twind:name"})


def _is_route(name: str) -> bool:
    parts = name.split(":")
    return name.startswith(f"{ROUTE}:") and len(parts) == 4 and parts[3] in _ROUTE_PARTS  # noqa: PLR2004


def _routes(subject: Subject) -> Iterator[Finding]:
    prim_of: dict[str, Any] = {entity.id: entity.prim for entity in subject.topology.entities}
    for hint in read_routes(subject.stage, subject.topology):
        try:
            TopicPattern(hint.topic)
        except ValueError as error:
            yield Finding(rules.ROUTE, (prim_of[hint.entity],), f"the topic {hint.topic!r}: {error}")
