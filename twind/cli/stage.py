"""`twind stage`: what a USD stage declares, and other commands on stages."""

from __future__ import annotations

import json

import click

from twind.cli.lazy import LazyGroup


@click.command
@click.argument("root")
@click.option("--json", "as_machine", is_flag=True, help="Print JSON.")
def show(*, root: str, as_machine: bool) -> None:
    """Print the robots, joints, links and objects found in the stage at ROOT, and what is ignored and why."""
    from twind.stage.describe import as_json, describe
    from twind.stage.discover import discover

    topology = discover(root)
    click.echo(json.dumps(as_json(topology), indent=2, allow_nan=False) if as_machine else describe(topology))


@click.group(
    cls=LazyGroup,
    default="show",
    commands_at={
        "show": ("twind.cli.stage:show", "What `twind stage ROOT` does; for a ROOT that is called like a command."),
        "compose": ("twind.cli.compose:compose", "Put the live layers of several shards over one stage."),
        "export": ("twind.cli.export:export", "Write a stage, as authored or as it stands live, as one file."),
    },
)
def stage() -> None:
    """Print the robots, joints, links and objects found in the stage at ROOT, and what is ignored and why."""
