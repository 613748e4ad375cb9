"""What was offered is in the files, whatever the sizes; what is not was counted."""

from __future__ import annotations

import asyncio
import errno
import os
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcap.reader import make_reader
from pydantic import ValidationError

from twind.flow.sinks import RawSink, SinkContext
from twind.model.messages import RawMessage
from twind.record.recorder import Recorder
from twind.record.segment import MAX_CHANNELS
from twind.record.settings import McapSettings
from twind.sources.recording import Recording
from twind.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from conftest import Bench

    Make = Callable[..., list[RawMessage]]


def _flat(batch: list[RawMessage]) -> list[tuple[str, bytes, int]]:
    return [(message.topic, message.payload, message.receive_ns) for message in batch]


async def _record(recorder: Recorder, *batches: list[RawMessage]) -> None:
    for batch in batches:
        recorder.offer("floor", batch)
    await recorder.aclose()


MESSAGES = st.lists(
    st.builds(
        RawMessage,
        topic=st.sampled_from(["cell/a/pose", "cell/b/joint_state", "else", "ü/\u0001"]),
        payload=st.binary(max_size=400),
        receive_ns=st.integers(0, 2**63 - 1),
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(
    batches=st.lists(MESSAGES, max_size=6),
    compression=st.sampled_from(["zstd", "lz4", "none"]),
    chunk_bytes=st.integers(1024, 4096),
)
def test_whatever_arrived_is_read_back_byte_by_byte(batches: list[Any], compression: Any, chunk_bytes: int) -> None:
    with tempfile.TemporaryDirectory() as folder, Telemetry() as telemetry:
        options = McapSettings(
            type="mcap", path=Path(folder), compression=compression, chunk_bytes=chunk_bytes, sync=False, max_segment_s=1e12
        )

        async def main() -> Recorder:
            recorder = Recorder("r", options, SinkContext("i", "", {}, telemetry))
            await _record(recorder, *batches)
            return recorder

        recorder = asyncio.run(main())
        found = []
        for path in sorted(Path(folder).iterdir()):
            with Recording(path) as recording:
                assert recording.complete
                for block in recording.blocks:
                    found += _flat(recording.messages(block))
        assert found == [entry for batch in batches for entry in _flat(batch)]
        assert (recorder.recorded, recorder.lost) == (len(found), 0)


def test_the_official_reader_finds_topics_stamps_codecs_and_where_they_came_from(
    bench: Bench, messages: Make, run: Callable[..., Any]
) -> None:
    async def main() -> None:
        await _record(bench.recorder(), messages(10), messages(5, topic="cell/crate/pose"))

    run(main())
    (path,) = bench.files
    assert path.name == "cell-7-recording-00000001-20231114T221320Z.mcap"
    with path.open("rb") as file:
        reader = make_reader(file, validate_crcs=True)
        found = list(reader.iter_messages())
        summary = reader.get_summary()
        metadata = {entry.name: entry.metadata for entry in reader.iter_metadata()}
    assert summary is not None
    assert summary.statistics is not None
    assert summary.statistics.message_count == 15
    assert {(s.name, c.message_encoding, c.topic, c.metadata["source"]) for s, c, _ in found if s is not None} == {
        ("joint_state", "joint_state", "cell/arm/joint_state", "floor"),
        ("pose", "pose", "cell/crate/pose", "floor"),
    }
    assert all(message.log_time == message.publish_time for _, _, message in found)
    assert metadata["twind"]["instance"] == "cell-7"
    assert metadata["twind"]["stage"] == "cell.usda"
    assert {"twind", "segment"} <= set(metadata["twind"])


def test_channels_can_say_json_so_that_panels_decode_them(bench: Bench, messages: Make, run: Callable[..., Any]) -> None:
    async def main() -> None:
        await _record(bench.recorder(message_encoding="json"), messages(1), messages(1, topic="cell/crate/unrouted"))

    run(main())
    with bench.files[0].open("rb") as file:
        found = [(s.name, s.encoding, c.message_encoding) for s, c, _ in make_reader(file).iter_messages() if s is not None]
    assert sorted(found) == [("joint_state", "jsonschema", "json"), ("unknown", "", "unknown")]


def test_segments_rotate_by_size_and_lose_nothing(bench: Bench, messages: Make, run: Callable[..., Any]) -> None:
    batch = messages(2000, size=500)

    async def main() -> None:
        await _record(bench.recorder(compression="none", max_segment_bytes=200_000), batch)

    run(main())
    assert len(bench.files) > 4
    assert max(path.stat().st_size for path in bench.files) < 260_000
    assert bench.read() == _flat(batch)


def test_segments_rotate_by_time_also_when_the_clock_is_set_back(bench: Bench, messages: Make, run: Callable[..., Any]) -> None:
    batch = [*messages(2500), *messages(10, first=-3000)]

    async def main() -> None:
        await _record(bench.recorder(max_segment_s=1.0), batch)

    run(main())
    assert len(bench.files) == 4
    assert bench.read() == _flat(batch)


@asynccontextmanager
async def _running(recorder: Recorder) -> AsyncIterator[Recorder]:
    task = asyncio.create_task(recorder.run())
    try:
        yield recorder
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await recorder.aclose()


def test_the_oldest_segments_are_deleted_to_keep_the_quota(bench: Bench, messages: Make, run: Callable[..., Any]) -> None:
    quota = 400_000

    async def main() -> None:
        options = {"compression": "none", "max_segment_bytes": 100_000, "max_total_bytes": quota, "chunk_bytes": 8192}
        async with _running(bench.recorder(**options)) as recorder:
            for first in range(0, 4000, 100):
                assert await recorder.offer_durably("floor", messages(100, first=first, size=500))
                assert sum(path.stat().st_size for path in bench.files) <= quota

    run(main())
    numbers = [int(path.name.split("-")[3]) for path in bench.files]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert numbers[0] > 1
    assert bench.read()[-1][2] == messages(1, first=3999)[0].receive_ns
    deleted = bench.telemetry.registry.get_sample_value("twind_recording_segments_deleted_total", {"sink": "recording"})
    assert deleted == numbers[0] - 1


def test_a_new_daemon_goes_on_where_the_numbers_ended(bench: Bench, messages: Make, run: Callable[..., Any]) -> None:
    for first in (0, 10):
        run(_record(bench.recorder(), messages(10, first=first)))
    assert [path.name.split("-")[3] for path in bench.files] == ["00000001", "00000002"]
    assert bench.read() == _flat(messages(20))


def test_other_files_in_the_folder_are_never_touched(bench: Bench, messages: Make, run: Callable[..., Any]) -> None:
    bench.folder.mkdir()
    others = [
        bench.folder / name for name in ("notes.mcap", "cell-8-recording-00000001-X.mcap", "cell-7-other-00000001-X.mcap")
    ]
    for path in others:
        path.write_bytes(bytes(300_000))
    run(_record(bench.recorder(max_segment_bytes=65_536, max_total_bytes=131_072), messages(10)))
    assert all(path.exists() for path in others)


def test_what_somebody_waits_for_is_on_the_disk_when_it_is_told(bench: Bench, messages: Make, run: Callable[..., Any]) -> None:
    async def main() -> None:
        async with _running(bench.recorder(flush_s=60, sync=True)) as recorder:
            first, second = (recorder.offer_durably("floor", messages(5, first=first)) for first in (0, 5))
            assert await first
            assert await second
            assert bench.read() == _flat(messages(10))

    run(main())


def test_what_nobody_waits_for_stands_in_the_file_after_the_flush_interval(
    bench: Bench, messages: Make, run: Callable[..., Any]
) -> None:
    async def main() -> None:
        async with _running(bench.recorder(flush_s=0.01)) as recorder:
            recorder.offer("floor", messages(3))
            async with asyncio.timeout(30):
                while len(bench.read()) < 3:  # noqa: ASYNC110  (another thread writes; there is nothing to wait on)
                    await asyncio.sleep(0.01)
            assert len(bench.read()) == 3

    run(main())


def test_a_full_queue_loses_new_batches_and_counts_them(bench: Bench, messages: Make, run: Callable[..., Any]) -> None:
    async def main() -> Recorder:
        recorder = bench.recorder(max_pending_messages=100)
        for first in range(0, 200, 40):
            recorder.offer("floor", messages(40, first=first))
        durable = recorder.offer_durably("floor", messages(40, first=1000))
        await recorder.aclose()
        assert await durable  # whoever waits for it bounds how much there is
        return recorder

    recorder = run(main())
    assert bench.read() == _flat([*messages(80), *messages(40, first=1000)])
    assert (recorder.recorded, recorder.lost) == (120, 120)
    assert bench.counted("queue_full") == 120


class Disk:
    """Takes so many bytes, and no more until there is room again."""

    def __init__(self, room: int) -> None:
        self.room = room
        self._really = os.write

    def write(self, descriptor: int, data: Any) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = self._really(descriptor, data[: self.room])
        self.room -= written
        return written


def test_a_full_disk_loses_what_nobody_waits_for_counts_it_and_recording_goes_on_afterwards(
    bench: Bench, messages: Make, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> Recorder:
        async with _running(bench.recorder(compression="none", chunk_bytes=4096, flush_s=0.01)) as recorder:
            with monkeypatch.context() as patch:
                patch.setattr("twind.record.segment.os.write", Disk(20_000).write)
                recorder.offer("floor", messages(100, size=500))
                async with asyncio.timeout(30):
                    while not recorder.lost:  # noqa: ASYNC110  (another thread writes; there is nothing to wait on)
                        await asyncio.sleep(0.01)
            assert await recorder.offer_durably("floor", messages(10, first=1000))
        return recorder

    recorder = run(main())
    kept = bench.read()
    assert 0 < len(kept) - 10 < 40
    assert kept == _flat([*messages(len(kept) - 10, size=500), *messages(10, first=1000)])
    assert (recorder.recorded, recorder.lost) == (len(kept), 110 - len(kept))
    assert bench.counted("write_failed") == recorder.lost


@pytest.mark.parametrize("room", [0, 100, 20_000, -1])
def test_a_full_disk_holds_what_somebody_waits_for_and_records_each_message_once_when_there_is_room(
    bench: Bench, messages: Make, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    def no_sync(_descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    async def main() -> Recorder:
        async with _running(bench.recorder(compression="none", chunk_bytes=4096, sync=True)) as recorder:
            with monkeypatch.context() as patch:
                if room >= 0:
                    patch.setattr("twind.record.segment.os.write", Disk(room).write)
                else:
                    patch.setattr("twind.record.segment.os.fdatasync", no_sync)
                durable = [recorder.offer_durably("floor", messages(50, first=first, size=500)) for first in (0, 50, 100)]
                marked = recorder.mark()
                async with asyncio.timeout(30):
                    while recorder.held_since_s is None:  # noqa: ASYNC110  (another thread writes)
                        await asyncio.sleep(0.01)
                await asyncio.sleep(0.1)
                assert not durable[-1].done()
                assert not marked.done()
                assert recorder.trouble
                assert recorder.held
            last = recorder.offer_durably("floor", messages(10, first=1000))
            assert all(await asyncio.gather(*durable, last))
            mark = await marked
            after = []
            for path, skip in recorder.files_since(mark):
                with Recording(path) as recording:
                    after += [one for block in recording.blocks for one in recording.messages(block)][skip:]
            assert _flat(after) == _flat(messages(10, first=1000))
        return recorder

    recorder = run(main())
    assert bench.read() == _flat([*messages(150, size=500), *messages(10, first=1000)])
    assert (recorder.recorded, recorder.lost, recorder.held) == (160, 0, 0)
    failures = bench.telemetry.registry.get_sample_value("twind_recording_write_failures_total", {"sink": "recording"})
    assert failures
    assert failures >= 1


def test_what_is_held_when_the_recorder_is_closed_is_not_said_to_be_durable(
    bench: Bench, messages: Make, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> Recorder:
        recorder = bench.recorder()
        monkeypatch.setattr("twind.record.segment.os.write", Disk(0).write)
        durable, marked = recorder.offer_durably("floor", messages(3)), recorder.mark()
        await recorder.aclose()
        assert not await durable
        assert marked.cancelled()
        return recorder

    recorder = run(main())
    assert (recorder.recorded, recorder.lost) == (0, 0)


def test_a_folder_that_cannot_be_made_loses_messages_and_nothing_else(
    bench: Bench, messages: Make, run: Callable[..., Any]
) -> None:
    bench.folder.write_text("in the way")

    async def main() -> Recorder:
        recorder = bench.recorder()
        await _record(recorder, messages(3))
        return recorder

    assert run(main()).lost == 3
    assert bench.counted("write_failed") == 3


def test_more_topics_than_a_segment_can_hold_are_counted(
    bench: Bench, messages: Make, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MAX_CHANNELS < 65_535
    monkeypatch.setattr("twind.record.segment.MAX_CHANNELS", 3)
    batch = [messages(1, first=n, topic=f"cell/{n % 5}/pose")[0] for n in range(10)]
    run(_record(bench.recorder(), batch))
    assert len(bench.read()) == 6
    assert bench.counted("too_many_topics") == 4


def test_a_recorder_is_a_sink_and_shows_its_state(bench: Bench, messages: Make, run: Callable[..., Any]) -> None:
    async def main() -> None:
        recorder = bench.recorder()
        assert isinstance(recorder, RawSink)
        recorder.offer("floor", messages(3))
        assert repr(recorder) == "<Recorder recording 3 pending, 0 recorded, 0 lost>"
        await recorder.aclose()
        assert repr(recorder) == "<Recorder recording 0 pending, 3 recorded, 0 lost>"

    run(main())


def test_a_quota_that_cannot_be_kept_is_refused() -> None:
    with pytest.raises(ValidationError, match="at least twice max_segment_bytes"):
        McapSettings.model_validate({"type": "mcap", "path": "x", "max_segment_bytes": 100_000, "max_total_bytes": 150_000})
