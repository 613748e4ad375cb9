"""What the daemon says about itself: typed events that know their metric and their log line, gauges, event-loop lag."""

from twind.telemetry.hub import Telemetry
from twind.telemetry.lag import LoopLag

__all__ = ["LoopLag", "Telemetry"]
