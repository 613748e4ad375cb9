"""Sources that are made up: what they send depends on nothing, and their broker, or hub, survives the daemon."""

from __future__ import annotations

import asyncio
import mmap
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tests.end_to_end.robots import joint_state
from twind.config.base import SourceSettings
from twind.config.registry import Present, Registry
from twind.flow.queues import Intake
from twind.model.messages import RawMessage
from twind.sources.protocol import SourceHealth
from twind_eventhubs.checkpoints import SoleStore

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.chaos.points import Points
    from twind.sources.protocol import StreamKeeper
    from twind.telemetry import Telemetry

ROBOTS = ("arm_a", "arm_b")
NAMES = tuple(f"joint_{number}" for number in range(1, 7))
MESSAGES = 8000
"""More than all lives together take, however slow the machine is; the last one takes the rest at once."""
START_NS = 1_790_000_000_000_000_000
STEP_NS = 5_000_000
_WINDOW = 100
"""Messages that a broker sends without acknowledgement."""
_AT_ONCE, _PAUSE_S = 5, 0.005


def messages() -> list[RawMessage]:
    """Return all that will ever be sent: the robots take turns, and what a message holds depends on its number alone."""
    sent = []
    for number in range(MESSAGES):
        receive_ns, robot = START_NS + number * STEP_NS, ROBOTS[number % 2]
        position = 0.3 * np.sin(number * 0.01 + np.arange(len(NAMES)))
        sent.append(RawMessage(f"cell/{robot}/joint_state", joint_state(receive_ns - 2_000_000, NAMES, position), receive_ns))
    return sent


class Shared:
    """What survives a life beside files: the broker's own memory, and the way back to whoever started it."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 16)

    def get(self, place: int) -> int:
        number: int = struct.unpack_from("q", self._memory, 8 * place)[0]
        return number

    def put(self, place: int, number: int) -> None:
        struct.pack_into("q", self._memory, 8 * place, number)


class MadeUpSettings(SourceSettings):
    type: Literal["made_up"]


class MadeUp:
    """What both kinds of source have in common: a life's share of the messages, a few at a time."""

    def __init__(self, sent: list[RawMessage], shared: Shared, points: Points, *, share: int) -> None:
        self.name = "floor"
        self.intake = Intake(max_messages=10_000, max_bytes=10**8)
        self.sent, self.shared, self.points, self.share = sent, shared, points, share
        self.stopped = asyncio.Event()

    @property
    def pause_s(self) -> float:
        """How long to wait between two handfuls [s]."""
        return _PAUSE_S if self.share < len(self.sent) else 0.0

    async def receive(self, max_messages: int) -> list[RawMessage]:
        return await self.intake.take(max_messages)

    def health(self) -> SourceHealth:
        return SourceHealth(connected=True, since_monotonic_s=0.0)

    def stop(self) -> None:
        self.stopped.set()
        self.intake.close()

    async def aclose(self) -> None:
        self.stop()


class Broker(MadeUp):
    """An `AcknowledgingSource`: sends again, with the same packet identifiers, what was not acknowledged."""

    async def run(self) -> None:
        begin = number = self.shared.get(0)
        tried = self.shared.get(1)
        while not self.stopped.is_set() and number < len(self.sent):
            if number - self.shared.get(0) >= _WINDOW or number - begin >= self.share:
                await asyncio.sleep(_PAUSE_S)
                continue
            for message in self.sent[number : number + _AT_ONCE]:
                packet, repeated = 1 + number % 250, begin <= number < tried
                self.intake.put(
                    RawMessage(
                        message.topic, message.payload, message.receive_ns, token=number + 1, number=packet, repeated=repeated
                    )
                )
                number += 1
            self.shared.put(1, max(tried, number))
            await asyncio.sleep(self.pause_s)
        await self.stopped.wait()

    def acknowledge(self, count: int) -> None:
        self.points.pass_by("before an acknowledgement")
        self.shared.put(0, self.shared.get(0) + count)
        self.points.pass_by("after an acknowledgement")

    @property
    def done(self) -> bool:
        return self.shared.get(0) >= len(self.sent)


class Hub(MadeUp):
    """A `ResumableSource` of two partitions, whose checkpoints go to a file."""

    def __init__(self, sent: list[RawMessage], shared: Shared, points: Points, *, share: int) -> None:
        super().__init__(sent, shared, points, share=share)
        self._keeper: StreamKeeper | None = None
        self._store = SoleStore(Path("checkpoints.json"))
        self._contained: dict[str, int] = {}

    def keep_with(self, keeper: StreamKeeper) -> None:
        self._keeper = keeper

    async def run(self) -> None:
        assert self._keeper is not None
        await self._store.open()
        next_of = {}
        for partition in range(len(ROBOTS)):
            number = await self._keeper.assigned(f"{partition}@1")
            next_of[partition] = 0 if number is None else number  # that one may come again
        given = 0
        while not self.stopped.is_set():
            before = given
            for partition in range(len(ROBOTS)):
                for _ in range(_AT_ONCE):
                    number = next_of[partition]
                    if number * 2 + partition < len(self.sent) and given < self.share:
                        given += 1
                        message = self.sent[number * 2 + partition]
                        self.intake.put(
                            RawMessage(
                                message.topic, message.payload, message.receive_ns, 1, stream=f"{partition}@1", number=number
                            )
                        )
                        next_of[partition] = number + 1
            await asyncio.sleep(self.pause_s if given > before else _PAUSE_S)

    async def contained(self, numbers: Mapping[str, int]) -> None:
        self._contained |= numbers
        for stream, number in numbers.items():
            self.points.pass_by("before a checkpoint")
            about: dict[str, Any] = {"eventhub_name": "hub", "partition_id": stream, "sequence_number": number, "offset": "0"}
            await self._store.update_checkpoint(about)
            self.points.pass_by("after a checkpoint")

    @property
    def done(self) -> bool:
        return len(self._contained) == 2 and all(2 * number + 2 >= len(self.sent) for number in self._contained.values())


SOURCES = {"mqtt": Broker, "eventhubs": Hub}


class MadeUpAdapter:
    settings = MadeUpSettings

    def __init__(self, make: Callable[[], MadeUp] | None = None) -> None:
        self._make = make
        self.source: Any = None

    def open(self, name: str, settings: MadeUpSettings, *, instance: str, telemetry: Telemetry) -> MadeUp:
        del name, settings, instance, telemetry
        assert self._make is not None
        self.source = self._make()
        return self.source  # type: ignore[no-any-return]

    def acknowledges(self, settings: MadeUpSettings) -> bool:
        del settings
        return True


def registry(adapter: MadeUpAdapter) -> Registry:
    """Return what is installed, and the source that is made up."""
    installed = Registry.installed()
    codec = installed.codecs.load("joint_state")
    sink = installed.sinks.load("mcap")
    return Registry(
        sources={"made_up": Present(adapter)}, codecs={"joint_state": Present(codec)}, sinks={"mcap": Present(sink)}
    )
