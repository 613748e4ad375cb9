"""A daemon on a machine whose clock is set an hour ahead by SIGUSR1, and an hour back by SIGUSR2.

python -m tests.end_to_end.set_clock run twind.yaml
"""

from __future__ import annotations

import signal
import time

_STEP_S = 3600
_ahead_s = 0
_time, _time_ns = time.time, time.time_ns


def _set(number: int, _: object) -> None:
    global _ahead_s  # noqa: PLW0603  (a machine has one clock)
    _ahead_s += _STEP_S if number == signal.SIGUSR1 else -_STEP_S


if __name__ == "__main__":
    time.time = lambda: _time() + _ahead_s
    time.time_ns = lambda: _time_ns() + _ahead_s * 1_000_000_000
    signal.signal(signal.SIGUSR1, _set)
    signal.signal(signal.SIGUSR2, _set)
    from twind.cli.program import program

    program()
