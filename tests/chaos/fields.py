"""Where robots publish and the daemon reads: through a broker, or through an emulated hub; and what goes wrong there."""

from __future__ import annotations

import random
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np

from tests.chaos.faults import Fault
from tests.chaos.hub import HUB, Hub
from tests.chaos.proxy import Proxy
from tests.conftest import Mosquitto
from tests.end_to_end.robots import Player, Track, joint_state

if TYPE_CHECKING:
    from pathlib import Path

ROBOTS = ("arm_a", "arm_b")
NAMES = tuple(f"joint_{number}" for number in range(1, 7))
OF_DAEMON = (Fault.FREEZE, Fault.DISK_FULL, Fault.STOP)
"""What can go wrong wherever messages come from."""


class Field(Protocol):
    """Robots that publish, and what carries it. A context manager."""

    faults: tuple[Fault, ...]
    """What can go wrong, beside kills."""
    source: dict[str, Any]
    """Settings of the daemon's source."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def publish(self, rate_hz: float) -> None:
        """Let each robot publish so many messages a second until `finish`."""

    def finish(self) -> list[tuple[str, bytes]]:
        """End that, and return topic and payload of all that was acknowledged, in order for each topic."""

    def do(self, fault: Fault, lasts_s: float) -> None:
        """Let one of its own faults happen."""


class MqttField:
    """mosquitto, with a proxy between it and the daemon."""

    faults = (*OF_DAEMON, Fault.RESET, Fault.HALF_OPEN, Fault.THROTTLE, Fault.BROKER)

    def __init__(self, folder: Path) -> None:
        self._stack = ExitStack()
        store = folder / "store"
        store.mkdir(mode=0o777)
        store.chmod(0o777)
        self._broker = Mosquitto(
            folder, "persistence true", f"persistence_location {store}/", "autosave_on_changes true", "autosave_interval 1"
        )
        self._players: list[Player] = []

    def __enter__(self) -> Self:
        self._broker.start()
        self._stack.callback(self._broker.kill)
        self._proxy = self._stack.enter_context(Proxy(self._broker.port))
        self.source = {
            "type": "mqtt",
            "url": f"mqtt://127.0.0.1:{self._proxy.port}",
            "routes": [{"topic": "cell/{entity}/joint_state", "codec": "joint_state"}],
            "reconnect": {"base_s": 0.05, "cap_s": 0.2},
            "keepalive_s": 5,
        }
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def publish(self, rate_hz: float) -> None:
        t_s = np.arange(0.0, 36_000.0, 1.0 / rate_hz)
        track = Track(NAMES, t_s, 0.2 * np.sin(t_s)[:, None] * np.linspace(0.5, 1.0, len(NAMES)))
        self._players = [self._stack.enter_context(Player(self._broker.url, robot, track, in_flight=1)) for robot in ROBOTS]

    def finish(self) -> list[tuple[str, bytes]]:
        sent = []
        for player in self._players:
            player.finish()
            sent += [(f"cell/{player.entity}/joint_state", payload) for payload in player.sent]
        return sent

    def do(self, fault: Fault, lasts_s: float) -> None:
        if fault is Fault.RESET:
            self._proxy.reset()
        elif fault is Fault.HALF_OPEN:
            self._proxy.hold()
            time.sleep(lasts_s)
            self._proxy.reset()
            self._proxy.throttle(0.0)
        elif fault is Fault.THROTTLE:
            self._proxy.throttle(0.01)
            time.sleep(lasts_s)
            self._proxy.throttle(0.0)
        elif fault is Fault.BROKER:
            self._broker.stop()
            time.sleep(lasts_s)
            self._broker.start()


class HubField:
    """The emulator of Event Hubs, with robots behind an IoT Hub."""

    faults = (*OF_DAEMON, Fault.RESET, Fault.HALF_OPEN, Fault.THROTTLE, Fault.BROKER, Fault.STEAL, Fault.BUSY, Fault.DUPLICATE)

    def __init__(self, folder: Path, *, partitions: int = 4, seed: int = 1) -> None:
        del folder
        self._hub = Hub(partitions=partitions)
        self._partitions = partitions
        self._rng = random.Random(seed)  # noqa: S311  (chooses faults)

    def __enter__(self) -> Self:
        self._hub.__enter__()
        self.source = {
            "type": "eventhubs",
            "connection_string": self._hub.connection_string,
            "event_hub": HUB,
            "routes": [{"topic": "{entity}", "codec": "joint_state"}],
            "watch_s": 1.0,
            "stall_s": 5.0,
            "connect_timeout_s": 10.0,
        }
        return self

    def __exit__(self, *_: object) -> None:
        self._hub.__exit__()

    def publish(self, rate_hz: float) -> None:
        begun_ns = time.time_ns()

        def payload(stamp_ns: int) -> bytes:
            return joint_state(stamp_ns, NAMES, 0.2 * np.sin((stamp_ns - begun_ns) * 1e-9) * np.linspace(0.5, 1.0, len(NAMES)))

        self._hub.publish(ROBOTS, payload, rate_hz=rate_hz, together=5)

    def finish(self) -> list[tuple[str, bytes]]:
        self._hub.finish()
        return self._hub.sent

    def do(self, fault: Fault, lasts_s: float) -> None:
        hub = self._hub
        if fault is Fault.RESET:
            politely = self._rng.random() < 0.5
            hub.disturb(lambda emulator: emulator.disconnect(politely=politely))
        elif fault is Fault.HALF_OPEN:
            hub.disturb(lambda emulator: emulator.half_open())
        elif fault is Fault.THROTTLE:
            hub.disturb(lambda emulator: emulator.slow(0.2))
            time.sleep(lasts_s)
            hub.disturb(lambda emulator: emulator.slow(0.0))
        elif fault is Fault.BROKER:
            hub.restart(lasts_s)
        elif fault is Fault.STEAL:
            partition = str(self._rng.randrange(self._partitions))
            hub.disturb(lambda emulator: emulator.steal(HUB, partition))
        elif fault is Fault.BUSY:
            hub.disturb(lambda emulator: emulator.throttle(10))
        elif fault is Fault.DUPLICATE:
            hub.disturb(lambda emulator: emulator.duplicate(0.3, seed=self._rng.randrange(1000)))
            time.sleep(lasts_s)
            hub.disturb(lambda emulator: emulator.duplicate(0.0))


FIELDS = {"mqtt": MqttField, "eventhubs": HubField}
