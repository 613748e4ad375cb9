"""`twind config`: the settings in effect, their schema and their reference."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from twind.cli.arguments import configs

if TYPE_CHECKING:
    from pathlib import Path


@click.group
def config() -> None:
    """Print the settings in effect, their schema or their reference."""


@config.command("print")
@configs
def print_(paths: tuple[Path, ...]) -> None:
    """Print all settings in effect as YAML: files merged, placeholders filled, defaults included, secrets masked."""
    from twind.config.load import load
    from twind.config.registry import Registry
    from twind.config.show import effective_yaml

    click.echo(effective_yaml(load(paths, Registry.installed())), nl=False)


@config.command
def schema() -> None:
    """Print the JSON Schema of a configuration file, installed adapters included."""
    from twind.config.registry import Registry
    from twind.config.schema import json_schema

    click.echo(json.dumps(json_schema(Registry.installed()), indent=2))


@config.command
def reference() -> None:
    """Print the reference of all settings as Markdown."""
    from twind.config.reference import reference as as_markdown
    from twind.config.registry import Registry

    click.echo(as_markdown(Registry.installed()), nl=False)
