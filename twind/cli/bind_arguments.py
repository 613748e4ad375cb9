"""The arguments of `twind bind`, turned into what shall stand in the binding layer."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import click

from twind.config.suggest import closest_or_all
from twind.model.routes import RouteHint, TopicPattern

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from twind.model.topology import Joint, Robot, Topology
    from twind.stage.binding.candidates import Candidate
    from twind.stage.binding.wishes import Setting

DEFAULT_TOPICS = {"joints": ("cell/{entity}/joint_state", "joint_state"), "pose": ("cell/{entity}/pose", "pose")}
"""Topic and codec that are proposed, by what they carry."""
_ATTRIBUTES = {
    "name": ("twind:name", str),
    "velocity": ("twind:useVelocity", bool),
    "effort": ("twind:useEffort", bool),
    "position_std": ("twind:positionStd", float),
    "velocity_std": ("twind:velocityStd", float),
    "jerk_noise": ("twind:jerkNoise", float),
    "stamp_std": ("twind:stampStd", float),
    "wraps": ("twind:wraps", float),
}
"""Settings of a joint: its attribute and what it holds, in USD's units (degrees or stage units; seconds)."""
_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}

JOINT_HELP = f"Settings of joints, in degrees or stage units and seconds: {', '.join(_ATTRIBUTES)}. '*' stands for any."


@dataclass(frozen=True, slots=True)
class TopicArgument:
    """One `--topic` with its codec."""

    entity: str
    """Empty: every entity that the codec suits."""
    topic: str
    codec: str
    kind: str
    """What the codec carries: joints, pose, twist, odometry, imu or packed."""


def pick(found: Sequence[Candidate], wanted: str, option: str) -> Candidate:
    """Return the entity that a prim path or an id means; a path above or below exactly one entity means that.

    Raises:
        click.BadParameter: None or several are meant.
    """
    if wanted.startswith("/"):
        path = wanted.rstrip("/")
        exact = [one for one in found if one.prim == path]
        meant = exact or [
            one for one in found if f"{one.prim}/".startswith(f"{path}/") or f"{path}/".startswith(f"{one.prim}/")
        ]
        known: Iterable[str] = [one.prim for one in found]
    else:
        meant = [one for one in found if wanted == one.proposed_id] or [one for one in found if wanted == one.found_id]
        known = [one.proposed_id for one in found]
    if len(meant) == 1:
        return meant[0]
    if meant:
        raise click.BadParameter(
            f"{wanted!r} could be {' or '.join(one.prim for one in meant)}; name the prim", param_hint=option
        )
    raise click.BadParameter(f"the stage has no entity {wanted!r}{closest_or_all(wanted, known)}", param_hint=option)


def ids(found: Sequence[Candidate], arguments: Sequence[str]) -> dict[str, str]:
    """Return the ids that `--entity PRIM=ID` gives, by prim."""
    given: dict[str, str] = {}
    for argument in arguments:
        what, equals, name = argument.rpartition("=")
        if not equals or not what or not name.strip():
            raise click.BadParameter(f"{argument!r} is not PRIM=ID or ID=NEW_ID", param_hint="--entity")
        known = {one.found_id for one in found}
        if not what.startswith("/") and what not in known and name.strip() in known:
            continue  # the same command again: it has that id by now
        given[pick(found, what, "--entity").prim] = name.strip()
    return given


def topics(
    topics: Sequence[str], codecs: Sequence[str], known: Sequence[str], kind: Callable[[str], str]
) -> list[TopicArgument]:
    """Pair `--topic` with `--codec`, in their order; a topic that ends in a codec's name needs none.

    Args:
        topics: `[ENTITY=]PATTERN`.
        codecs: As many as topics, or none.
        known: The installed codecs.
        kind: Says what a codec carries.
    """
    if codecs and len(codecs) != len(topics):
        raise click.UsageError(f"{len(topics)} --topic and {len(codecs)} --codec: give each topic its codec, in the same order")
    found = []
    for index, argument in enumerate(topics):
        entity, _, pattern = argument.rpartition("=")
        try:
            TopicPattern(pattern)
        except ValueError as error:
            raise click.BadParameter(f"{pattern!r}: {error}", param_hint="--topic") from error
        codec = codecs[index] if codecs else pattern.rpartition("/")[2]
        if codec not in known:
            hint = "--codec" if codecs else "--topic"
            said = f"no codec named {codec!r}{closest_or_all(codec, known)}"
            raise click.BadParameter(said if codecs else f"{pattern!r} needs a --codec: {', '.join(known)}", param_hint=hint)
        found.append(TopicArgument(entity, pattern, codec, kind(codec)))
    return found


