"""The table of the benchmarks says what was measured, and whether the bar holds."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def table() -> Any:
    path = Path(__file__).parents[2] / "benchmarks" / "table.py"
    spec = importlib.util.spec_from_file_location("benchmark_table", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_row_shows_the_median_and_the_spread_of_its_rounds(table: Any) -> None:
    one = table.row("decode", "us", [3.0, 1.0, 2.0])
    assert (one.median, one.lowest, one.highest, one.rounds) == (2.0, 1.0, 3.0, 3)
    assert one.holds is None


@pytest.mark.parametrize(("bar", "holds"), [(2.0, True), (1.9, False)])
def test_a_bar_holds_when_the_median_does_not_exceed_it(table: Any, bar: float, holds: bool) -> None:  # noqa: FBT001
    assert table.row("decode", "us", [1.0, 2.0, 9.0], bar=bar).holds is holds


def test_a_missed_bar_and_a_skipped_measurement_can_be_seen(table: Any) -> None:
    text = table.render(
        [
            table.Section("pipeline", (table.row("decode", "us", [7.0], bar=5.0),)),
            table.Section("broker", skipped="mosquitto is not installed"),
        ]
    )
    assert text.splitlines()[3].split() == ["decode", "7", "7", "7", "us", "1", "5", "NO"]
    assert "skipped: mosquitto is not installed" in text


def test_a_row_whose_package_is_not_installed_says_so_instead_of_a_number(table: Any) -> None:
    one = table.missing("joint sample: filterpy", "ns/sample", "filterpy is not installed")
    assert one.holds is None
    assert one.as_json()["median"] is None
    last = table.render([table.Section("kernels", (one,))]).splitlines()[-1]
    assert "filterpy is not installed" in last
    assert last.split()[-5:] == ["-", "-", "-", "ns/sample", "0"]
