"""What can go wrong, in an order that a seed decides."""

from __future__ import annotations

import enum
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Fault(enum.StrEnum):
    """One thing that goes wrong."""

    KILL = "kill"
    """SIGKILL; a new daemon is started at once."""
    FREEZE = "freeze"
    """SIGSTOP, and SIGCONT after a while."""
    RESET = "reset"
    """The connection to the broker is reset: what was under way is gone."""
    HALF_OPEN = "half_open"
    """The connection carries nothing for a while, then it is reset."""
    THROTTLE = "throttle"
    """The connection is slow for a while."""
    BROKER = "broker"
    """The broker, or the hub, is stopped, and started again with what it had stored."""
    DISK_FULL = "disk_full"
    """No file can grow for a while."""
    STOP = "stop"
    """SIGTERM; a new daemon is started."""
    STEAL = "steal"
    """Of a hub: a partition is taken from the daemon."""
    BUSY = "busy"
    """Of a hub: all readers are ended, and refused for some time, as the server is busy."""
    DUPLICATE = "duplicate"
    """Of a hub: a third of the events comes twice for a while."""


@dataclass(frozen=True, slots=True)
class Step:
    """One fault, some time after the one before."""

    after_s: float
    fault: Fault
    lasts_s: float
    flowing: bool
    """Whether it waits for a daemon that takes messages; else it may meet one that has just begun."""


def schedule(seed: int, *, kills: int, others: tuple[Fault, ...]) -> Iterator[Step]:
    """Yield so many kills with other faults between them, one before each kill, so that many meet a daemon that recovers.

    The faults come in rounds, each of them once in a round, in another order every time: as many kills as there are other
    faults are enough for all of them.
    """
    rng = random.Random(seed)  # noqa: S311  (a schedule, not a secret)
    due: list[Fault] = []
    for _ in range(kills):
        if others:
            due = due or rng.sample(others, len(others))
            fault = due.pop()
            yield Step(rng.uniform(0.0, 0.4), fault, rng.uniform(0.1, 0.6), rng.random() < 0.5)
        yield Step(rng.choice((0.0, rng.uniform(0.0, 0.2), rng.uniform(0.2, 1.5))), Fault.KILL, 0.0, rng.random() < 0.5)
