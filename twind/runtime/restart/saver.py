"""Writes the state down every few seconds, with how far each source is contained in it."""

from __future__ import annotations

import asyncio
import time
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from twind import __version__
from twind.flow.snapshot_file import SnapshotFolder, encode
from twind.flow.watermark import whole
from twind.model.errors import FencedError
from twind.runtime.generation import newest_generation
from twind.runtime.restart.state import capture, to_parts
from twind.sources.protocol import ResumableSource
from twind.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from twind.flow.sinks import LogSink
    from twind.flow.watermark import Place
    from twind.runtime.estimators import Estimators
    from twind.runtime.pump import Pump
    from twind.runtime.restart.hand_over import HandOver
    from twind.runtime.restart.state import State
    from twind.sources.protocol import LossySource
    from twind.telemetry import Telemetry

_SHARE = 0.01
"""Of the time, at most, that samples wait while the state is copied: a large state is written less often."""
_LOOK_S = 0.5
"""How often it is looked whether the recording that a snapshot waits for can be written at all [s]."""
FOLDER = "state"
"""Below the state folder."""


class Saver:
    """Owns the snapshots of one daemon's state. A snapshot holds nothing that the recording does not hold durably.

    Args:
        state_dir: The state folder.
        generation: The number of this start: once there is a newer one in the folder, nothing more is written.
        estimators: What is written.
        pumps: Source and pump by the name of the source; may be filled later.
        log: The recording that a restart reads on in.
        gate: Held by whoever changes the state.
        interval_s: Time between two snapshots [s].
        telemetry: Is told of failures.
        hand_overs: By the name of the source, where its streams go from daemon to daemon; may be filled later.
    """

    def __init__(
        self,
        state_dir: Path,
        *,
        instance: str,
        generation: int,
        estimators: Estimators,
        pumps: Mapping[str, tuple[LossySource, Pump]],
        log: LogSink | None,
        gate: asyncio.Lock,
        interval_s: float,
        telemetry: Telemetry,
        hand_overs: Mapping[str, HandOver] = MappingProxyType({}),
    ) -> None:
        self.written_s: float | None = None
        """`time.monotonic()` when the state was last written."""
        self._state_dir = state_dir
        self._folder = SnapshotFolder(state_dir / FOLDER)
        self._instance = instance
        self._generation = generation
        self._estimators = estimators
        self._pumps = pumps
        self._hand_overs = hand_overs
        self._log = log
        self._gate = gate
        self._interval_s = interval_s
        self._telemetry = telemetry
        self._pause_s = 0.0
        self._saving = asyncio.Lock()

    def __repr__(self) -> str:
        return f"<Saver of generation {self._generation}: {'nothing written' if self.written_s is None else 'written'}>"

    async def run(self) -> None:
        """Write the state down, for ever.

        Raises:
            FencedError: A daemon that was started later uses the same folder.
        """
        while True:
            await asyncio.sleep(max(self._interval_s, self._pause_s / _SHARE))
            await self.save()

    async def save(self) -> bool:
        """Write the state as it is now; return whether it stands on the disk.

        Raises:
            FencedError: A daemon that was started later uses the same folder.
        """
        async with self._saving:
            if self._held():
                return False
            started_s = time.perf_counter()
            async with self._gate:
                paused_s = time.perf_counter()
                taken = {name: self._taken(pump) for name, (_, pump) in self._pumps.items()}
                about = {name: hand_over.to_leave() for name, hand_over in self._hand_overs.items()}
                marked = None if self._log is None else self._log.mark()
                state = await asyncio.to_thread(capture, self._estimators)
                self._pause_s = time.perf_counter() - paused_s
            self._telemetry.metrics.state_pause_seconds.observe(self._pause_s)
            marks = {}
            if self._log is not None and marked is not None:
                while not marked.done():
                    await asyncio.wait({marked}, timeout=_LOOK_S)
                    if not marked.done() and self._held():
                        marked.cancel()
                        return False
                mark = marked.result()
                marks[self._log.name] = [mark.segment, mark.messages]
            try:
                size = await asyncio.to_thread(self._write, state, taken, marks)
            except OSError as error:
                self._telemetry.emit(events.SnapshotFailed(error=f"{error.strerror or error}; the folder is {self._state_dir}"))
                return False
            try:
                for name, hand_over in self._hand_overs.items():
                    await hand_over.write(state, taken[name]["streams"], about[name])
            except OSError as error:
                self._telemetry.emit(
                    events.SnapshotFailed(error=f"{error.strerror or error}; it is what goes to other daemons")
                )
                return False
            self.written_s = time.monotonic()
            self._telemetry.metrics.state_snapshot_seconds.observe(time.perf_counter() - started_s)
            self._telemetry.metrics.state_snapshot_bytes.set(size)
        for name, (source, pump) in list(self._pumps.items()):
            if isinstance(source, ResumableSource) and name in taken:
                owned = taken[name]["streams"].items()
                numbers = {
                    stream: whole(place)
                    for stream, place in owned
                    if (pump.owned is None or stream in pump.owned) and (name not in about or stream in about[name])
                }
                await source.contained({stream: number for stream, number in numbers.items() if number >= 0})
        return True

    def _held(self) -> bool:
        """Whether the recording takes nothing, which a snapshot must not be ahead of; told when it is so."""
        log = self._log
        if log is None or log.held_since_s is None:
            return False
        error = f"the recording {log.name!r}, which it must not be ahead of, cannot be written: {log.trouble}"
        self._telemetry.emit(events.SnapshotFailed(error=error))
        return True

    @staticmethod
    def _taken(pump: Pump) -> dict[str, Any]:
        streams: dict[str, Place] = dict(pump.watermark.streams)
        packets: Sequence[Sequence[int]] = (list(pump.watermark.packets), list(pump.watermark.packets.values()))
        return {"streams": streams, "packets": packets}

    def _write(self, state: State, taken: Mapping[str, Any], marks: Mapping[str, Any]) -> int:
        """Write one snapshot, in a thread.

        Raises:
            OSError: It cannot be written.
            FencedError: A daemon that was started later uses the same folder.
        """
        newest = newest_generation(self._state_dir)
        if newest > self._generation:
            raise FencedError(
                f"generation {newest} was started with the state folder {self._state_dir}; this is generation"
                f" {self._generation}, which writes nothing there any more"
            )
        description, parts = to_parts(state)
        header = {
            "twind": __version__,
            "instance": self._instance,
            "generation": self._generation,
            "written_ns": time.time_ns(),
            "state": description,
            "sources": taken,
            "marks": marks,
        }
        content = encode(header, parts)
        self._folder.write(content)
        return len(content)
