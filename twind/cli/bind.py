"""`twind bind`: make an asset a twin, in a layer of its own."""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from twind.cli.bind_arguments import JOINT_HELP

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from twind.config.registry import Registry
    from twind.model.routes import RouteHint
    from twind.model.topology import Topology
    from twind.stage.binding.candidates import Candidate
    from twind.stage.binding.layer import BindingLayer
    from twind.stage.binding.wishes import Setting, Wishes

DEFAULT_URL = "mqtt://127.0.0.1:1883"


@dataclass(frozen=True, slots=True)
class Arguments:
    """What was typed, or answered."""

    entities: tuple[str, ...]
    topics: tuple[str, ...]
    codecs: tuple[str, ...]
    joints: tuple[str, ...]
    floating: tuple[str, ...]
    ignored: tuple[str, ...]
    source: str
    config: Path | None
    url: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What will stand where."""

    layer: BindingLayer
    before: Sequence[Candidate]
    topology: Topology
    hints: Sequence[RouteHint]
    config: Path | None
    config_text: str
    """Empty: the configuration is as it should be."""


@click.command
@click.argument("root")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Binding layer [default: NAME.bindings.usda].")
@click.option("--entity", "entities", metavar="PRIM=ID", multiple=True, help="Id of the entity at a prim (or of that id).")
@click.option(
    "--topic", "topics", metavar="[ENTITY=]TOPIC", multiple=True, help="Topic of one entity, or with {entity} of all."
)
@click.option("--codec", "codecs", metavar="NAME", multiple=True, help="Codec of each --topic, in the same order.")
@click.option("--joint", "joints", metavar="ENTITY/JOINT:SETTING=VALUE,...", multiple=True, help=JOINT_HELP)
@click.option("--floating", metavar="ENTITY", multiple=True, help="Robot that no fixed joint shall hold to the world.")
@click.option("--ignore", "ignored", metavar="ENTITY", multiple=True, help="Entity that twind shall not follow.")
@click.option("--source", metavar="NAME", default="", help="Source of the --topic options in the configuration.")
@click.option("--config", type=click.Path(path_type=Path), help="Also write a configuration, or update the routes in it.")
@click.option("--url", metavar="URL", default=DEFAULT_URL, show_default=True, help="Broker in a new configuration.")
@click.option("--ask/--no-ask", default=None, help="Ask for what is open [default: on a terminal, without other options].")
@click.option("--dry-run", is_flag=True, help="Say what would be written, and write nothing.")
@click.option("--json", "as_machine", is_flag=True, help="Print JSON.")
def bind(*, root: str, output: Path | None, ask: bool | None, dry_run: bool, as_machine: bool, **given: Any) -> None:
    """Make the stage at ROOT a twin: ids, joint settings and topics, in a binding layer that composes over it.

    ROOT itself is never changed. Run it again to change what the options name; everything else in the layer stays. ROOT may
    be the binding layer itself.

    \b
    twind bind arm.usda --config twind.yaml
    twind bind cell.usda --entity /World/arm=arm-1 --joint 'arm-1/*:velocity=true' --topic 'cell/{entity}/joint_state'
    """  # noqa: D301  (click wants the control character)
    from twind.config.registry import Registry
    from twind.stage.binding.layer import BindingLayer

    registry = Registry.installed()
    arguments = Arguments(**given)
    layer = BindingLayer.open(root, output)
    try:
        if ask is None:
            ask = sys.stdin.isatty() and sys.stdout.isatty() and not as_machine and _says_nothing(arguments)
        if ask:
            from twind.cli.bind_prompts import answers

            arguments = answers(arguments, layer)
        outcome = _bind(layer, arguments, registry)
        if not dry_run:
            _write(outcome)
        from twind.cli.bind_report import as_json, report

        told = as_json(outcome, written=not dry_run)
        click.echo(json.dumps(told, indent=2) if as_machine else "\n".join(report(outcome, written=not dry_run)))
    finally:
        layer.close()


def _says_nothing(arguments: Arguments) -> bool:
    said = (arguments.entities, arguments.topics, arguments.joints, arguments.floating, arguments.ignored, arguments.config)
    return not any(said)


def _bind(layer: BindingLayer, arguments: Arguments, registry: Registry) -> Outcome:
    from twind.stage.binding.candidates import candidates

    topology = layer.survey()
    found = candidates(topology)
    if not found:
        raise click.UsageError(f"{layer.asset} declares no robots and no objects; `twind stage {layer.asset}` says why")
    after = layer.bind(_wishes(found, topology, layer, arguments, registry))
    hints = layer.routes(after)
    text = "" if arguments.config is None else _config_text(arguments.config, layer, hints, arguments.url)
    return Outcome(layer, found, after, hints, arguments.config, text)


def _wishes(
    found: Sequence[Candidate], topology: Topology, layer: BindingLayer, arguments: Arguments, registry: Registry
) -> Wishes:
    from twind.cli import bind_arguments as read
    from twind.stage.binding.wishes import Wishes

    given = read.ids(found, arguments.entities)
    named = [replace(one, proposed_id=given.get(one.prim, one.proposed_id)) for one in found]
    released = [_to_release(named, name) for name in arguments.floating]
    free = {one.prim for one in released}
    ignored = [read.pick(named, name, "--ignore").prim for name in arguments.ignored]
    followed = [replace(one, free=one.free or one.prim in free) for one in named if one.prim not in ignored]
    topics = read.topics(
        arguments.topics, arguments.codecs, registry.codecs.names, lambda codec: str(registry.codecs.load(codec).kind)
    )
    routes = read.routes(followed, topics, arguments.source)
    hinted = {hint.entity for hint in layer.routes(topology)}
    for one in followed:  # who has no topic yet gets the usual ones
        if one.prim not in routes and one.found_id not in hinted:
            usual = [read.TopicArgument(one.prim, *read.DEFAULT_TOPICS[kind], kind) for kind in ("joints", "pose")]
            routes |= read.routes([one], [topic for topic in usual if read.suits(one, topic.kind)], arguments.source)
    return Wishes(
        ids={one.prim: one.proposed_id for one in followed},
        routes=routes,
        joints=_merged(layer.original_names(topology), read.joints(named, topology, arguments.joints)),
        released=tuple(one.holder for one in released if one.holder),
        ignored=tuple(ignored),
    )


def _merged(names: Mapping[str, str], given: Mapping[str, Mapping[str, Setting]]) -> dict[str, dict[str, Setting]]:
    """Return the settings of joints: names that the asset gives away, and over them what was typed."""
    settings: dict[str, dict[str, Setting]] = {prim: {"twind:name": name} for prim, name in names.items()}
    for prim, values in given.items():
        settings.setdefault(prim, {}).update(values)
    return settings


def _to_release(found: Sequence[Candidate], name: str) -> Candidate:
    """Return the robot that shall float; one that floats already is fine."""
    from twind.cli.bind_arguments import pick

    one = pick(found, name, "--floating")
    if not one.is_robot or not (one.holder or one.free):
        raise click.BadParameter(f"no fixed joint holds {name} to the world", param_hint="--floating")
    return one


def _config_text(path: Path, layer: BindingLayer, hints: Sequence[RouteHint], url: str) -> str:
    """Return what the configuration shall be, empty when it is so already."""
    from twind.config.starter import starter, updated
    from twind.model.errors import PermanentError

    if not hints:
        msg = "no entity has a topic, so there is nothing to configure; give a --topic"
        raise click.UsageError(msg)
    try:
        old = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        stem = layer.path.name.removesuffix(".usda").removesuffix(".bindings")
        instance = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-._")[:63] or "twind"
        stage = Path(os.path.relpath(layer.path, path.resolve().parent)).as_posix()
        return starter(stage=stage, instance=instance, url=url, hints=hints)
    except (OSError, UnicodeDecodeError) as error:
        raise PermanentError(f"cannot read {path}: {error}") from error
    new = updated(old, hints, name=str(path))
    return "" if new == old else new


def _write(outcome: Outcome) -> None:
    if outcome.layer.changed:
        _replace(outcome.layer.path, outcome.layer.text())
    if outcome.config is not None and outcome.config_text:
        _replace(outcome.config, outcome.config_text)


def _replace(path: Path, text: str) -> None:
    from twind.flow.replacing import replacing
    from twind.model.errors import PermanentError

    try:
        with replacing(path, durable=True) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise PermanentError(f"cannot write {path}: {error.strerror}") from error
