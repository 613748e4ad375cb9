"""`twind stage compose`: one stage out of the live layers of several shards."""

from __future__ import annotations

from pathlib import Path

import click

_FILE = click.Path(path_type=Path, dir_okay=False)
_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command
@click.argument("root")
@click.argument("out", type=_FILE)
@click.argument("folders", metavar="SNAPSHOT_FOLDER...", type=_FOLDER, nargs=-1, required=True)
def compose(*, root: str, out: Path, folders: tuple[Path, ...]) -> None:
    """Write OUT, a root layer that shows the live layers in the snapshot folders of several shards over the stage at ROOT."""
    from twind.stage.opening import open_stage
    from twind.stage.output import refuse_input
    from twind.stage.shared_root import compose_shards
    from twind.stage.snapshot import LIVE

    stage, _ = open_stage(root)
    refuse_input(out, stage)
    lives = [folder / LIVE for folder in folders]
    compose_shards(stage.GetRootLayer(), lives, out)
    for live in lives:
        if not live.exists():
            click.echo(f"not there yet: {live}; a viewer that is open before must reload", err=True)
    click.echo(f"{out}: {len(set(lives))} live layers over {root}")
