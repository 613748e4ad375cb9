"""The real daemon with a watch on it: `python watched_daemon.py CONFIG CORE PATIENCE_S`.

`{"expect": COUNT}` on standard input begins a round; once so many messages stand in the stage, or the patience is over, one
line of JSON says how old they were. The end of the input ends the daemon.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from twind.codecs.joint_state import JointStateCodec
from twind.config.load import load
from twind.config.registry import Registry
from twind.runtime.app import Daemon
from twind.telemetry import Telemetry

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from twind.model.messages import RawMessage
    from twind.model.state import Update
    from twind.stage.live import LiveStage


class _Watch:
    """What one round collects; nothing is computed before the round is over. Written by the loop and the stage's thread."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.received: list[RawMessage] = []
        self.stood_s: list[NDArray[np.float64]] = []
        self.written = 0
        self._cpu_s, self._wall_s = time.process_time(), time.monotonic()

    def note_batch(self, messages: list[RawMessage]) -> None:
        """Keep what arrived."""
        self.received += messages

    def note_written(self, _stage: LiveStage, _update: Update, latencies_s: NDArray[np.float64]) -> None:
        """Keep how old each sample was when the stage's change block had ended."""
        self.stood_s.append(latencies_s)
        self.written += len(latencies_s)

    def result(self) -> dict[str, float]:
        """Sum up."""
        cpu = (time.process_time() - self._cpu_s) / (time.monotonic() - self._wall_s)
        decode = JointStateCodec().decode
        receipt_ms = [(one.receive_ns - decode(one.payload).stamp_ns) * 1e-6 for one in self.received]
        stage_ms = np.concatenate(self.stood_s) * 1e3
        return {
            "stamp to stage, p50": float(np.quantile(stage_ms, 0.5)),
            "stamp to stage, p99": float(np.quantile(stage_ms, 0.99)),
            "stamp to receipt, p50": float(np.quantile(receipt_ms, 0.5)),
            "stamp to receipt, p99": float(np.quantile(receipt_ms, 0.99)),
            "CPU of the daemon": cpu * 100,
            "messages missing in the stage": float(self.count - self.written),
        }


async def main(config: str, patience_s: float) -> None:
    """Run the daemon, and a round for each request."""
    loaded = load([Path(config)], Registry.installed())
    with Telemetry(loaded.settings.log) as telemetry:
        daemon = Daemon(loaded, telemetry=telemetry)
        try:
            await daemon.start()
            twinned, inlet = daemon.twinned, daemon.inlets["floor"]
            assert twinned is not None
            while not inlet.source.health().connected:  # noqa: ASYNC110  (it tells nobody)
                await asyncio.sleep(0.05)
            await asyncio.sleep(0.5)  # the subscription is answered
            _say({"ready": True})
            while line := await asyncio.to_thread(sys.stdin.readline):
                watch = _Watch(int(json.loads(line)["expect"]))
                inlet.pump.on_batch, twinned.publisher.on_written = watch.note_batch, watch.note_written
                _say({"heard": True})
                await _until_written(watch, patience_s)
                inlet.pump.on_batch = twinned.publisher.on_written = None
                _say(watch.result())
        finally:
            daemon.shutdown.request("the benchmark is over")
            await daemon.drain()


async def _until_written(watch: _Watch, patience_s: float) -> None:
    """Wait until everything stands in the stage, or nothing has moved for so long."""
    seen, moved_s = -1, time.monotonic()
    while watch.written < watch.count and time.monotonic() - moved_s < patience_s:
        if watch.written != seen:
            seen, moved_s = watch.written, time.monotonic()
        await asyncio.sleep(0.1)


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    os.sched_setaffinity(0, {int(sys.argv[2])})
    asyncio.run(main(sys.argv[1], float(sys.argv[3])))
