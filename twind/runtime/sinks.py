"""The sinks that a configuration names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twind.flow.sinks import RawSink, SinkContext

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from twind.config.load import Loaded
    from twind.flow.sinks import Sink
    from twind.telemetry import Telemetry


def open_sinks(
    loaded: Loaded,
    telemetry: Telemetry,
    *,
    instance: str | None = None,
    generation: int = 0,
    robots: Sequence[str] = (),
    tells: Callable[[str], bool | None] = lambda _: True,
) -> list[Sink]:
    """Make every sink of the configuration; nothing is written or connected yet.

    Args:
        loaded: The configuration.
        telemetry: Where sinks count and say what they do.
        instance: Whose files and connections they are, where not that of the configuration.
        generation: Number of this start; 0 where starts are not counted.
        robots: Ids of the robots that this daemon looks after.
        tells: As of `SinkContext`.

    Raises:
        MissingExtraError: A sink's adapter is not installed.
    """
    settings = loaded.settings
    context = SinkContext(
        instance=settings.instance if instance is None else instance,
        stage_root=settings.stage.root,
        routes={name: source.routes for name, source in settings.sources.items()},
        telemetry=telemetry,
        generation=generation,
        state_dir=settings.state_dir,
        robots=robots,
        tells=tells,
    )
    sinks = []
    for name, of_sink in settings.sinks.items():
        adapter = loaded.registry.sinks.load(of_sink.type)  # type: ignore[attr-defined]
        sinks.append(adapter.open(name, of_sink, context))  # type: ignore[attr-defined]
    return sinks


def open_recorders(loaded: Loaded, telemetry: Telemetry, *, instance: str | None = None) -> list[RawSink]:
    """Make the sinks of the configuration that take raw messages, and no others; `instance` as of `open_sinks`.

    Raises:
        MissingExtraError: A sink's adapter is not installed.
    """
    return [sink for sink in open_sinks(loaded, telemetry, instance=instance) if isinstance(sink, RawSink)]
