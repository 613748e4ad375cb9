"""An older generation does not write over a newer one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from twind.model.errors import FencedError
from twind.runtime.generation import next_generation
from twind.stage.fence import read_holder
from twind.stage.live import LiveStage
from twind.stage.snapshot import LIVE, Snapshot
from twind.stage.structure import LiveOptions
from twind.stage.synthetic import serial_robots

if TYPE_CHECKING:
    from pathlib import Path


def live_stage(generation: int, instance: str = "cell-7") -> LiveStage:
    return LiveStage.over(serial_robots(1), instance=instance, options=LiveOptions(generation=generation))


def test_a_file_says_who_wrote_it(tmp_path: Path) -> None:
    live = live_stage(3)
    Snapshot(live, tmp_path)
    assert read_holder(tmp_path / LIVE) == live.holder
    assert (live.holder.instance, live.holder.generation) == ("cell-7", 3)
    live.close()


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe\x00", b"#usda 1.0\n", b"#usda 1.0\n(\n    int generation = 9\n)\n"])
def test_a_file_that_is_not_of_a_twin_is_nobodys(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / LIVE).write_bytes(content)
    assert read_holder(tmp_path / LIVE).generation == 0


@pytest.mark.parametrize("instance", ["cell-7", "cell-8"])
def test_the_older_of_two_writers_is_refused_from_the_moment_the_newer_one_begins(tmp_path: Path, instance: str) -> None:
    old, new = live_stage(4), live_stage(5, instance)
    first = Snapshot(old, tmp_path)
    second = Snapshot(new, tmp_path)
    there = (tmp_path / LIVE).read_bytes()
    with pytest.raises(FencedError, match=rf"generation 5 of instance '{instance}', so generation 4 of 'cell-7'"):
        first.replace(old.layer_text().encode())
    assert (tmp_path / LIVE).read_bytes() == there
    second.replace(new.layer_text().encode())
    with pytest.raises(FencedError):
        Snapshot(old, tmp_path)
    old.close()
    new.close()


def test_of_two_that_counted_alike_the_first_to_write_has_it(tmp_path: Path) -> None:
    one, other = live_stage(4), live_stage(4)
    first = Snapshot(one, tmp_path)
    with pytest.raises(FencedError):
        Snapshot(other, tmp_path)
    first.replace(one.layer_text().encode())
    one.close()
    other.close()


def test_a_folder_that_was_emptied_is_filled_again_by_whoever_writes_there(tmp_path: Path) -> None:
    live = live_stage(4)
    snapshot = Snapshot(live, tmp_path)
    (tmp_path / LIVE).unlink()
    snapshot.replace(live.layer_text().encode())
    assert read_holder(tmp_path / LIVE).generation == 4
    live.close()


def test_every_start_counts_one_further(tmp_path: Path) -> None:
    assert [next_generation(tmp_path / "state") for _ in range(3)] == [1, 2, 3]


def test_starts_at_once_get_different_generations(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        counted = list(pool.map(lambda _: next_generation(tmp_path), range(64)))
    assert sorted(counted) == list(range(1, 65))


def test_a_start_is_newer_than_all_that_was_written_though_its_own_count_was_lost(tmp_path: Path) -> None:
    assert next_generation(tmp_path, newest_elsewhere=41) == 42
    assert next_generation(tmp_path, newest_elsewhere=7) == 43


@pytest.mark.parametrize("content", [b"", b"\xff", b"-3", b"many", b"9" * 5000])
def test_a_count_that_cannot_be_read_begins_anew(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "generation").write_bytes(content)
    assert next_generation(tmp_path) == 1
