"""`twind emulate`: stand-ins for services, offered by the adapters that speak to them."""

from __future__ import annotations

import click

from twind.cli.lazy import LazyGroup


@click.group(
    cls=LazyGroup,
    commands_at={
        "eventhubs": ("twind_eventhubs.emulator.command:eventhubs", "Azure Event Hubs, for the unmodified SDKs."),
    },
)
def emulate() -> None:
    """Run a stand-in of a cloud service on this machine, for tests."""
