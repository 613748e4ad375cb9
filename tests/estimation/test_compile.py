from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numba
import numpy as np
import pytest
from numba.core.caching import FunctionCache

from twind.estimation import (
    clock_fit,
    clock_kernels,
    clock_lines,
    compile,  # noqa: A004
    imu_attitude,
    inertial_kernels,
    joint_channels,
    joint_choice,
    joint_frozen,
    joint_kernels,
    joint_lanes,
    joint_order,
    joint_pace,
    joint_rest,
    joint_track,
    pose_kernels,
    pose_prediction,
    pose_ring,
    process_noise,
    quaternions,
    rotation_covariance,
    singer,
)
from twind.kernels import is_missing
from twind.model.estimates import Verdict

if TYPE_CHECKING:
    from pathlib import Path

MODULES = [
    clock_fit, clock_kernels, clock_lines, imu_attitude, inertial_kernels, joint_channels, joint_choice, joint_frozen,
    joint_kernels, joint_lanes, joint_order, joint_pace, joint_rest, joint_track, pose_kernels, pose_prediction, pose_ring,
    process_noise, quaternions, rotation_covariance, singer,
]  # fmt: skip


def test_every_kernel_lets_other_threads_run_keeps_nan_checks_and_cannot_allocate() -> None:
    assert len(compile.KERNELS) > 20
    for kernel in compile.KERNELS:
        assert kernel.targetoptions["nogil"] is True, kernel
        assert kernel.targetoptions["error_model"] == "numpy", kernel
        assert kernel.targetoptions["_nrt"] is False, kernel
        assert kernel.targetoptions.get("fastmath") == {"contract"}, kernel
        assert not kernel.targetoptions.get("parallel"), kernel


@pytest.mark.parametrize("module", MODULES)
def test_no_function_is_compiled_any_other_way(module: Any) -> None:
    compiled = [value for value in vars(module).values() if hasattr(value, "targetoptions")]
    assert compiled
    assert all(any(value is kernel for kernel in compile.KERNELS) for value in compiled)


def test_a_kernel_compiles_where_no_cache_place_is_writable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compile, "KERNELS", [])
    monkeypatch.setattr(FunctionCache._impl_class, "_locator_classes", [])

    @compile.kernel
    def double(x: float) -> float:
        return 2.0 * x

    assert double(3.0) == 6.0
    assert compile.KERNELS[0].targetoptions["nogil"] is True


def test_one_process_at_a_time_writes_a_kernel_to_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[bool] = []
    save = FunctionCache.save_overload

    def saved(self: FunctionCache, *arguments: object) -> None:
        handle = os.open(self.cache_path, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            found.append(True)
        finally:
            os.close(handle)
        save(self, *arguments)

    monkeypatch.setattr(compile, "KERNELS", [])
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(FunctionCache, "save_overload", saved)

    @compile.kernel
    def double(x: float) -> float:
        return 2.0 * x

    assert double(3.0) == 6.0
    assert found == [True]
    assert not is_missing(double)


def test_kernels_on_disk_are_loaded_without_what_only_a_compiler_needs(tmp_path: Path) -> None:
    code = """
import sys
import numba
import numpy as np
from twind.estimation import Tally
tally = Tally(1)
tally.warm_up()
assert tally.add(np.zeros(1, np.int32), np.array([int(sys.argv[1])], np.uint8), np.ones(1)) == 1
print("numba.np.arraymath" in sys.modules)
"""
    command = [sys.executable, "-c", code, str(int(Verdict.RESET))]
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    compiles = [
        subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout.strip() for _ in range(2)
    ]
    assert compiles == ["True", "False"]


def test_a_kernel_on_disk_is_not_used_after_another_module_of_its_room_changed(tmp_path: Path) -> None:
    room = tmp_path / "room"
    room.mkdir()
    (room / "__init__.py").touch()
    (room / "outer.py").write_text(
        "from room.inner import inner\nfrom twind.kernels import compile_kernel\n\n"
        "@compile_kernel\ndef outer(x):\n    return inner(x)\n"
    )
    command = [sys.executable, "-c", "from room.outer import outer; print(outer(1.0), len(outer.stats.cache_hits))"]
    environment = os.environ | {
        "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
        "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path]),
    }

    def found(factor: str) -> list[str]:
        source = f"from twind.kernels import compile_kernel\n\n@compile_kernel\ndef inner(x):\n    return {factor} * x\n"
        if not (room / "inner.py").exists() or (room / "inner.py").read_text() != source:
            (room / "inner.py").write_text(source)
        return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout.split()

    assert found("2.0") == ["2.0", "0"]
    assert found("2.0") == ["2.0", "1"]
    assert found("30.0") == ["30.0", "0"]


def test_a_kernel_on_disk_is_compiled_into_others_that_are_not(tmp_path: Path) -> None:
    (tmp_path / "room.py").write_text(
        "import sys\nfrom twind.estimation.compile import inlined, kernel\n\n"
        "@inlined\ndef inner(x):\n    return 2.0 * x\n\n"
        "@kernel\ndef middle(x):\n    return inner(x) + 1.0\n\n"
        "@kernel\ndef outer(x):\n    return inner(x) + 10.0 * middle(x)\n"
    )
    environment = os.environ | {
        "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
        "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path]),
    }

    def run(code: str) -> str:
        command = [sys.executable, "-c", f"from room import *\n{code}"]
        return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout.strip()

    assert run("print(inner(1.0), middle(1.0))") == "2.0 3.0"
    assert run("print(outer(1.0), len(inner.stats.cache_hits), len(outer.stats.cache_hits))") == "32.0 1 0"
    assert run("print(outer(1.0), len(outer.stats.cache_hits), middle(1.0), inner(1.0))") == "32.0 1 3.0 2.0"


def test_kernels_allocate_nothing_per_sample(joints: Any, poses: Any, clocks: Any, start_ns: int) -> None:
    from numba.core.runtime import _nrt_python, rtsys

    def allocations(count: int) -> int:
        robot, body, clock = joints(7), poses(), clocks()
        t = start_ns + 10_000_000 * np.arange(count)
        columns = np.zeros((count, 7)), np.zeros((count, 3)), np.tile([1.0, 0.0, 0.0, 0.0], (count, 1))
        before = rtsys.get_allocation_stats().alloc
        robot.feed(t, columns[0])
        body.feed(t, columns[1], columns[2])
        clock.map(t, t)
        robot.predict()
        body.predict()
        return int(rtsys.get_allocation_stats().alloc - before)

    _nrt_python.memsys_enable_stats()
    try:
        assert allocations(2000) == allocations(20)
    finally:
        _nrt_python.memsys_disable_stats()
