from __future__ import annotations

from typing import Any

import numba
import pytest

from twind.estimation import clock_kernels, compile, joint_kernels, pose_kernels, quaternions, singer  # noqa: A004


def test_every_kernel_lets_other_threads_run_and_keeps_nan_checks() -> None:
    assert len(compile.KERNELS) > 20
    for kernel in compile.KERNELS:
        assert kernel.targetoptions["nogil"] is True, kernel
        assert kernel.targetoptions["error_model"] == "numpy", kernel
        assert not kernel.targetoptions.get("fastmath"), kernel
        assert not kernel.targetoptions.get("parallel"), kernel


@pytest.mark.parametrize("module", [clock_kernels, joint_kernels, pose_kernels, quaternions, singer])
def test_no_function_is_compiled_any_other_way(module: Any) -> None:
    compiled = [value for value in vars(module).values() if hasattr(value, "targetoptions")]
    assert compiled
    assert all(any(value is kernel for kernel in compile.KERNELS) for value in compiled)


def test_a_kernel_compiles_where_no_cache_place_is_writable(monkeypatch: pytest.MonkeyPatch) -> None:
    real = numba.njit

    def njit(**options: Any) -> Any:
        if options.get("cache"):
            raise RuntimeError(f"cannot cache function with {options}: no locator available")
        return real(**options)

    monkeypatch.setattr(compile, "KERNELS", [])
    with monkeypatch.context() as unwritable:
        unwritable.setattr(numba, "njit", njit)

        @compile.kernel
        def double(x: float) -> float:
            return 2.0 * x

    assert double(3.0) == 6.0
    assert compile.KERNELS[0].targetoptions["nogil"] is True
