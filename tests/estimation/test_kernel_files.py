"""Kernels on disk: what may be damaged or somebody else's is as good as none, and a place that fails stops nobody."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numba
import pytest
from numba.core.caching import IndexDataCacheFile

from twind import kernels
from twind.kernels import compile_kernel, mistrust

if TYPE_CHECKING:
    from collections.abc import Callable


def _double(x: float) -> float:
    return 2.0 * x


@pytest.fixture
def hits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Return what uses a kernel as a new process would, and how often it was found on disk."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))

    def use() -> int:
        kernel: Any = compile_kernel(_double)
        assert kernel(3.0) == 6.0
        return len(kernel.stats.cache_hits)

    return use


def _made(folder: Path, ending: str) -> Path:
    (path,) = folder.rglob(f"*{ending}")
    return path


def _leaf(folder: Path) -> Path:
    return _made(folder, ".nbi").parent


@pytest.mark.parametrize("ending", [".nbi", ".nbc"])
@pytest.mark.parametrize("left", [0, 30, 1000])
def test_a_file_that_a_power_cut_left_damaged_is_compiled_anew_and_replaced(
    hits: Callable[[], int], tmp_path: Path, ending: str, left: int
) -> None:
    assert [hits(), hits()] == [0, 1]
    os.truncate(_made(tmp_path, ending), left)
    assert [hits(), hits()] == [0, 1]


def test_a_kernel_works_where_the_disk_is_full(hits: Callable[[], int], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as now:
        now.setattr(IndexDataCacheFile, "_save_data", full)
        assert [hits(), hits()] == [0, 0]
    assert [hits(), hits()] == [0, 1]


def test_a_process_that_stops_while_it_writes_holds_nobody_up(
    hits: Callable[[], int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernels, "_PATIENCE_S", 0.05)
    hits()
    _made(tmp_path, ".nbi").unlink()
    handle = os.open(next(path for path in tmp_path.iterdir() if path.is_dir()), os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        assert [hits(), hits()] == [0, 0]
    finally:
        os.close(handle)
    assert [hits(), hits()] == [0, 1]


def test_a_folder_without_locks_keeps_kernels_all_the_same(hits: Callable[[], int], monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", unknown)
    assert [hits(), hits()] == [0, 1]


def test_after_a_kill_between_two_files_no_machine_code_of_other_sources_is_found(
    hits: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(BaseException):
        pass

    def killed(*_: object) -> None:
        raise KilledError

    hits()
    for step in ("_save_data", "_save_index"):
        monkeypatch.setattr(kernels, "_age_of_room", lambda _, step=step: ((step, 1, 1),))  # the sources changed
        with monkeypatch.context() as now:
            now.setattr(IndexDataCacheFile, step, killed)
            with pytest.raises(KilledError):
                hits()
        assert [hits(), hits()] == [0, 1]


@pytest.mark.parametrize("owner", ["other", "everybody"])
def test_kernels_that_somebody_else_may_have_written_are_neither_run_nor_replaced(
    hits: Callable[[], int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: str
) -> None:
    hits()
    leaf = _leaf(tmp_path)
    before = _made(tmp_path, ".nbc").stat().st_mtime_ns
    if owner == "everybody":
        leaf.chmod(0o777)
    else:
        monkeypatch.setattr(kernels, "mistrust", lambda folder, *, makers: mistrust(folder, makers=makers - makers))
        stat = Path.stat
        monkeypatch.setattr(Path, "stat", lambda path: _owned(stat(path), 12345) if path == leaf else stat(path))
    assert [hits(), hits()] == [0, 0]
    assert os.stat(_made(tmp_path, ".nbc")).st_mtime_ns == before  # noqa: PTH116  (the other one is patched)


def _owned(status: os.stat_result, user: int) -> os.stat_result:
    return os.stat_result((*status[:4], user, *status[5:]))


def test_a_process_that_leaves_everything_open_closes_the_folder_that_it_makes(hits: Callable[[], int], tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        assert [hits(), hits()] == [0, 1]
    finally:
        os.umask(before)
    assert _leaf(tmp_path).stat().st_mode & 0o777 == 0o775
    assert mistrust(_leaf(tmp_path), makers=set()) is None


def test_who_may_write_the_source_may_write_what_is_compiled_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = tmp_path.stat().st_uid
    stat = Path.stat
    monkeypatch.setattr(Path, "stat", lambda path: _owned(stat(path), 12345) if path == tmp_path else stat(path))
    monkeypatch.setattr(os, "geteuid", lambda: owner)
    assert mistrust(tmp_path, makers={12345}) is None
    assert mistrust(tmp_path, makers={54321}) == f"the folder '{tmp_path}' belongs to another user"
