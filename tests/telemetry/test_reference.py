"""The reference page is what the code says."""

from __future__ import annotations

import inspect
import pkgutil
from importlib import import_module
from pathlib import Path

from twind import telemetry
from twind.telemetry.counters import event_types
from twind.telemetry.events import Event, event_name
from twind.telemetry.reference import render

PAGE = Path(__file__).parents[2] / "docs/reference/metrics.md"


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), "run `make docs`"


def test_no_event_is_defined_and_not_named_in_the_list() -> None:
    modules = [import_module(f"twind.telemetry.{found.name}") for found in pkgutil.iter_modules(telemetry.__path__)]
    defined = {
        kind for module in modules for kind in vars(module).values() if inspect.isclass(kind) and issubclass(kind, Event)
    }
    assert set(event_types()) == defined - {Event}


def test_every_event_is_on_the_page_and_has_a_sentence() -> None:
    page = render()
    for kind in event_types():
        assert f"| `{event_name(kind)}` |" in page
        assert kind.__doc__
        assert kind.level in {"debug", "info", "warning", "error"}
