"""When a message is acknowledged: in order, once it is durable where it is recorded, else once it was processed."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from twind.flow.queues import Intake
from twind.model.messages import RawMessage
from twind.runtime.pipeline import BatchReport
from twind.runtime.pump import Pump
from twind.runtime.restart.streams import Streams
from twind.sources.protocol import SourceHealth
from twind.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


class Source:
    """Has what was put into its intake."""

    name = "floor"

    def __init__(self) -> None:
        self.intake = Intake(max_messages=1000, max_bytes=10**6)
        self.acknowledged = 0

    def put(self, *messages: RawMessage) -> None:
        for message in messages:
            self.intake.put(message)

    async def run(self) -> None: ...

    async def receive(self, max_messages: int) -> list[RawMessage]:
        return await self.intake.take(min(max_messages, 2))

    def acknowledge(self, count: int) -> None:
        self.acknowledged += count

    def health(self) -> SourceHealth:
        return SourceHealth(connected=True, since_monotonic_s=0.0)

    def stop(self) -> None:
        self.intake.close()

    async def aclose(self) -> None: ...


class Hub(Source):
    """A source that can be resumed."""

    acknowledge: Any = None

    def keep_with(self, keeper: Any) -> None: ...

    async def contained(self, numbers: Any) -> None: ...


class Feed:
    """Notes what it processes."""

    def __init__(self) -> None:
        self.processed: list[bytes] = []

    def process(self, messages: list[RawMessage]) -> BatchReport:
        self.processed += [message.payload for message in messages]
        return BatchReport(len(messages), {})


class Recorder:
    """Takes everything; what is durable is said by the test."""

    name = "recording"

    def __init__(self) -> None:
        self.batches: list[asyncio.Future[bool]] = []
        self.offered: list[bytes] = []

    def offer_durably(self, source: str, messages: Sequence[RawMessage]) -> asyncio.Future[bool]:
        assert source == "floor"
        self.offered += [message.payload for message in messages]
        self.batches.append(asyncio.get_running_loop().create_future())
        return self.batches[-1]


class Saver:
    """Counts snapshots."""

    def __init__(self) -> None:
        self.saved: list[list[bytes]] = []
        self.feed: Any = None
        self.may = asyncio.Event()
        self.may.set()

    async def save(self) -> bool:
        await self.may.wait()
        self.saved.append(list(self.feed.processed))
        return True


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    with Telemetry() as telemetry:
        yield telemetry


@contextlib.asynccontextmanager
async def running(pump: Pump, source: Source) -> Any:
    task = asyncio.create_task(pump.run())
    try:
        yield
    finally:
        source.stop()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def made(source: Any, telemetry: Telemetry, *recorders: Recorder) -> tuple[Any, Feed]:
    feed: Any = Feed()
    options: Any = {"recorders": recorders}
    return Pump(source, feed, batch_s=0.0, telemetry=telemetry, on_report=lambda _: None, **options), feed


async def turns(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110  (what is waited for has no event of its own)
            await asyncio.sleep(0)


def packet(number: int, payload: bytes, *, repeated: bool = False) -> RawMessage:
    return RawMessage("cell/arm", payload, 1, number, number=number, repeated=repeated)


def event(number: int, stream: str = "0@1") -> RawMessage:
    return RawMessage("arm", b"%d" % number, 1, 1, stream=stream, number=number)


def test_without_a_recording_what_was_processed_is_acknowledged(telemetry: Telemetry, run: Callable[..., Any]) -> None:
    async def main() -> None:
        source = Source()
        pump, feed = made(source, telemetry)
        source.put(packet(1, b"a"), packet(2, b"b"), packet(3, b"c"))
        async with running(pump, source):
            await turns(lambda: source.acknowledged == 3)
            assert feed.processed == [b"a", b"b", b"c"]

    run(main())


def test_what_is_recorded_is_processed_at_once_and_acknowledged_in_order_when_it_is_durable(
    telemetry: Telemetry, run: Callable[..., Any]
) -> None:
    async def main() -> None:
        source, recorder = Source(), Recorder()
        pump, feed = made(source, telemetry, recorder)
        source.put(*(packet(number, b"%d" % number) for number in range(1, 7)))
        async with running(pump, source):
            await turns(lambda: len(recorder.batches) == 3)
            assert len(feed.processed) == 6
            recorder.batches[1].set_result(True)
            await asyncio.sleep(0)
            assert source.acknowledged == 0
            recorder.batches[0].set_result(True)
            await turns(lambda: source.acknowledged == 4)
            recorder.batches[2].set_result(False)  # the recorder was closed before
            await asyncio.sleep(0)
            assert source.acknowledged == 4

    run(main())


def test_what_is_sent_again_is_acknowledged_and_neither_recorded_nor_processed_again(
    telemetry: Telemetry, run: Callable[..., Any]
) -> None:
    async def main() -> None:
        source, recorder = Source(), Recorder()
        pump, feed = made(source, telemetry, recorder)
        source.put(packet(1, b"a"), packet(2, b"b"))
        async with running(pump, source):
            await turns(lambda: len(feed.processed) == 2)
            source.put(packet(1, b"a", repeated=True), packet(2, b"b", repeated=True))
            await turns(lambda: pump.done == 4)
            assert source.acknowledged == 0  # not before the first of its kind is durable
            recorder.batches[0].set_result(True)
            await turns(lambda: source.acknowledged == 4)
            assert recorder.offered == feed.processed == [b"a", b"b"]

    run(main())
    labels = {"source": "floor", "reason": "repeated"}
    assert telemetry.registry.get_sample_value("twind_messages_passed_over_total", labels) == 2


def test_too_much_that_is_not_durable_makes_the_source_wait(
    telemetry: Telemetry, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("twind.runtime.pump._MAX_DUE", 3)

    async def main() -> None:
        source, recorder = Source(), Recorder()
        pump, feed = made(source, telemetry, recorder)
        source.put(*(packet(number, b"%d" % number) for number in range(1, 9)))
        async with running(pump, source):
            await turns(lambda: len(recorder.batches) == 2)
            for _ in range(50):
                await asyncio.sleep(0)
            assert len(feed.processed) == 4
            recorder.batches[0].set_result(True)
            await turns(lambda: len(feed.processed) == 6)

    run(main())


def test_of_a_stream_that_was_lost_nothing_is_processed_any_more(telemetry: Telemetry, run: Callable[..., Any]) -> None:
    async def main() -> None:
        source, saver = Hub(), Saver()
        pump, feed = made(source, telemetry)
        streams = Streams(pump, saver)  # type: ignore[arg-type]
        assert await streams.assigned("0@1") is None
        source.put(event(1), event(2))
        async with running(pump, source):
            await turns(lambda: len(feed.processed) == 2)
            streams.lost("0@1")
            source.put(event(3), event(4))
            await turns(lambda: pump.done == 4)
            assert feed.processed == [b"1", b"2"]
            assert await streams.assigned("0@1") == 2
            source.put(event(2), event(3))
            await turns(lambda: pump.done == 6)
            assert feed.processed == [b"1", b"2", b"3"]

    run(main())


@pytest.mark.parametrize("in_time", [True, False])
def test_a_stream_that_is_revoked_is_processed_and_written_down_within_the_budget_or_given_up(
    telemetry: Telemetry, run: Callable[..., Any], *, in_time: bool
) -> None:
    async def main() -> None:
        source, saver = Hub(), Saver()
        pump, saver.feed = made(source, telemetry)
        streams = Streams(pump, saver)  # type: ignore[arg-type]
        await streams.assigned("0@1")
        if not in_time:
            saver.may.clear()
        async with running(pump, source):
            source.put(*(event(number) for number in range(1, 8)))
            assert await streams.revoked("0@1", budget_s=30.0 if in_time else 0.01) is in_time
            assert saver.saved == ([[b"%d" % number for number in range(1, 8)]] if in_time else [])
            assert pump.owned == set()

    run(main())
