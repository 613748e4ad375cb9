"""An emulator of Event Hubs: an AMQP 1.0 server that the unmodified SDKs talk to. In memory, for tests.

command       `twind emulate eventhubs`
pytest_plugin a fixture
thread        the emulator in a thread of its own
iothub        devices at an MQTT broker, as IoT Hub hands them on
mqtt          as much of MQTT as that takes
control       faults over HTTP
server        sockets around connections
namespace     hubs, policies, faults: what all connections share
access        what one connection can reach, by address
cbs, sas      tokens, and whether they are good
management    what hubs and partitions there are
requests      nodes that answer: what the two above have in common
publishing    links that send, to a hub or a partition
reading       links that receive, from a partition
hub           partitions, keys, consumer groups
partition     one log
partition_key which partition a key belongs to
readers       epochs: who may read
selector      where a reader begins
faults        what goes wrong on purpose
throughput    limits
events        events made on the spot
amqp          the protocol, without I/O
"""

from twind_eventhubs.emulator.events import device_event, event
from twind_eventhubs.emulator.hub import HubSettings
from twind_eventhubs.emulator.partition import Retention
from twind_eventhubs.emulator.sas import Rule
from twind_eventhubs.emulator.server import Emulator
from twind_eventhubs.emulator.thread import EmulatorThread

__all__ = ["Emulator", "EmulatorThread", "HubSettings", "Retention", "Rule", "device_event", "event"]
