"""A recording as an animation layer: time samples over the user's stage, for playback in usdview, Kit and the like.

States come one instant after the other, while USD keeps the samples of one attribute together. So instants are spooled to disk
as rows of numbers, and the layer is written as text, one attribute after the other: memory stays the same however long the
take is. The structure, default values included, is that of the live layer.
"""

from __future__ import annotations

import re
import tempfile
from datetime import UTC, datetime
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from pxr import Sdf

from twind.model.errors import StageError
from twind.model.time import NS_PER_S
from twind.stage.composed import carry_over, path_from
from twind.stage.discover import discover_stage
from twind.stage.live import SCHEMA_VERSION
from twind.stage.opening import collected_diagnostics, open_stage
from twind.stage.output import refuse_input, written
from twind.stage.samples import kind_of, lines
from twind.stage.structure import author

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

    from numpy.typing import NDArray

    from twind.model.state import Update

_GAP = 1.5
"""Periods between two instants from which on nothing is known of the time between them."""
_CHUNK_ROWS = 65536
_HEAD = re.compile(r"\s*(?:custom )?\w+ \S+\.timeSamples = \{$")
_MARK = re.compile(r"(\s*)(\d+): ")


class Take:
    """One take. A context manager; `finish` writes the file, leaving without it leaves nothing behind."""

    def __init__(self, root: str, out: Path, *, sample_hz: float) -> None:
        """Open the stage and look at what will be written.

        Raises:
            StageError: The stage cannot be opened completely, or the file cannot be what is asked for.
        """
        if out.suffix.lower() not in {".usda", ".usd"}:
            raise StageError(f"a take is written as text, so as .usda, not {out.name!r}; `usdcat` turns it into .usdc")
        stage, warnings = open_stage(root)
        refuse_input(out, stage)
        self.topology = discover_stage(stage, root=root, warnings=warnings)
        """What the stage declares; updates must be laid out after it."""
        self._out = out
        self._root = stage.GetRootLayer()
        self._period_s = 1 / sample_hz
        self._sample_hz = sample_hz
        self._layer = Sdf.Layer.CreateAnonymous("take.usda")
        with collected_diagnostics():
            self._writer = author(self._layer, stage, self.topology)
        self._specs: list[Any] = []
        self._rows = 0
        self._last: NDArray[np.float64] = np.empty(0)
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            self._spool = tempfile.TemporaryFile(dir=out.parent)  # noqa: SIM115  (closed by `close`); has no name on disk
        except OSError as error:
            raise StageError(f"cannot write to {out.parent}: {error.strerror}") from error

    def __enter__(self) -> Self:
        """Return the open take."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Let the spooled instants go; closing twice is fine."""
        self._spool.close()

    def add(self, time_s: float, update: Update) -> None:
        """Add one instant; times grow [s since the first]. Where instants are missing, what was last shown is held.

        Raises:
            StageError: The disk is full.
        """
        columns = self._writer.values(update)
        if not self._specs:
            self._specs = [spec for specs, _ in columns for spec in specs]
        row = np.concatenate([[time_s], *(kind_of(specs[0].typeName).numbers(values) for specs, values in columns)])
        if self._rows and time_s - self._last[0] > _GAP * self._period_s:
            self._last[0] = time_s - self._period_s
            self._append(self._last)
        self._append(row)
        self._last = row

    def _append(self, row: NDArray[np.float64]) -> None:
        try:
            self._spool.write(row.tobytes())
        except OSError as error:
            raise StageError(f"cannot write to {self._out.parent}: {error.strerror}") from error
        self._rows += 1

    def finish(self, *, start_ns: int, horizon_s: float) -> None:
        """Write the file.

        Args:
            start_ns: Wall clock at time code 0 [ns since the epoch].
            horizon_s: How far beyond its time code each state is predicted [s].

        Raises:
            StageError: It cannot be written.
        """
        layer = self._layer
        carry_over(self._root, layer)
        layer.subLayerPaths = [path_from(self._out.parent, self._root)]
        layer.timeCodesPerSecond = 1.0
        layer.framesPerSecond = max(1.0, self._sample_hz)
        layer.startTimeCode = 0.0
        layer.endTimeCode = float(self._last[0]) if self._rows else 0.0
        layer.customLayerData = {
            "twind": {
                "schemaVersion": SCHEMA_VERSION,
                "start": _iso(start_ns),
                "startNs": str(start_ns),  # as text: a reader of JSON or of C# doubles would round it
                "sampleHz": self._sample_hz,
                "horizonSeconds": horizon_s,
            }
        }
        for number, spec in enumerate(self._specs):
            layer.SetTimeSample(spec.path, float(number), spec.default)  # marks the place; its text is replaced
        text = layer.ExportToString()
        with written(self._out) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(self._filled(text))

    def _filled(self, text: str) -> Iterator[str]:
        """Put the samples in the places that are marked by their numbers."""
        head = False
        for line in text.splitlines(keepends=True):
            mark = _MARK.match(line) if head else None
            if mark is None:
                yield line
            else:
                yield from self._samples(int(mark[2]), indent=mark[1])
            head = _HEAD.match(line) is not None

    def _samples(self, number: int, *, indent: str) -> Iterator[str]:
        """Yield the samples of one attribute, of a bounded number of rows at a time."""
        self._spool.flush()
        widths = [1, *(kind_of(spec.typeName).width for spec in self._specs)]
        starts = list(accumulate(widths, initial=0))
        rows = np.memmap(self._spool, np.float64, mode="r", shape=(self._rows, starts[-1]))
        kind, place = kind_of(self._specs[number].typeName), slice(starts[number + 1], starts[number + 2])
        before = None
        for begin in range(0, self._rows, _CHUNK_ROWS):
            end = min(begin + _CHUNK_ROWS, self._rows)
            ahead = min(end + 1, self._rows)  # a value is left out when its neighbours are the same, so one more is looked at
            values = kind.stored(np.array(rows[begin:ahead, place]), before)
            yield from lines(kind, rows[begin:end, 0].tolist(), values, before, indent=indent)
            before = values[end - begin - 1]


def _iso(stamp_ns: int) -> str:
    whole, part = divmod(stamp_ns, NS_PER_S)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{part:09d}Z"
