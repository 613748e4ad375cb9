"""Which recorded channel goes where: by the source that received it, else by whatever route fits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twind.model.errors import RefusedInput
from twind.model.refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twind.runtime.bindings import Binding, Bindings
    from twind.sources.recording import RecordedChannel


class RecordedRoutes:
    """Finds the binding of each recorded stream; what `twind.runtime.pipeline.Finder` asks for.

    A stream is a topic of a source. A channel whose source the configuration does not name, or that names none, is matched
    against the routes of every source, in the order of the configuration.
    """

    def __init__(self, sources: Mapping[str, Bindings]) -> None:
        self.known: dict[str, Binding] = {}
        self.streams: dict[str, tuple[str, str]] = {}
        """Key to (source, topic). A key is the topic itself, as long as no other source has the same."""
        self._sources = sources
        self._keys: dict[RecordedChannel, str] = {}

    def key(self, channel: RecordedChannel) -> str:
        """Return what stands for a channel's stream in the place of the topic."""
        key = self._keys.get(channel)
        if key is None:
            key = self._keys[channel] = self._new_key(channel.source, channel.topic)
        return key

    def _new_key(self, source: str, topic: str) -> str:
        key = topic
        while self.streams.setdefault(key, (source, topic)) != (source, topic):
            key = f"{key} ({source})"
        return key

    def find(self, topic: str) -> Binding:
        """Bind a stream, given by its key.

        Raises:
            RefusedInput: No route matches, or what the route names is not in the stage.
        """
        source, real = self.streams[topic]
        own = self._sources.get(source)
        for bindings in self._sources.values() if own is None else (own,):
            try:
                binding = bindings.find(real)
            except RefusedInput as refusal:
                if refusal.reason is not Refusal.NO_ROUTE:
                    raise
            else:
                self.known[topic] = binding
                return binding
        raise RefusedInput(Refusal.NO_ROUTE, f"no route matches the topic {real[:120]!r}")
