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
    """Lists its commands from a table and imports one only to run it or to show its own help.

    With a `default`, arguments that begin with no command's name are that command's: `twind stage ROOT`.
    """

    def __init__(
        self, *args: Any, commands_at: Mapping[str, tuple[str, str]], default: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._commands_at = commands_at
        self._default = default

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the default command in front of arguments that name no command."""
        named = args and (args[0] in self._commands_at or args[0] in ctx.help_option_names)
        return super().parse_args(ctx, args if named or self._default is None else [self._default, *args])

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

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write how the default command is used, or that a command is needed."""
        default = None if self._default is None else self.get_command(ctx, self._default)
        if default is None:
            super().format_usage(ctx, formatter)
        else:
            formatter.write_usage(ctx.command_path, " ".join(default.collect_usage_pieces(ctx)))
            formatter.write_usage(ctx.command_path, "COMMAND [ARGS]...", prefix="       ")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, those of the default command among them."""
        default = None if self._default is None else self.get_command(ctx, self._default)
        if default is None:
            super().format_options(ctx, formatter)
        else:
            default.format_options(ctx, formatter)
            self.format_commands(ctx, formatter)

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
