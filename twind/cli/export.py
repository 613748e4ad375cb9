"""`twind stage export`: a stage as one file."""

from __future__ import annotations

from pathlib import Path

import click


@click.command
@click.argument("root")
@click.option("--flatten", metavar="OUT", type=click.Path(path_type=Path, dir_okay=False),
              help="Write what the stage composes to as one .usda, .usdc or .usd; textures stay where they are.")  # fmt: skip
@click.option("--usdz", metavar="OUT", type=click.Path(path_type=Path, dir_okay=False),
              help="Write the stage with all its layers and textures as one .usdz.")  # fmt: skip
@click.option("--live", metavar="FOLDER_OR_URL", multiple=True,
              help="Put the live state over it: a snapshot folder, or a running daemon's http://HOST:PORT; repeatable, "
              "the first is the strongest.")  # fmt: skip
@click.option("--token-file", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False),
              help="Holds the bearer token of a daemon that asks for one.")  # fmt: skip
def export(*, root: str, flatten: Path | None, usdz: Path | None, live: tuple[str, ...], token_file: Path | None) -> None:
    """Write the stage at ROOT as one file, as authored or as it stands live. Its own files are never written over."""
    if flatten is None and usdz is None:
        raise click.UsageError("either --flatten or --usdz is needed, or both")  # noqa: EM101  (click's own way)
    from twind.runtime.live_source import read_live
    from twind.stage.export import Export

    out = Export(root, [read_live(place, token_file=token_file) for place in live])
    if flatten is not None:
        out.flatten(flatten)
        click.echo(f"{flatten}: {flatten.stat().st_size} bytes")
    if usdz is not None:
        for asset, reason in out.package(usdz):
            click.echo(f"left out: {asset}: {reason}", err=True)
        click.echo(f"{usdz}: {usdz.stat().st_size} bytes")
