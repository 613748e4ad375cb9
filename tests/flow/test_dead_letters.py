"""The bounded folder of refused inputs."""

from __future__ import annotations

import asyncio
import base64
import errno
import io
import json
import os
import stat
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twind.flow import dead_letters
from twind.flow.dead_letters import MAX_PAYLOAD_BYTES, MIN_FILE_BYTES, DeadLetter, DeadLetterFiles, DeadLetters
from twind.model.messages import RawMessage
from twind.telemetry import Telemetry
from twind.testing.loops import run


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry(stream=io.StringIO())


def letter(number: int, size: int = 10) -> DeadLetter:
    return DeadLetter(
        number, "floor", "cell/arm/joint_state", "undecodable", "", size, os.urandom(min(size, MAX_PAYLOAD_BYTES))
    )


def read(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for path in sorted(folder.iterdir()) for line in path.read_text().splitlines()]


def lost(telemetry: Telemetry, reason: str) -> float | None:
    return telemetry.registry.get_sample_value("twind_dead_letters_lost_total", {"reason": reason})


def test_a_refused_message_is_kept_with_what_one_needs_to_know(tmp_path: Path, telemetry: Telemetry) -> None:
    folder = tmp_path / "dead"

    async def main() -> None:
        letters = DeadLetters(folder, telemetry=telemetry)
        letters.offer(RawMessage("a/b", b"\xff\x00", 123), source="floor", reason="undecodable", detail="byte 0")
        await letters.flush()
        assert letters.kept == 1

    run(main())
    (record,) = read(folder)
    assert base64.b64decode(str(record.pop("payload"))) == b"\xff\x00"
    assert record == {
        "receive_ns": 123,
        "source": "floor",
        "topic": "a/b",
        "reason": "undecodable",
        "detail": "byte 0",
        "payload_bytes": 2,
        "truncated": False,
    }


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    folder = tmp_path / "dead"
    DeadLetterFiles(folder, max_files=1, max_bytes=MIN_FILE_BYTES).append([letter(1)])
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()] == [0o600]


def test_a_link_in_place_of_the_file_is_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "dead"
    folder.mkdir()
    (folder / "dead-letters-00000001.jsonl").symlink_to(tmp_path / "victim")
    kept, error = DeadLetterFiles(folder, max_files=1, max_bytes=MIN_FILE_BYTES).append([letter(1)])
    assert kept == 0
    assert error
    assert not (tmp_path / "victim").exists()


def test_a_long_payload_and_a_long_topic_are_cut(tmp_path: Path, telemetry: Telemetry) -> None:
    async def main() -> None:
        letters = DeadLetters(tmp_path, telemetry=telemetry)
        letters.offer(RawMessage("t" * 60_000 + "\udcff", bytes(10_000_000), 1), source="floor", reason="oversize")
        await letters.flush()

    run(main())
    (record,) = read(tmp_path)
    assert (record["payload_bytes"], record["truncated"]) == (10_000_000, True)
    assert len(base64.b64decode(str(record["payload"]))) == MAX_PAYLOAD_BYTES
    assert len(str(record["topic"])) == 1024


@settings(max_examples=40, deadline=None)
@given(
    batches=st.lists(st.lists(st.sampled_from([0, 10, 3000, 60_000, 200_000]), max_size=8), max_size=8),
    max_files=st.integers(1, 4),
    slack=st.integers(0, 100_000),
)
def test_the_folder_never_exceeds_its_quota_and_keeps_the_newest(batches: list[list[int]], max_files: int, slack: int) -> None:
    max_bytes = max_files * MIN_FILE_BYTES + slack
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "dead"
        number, written = 0, []
        for sizes in batches:
            files = DeadLetterFiles(folder, max_files=max_files, max_bytes=max_bytes)  # as after a restart
            batch = [letter(number + index, size) for index, size in enumerate(sizes)]
            number += len(sizes)
            written += [each.receive_ns for each in batch]
            assert files.append(batch) == (len(batch), "")
            paths = list(folder.iterdir())
            assert len(paths) <= max_files
            assert sum(path.stat().st_size for path in paths) <= max_bytes
            kept = [record["receive_ns"] for record in read(folder)]
            assert kept == written[len(written) - len(kept) :]
            assert kept or not written


