"""An emulated hub in a thread of its own, and robots behind an IoT Hub that fill it."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any, Self

from twind_eventhubs.emulator import Emulator, HubSettings, Rule
from twind_eventhubs.emulator.events import device_event

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

HUB = "hub"
RULE = Rule("policy", "a key that is only for tests")


class Hub:
    """The emulator, and what is published through it."""

    def __init__(self, *, partitions: int, now_s: Callable[[], float] = time.time) -> None:
        self._emulator = Emulator([HubSettings(HUB, partitions=partitions)], rules=(RULE,), now_s=now_s)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="hub", daemon=True)
        self.sent: list[tuple[str, bytes]] = []
        """Topic and payload of everything that the hub has taken, in order."""
        self._publishing: asyncio.Task[None] | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._emulator.__aenter__())
        return self

    def __exit__(self, *_: object) -> None:
        self.finish()
        self._call(self._emulator.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def connection_string(self) -> str:
        return self._emulator.connection_string

    @property
    def port(self) -> int:
        return self._emulator.port

    def publish(self, robots: Sequence[str], payload: Callable[[int], bytes], *, rate_hz: float, together: int = 1) -> None:
        """Let every robot send `rate_hz` messages a second, so many of them in one event, until `finish`."""

        async def start() -> None:
            self._publishing = asyncio.create_task(self._publish(robots, payload, rate_hz, together), name="robots")

        self._call(start())

    def finish(self) -> int:
        """End that; return how many messages there were."""

        async def stop() -> None:
            if self._publishing is not None:
                self._publishing.cancel()
                await asyncio.gather(self._publishing, return_exceptions=True)

        self._call(stop())
        return len(self.sent)

    def disturb(self, what: Callable[[Any], object]) -> None:
        """Do something to the emulator, in its thread."""

        async def do() -> None:
            what(self._emulator)

        self._call(do())

    def restart(self, lasts_s: float) -> None:
        """Stop to serve for a while; what is stored stays, and what devices send meanwhile is stored."""

        async def serve_again() -> None:
            await self._emulator.__aexit__(None, None, None)
            await asyncio.sleep(lasts_s)
            await self._emulator.__aenter__()

        self._call(serve_again())

    def _call(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    async def _publish(self, robots: Sequence[str], payload: Callable[[int], bytes], rate_hz: float, together: int) -> None:
        hub, number, begun_s = self._emulator.namespace.hub(HUB), 0, time.monotonic()
        while True:
            due = int((time.monotonic() - begun_s) * rate_hz) - number
            for _ in range(due // together):
                bodies = [payload(time.time_ns() + k) for k in range(together)]
                number += together
                for robot in robots:
                    hub.append([device_event(robot, b"\n".join(bodies), enqueued_ms=time.time_ns() // 1_000_000)], key=robot)
                    self.sent += [(robot, body) for body in bodies]
            await asyncio.sleep(0.005)
