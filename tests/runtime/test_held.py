"""A recorder that was killed goes on without recording anything twice."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tests.runtime.test_recovery import ROUTES, message
from twind.flow.queues import Intake
from twind.flow.sinks import SinkContext
from twind.model.messages import RawMessage
from twind.record.recorder import Recorder
from twind.record.settings import McapSettings
from twind.runtime.held import held_at_end
from twind.runtime.tap import Tap
from twind.sources.protocol import SourceHealth
from twind.sources.recording import Recording
from twind.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from twind.sources.protocol import StreamKeeper


class Given:
    """An `AcknowledgingSource` that has received some messages."""

    def __init__(self, messages: Sequence[RawMessage]) -> None:
        self.name = "floor"
        self.intake = Intake(max_messages=10_000, max_bytes=10**8)
        self.acknowledged = 0
        self.intake.put_kept(messages)
        self.intake.close()

    async def run(self) -> None:
        """Nothing more arrives."""

    async def receive(self, max_messages: int) -> list[RawMessage]:
        return await self.intake.take(max_messages)

    def acknowledge(self, count: int) -> None:
        self.acknowledged += count

    def health(self) -> SourceHealth:
        return SourceHealth(connected=True, since_monotonic_s=0.0)

    def stop(self) -> None:
        self.intake.close()

    async def aclose(self) -> None:
        self.stop()


class Partitioned(Given):
    """A `ResumableSource` that has read some messages."""

    acknowledge = None  # type: ignore[assignment]

    def keep_with(self, keeper: StreamKeeper) -> None:
        self.keeper = keeper

    async def contained(self, numbers: Mapping[str, int]) -> None:
        raise AssertionError(numbers)


def of_stream(number: int, part: int = 0, parts: int = 1, stream: str = "0@1") -> RawMessage:
    payload = b"%d/%d" % (number, part)
    return RawMessage("joint_state/arm", payload, number, 1, stream=stream, number=number, part=part, parts=parts)


async def life(folder: Path, source: Given) -> tuple[int, Tap]:
    """Record what a source has; return how many messages were passed over, and the tap."""
    with Telemetry() as telemetry:
        settings = McapSettings.model_validate(
            {"type": "mcap", "path": folder, "max_segment_bytes": 65_536, "compression": "none"}
        )
        recorder = Recorder("recording", settings, SinkContext("cell", "", {"floor": ROUTES}, telemetry))
        tap = Tap(source, [recorder], telemetry)
        held = await asyncio.to_thread(held_at_end, recorder)
        tap.know(recorder, held.get("floor"))
        tasks = [asyncio.create_task(work) for work in (recorder.run(), tap.acknowledge())]
        await tap.run()
        await tap.settled()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await recorder.aclose()
        labels = {"source": "floor", "reason": "repeated"}
        passed_over = telemetry.registry.get_sample_value("twind_messages_passed_over_total", labels)
        return int(passed_over or 0), tap


def recorded(folder: Path) -> list[bytes]:
    found: list[bytes] = []
    for path in sorted(folder.glob("*.mcap")):
        with Recording(path) as recording:
            found += [one.payload for block in recording.blocks for one in recording.messages(block)]
    return found


def test_what_a_broker_repeats_after_a_kill_is_acknowledged_and_not_recorded_again(
    tmp_path: Path, run: Callable[..., Any]
) -> None:
    sent = [message(number) for number in range(1, 1500)]
    again = [
        RawMessage(one.topic, one.payload, one.receive_ns + 10**9, 1, number=one.number, repeated=True) for one in sent[900:]
    ]
    fresh = [message(number) for number in range(1500, 1600)]

    async def main() -> None:
        assert (await life(tmp_path, Given(sent)))[0] == 0
        source = Given([*again, *fresh])
        assert (await life(tmp_path, source))[0] == len(again)
        assert source.acknowledged == len(again) + len(fresh)

    run(main())
    assert recorded(tmp_path) == [one.payload for one in [*sent, *fresh]]


def test_a_hub_is_read_on_from_where_the_recording_ends_also_within_an_event(tmp_path: Path, run: Callable[..., Any]) -> None:
    first = [of_stream(0), of_stream(1), *[of_stream(2, part, 3) for part in range(2)]]
    second = [*[of_stream(2, part, 3) for part in range(3)], of_stream(3)]

    async def main() -> None:
        _, tap = await life(tmp_path, Partitioned(first))
        assert await tap.assigned("0@1") == 2
        assert await tap.assigned("1@1") is None
        assert (await life(tmp_path, Partitioned(second)))[0] == 2

    run(main())
    assert recorded(tmp_path) == [b"0/0", b"1/0", b"2/0", b"2/1", b"2/2", b"3/0"]


@pytest.mark.parametrize("cut", [0.0, 0.2, 0.4])
def test_what_a_recording_that_was_cut_lacks_is_recorded_again(tmp_path: Path, run: Callable[..., Any], cut: float) -> None:
    sent = [of_stream(number) for number in range(2000)]

    async def main() -> None:
        await life(tmp_path, Partitioned(sent))
        first = max(tmp_path.glob("*.mcap"))
        content = first.read_bytes()
        first.write_bytes(content[: int(cut * len(content))])
        there = recorded(tmp_path) if cut else []
        assert len(there) < len(sent)
        await life(tmp_path, Partitioned(sent))
        if not cut:
            first.unlink()  # nothing in it can be read
        assert recorded(tmp_path) == [one.payload for one in sent]

    run(main())
