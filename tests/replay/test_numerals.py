from __future__ import annotations

import math

import numpy as np
import pytest

from twind.runtime.replay.numerals import numerals


def test_numbers_are_written_as_python_writes_them() -> None:
    rng = np.random.default_rng(5)
    values = rng.choice([-1.0, 1.0], 20_000) * 10.0 ** rng.uniform(-20.0, 20.0, 20_000)
    rounded = np.round(rng.uniform(-1000.0, 1000.0, 5_000), 3)
    special = [0.0, -0.0, 1.0, 1e-4, math.nextafter(1e-4, 0.0), 1e16, math.nextafter(1e16, 0.0), 5e-324, math.inf, -math.inf]
    written = np.concatenate([values, rounded, special, [math.nan], rng.integers(-(2**53), 2**53, 1000).astype(float)])
    assert numerals(written) == [repr(value) for value in written.tolist()]


@pytest.mark.parametrize("count", [0, 1])
def test_few_numbers_are_written_too(count: int) -> None:
    assert numerals(np.full(count, 0.5)) == ["0.5"] * count
