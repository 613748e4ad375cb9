"""A pytest fixture: `pytest_plugins = ["twind_eventhubs.emulator.pytest_plugin"]`."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest

from twind_eventhubs.emulator.hub import HubSettings
from twind_eventhubs.emulator.sas import Rule
from twind_eventhubs.emulator.server import Emulator
from twind_eventhubs.emulator.thread import EmulatorThread

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def eventhubs_hubs() -> list[HubSettings]:
    """Return the hubs of the emulator; override it to have others."""
    return [HubSettings("hub", partitions=2, groups=("other",))]


@pytest.fixture
def eventhubs_emulator(eventhubs_hubs: list[HubSettings]) -> Iterator[EmulatorThread]:
    """Run an emulator on a free loopback port, in a thread of its own."""
    rule = Rule("RootManageSharedAccessKey", secrets.token_urlsafe(24))
    with EmulatorThread(lambda: Emulator(eventhubs_hubs, rules=(rule,))) as running:
        yield running
