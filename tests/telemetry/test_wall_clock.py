"""A wall clock that is set is noticed, and nothing else is."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from twind.telemetry import Telemetry
from twind.telemetry.wall_clock import WallClock

if TYPE_CHECKING:
    from collections.abc import Iterator

SECOND = 1_000_000_000


class Clocks:
    """Both clocks of a machine."""

    def __init__(self) -> None:
        self.wall, self.monotonic = 1_700_000_000 * SECOND, 5 * SECOND
        self.delays: list[int] = []
        """How long each of the next looks at the wall clock takes."""

    def pass_by(self, ns: int) -> None:
        self.wall += ns
        self.monotonic += ns

    def wall_ns(self) -> int:
        seen = self.wall
        self.pass_by(self.delays.pop(0) if self.delays else 0)
        return seen

    def monotonic_ns(self) -> int:
        return self.monotonic


@pytest.fixture
def log() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def telemetry(log: io.StringIO) -> Iterator[Telemetry]:
    with Telemetry(stream=log) as telemetry:
        yield telemetry


def steps(telemetry: Telemetry) -> float:
    name = "twind_wall_clock_steps_total "
    (line,) = [line for line in telemetry.render_metrics().decode().splitlines() if line.startswith(name)]
    return float(line.removeprefix(name))


@pytest.mark.parametrize("seconds", [-3600, -1, 1, 86_400])
def test_a_step_is_counted_and_told_with_its_size(telemetry: Telemetry, log: io.StringIO, seconds: int) -> None:
    clocks = Clocks()
    watch = WallClock(telemetry, wall_ns=clocks.wall_ns, monotonic_ns=clocks.monotonic_ns)
    assert steps(telemetry) == 0
    clocks.pass_by(SECOND)
    clocks.wall += seconds * SECOND
    watch.look()
    clocks.pass_by(SECOND)
    watch.look()
    assert steps(telemetry) == 1
    telemetry.close()
    assert "wall_clock_set" in log.getvalue()
    assert f"{float(seconds)}" in log.getvalue()


def test_a_clock_that_is_slewed_is_no_step(telemetry: Telemetry) -> None:
    clocks = Clocks()
    watch = WallClock(telemetry, wall_ns=clocks.wall_ns, monotonic_ns=clocks.monotonic_ns)
    for _ in range(10_000):
        clocks.pass_by(SECOND)
        clocks.wall += SECOND // 2000
        watch.look()
    assert steps(telemetry) == 0


def test_a_process_that_stood_still_is_no_step(telemetry: Telemetry) -> None:
    clocks = Clocks()
    watch = WallClock(telemetry, wall_ns=clocks.wall_ns, monotonic_ns=clocks.monotonic_ns)
    clocks.pass_by(600 * SECOND)
    watch.look()
    clocks.delays = [30 * SECOND, 2 * SECOND, 0]  # between one look at the clocks and the other
    watch.look()
    clocks.pass_by(SECOND)
    watch.look()
    assert steps(telemetry) == 0
