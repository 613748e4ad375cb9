"""A configuration to start from, and the routes in it that are kept up to date: lines between two marks, no others."""

from __future__ import annotations

import json
import re
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from twind.model.errors import PermanentError
from twind.model.routes import TopicPattern, overlapping

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from twind.model.routes import RouteHint

SOURCE = "floor"
"""Name of the source for hints that name none."""

_NOT_TEXT = {"true", "false", "yes", "no", "on", "off", "null", "y", "n", "~"}
"""Words that YAML does not read as text."""
_BEGIN = "# twind bind: routes of {source}, from the stage; these lines are replaced when it runs again"
_END = "# twind bind: end"
_ENTITY = "{entity}"
_BLOCK = re.compile(
    rf"^(?P<indent>[ \t]*){re.escape(_BEGIN).replace(re.escape('{source}'), '(?P<source>.+?)')}[ \t]*\n"
    rf"(?P<routes>(?:.*\n)*?)[ \t]*{re.escape(_END)}[ \t]*$",
    re.MULTILINE,
)


class _Route(NamedTuple):
    """A route of the configuration."""

    topic: str
    codec: str
    entity: str
    """Empty: the topic names it."""


def starter(*, stage: str, instance: str, url: str, hints: Sequence[RouteHint]) -> str:
    """Return a complete configuration for a stage.

    Args:
        stage: Root layer, relative to where the configuration will be.
        instance: Name of the daemon.
        url: Broker of every source; may hold placeholders.
        hints: What the stage says of where measurements come from; at least one.

    Raises:
        PermanentError: Two hints mean the same topic.
    """
    sources = "".join(
        f"  {_scalar(source)}:\n"
        "    type: mqtt\n"
        f"    url: {_scalar(url, placeholders=True)}\n"
        "    qos: 1                             # acknowledged once recorded or processed; 0: never\n"
        f"    routes:\n{_block(source, of_source, '      ')}\n"
        for source, of_source in _by_source(hints)
    )
    return (
        "# Settings: `twind config reference`. Check with `twind check`, start with `twind run`.\n"
        f"instance: {_scalar(instance)}\n"
        "state_dir: state\n"
        "stage:\n"
        f"  root: {_scalar(stage)}\n"
        "  snapshot: {path: live, rate_hz: 2}   # live/twin.usda: open it in any USD tool\n"
        f"sources:\n{sources}"
    )


def updated(text: str, hints: Sequence[RouteHint], *, name: str) -> str:
    """Return a configuration with the routes between its marks replaced.

    Raises:
        PermanentError: A source has no marks in it, so it is not known which lines may be replaced; or two hints mean the
            same topic.
    """
    wanted = dict(_by_source(hints))
    marked = [match["source"] for match in _BLOCK.finditer(text)]
    for source, of_source in wanted.items():
        if marked.count(source) != 1:
            lines = _block(source, of_source, "      ")
            raise PermanentError(
                f"{name} has no lines that `twind bind` may replace for the source {source!r}, and is left alone. "
                f"Put these under its `routes:`, or name another file:\n{lines}"
            )
    return _BLOCK.sub(lambda match: _block(match["source"], wanted.get(match["source"], []), match["indent"]), text)


def _by_source(hints: Iterable[RouteHint]) -> list[tuple[str, list[RouteHint]]]:
    def name(hint: RouteHint) -> str:
        return hint.source or SOURCE

    return [(source, list(group)) for source, group in groupby(sorted(hints, key=name), key=name)]


def _block(source: str, hints: Sequence[RouteHint], indent: str) -> str:
    lines = (_BEGIN.format(source=source), *map(_line, _routes(hints)), _END)
    return "\n".join(f"{indent}{line}" for line in lines)


def _routes(hints: Sequence[RouteHint]) -> list[_Route]:
    """Return one route for what several entities share; one for each entity where those would overlap with others.

    Raises:
        PermanentError: They overlap all the same.
    """
    shared = list(dict.fromkeys(_Route(h.topic, h.codec, "" if _names_entity(h.topic) else h.entity) for h in hints))
    if not _overlaps(shared):
        return shared
    single = list(dict.fromkeys(_Route(_of_entity(hint), hint.codec, hint.entity) for hint in hints))
    for first, second in _overlaps(single):
        one, other = single[first], single[second]
        raise PermanentError(
            f"a topic could be {one.topic!r} ({one.codec} of {one.entity}) and {other.topic!r} ({other.codec} of "
            f"{other.entity}): give one of them another topic"
        )
    return single


def _overlaps(routes: Sequence[_Route]) -> list[tuple[int, int]]:
    return overlapping([TopicPattern(route.topic) for route in routes])


def _names_entity(topic: str) -> bool:
    return _ENTITY in topic.split("/")


def _of_entity(hint: RouteHint) -> str:
    return "/".join(hint.entity if level == _ENTITY else level for level in hint.topic.split("/"))


def _line(route: _Route) -> str:
    entity = f", entity: {_scalar(route.entity)}" if route.entity else ""
    return f"- {{topic: {_scalar(route.topic)}, codec: {_scalar(route.codec)}{entity}}}"


def _scalar(text: str, *, placeholders: bool = False) -> str:
    """Return text as a YAML scalar: JSON's strings are YAML's. A `${` in it means itself, unless placeholders are meant."""
    if re.fullmatch(r"[A-Za-z_./][A-Za-z0-9_./-]*", text) and text.lower() not in _NOT_TEXT:
        return text
    return json.dumps(text if placeholders else text.replace("${", "$${"), ensure_ascii=False)
