"""The process in which synthetic robots publish over real MQTT: `python -m twind.demo.robots --help`.

It stops on SIGTERM or SIGINT, after `--duration`, at the end of its standard input when that is a pipe, and when its parent is
gone; then it prints one line of JSON about what it published.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import select
import signal
import stat
import sys
import threading
import time
from typing import TYPE_CHECKING, Protocol

from twind.demo.motion import cell_motion, cell_sensors
from twind.demo.schedule import Schedule
from twind.model.errors import TwindError
from twind.model.time import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from twind.demo.schedule import Message

_AHEAD_S = 0.25
"""How far ahead messages are computed, so that none waits for arithmetic."""
_LONGEST_WAIT_S = 0.1
"""How often a change of parent is looked for."""
_GRACE_S = 15.0
"""How long publishing may go on blocking after it is time to stop: a full window waits for its broker for ever."""


class Wire(Protocol):
    """Where messages go."""

    def publish(self, topic: str, payload: bytes, qos: int) -> None:
        """Send one message."""


class Tally:
    """What was published on each topic."""

    def __init__(self, topics: Sequence[str]) -> None:
        self._rows = {topic: [0, 0, 0, 0.0, 0.0] for topic in topics}
        self.behind_s = 0.0
        """The most that a message was sent after it was due [s]."""

    def add(self, message: Message) -> None:
        """Count one message."""
        row = self._rows[message.topic]
        row[0] += not message.lost
        row[1] += message.lost
        row[2] += message.late
        if not message.lost:
            row[3] += message.errors[0]
            row[4] += message.errors[1]

    def topics(self) -> dict[str, dict[str, float]]:
        """Return the counts by topic, and the error of what was sent against the truth at its stamps (RMS, rad and m)."""
        return {
            topic: {
                "sent": sent,
                "withheld": withheld,
                "late": late,
                "raw_rmse_rad": math.sqrt(rad / max(sent, 1)),
                "raw_rmse_m": math.sqrt(metre / max(sent, 1)),
            }
            for topic, (sent, withheld, late, rad, metre) in self._rows.items()
        }


def play(
    schedule: Schedule,
    wire: Wire,
    *,
    qos: int,
    until_s: float,
    now_s: Callable[[], float],
    wait: Callable[[float], bool],
) -> Tally:
    """Publish what is due when it is due, until `until_s` or until `wait` says that it is time to stop.

    Args:
        schedule: What to publish; messages that it holds for times before now are sent at once.
        wire: Where to publish.
        qos: MQTT quality of service.
        until_s: When to end [s].
        now_s: The clock that the schedule counts in [s].
        wait: Waits at most so many seconds; True means stop.
    """
    tally = Tally(schedule.topics)
    stopping = False
    while not stopping:
        now = now_s()
        due_s = schedule.next_s()
        for message in schedule.due(min(now, until_s)):
            if not message.lost:
                wire.publish(message.topic, message.payload, qos)
            tally.add(message)
        if due_s < now:
            tally.behind_s = max(tally.behind_s, now - due_s)
        if now >= until_s:
            break
        schedule.extend(min(now + _AHEAD_S, until_s))
        # The grid is absolute: what a wait oversleeps is not added to the next one.
        stopping = wait(min(max(schedule.next_s() - now_s(), 0.0), until_s - now, _LONGEST_WAIT_S))
    return tally


class Lifeline:
    """Knows when to stop: a signal, the end of a piped standard input, or the death of the parent.

    The process never outlives that by more than a grace, whatever its main thread is waiting for.
    """

    def __init__(self) -> None:
        self._parent = os.getppid()
        self._stop = False
        mode = os.fstat(sys.stdin.fileno()).st_mode
        # Only a parent that holds a pipe to us can close it; /dev/null and terminals say nothing.
        self._watched = [sys.stdin.fileno()] if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) else []
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        threading.Thread(target=self._end_at_last, name="lifeline", daemon=True).start()

    def _on_signal(self, _number: int, _frame: object) -> None:
        self._stop = True

    def _over(self) -> bool:
        return self._stop or os.getppid() != self._parent

    def _end_at_last(self) -> None:
        while not self._over():
            time.sleep(_LONGEST_WAIT_S)
        time.sleep(_GRACE_S)
        os._exit(1)

    def wait(self, seconds: float) -> bool:
        """Wait at most `seconds`, less when it is time to stop; return whether it is."""
        readable, _, _ = select.select(self._watched, [], [], seconds)
        if readable and not os.read(self._watched[0], 4096):
            self._stop = True
        return self._over()


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m twind.demo.robots", description="Publish synthetic robots over MQTT.")
    parser.add_argument("--stage", required=True, help="root layer whose robots and objects move")
    parser.add_argument("--url", required=True, help="broker, such as mqtt://127.0.0.1:1883")
    parser.add_argument("--protocol", choices=("5", "3.1.1"), default="5", help="version of MQTT (%(default)s)")
    parser.add_argument("--qos", type=int, choices=(0, 1), default=1, help="quality of service (%(default)s)")
    parser.add_argument("--prefix", default="cell", help="first level of the topics (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="chooses motion and noise (%(default)s)")
    parser.add_argument("--rate", type=float, default=100.0, help="joint messages per second and robot (%(default)s)")
    parser.add_argument("--pose-rate", type=float, default=40.0, help="pose messages per second and body (%(default)s)")
    parser.add_argument("--start-ns", type=int, default=None, help="wall clock of time 0 [ns since the epoch] (now)")
    parser.add_argument("--duration", type=float, default=math.inf, help="how long to publish [s] (until stopped)")
    parser.add_argument("--perfect", action="store_true", help="no noise, no clock error, no loss")
    return parser.parse_args(argv)


def _publish(options: argparse.Namespace, lifeline: Lifeline) -> dict[str, object]:
    """Connect, publish, and return what to report."""
    # Heavy, and not needed to say what the options are.
    from twind.stage.discover import discover
    from twind_mqtt.publisher import connect

    motion = cell_motion(discover(options.stage), seed=options.seed)
    sensors = cell_sensors(
        motion, seed=options.seed, rate_hz=options.rate, pose_rate_hz=options.pose_rate, perfect=options.perfect
    )
    with connect(options.url, options.protocol) as publisher:
        wall_ns, monotonic_s = time.time_ns(), time.monotonic()
        start_ns = wall_ns if options.start_ns is None else options.start_ns
        # Time 0 is an instant of the wall clock, but what passes since is not moved by a clock that is set meanwhile.
        from_s = (wall_ns - start_ns) / NS_PER_S
        schedule = Schedule(motion, sensors, start_ns=start_ns, from_s=max(from_s, 0.0), prefix=options.prefix)
        tally = play(
            schedule,
            publisher,
            qos=options.qos,
            until_s=from_s + options.duration,
            now_s=lambda: from_s + time.monotonic() - monotonic_s,
            wait=lifeline.wait,
        )
        until_s = from_s + time.monotonic() - monotonic_s
    return {
        "seed": options.seed,
        "start_ns": start_ns,
        "until_s": until_s,
        "behind_ms": tally.behind_s * 1e3,
        "broken": publisher.lost,  # only QoS 0 can lose a message here, with the connection that was to carry it
        "topics": tally.topics(),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run the process."""
    options = _arguments(argv)
    try:
        report = _publish(options, Lifeline())
    except TwindError as error:
        sys.stderr.write(f"robots: {error}\n")
        return 1
    sys.stdout.write(json.dumps(report) + "\n")
    sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