def suits(candidate: Candidate, kind: str) -> bool:
    """Whether an entity can have a stream that carries this."""
    if kind == "joints":
        return bool(candidate.joints)
    return candidate.free or (kind == "packed" and bool(candidate.joints))


def routes(found: Sequence[Candidate], arguments: Sequence[TopicArgument], source: str) -> dict[str, dict[str, RouteHint]]:
    """Return hints by prim and instance; an instance is named after what it carries."""
    hints: dict[str, dict[str, RouteHint]] = {}
    for one in arguments:
        if one.entity:
            meant = [pick(found, one.entity, "--topic")]
            if not suits(meant[0], one.kind):
                raise click.BadParameter(f"{one.entity} has no {one.kind} that {one.codec} could carry", param_hint="--topic")
        else:
            meant = [candidate for candidate in found if suits(candidate, one.kind)]
            if "{entity}" not in one.topic.split("/") and len(meant) > 1:
                raise click.BadParameter(
                    f"{one.topic!r} names no entity and {len(meant)} could be meant: write {{entity}} as a level of it, or "
                    "ENTITY=TOPIC",
                    param_hint="--topic",
                )
            if not meant:
                raise click.BadParameter(
                    f"nothing in the stage has {one.kind} that {one.codec} could carry", param_hint="--topic"
                )
        for candidate in meant:
            of_entity = hints.setdefault(candidate.prim, {})
            number = sum(instance.partition("_")[0] == one.kind for instance in of_entity)
            instance = one.kind if not number else f"{one.kind}_{number + 1}"
            of_entity[instance] = RouteHint("", one.topic, one.codec, source)
    return hints


def joints(found: Sequence[Candidate], topology: Topology, arguments: Sequence[str]) -> dict[str, dict[str, Setting]]:
    """Return what `--joint ENTITY/JOINT:SETTING=VALUE,...` sets, by joint prim and attribute."""
    robots = {robot.prim: robot for robot in topology.robots}
    given: dict[str, dict[str, Setting]] = {}
    for argument in arguments:
        where, colon, settings = argument.partition(":")
        entity, slash, name = where.rpartition("/") if where.startswith("/") else where.partition("/")
        if not (colon and slash and entity and name and settings):
            raise click.BadParameter(f"{argument!r} is not ENTITY/JOINT:SETTING=VALUE[,SETTING=VALUE]", param_hint="--joint")
        if entity == "*":
            chosen = [robots[one.prim] for one in found if one.joints]
        else:
            prim = pick(found, entity, "--joint").prim
            if prim not in robots:
                raise click.BadParameter(f"{entity} is an object and has no joints", param_hint="--joint")
            chosen = [robots[prim]]
        meant = [joint for robot in chosen for joint in _named(robot, name)]
        if not meant:
            known = [joint.name for robot in chosen for joint in robot.joints if joint.movable]
            alike = [one for one in known if one.endswith(f"/{name}")]
            cure = f", but {', '.join(alike)}" if alike else closest_or_all(name, known)
            raise click.BadParameter(f"{entity} has no joint {name!r}{cure}", param_hint="--joint")
        values = dict(_setting(part) for part in settings.split(","))
        for joint in meant:
            given.setdefault(joint.prim, {}).update(values)
    return given


def _named(robot: Robot, pattern: str) -> list[Joint]:
    def fits(name: str) -> bool:
        return name == pattern or fnmatchcase(name, pattern)

    return [joint for joint in robot.joints if joint.movable and (fits(joint.name) or fits(joint.label))]


def _setting(text: str) -> tuple[str, Setting]:
    key, _, value = (part.strip() for part in text.partition("="))
    if key not in _ATTRIBUTES:
        raise click.BadParameter(f"no setting {key!r}{closest_or_all(key, _ATTRIBUTES)}", param_hint="--joint")
    attribute, kind = _ATTRIBUTES[key]
    if kind is str and value:
        return attribute, value
    if kind is bool and value.lower() in _FLAGS:
        return attribute, _FLAGS[value.lower()]
    if kind is float:
        try:
            number = float(value)
        except ValueError:
            number = -1.0
        if number >= 0 and number != float("inf"):
            return attribute, number
    wanted = {str: "a name", bool: "true or false", float: "a positive number"}[kind]
    raise click.BadParameter(f"{key} is {value!r}, which is not {wanted}", param_hint="--joint")
