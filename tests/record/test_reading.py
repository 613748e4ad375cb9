"""Recordings are read as far as they are sound: cut at any byte, damaged, or written by other tools."""

from __future__ import annotations

import random
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from mcap.writer import CompressionType, Writer

from twind.model.errors import PermanentError
from twind.sources.recording import Recording, in_order

if TYPE_CHECKING:
    from pathlib import Path


def _file(
    stamps: list[int], *, chunk_size: int = 4096, compression: CompressionType = CompressionType.ZSTD, chunked: bool = True
) -> tuple[bytes, list[tuple[int, int]]]:
    """Return a file, and (offset, messages) after each chunk that was completely written."""
    output, marks = BytesIO(), []
    writer = Writer(output, chunk_size=10**9, compression=compression, use_chunking=chunked)
    writer.start()
    schema = writer.register_schema("pose", "jsonschema", b"{}")
    channel = writer.register_channel("cell/a/pose", "pose", schema, {"source": "floor"})
    size = 0
    for index, stamp in enumerate(stamps):
        payload = random.Random(index).randbytes(60) + b"x" * 40  # noqa: S311  (test data)
        writer.add_message(channel, stamp, payload, stamp)
        size += 100
        if not chunked or size >= chunk_size:
            writer.flush()
            marks.append((output.tell(), index + 1))
            size = 0
    writer.finish()
    return output.getvalue(), marks


def _read(path: Path) -> list[int]:
    with Recording(path) as recording:
        return [message.receive_ns for block in recording.blocks for message in recording.messages(block)]


@pytest.mark.parametrize("compression", CompressionType)
@pytest.mark.parametrize("chunked", [True, False])
def test_a_cut_file_is_readable_up_to_the_cut(tmp_path: Path, compression: CompressionType, chunked: bool) -> None:  # noqa: FBT001
    stamps = list(range(1000, 1400))
    data, marks = _file(stamps, compression=compression, chunked=chunked)
    path = tmp_path / "cut.mcap"
    rng = random.Random(1)  # noqa: S311  (test data)
    whole = [offset for offset, _ in marks]
    for cut in sorted({0, 1, 7, 8, *rng.sample(range(len(data)), 300), *whole, *(n - 1 for n in whole)}):
        path.write_bytes(data[:cut])
        found = _read(path)
        assert found == stamps[: len(found)]
        assert len(found) >= max((count for offset, count in marks if offset <= cut), default=0)


def test_most_of_a_chunk_that_was_cut_is_saved(tmp_path: Path) -> None:
    stamps = list(range(2000))
    for compression in CompressionType:
        data, marks = _file(stamps, chunk_size=10**6, compression=compression)
        assert not marks
        path = tmp_path / "cut.mcap"
        path.write_bytes(data[: len(data) * 3 // 4])
        assert len(_read(path)) > 600


def test_zeros_at_the_end_are_a_cut(tmp_path: Path) -> None:
    data, marks = _file(list(range(400)))
    offset, count = marks[3]
    path = tmp_path / "zeros.mcap"
    path.write_bytes(data[:offset] + bytes(5000))
    assert _read(path) == list(range(count))
    with Recording(path) as recording:
        assert not recording.complete


def test_a_damaged_chunk_is_passed_over_and_the_next_is_read(tmp_path: Path) -> None:
    data, marks = _file(list(range(400)))
    (first, _), (second, _) = marks[:2]
    broken = bytearray(data)
    broken[(first + second) // 2] ^= 0xFF
    path = tmp_path / "broken.mcap"
    path.write_bytes(broken)
    with Recording(path) as recording:
        found = [message.receive_ns for block in recording.blocks for message in recording.messages(block)]
        assert recording.damaged == 1
        assert recording.complete
    assert len(found) == 400 - (marks[1][1] - marks[0][1])


def test_any_bytes_are_refused_or_read_without_a_fault(tmp_path: Path) -> None:
    rng = random.Random(5)  # noqa: S311  (test data)
    data, _ = _file(list(range(200)))
    path = tmp_path / "noise.mcap"
    for _ in range(300):
        noisy = bytearray(data)
        for _ in range(rng.randint(1, 20)):
            noisy[rng.randrange(8, len(noisy))] = rng.randrange(256)
        path.write_bytes(noisy)
        with Recording(path) as recording:
            for messages in in_order([recording]):
                assert all(isinstance(message.payload, bytes) for message in messages)


@pytest.mark.parametrize("content", [b"PK\x03\x04 a zip archive", b"\x89PNG"])
def test_what_is_no_recording_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.mcap"
    path.write_bytes(content)
    with pytest.raises(PermanentError, match="is not an MCAP file"):
        Recording(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match=r"cannot read .*none\.mcap: No such file"):
        Recording(tmp_path / "none.mcap")


def test_several_recordings_are_merged_by_receive_stamp_whatever_the_order_of_their_chunks(tmp_path: Path) -> None:
    rng = random.Random(2)  # noqa: S311  (test data)
    everything: list[int] = []
    paths = []
    for name in "abc":
        stamps = [rng.randrange(10_000) for _ in range(500)]
        everything += stamps
        path = tmp_path / f"{name}.mcap"
        path.write_bytes(_file(stamps)[0])
        paths.append(path)
    found, most = _merged(paths)
    assert found == sorted(everything)
    everything = []
    for number, path in enumerate(paths):
        stamps = list(range(number, 30_000, 3))
        everything += stamps
        path.write_bytes(_file(stamps)[0])
    found, most = _merged(paths)
    assert found == sorted(everything)
    assert most < 1000  # only what overlaps is held


def _merged(paths: list[Path]) -> tuple[list[int], int]:
    recordings = [Recording(path) for path in paths]
    lists = list(in_order(recordings))
    for recording in recordings:
        recording.close()
    return [message.receive_ns for messages in lists for message in messages], max(map(len, lists))


def test_a_window_takes_only_what_was_received_within_it(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    path.write_bytes(_file(list(range(1000)))[0])
    with Recording(path) as recording:
        found = [one.receive_ns for messages in in_order([recording], from_ns=123, to_ns=456) for one in messages]
    assert found == list(range(123, 457))


def test_a_channel_that_stands_in_an_earlier_chunk_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    path.write_bytes(_file(list(range(400, 0, -1)))[0])
    with Recording(path) as recording:
        last = recording.blocks[-1]
        channels: set[Any] = set()
        recording.messages(last, lambda channel: channels.add(channel) or channel.topic)
    assert [(channel.topic, channel.codec, channel.source) for channel in channels] == [("cell/a/pose", "pose", "floor")]
