"""`twind stage`: what a USD stage declares, and other commands on stages."""

from __future__ import annotations

import json

import click

from twind.cli.lazy import LazyGroup


def _print_schema_path(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:  # noqa: FBT001  (click's call)
    if wanted:
        from twind.stage.schema_plugin import folder

        click.echo(folder() or "")
        ctx.exit()


@click.command
@click.argument("root")
@click.option(
    "--schema-path",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_schema_path,
    help="Print the folder of twind's codeless USD schema, for PXR_PLUGINPATH_NAME of other tools, and exit.",
)
@click.option("--lint", "as_lint", is_flag=True, help="Print instead what would trouble a live twin; exit code 1 on errors.")
@click.option("--json", "as_machine", is_flag=True, help="Print JSON.")
@click.pass_context
def show(ctx: click.Context, *, root: str, as_lint: bool, as_machine: bool) -> None:
    """Print the robots, joints, links and objects found in the stage at ROOT, and what is ignored and why."""
    if as_lint:
        from twind.cli.stage_lint import lint_stage

        ctx.exit(lint_stage(root, as_machine=as_machine))
    from twind.stage.describe import as_json, describe
    from twind.stage.discover import discover
    from twind.stage.identity import check_ids

    topology = discover(root, strict=False)
    click.echo(json.dumps(as_json(topology), indent=2, allow_nan=False) if as_machine else describe(topology))
    check_ids(topology)  # after all that was found is on the screen, because that is what one needs to correct them


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
