"""The sinks that a configuration names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twind.flow.sinks import RawSink, SinkContext

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twind.config.load import Loaded
    from twind.flow.sinks import Sink
    from twind.telemetry import Telemetry


def open_sinks(loaded: Loaded, telemetry: Telemetry, *, generation: int = 0, robots: Sequence[str] = ()) -> list[Sink]:
    """Make every sink of the configuration; nothing is written or connected yet.

    Args:
        loaded: The configuration.
        telemetry: Where sinks count and say what they do.
        generation: Number of this start; 0 where starts are not counted.
        robots: Ids of the robots that this daemon looks after.

    Raises:
        MissingExtraError: A sink's adapter is not installed.
    """
    settings = loaded.settings
    context = SinkContext(
        instance=settings.instance,
        stage_root=settings.stage.root,
        routes={name: source.routes for name, source in settings.sources.items()},
        telemetry=telemetry,
        generation=generation,
        state_dir=settings.state_dir,
        robots=robots,
    )
    sinks = []
    for name, of_sink in settings.sinks.items():
        adapter = loaded.registry.sinks.load(of_sink.type)  # type: ignore[attr-defined]
        sinks.append(adapter.open(name, of_sink, context))  # type: ignore[attr-defined]
    return sinks


def open_recorders(loaded: Loaded, telemetry: Telemetry) -> list[RawSink]:
    """Make the sinks of the configuration that take raw messages, and no others.

    Raises:
        MissingExtraError: A sink's adapter is not installed.
    """
    return [sink for sink in open_sinks(loaded, telemetry) if isinstance(sink, RawSink)]
