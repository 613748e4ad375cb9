"""`twind view`: follow a running daemon, as the viewers do."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from twind.cli.following import Report


@click.command
@click.option("--url", metavar="URL", default="http://127.0.0.1:8080", show_default=True, help="Where the daemon listens.")
@click.option("--usd", metavar="OUT.usda", type=click.Path(path_type=Path, dir_okay=False), help="Keep the layer here.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document a second.")
@click.option("--entity", "entities", metavar="ID", multiple=True, help="Follow only this entity; may be repeated.")
@click.option("--prim", "prims", metavar="PATH", multiple=True, help="Follow only what is at or below this; may be repeated.")
@click.option("--rate", "rate_hz", metavar="HZ", type=click.FloatRange(min=0.1), help="Most frames in a second.")
@click.option("--token-file", metavar="FILE", type=click.Path(path_type=Path, exists=True), help="File with the bearer token.")
@click.option("--duration", metavar="S", type=click.FloatRange(min=0, min_open=True), help="Stop after so many seconds.")
@click.option("--once", is_flag=True, help="Stop when everything has arrived once.")
@click.pass_context
def view(
    ctx: click.Context,
    *,
    url: str,
    usd: Path | None,
    as_json: bool,
    entities: tuple[str, ...],
    prims: tuple[str, ...],
    rate_hz: float | None,
    token_file: Path | None,
    duration: float | None,
    once: bool,
) -> None:
    """Follow a running daemon over its live stream: print rates and ages, and with --usd keep a copy of its live layer.

    Goes on until SIGTERM or SIGINT, and comes back by itself when the daemon does. OUT.usda is replaced as a whole, twice a
    second at most, and once more at the end. Ends with 1 when the daemon refuses, or nothing ever arrived.
    """
    from twind.cli.following import Following
    from twind.viewers.follower.client import Follower, Subscription

    token = token_file.read_text(encoding="utf-8").strip() if token_file is not None else ""
    subscription = Subscription(entities, prims, rate_hz)
    try:
        follower = Follower(url, subscription=subscription, token=token, name=f"twind view {ctx.find_root().info_name}")
    except ValueError as error:
        raise click.BadParameter(f"{url!r} is no address of a daemon: {error}", param_hint="--url") from error
    live = sys.stdout.isatty() and not as_json

    def show(report: Report) -> None:
        if as_json:
            click.echo(json.dumps(report.document()))
        else:
            click.echo(f"\r\033[K{report.line()}" if live else report.line(), nl=not live)

    following = Following(follower, usd=usd, on_report=show)
    failure = following.run(duration_s=duration, once=once)
    if live:
        click.echo()
    if failure:
        click.echo(f"error: {failure}", err=True)
        ctx.exit(1)
