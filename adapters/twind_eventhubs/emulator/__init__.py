"""An emulator of Event Hubs: an AMQP 1.0 server that the unmodified SDKs talk to. In memory, for tests."""

from twind_eventhubs.emulator.hub import HubSettings
from twind_eventhubs.emulator.partition import Retention
from twind_eventhubs.emulator.sas import Rule
from twind_eventhubs.emulator.server import Emulator

__all__ = ["Emulator", "HubSettings", "Retention", "Rule"]
