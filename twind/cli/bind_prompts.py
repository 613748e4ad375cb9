"""Ask on a terminal for what `twind bind` was not told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from twind.cli.bind import Arguments
    from twind.stage.binding.candidates import Candidate
    from twind.stage.binding.layer import BindingLayer

_NONE = "-"


def answers(arguments: Arguments, layer: BindingLayer) -> Arguments:
    """Show what was discovered, ask, and return the answers as if they had been typed as options.

    Raises:
        click.Abort: The answer to the last question was no.
    """
    from twind.cli.bind_arguments import DEFAULT_TOPICS, suits
    from twind.stage.binding.candidates import candidates
    from twind.stage.describe import describe

    topology = layer.survey()
    found = candidates(topology)
    click.echo(describe(topology))
    click.echo("")
    entities = [f"{one.prim}={_id(one)}" for one in found]
    topics, codecs = list(arguments.topics), list(arguments.codecs)
    hinted = {hint.entity for hint in layer.routes(topology)}
    for kind, (topic, codec) in DEFAULT_TOPICS.items():
        for one in [one for one in found if one.found_id in hinted and suits(one, kind)]:
            click.echo(f"{one.proposed_id}: keeps the topics that it has")
        if any(suits(one, kind) and one.found_id not in hinted for one in found):
            what = "joint states of the robots" if kind == "joints" else "poses of what moves about"
            topics.append(click.prompt(f"Topic of the {what}", default=topic))
            codecs.append(click.prompt("  its codec", default=codec))
    config, url = arguments.config, arguments.url
    if config is None:
        answer = click.prompt(f"Configuration to write ({_NONE} for none)", default="twind.yaml")
        config = None if answer == _NONE else Path(answer)
    if config is not None and not config.exists():
        url = click.prompt("  its broker", default=url)
    click.confirm(f"Write {layer.path}{'' if config is None else f' and {config}'}?", default=True, abort=True)
    return replace(arguments, entities=tuple(entities), topics=tuple(topics), codecs=tuple(codecs), config=config, url=url)


def _id(one: Candidate) -> str:
    what = "robot" if one.is_robot else "object"
    why = f" (several are called {one.found_id!r})" if one.ambiguous else ""
    return str(click.prompt(f"Id of the {what} at {one.prim}{why}", default=one.proposed_id))
