"""`twind run`: the daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from twind.cli.arguments import configs
from twind.cli.startup import heavy_imports

if TYPE_CHECKING:
    from pathlib import Path


@click.command
@configs
@click.pass_context
def run(ctx: click.Context, paths: tuple[Path, ...]) -> None:
    """Run the daemon until SIGTERM or SIGINT. Later files win over earlier ones, key by key."""
    with heavy_imports():
        from twind.config.load import load
        from twind.config.registry import Registry

        loaded = load(paths, Registry.installed())
        from twind.runtime.app import run as run_daemon  # after loading: what is wrong with the configuration is said at once

    ctx.exit(run_daemon(loaded))
