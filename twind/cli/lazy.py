"""A group of commands that are imported when they are used, and the way their errors end the process."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from twind.model.errors import ConfigurationError, TwindError

if TYPE_CHECKING:
    from collections.abc import Mapping

EX_CONFIG = 78
"""Exit code of a configuration that cannot be used (sysexits.h)."""


class LazyGroup(click.Group):
    """Lists its commands from a table and imports one only to run it or to show its own help."""

    def __init__(self, *args: Any, commands_at: Mapping[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._commands_at = commands_at

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands, in the table's order."""
        del ctx
        return list(self._commands_at)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        del ctx
        if cmd_name not in self._commands_at:
            return None
        module, _, name = self._commands_at[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table, without importing what it names."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self._commands_at.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; end with 78 and every problem for a bad configuration, with 1 and one line for any other fault."""
        try:
            return super().invoke(ctx)
        except ConfigurationError as error:
            for problem in error.problems:
                click.echo(str(problem), err=True)
            ctx.exit(EX_CONFIG)
        except TwindError as error:
            click.echo(f"error: {error}", err=True)
            ctx.exit(1)
