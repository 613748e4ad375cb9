"""Charts as inline SVG. Colours are classes of the page's style, so that one page serves light and dark."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

WIDTH, HEIGHT = 640, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 10, 10, 24
_COLUMNS = 560
"""Samples are summed up in so many columns at most: the page stays small, and no spike is lost."""

_FEW_DECADES = 30.0


class Frame:
    """The plotting area of one chart: axes, and where values lie.

    Args:
        x: Range of the horizontal axis.
        y: Range of the vertical one.
        label: What the chart shows, for those who cannot see it.
        logarithmic: Whether the vertical axis is.
        unit: Written beside the vertical axis.
    """

    def __init__(
        self, x: tuple[float, float], y: tuple[float, float], *, label: str, logarithmic: bool = False, unit: str = ""
    ) -> None:
        self._x, self._y, self._logarithmic = x, y, logarithmic
        self._label, self._unit = label, unit
        self._parts: list[str] = []

    def across(self, value: Floats | float) -> Floats:
        """Return where values lie on the horizontal axis [px]."""
        low, high = self._x
        return _LEFT + (np.asarray(value, np.float64) - low) / (high - low) * (WIDTH - _LEFT - _RIGHT)

    def up(self, value: Floats | float) -> Floats:
        """Return where values lie on the vertical axis, clipped to it [px]."""
        low, high = self._y
        clipped = np.clip(np.asarray(value, np.float64), low, high)
        share = np.log(clipped / low) / math.log(high / low) if self._logarithmic else (clipped - low) / (high - low)
        return HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM)

    def area(self, x: Floats, low: Floats, high: Floats, style: str) -> None:
        """Fill between two curves."""
        there = _points(self.across(x), self.up(high))
        back = _points(self.across(x)[::-1], self.up(low)[::-1])
        self._parts.append(f'<polygon class="{style}" points="{there} {back}"/>')

    def line(self, x: Floats, y: Floats, style: str) -> None:
        """Draw a curve."""
        self._parts.append(f'<polyline class="{style}" points="{_points(self.across(x), self.up(y))}"/>')

    def spikes(self, x: Floats, low: Floats, high: Floats, style: str) -> None:
        """Draw a curve that goes to the least and the greatest of each column."""
        self._parts.append(
            f'<polyline class="{style}" points="'
            f'{_points(np.repeat(self.across(x), 2), np.column_stack([self.up(low), self.up(high)]).ravel())}"/>'
        )

    def svg(self) -> str:
        """Return the chart with its axes."""
        axes = []
        ticks = _decades(*self._y) if self._logarithmic else _ticks(*self._y, 6)
        for tick in ticks:
            y = float(self.up(tick))
            axes.append(f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
            axes.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>')
        for tick in _ticks(*self._x, 8):
            x = float(self.across(tick))
            axes.append(f'<text x="{x:.1f}" y="{HEIGHT - 8}" text-anchor="middle">{tick:g} s</text>')
        axes.append(f'<text class="unit" x="4" y="{_TOP + 4}">{self._unit}</text>')
        return _svg(self._label, WIDTH, HEIGHT, [*axes, *self._parts])


def columns(x: Floats, y: Floats) -> tuple[Floats, Floats, Floats]:
    """Sum a cloud of samples up: centre, least and greatest of each column."""
    if len(x) <= _COLUMNS:
        return x, y, y
    starts = _starts(len(x))
    return x[starts], np.minimum.reduceat(y, starts), np.maximum.reduceat(y, starts)


def thinned(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Sum a curve up: the mean of each column."""
    if len(x) <= _COLUMNS:
        return x, y
    starts = _starts(len(x))
    counts = np.diff(np.append(starts, len(x)))
    return x[starts], np.add.reduceat(y, starts) / counts


def bars(labels: Sequence[str], groups: Sequence[tuple[str, Sequence[float]]], *, label: str, unit: str) -> str:
    """Draw horizontal bars, a group for each label, on one scale for each: the longest of a group is full.

    Args:
        labels: Of the groups, such as horizons.
        groups: Style class and values of each bar of a group.
        label: What the chart shows.
        unit: Of the values.
    """
    step, thick = 19 * len(groups) + 10, 14
    parts = []
    for row, text in enumerate(labels):
        top = row * step + 6
        parts.append(f'<text x="{_LEFT - 6}" y="{top + step / 2 - 2:.0f}" text-anchor="end">{text}</text>')
        values = [values[row] for _, values in groups]
        longest = max((value for value in values if math.isfinite(value)), default=0.0) or 1.0
        for place, (style, value) in enumerate(zip((style for style, _ in groups), values, strict=True)):
            width = max(1.0, value / longest * 430) if math.isfinite(value) else 0.0
            y = top + 19 * place
            parts.append(f'<rect class="{style}" x="{_LEFT}" y="{y}" width="{width:.1f}" height="{thick}" rx="2"/>')
            share = f" ({value / values[0]:.3f})" if place and values[0] > 0 and math.isfinite(value) else ""
            shown = f"{value:.3g} {unit}{share}" if math.isfinite(value) else "not known"
            parts.append(f'<text x="{_LEFT + width + 6:.1f}" y="{y + 11}">{shown}</text>')
    return _svg(label, WIDTH, step * len(labels) + 6, parts)


def _starts(count: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, count, _COLUMNS, endpoint=False).astype(np.int64))


def _points(x: Floats, y: Floats) -> str:
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))


def _svg(label: str, width: int, height: int, parts: list[str]) -> str:
    return f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def _ticks(low: float, high: float, count: int) -> list[float]:
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    return [round(tick * step, 12) for tick in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _decades(low: float, high: float) -> list[float]:
    factors = (1, 2, 5) if high < _FEW_DECADES * low else (1,)
    powers = range(math.floor(math.log10(low)), math.floor(math.log10(high)) + 1)
    found = [float(f"{factor}e{power}") for power in powers for factor in factors]
    return [tick for tick in found if low <= tick <= high]
