"""What the daemon says about itself: typed events that know their metric and their log line, gauges, event-loop lag.

What counts and writes them is imported when it is first asked for: settings and replay know the events alone.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twind.telemetry.hub import Telemetry
    from twind.telemetry.lag import LoopLag

__all__ = ["LoopLag", "Telemetry"]

_MODULES = {"LoopLag": "lag", "Telemetry": "hub"}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
