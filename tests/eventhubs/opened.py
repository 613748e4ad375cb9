"""A source that runs, what it said, and a keeper that remembers what it was asked."""

from __future__ import annotations

import asyncio
import contextlib
import io
from typing import TYPE_CHECKING, Any, Self

from twind.telemetry import Telemetry
from twind_eventhubs.plugin import adapter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twind.api import RawMessage
    from twind.telemetry.events import Event

PATIENCE_S = 120.0


class Said(Telemetry):
    """A telemetry that remembers."""

    def __init__(self) -> None:
        super().__init__(stream=io.StringIO())
        self.events: list[Any] = []
        self._news = asyncio.Event()

    def emit(self, event: Event) -> None:
        super().emit(event)
        self.events.append(event)
        self._news.set()

    def named(self, name: str) -> list[Any]:
        return [event for event in self.events if type(event).__name__ == name]

    async def wait_for(self, name: str, *, count: int = 1, **fields: Any) -> Any:
        """Wait until an event with these fields was emitted `count` times in all, and return the last."""

        def found() -> list[Any]:
            return [one for one in self.named(name) if all(getattr(one, key) == value for key, value in fields.items())]

        async with asyncio.timeout(PATIENCE_S):
            while len(found()) < count:
                self._news.clear()
                await self._news.wait()
        return found()[-1]


class Keeper:
    """Knows numbers by partition, and notes what it was told."""

    def __init__(self, numbers: Mapping[str, int] | None = None) -> None:
        self.numbers = dict(numbers or {})
        self.streams: dict[str, str] = {}
        self.given_up: list[tuple[str, str]] = []
        self.on_revoked: Any = None

    async def assigned(self, stream: str) -> int | None:
        partition = stream.partition("@")[0]
        self.streams[partition] = stream
        return self.numbers.get(partition)

    async def revoked(self, stream: str, *, budget_s: float) -> bool:
        del budget_s
        self.given_up.append((stream.partition("@")[0], "revoked"))
        if self.on_revoked is not None:
            await self.on_revoked(stream)
        return True

    def lost(self, stream: str) -> None:
        self.given_up.append((stream.partition("@")[0], "lost"))


class Opened:
    """A source that runs; an asynchronous context manager."""

    def __init__(self, running: Any, *, keeper: Keeper | None = None, **options: Any) -> None:
        self.said = Said()
        options.setdefault("connection_string", getattr(running, "connection_string", None))
        options.setdefault("event_hub", "hub")
        options.setdefault("routes", [{"topic": "{entity}", "codec": "joint_state"}])
        options.setdefault("watch_s", 0.5)
        self.settings = adapter.settings(type="eventhubs", **options)
        self.source: Any = adapter.open("hub", self.settings, instance="cell-7", telemetry=self.said)
        if keeper is not None:
            self.source.keep_with(keeper)
        self.running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self.running = asyncio.create_task(self.source.run(), name="run")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.source.aclose()
        assert self.running is not None
        with contextlib.suppress(asyncio.CancelledError):
            await self.running
        self.said.close()

    async def take(self, count: int) -> list[RawMessage]:
        """Receive exactly so many messages."""
        taken: list[RawMessage] = []
        async with asyncio.timeout(PATIENCE_S):
            while len(taken) < count:
                taken += await self.source.receive(count - len(taken))
        return taken

    async def until(self, condition: Any) -> None:
        """Wait for something that is told to nobody."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def away(self, words: str) -> str:
        """Wait until the source is away for a reason with these words, and return it all."""
        await self.until(lambda: not self.source.health().connected and words in self.source.health().detail)
        detail: str = self.source.health().detail
        return detail

    def metric(self, name: str, **labels: str) -> float:
        from prometheus_client.parser import text_string_to_metric_families

        text = self.said.render_metrics().decode()
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and all(sample.labels.get(key) == value for key, value in labels.items())
        )
