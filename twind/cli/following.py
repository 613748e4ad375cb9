"""The loop behind `twind view`: takes what a follower has, shows it, and says once a second how it goes."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from copy import copy
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from twind.flow.replacing import replacing
from twind.model.errors import PermanentError
from twind.viewers.follower.client import Follower, Status
from twind.viewers.follower.entities import Entities
from twind.viewers.follower.errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from twind.viewers.follower.frames import Catalogue

_REPORT_S = 1.0
_EXPORT_S = 0.5
_TICK_S = 1 / 60
"""As a viewer that draws sixty times a second."""


@dataclass(frozen=True, slots=True)
class Report:
    """How it went since the last one."""

    status: str
    detail: str
    sequence: int
    frames_hz: float
    bytes_s: float
    delay_ms: float | None
    """From the making of the newest update to its arrival, by both clocks [ms]; None where none arrived."""
    values: int
    """Attribute values set since the last report; 0 without --usd."""
    full_frames: int
    """Since the start."""
    connects: int
    """Since the start."""
    entities: tuple[dict[str, Any], ...]

    def document(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self)

    def line(self) -> str:
        """Return it for people."""
        if not self.entities:
            return f"{self.status}: {self.detail or 'nothing has arrived yet'}"
        qualities = Counter(str(one["quality"]) for one in self.entities)
        states = ", ".join(f"{count} {quality}" for quality, count in qualities.most_common())
        ages = [one["age_s"] for one in self.entities if one["age_s"] >= 0]
        age = f"oldest {max(ages) * 1e3:.0f} ms" if ages else "nothing measured yet"
        delay = "" if self.delay_ms is None else f", delay {self.delay_ms:.0f} ms"
        said = f" ({self.detail})" if self.detail else ""
        rates = f"{self.frames_hz:.1f} Hz, {self.bytes_s / 1e3:.0f} kB/s{delay}"
        return f"{self.status}{said}: #{self.sequence}, {rates}; {states}; {age}"


class Following:
    """One run of the command."""

    def __init__(self, follower: Follower, *, usd: Path | None, on_report: Callable[[Report], None]) -> None:
        self._follower = follower
        self._usd = usd
        self._on_report = on_report
        self._sink: Any = None
        self._entities: Entities | None = None
        self._values = 0
        self._exported = -1
        self._delay_ns: int | None = None
        self._arrived_s = 0.0
        self._complete = False
        """Whether a full frame has arrived."""
        self._before = copy(follower.tally)
        self._reported_s = time.monotonic()
        self._asked_to_stop = threading.Event()

    def run(self, *, duration_s: float | None, once: bool) -> str:
        """Follow until it is enough; return what went wrong, nothing when nothing did."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: self._asked_to_stop.set())
        started_s = time.monotonic()
        end_s = float("inf") if duration_s is None else started_s + duration_s
        self._follower.start()
        try:
            return self._until_enough(once=once, end_s=end_s, report_s=started_s + _REPORT_S)
        except ProtocolError as error:
            return f"what arrives from {self._follower.url} cannot be shown: {error}"
        finally:
            self._follower.stop()

    def _until_enough(self, *, once: bool, end_s: float, report_s: float) -> str:
        """Follow, export and report; return what went wrong."""
        export_s = 0.0
        while not self._asked_to_stop.wait(_TICK_S):
            self._take()
            now_s = time.monotonic()
            if self._follower.status is Status.REFUSED and not self._complete:
                return self._follower.detail
            if now_s >= export_s and self._export():
                export_s = now_s + _EXPORT_S
            if now_s >= report_s:
                report_s += _REPORT_S
                self._on_report(self._report())
            if now_s >= end_s or (once and self._complete):
                break
        self._follower.stop()
        self._take()
        self._export()
        if not self._complete:
            return f"nothing arrived from {self._follower.url}: {self._follower.detail or 'it was stopped before'}"
        if once or self._asked_to_stop.is_set():
            self._on_report(self._report())
        return ""

    def _take(self) -> None:
        catalogue, frames = self._follower.take()
        if catalogue is not None:
            self._build(catalogue)
        if not frames or self._entities is None:
            return
        self._complete = True
        self._delay_ns = time.time_ns() - frames[-1].stamp_ns
        self._arrived_s = time.monotonic()
        self._entities.apply(frames)
        if self._sink is not None:
            self._values += self._sink.apply(frames)

    def _build(self, catalogue: Catalogue) -> None:
        self._entities = None
        if self._usd is not None:
            from twind.viewers.follower.usd_sink import UsdSink

            self._sink, self._exported = UsdSink(catalogue), -1
        self._entities = Entities(catalogue)

    def _export(self) -> bool:
        """Replace the file when there is something new."""
        if self._usd is None or self._sink is None or self._sink.sequence == self._exported:
            return False
        self._exported = self._sink.sequence
        try:
            with replacing(self._usd) as temporary:
                temporary.write_text(self._sink.layer.ExportToString(), encoding="utf-8", newline="\n")
        except OSError as error:
            raise PermanentError(f"cannot write {self._usd}: {error.strerror}") from error
        return True

    def _report(self) -> Report:
        """Say how it went since the last report."""
        follower, now_s = self._follower, time.monotonic()
        frames, sent = follower.tally.frames, follower.tally.bytes
        elapsed_s = max(now_s - self._reported_s, 1e-9)
        since_s = max(0.0, now_s - self._arrived_s)
        known = () if self._entities is None else self._entities.all
        report = Report(
            status=follower.status.value,
            detail=follower.detail,
            sequence=follower.sequence,
            frames_hz=(frames - self._before.frames) / elapsed_s,
            bytes_s=(sent - self._before.bytes) / elapsed_s,
            delay_ms=None if self._delay_ns is None else self._delay_ns / 1e6,
            values=self._values,
            full_frames=follower.tally.full_frames,
            connects=follower.tally.connects,
            entities=tuple(
                {"id": one.id, "quality": one.quality, "age_s": one.age_s + since_s if one.age_s >= 0 else -1.0, "seq": one.seq}
                for one in known
            ),
        )
        self._before, self._reported_s, self._values, self._delay_ns = copy(follower.tally), now_s, 0, None
        return report
