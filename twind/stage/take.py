"""A recording as an animation layer: time samples over the user's stage, for playback in usdview, Kit and the like.

States come one instant after the other, while USD keeps the samples of one attribute together. So instants are spooled to disk
as rows of numbers, and the layer is written as text, one attribute after the other: memory stays the same however long the
take is. The structure, default values included, is that of the live layer.
"""

from __future__ import annotations

import re
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
from twind.stage.samples import Kind, kind_of, lines
from twind.stage.spool import Spool
from twind.stage.structure import author

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

    from numpy.typing import NDArray

    from twind.model.state import Update

_GAP = 1.5
"""Periods between two instants from which on nothing is known of the time between them."""
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
        self._stage = stage  # holds the layers
        self._period_s = 1 / sample_hz
        self._sample_hz = sample_hz
        self._layer = Sdf.Layer.CreateAnonymous("take.usda")
        with collected_diagnostics():
            self._writer = author(self._layer, stage, self.topology).writer
        self._specs: list[Any] = []
        self._kinds: list[Kind] = []
        self._starts: list[int] = []
        """First column of each attribute; column 0 holds the times."""
        self._last: NDArray[np.float64] = np.empty(0)
        self._spool = Spool(out.parent)

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
            self._kinds = [kind_of(spec.typeName) for spec in self._specs]
            self._starts = list(accumulate((kind.width for kind in self._kinds), initial=1))
        row = np.concatenate([[time_s], *(kind_of(specs[0].typeName).numbers(values) for specs, values in columns)])
        if self._spool.rows and time_s - self._last[0] > _GAP * self._period_s:
            self._last[0] = time_s - self._period_s
            self._spool.append(self._last)
        self._spool.append(row)
        self._last = row

    def finish(self, *, start_ns: int, horizon_s: float) -> None:
        """Write the file.

        Args:
            start_ns: Wall clock at time code 0 [ns since the epoch].
            horizon_s: How far beyond its time code each state is predicted [s].

        Raises:
            StageError: It cannot be written.
        """
        layer = self._layer
        root = self._stage.GetRootLayer()
        carry_over(root, layer)
        layer.subLayerPaths = [path_from(self._out.parent, root)]
        layer.timeCodesPerSecond = 1.0
        layer.framesPerSecond = max(1.0, self._sample_hz)
        layer.startTimeCode = 0.0
        layer.endTimeCode = float(self._last[0]) if self._spool.rows else 0.0
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
        kind, begin = self._kinds[number], self._starts[number]
        before, ahead = None, self._spool.columns(begin, begin + kind.width)
        raw = next(ahead)
        for times_s in self._spool.columns(0, 1):
            following = next(ahead, raw[:0])  # a sample is left out when its neighbours are the same: one more is looked at
            values = kind.stored(np.concatenate([raw, following[:1]]), before)
            yield from lines(kind, times_s[:, 0].tolist(), values, before, indent=indent)
            before, raw = values[len(raw) - 1], following


def _iso(stamp_ns: int) -> str:
    whole, part = divmod(stamp_ns, NS_PER_S)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{part:09d}Z"
