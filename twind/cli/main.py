"""The `twind` command. Knows the commands by name only, so that help costs no heavy import."""

from __future__ import annotations

import click

from twind import __version__
from twind.cli.lazy import LazyGroup
from twind.cli.startup import prepare

COMMANDS = {
    "run": ("twind.cli.run:run", "Run the daemon."),
    "demo": ("twind.cli.demo:demo", "Show synthetic robots over real MQTT in a live stage."),
    "check": ("twind.cli.check:check", "Report everything that is wrong with a configuration."),
    "stage": ("twind.cli.stage:stage", "Print the robots and objects that a USD stage declares."),
    "bind": ("twind.cli.bind:bind", "Make a USD asset a twin, in a layer over it."),
    "record": ("twind.cli.record:record", "Record what the sources receive, without a stage."),
    "replay": ("twind.cli.replay:replay", "Predict from recordings, offline and repeatably."),
    "tune": ("twind.cli.tune:tune", "Find noise settings from a recording."),
    "view": ("twind.cli.view:view", "Follow a running daemon over its live stream."),
    "dead-letters": ("twind.cli.dead_letters:dead_letters", "List refused messages, or have them tried again."),
    "emulate": ("twind.cli.emulate:emulate", "Run a stand-in of a cloud service on this machine."),
    "config": ("twind.cli.config:config", "Print the settings in effect, their schema or their reference."),
}
"""Name: where the command is, and its line in the help."""


@click.group(cls=LazyGroup, commands_at=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="twind")
def main() -> None:
    """Keep a live digital twin: robot sensor streams in, a trustworthy OpenUSD stage out.

    Exit codes: 0 success, 1 failure, 2 usage, 78 configuration.
    """
    prepare()
