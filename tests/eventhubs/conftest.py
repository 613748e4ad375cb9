"""The emulator's own fixture."""

from twind_eventhubs.emulator.pytest_plugin import eventhubs_emulator, eventhubs_hubs

__all__ = ["eventhubs_emulator", "eventhubs_hubs"]
