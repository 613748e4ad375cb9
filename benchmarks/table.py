"""What a measurement returns and how it is shown: a row for each number, with its spread, its bar, and whether that holds."""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

COLUMNS = ("measurement", "median", "lowest", "highest", "unit", "rounds", "bar", "holds")


@dataclass(frozen=True, slots=True)
class Row:
    """One measured quantity."""

    name: str
    unit: str
    median: float | None
    lowest: float | None
    highest: float | None
    rounds: int
    bar: float | None = None
    """What is allowed at most; None where no bar was set."""
    missing: str = ""
    """Why there is no number."""

    @property
    def holds(self) -> bool | None:
        """Whether the median keeps the bar."""
        return None if self.bar is None or self.median is None else self.median <= self.bar

    def as_json(self) -> dict[str, Any]:
        """Return every field, and the verdict."""
        return {**asdict(self), "holds": self.holds}


def row(name: str, unit: str, samples: Sequence[float], *, bar: float | None = None) -> Row:
    """Sum up the rounds of one quantity."""
    return Row(name, unit, statistics.median(samples), min(samples), max(samples), len(samples), bar)


def missing(name: str, unit: str, why: str) -> Row:
    """Stand in for a quantity that cannot be measured here."""
    return Row(name, unit, None, None, None, 0, missing=why)


@dataclass(frozen=True, slots=True)
class Section:
    """The rows of one measurement module, under what they have in common."""

    title: str
    rows: tuple[Row, ...] = ()
    skipped: str = ""
    """Why there are no rows."""


def render(sections: Iterable[Section]) -> str:
    """Return the table as text."""
    sections = list(sections)
    cells = {id(one): _cells(one) for section in sections for one in section.rows}
    widths = [max(map(len, column)) for column in zip(COLUMNS, *cells.values(), strict=True)]
    lines = [_line(COLUMNS, widths)]
    for section in sections:
        lines += ["", section.title]
        lines += [f"  skipped: {section.skipped}"] if section.skipped else []
        lines += [_line(cells[id(one)], widths) for one in section.rows]
    return "\n".join(lines)


def _cells(one: Row) -> tuple[str, ...]:
    bar = "" if one.bar is None else f"{one.bar:g}"
    holds = {None: "", True: "yes", False: "NO"}[one.holds]
    return (
        f"  {one.name}: {one.missing}" if one.missing else f"  {one.name}",
        _number(one.median),
        _number(one.lowest),
        _number(one.highest),
        one.unit,
        str(one.rounds),
        bar,
        holds,
    )


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    left = {0, 4}  # text; numbers stand right
    return "  ".join(
        cell.ljust(width) if index in left else cell.rjust(width)
        for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ).rstrip()
