"""The reference page is what the code says."""

from __future__ import annotations

from pathlib import Path

from twind.telemetry.counters import event_types
from twind.telemetry.events import event_name
from twind.telemetry.reference import render

PAGE = Path(__file__).parents[2] / "docs/reference/metrics.md"


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), "run `make docs`"


def test_every_event_is_on_the_page_and_has_a_sentence() -> None:
    page = render()
    for kind in event_types():
        assert f"| `{event_name(kind)}` |" in page
        assert kind.__doc__
        assert kind.level in {"debug", "info", "warning", "error"}