def test_the_quota_must_have_room_for_a_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="need at least"):
        DeadLetterFiles(tmp_path, max_files=2, max_bytes=MIN_FILE_BYTES)


def test_a_flood_is_bounded_and_what_did_not_fit_is_counted(tmp_path: Path, telemetry: Telemetry) -> None:
    async def main() -> None:
        letters = DeadLetters(tmp_path, telemetry=telemetry, max_pending=10)
        for number in range(1000):
            letters.offer(RawMessage("t", b"x", number), source="floor", reason="undecodable")
        await letters.flush()
        assert (letters.kept, letters.lost) == (10, 990)

    run(main())
    assert lost(telemetry, "queue_full") == 990


def test_large_payloads_fill_the_queue_by_their_bytes(tmp_path: Path, telemetry: Telemetry) -> None:
    async def main() -> None:
        letters = DeadLetters(tmp_path, telemetry=telemetry, max_pending_bytes=200_000)
        for number in range(10):
            letters.offer(RawMessage("t", bytes(10_000_000), number), source="floor", reason="oversize")
        await letters.flush()
        assert letters.kept == 3

    run(main())


def test_a_full_disk_is_survived_counted_and_leaves_whole_lines(
    tmp_path: Path, telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_write, full = os.write, True

    def write(descriptor: int, data: bytes) -> int:
        if full:
            real_write(descriptor, bytes(data[:5]))  # a part of it still fits
            raise OSError(errno.ENOSPC, "No space left on device")
        return real_write(descriptor, data)

    async def main() -> None:
        nonlocal full
        letters = DeadLetters(tmp_path, telemetry=telemetry)
        message = RawMessage("t", b"x", 1)
        letters.offer(message, source="floor", reason="undecodable")
        with monkeypatch.context() as patch:
            patch.setattr(dead_letters.os, "write", write)
            await letters.flush()
        assert (letters.kept, letters.lost) == (0, 1)
        full = False
        letters.offer(message, source="floor", reason="undecodable")
        await letters.flush()
        assert (letters.kept, letters.lost) == (1, 1)

    run(main())
    assert len(read(tmp_path)) == 1
    assert lost(telemetry, "write_failed") == 1


def test_the_running_task_writes_what_is_offered_and_the_rest_is_flushed_after_it(tmp_path: Path, telemetry: Telemetry) -> None:
    async def main() -> None:
        letters = DeadLetters(tmp_path, telemetry=telemetry, interval_s=1000)
        task = asyncio.create_task(letters.run())
        letters.offer(RawMessage("t", b"1", 1), source="floor", reason="undecodable")
        while not letters.kept:  # noqa: ASYNC110  (a thread finishes it)
            await asyncio.sleep(0.001)
        letters.offer(RawMessage("t", b"2", 2), source="floor", reason="undecodable")
        task.cancel()
        await asyncio.wait({task})
        await letters.flush()
        assert "2 kept" in repr(letters)

    run(main())
    assert [record["receive_ns"] for record in read(tmp_path)] == [1, 2]


def test_a_cancelled_write_still_ends_and_is_counted(tmp_path: Path, telemetry: Telemetry) -> None:
    async def main() -> None:
        letters = DeadLetters(tmp_path, telemetry=telemetry)
        letters.offer(RawMessage("t", b"1", 1), source="floor", reason="undecodable")
        task = asyncio.create_task(letters.run())
        await asyncio.sleep(0)
        await asyncio.sleep(0)  # the write is under way, or about to be
        task.cancel()
        await asyncio.wait({task})
        letters.offer(RawMessage("t", b"2", 2), source="floor", reason="undecodable")
        await letters.flush()
        assert letters.kept == 2

    run(main())
    assert [record["receive_ns"] for record in read(tmp_path)] == [1, 2]
