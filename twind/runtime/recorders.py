"""The sinks of raw messages that a configuration names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twind.flow.sinks import RawSink, SinkContext

if TYPE_CHECKING:
    from twind.config.load import Loaded
    from twind.telemetry import Telemetry


def open_recorders(loaded: Loaded, telemetry: Telemetry, *, instance: str | None = None) -> list[RawSink]:
    """Make every sink of the configuration that takes raw messages; nothing is written yet.

    Files are named after the `instance`, that of the configuration when None: two that run at a time need different ones.

    Raises:
        MissingExtraError: A sink's adapter is not installed.
    """
    settings = loaded.settings
    context = SinkContext(
        instance=settings.instance if instance is None else instance,
        stage_root=settings.stage.root,
        routes={name: source.routes for name, source in settings.sources.items()},
        telemetry=telemetry,
    )
    sinks = []
    for name, of_sink in settings.sinks.items():
        adapter = loaded.registry.sinks.load(of_sink.type)  # type: ignore[attr-defined]
        sinks.append(adapter.open(name, of_sink, context))  # type: ignore[attr-defined]
    return [sink for sink in sinks if isinstance(sink, RawSink)]
