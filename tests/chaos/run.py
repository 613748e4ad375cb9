"""Lets a schedule of faults loose on a daemon under load, over MQTT or Event Hubs, and judges what is left.

    python -m tests.chaos.run [--over mqtt|eventhubs] [--kills 50] [--seed 1] [--rate-hz 400]

Publishers mint messages that are all different, and note which of them the broker, or the hub, has acknowledged: each of those
must be in the recording once, in order, and count in the estimate once; and the state must be, bit by bit, that of one
uninterrupted run.
"""

from __future__ import annotations

import argparse
import resource
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from tests.chaos.faults import Fault, schedule
from tests.chaos.fields import FIELDS
from tests.chaos.judge import Judge
from tests.end_to_end.daemon import PATIENCE_S, Daemon, settings, until
from twind.demo.places import cell_root

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.chaos.fields import Field

_UNLIMITED = resource.RLIM_INFINITY


@dataclass
class Result:
    """What happened, and the verdict."""

    kills: int = 0
    others: int = 0
    sent: int = 0
    recorded: int = 0
    restores: list[float] = field(default_factory=list)
    """Time that each start took to bring the state back [s]."""
    starts: list[float] = field(default_factory=list)
    """Time from each start to ready [s]."""
    lost: int = 0
    """What the daemons said that they had lost."""
    problems: list[str] = field(default_factory=list)


class Chaos:
    """One run."""

    def __init__(
        self, folder: Path, *, over: str, seed: int, kills: int, rate_hz: float, others: tuple[Fault, ...] | None = None
    ) -> None:
        self._folder = folder
        self._field: Field = FIELDS[over](folder)
        self._steps: Iterator[Any] = schedule(seed, kills=kills, others=self._field.faults if others is None else others)
        self._rate_hz = rate_hz
        self._stack = ExitStack()
        self.result = Result()

    def run(self, progress: TextIO | None = None) -> Result:
        """Run it; what went wrong is in `problems` of the result."""
        with self._stack:
            field = self._stack.enter_context(self._field)
            sink = {"type": "mcap", "path": "recordings", "max_segment_bytes": 2_000_000}
            self._configuration = settings(
                cell_root(), None, sources={"floor": field.source}, sinks={"recording": sink}, restart={"snapshot_s": 0.5}
            )
            self._daemon = self._start()
            self._daemon.wait_ready()
            field.publish(self._rate_hz)
            for step in self._steps:
                if step.flowing:
                    until(self._flows, "messages flow")
                time.sleep(step.after_s)
                self._do(step.fault, step.lasts_s)
                if progress is not None:
                    print(f"{self.result.kills} kills, {self.result.others} other faults: {step.fault}", file=progress)
            sent = field.finish()
            self._settle(len(sent))
            self._judge(sent)
        return self.result

    def _flows(self) -> bool:
        return self._daemon.messages("processed") > 0

    def _start(self) -> Daemon:
        return self._stack.enter_context(Daemon(self._folder / "daemon", self._configuration))

    def _do(self, fault: Fault, lasts_s: float) -> None:
        process = self._daemon.process
        if fault is Fault.KILL:
            self.result.kills += 1
            process.kill()
            self._again()
            return
        self.result.others += 1
        if fault is Fault.STOP:
            process.send_signal(signal.SIGTERM)
            self._again()
        elif fault is Fault.FREEZE:
            process.send_signal(signal.SIGSTOP)
            time.sleep(lasts_s)
            process.send_signal(signal.SIGCONT)
        elif fault is Fault.DISK_FULL:
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, _UNLIMITED))
            time.sleep(lasts_s)
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (_UNLIMITED, _UNLIMITED))
        else:
            self._field.do(fault, lasts_s)

    def _again(self) -> None:
        old = self._daemon
        old.process.wait()
        self._note(old)
        began_s = time.monotonic()
        self._daemon = self._start()
        self._daemon.event("daemon_ready")
        self.result.starts.append(time.monotonic() - began_s)

    def _note(self, daemon: Daemon) -> None:
        """Keep what a daemon that has ended had said."""
        self.result.restores += [event["seconds"] for event in daemon.events("state_restored")]
        for name in ("recording_lost", "messages_dropped", "recording_tail_missing", "snapshot_refused", "task_given_up"):
            for event in daemon.events(name):
                self.result.lost += int(event.get("count", 1))
                self.result.problems.append(f"{name}: {event}")

    def _settle(self, sent: int) -> None:
        """Wait until everything is contained, and end in good order."""
        daemon = self._daemon

        def contained() -> bool:
            streams = daemon.json("/api/v1/streams")["streams"]
            return sum(stream["messages"] for stream in streams) >= sent

        until(contained, f"all {sent} messages are used", within_s=2 * PATIENCE_S)
        if daemon.stop() != 0:
            self.result.problems.append("the last daemon did not end well")
        self._note(daemon)

    def _judge(self, sent: list[tuple[str, bytes]]) -> None:
        result, judge = self.result, Judge(self._daemon.file)
        result.sent, result.recorded = len(sent), len(judge.recorded)
        counted = judge.messages_counted()
        of_topic = {topic: sum(1 for other, _ in sent if other == topic) for topic in {topic for topic, _ in sent}}
        findings = {
            "messages that were acknowledged are missing from the recording": judge.missing(sent),
            "messages that the recording holds twice": judge.twice(),
            "topics recorded out of order": judge.out_of_order(sent),
            "topics of which the estimate counts another number": {
                topic: (counted.get(topic), count) for topic, count in of_topic.items() if counted.get(topic) != count
            },
            "arrays that differ from an uninterrupted run": judge.differences(),
        }
        result.problems += [f"{what}: {str(found)[:300]}" for what, found in findings.items() if found]
        if not judge.replays_alike():
            result.problems.append("replaying gives other files than a recording in one piece")


def main() -> int:
    """Run from the command line; exit with 1 when something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--over", choices=sorted(FIELDS), default="mqtt")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate-hz", type=float, default=400.0, help="messages a second of each robot")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        chaos = Chaos(Path(folder), over=arguments.over, seed=arguments.seed, kills=arguments.kills, rate_hz=arguments.rate_hz)
        result = chaos.run(sys.stderr)
    restores, starts = sorted(result.restores), sorted(result.starts)
    print(f"{result.kills} kills and {result.others} other faults over {arguments.over}, seed {arguments.seed}")
    print(f"{result.sent} messages acknowledged to the robots, {result.recorded} recorded, {result.lost} said to be lost")
    print(f"state back in {restores[len(restores) // 2]:.3f} s (median), {restores[-1]:.3f} s (longest)")
    print(f"ready after {starts[len(starts) // 2]:.2f} s (median), {starts[-1]:.2f} s (longest)")
    print(
        "\n".join(result.problems)
        or "nothing acknowledged is missing, nothing counted twice, state and replay bit by bit alike"
    )
    return 1 if result.problems else 0


if __name__ == "__main__":
    sys.exit(main())
