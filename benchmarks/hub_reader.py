"""One reader of a hub, a process of its own: `python hub_reader.py VARIANT CONNECTION_STRING HUB CORE FOLDER CODEC`.

A number on standard input begins a round; once so many messages were handled, a line of JSON says what an event cost.
Variants: `bare` is the SDK's own loop with a callback that counts, by `asyncio.run`; `bare_uvloop` is the same on the loop
that twind runs on; `source` is twind's source, whose messages nobody reads; `daemon` is all of it: routes, codecs, estimation,
stage, listener.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from azure.eventhub.aio import EventHubConsumerClient

from twind.config.load import load
from twind.config.registry import Registry
from twind.runtime.app import SWITCH_S, Daemon
from twind.runtime.loop import run_on_loop
from twind.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import Callable

    from azure.eventhub import EventData
    from azure.eventhub.aio import PartitionContext

PREFETCH = BATCH = 3000
"""What the source has as its defaults."""


class Round:
    """Counts events, and the CPU time from the first one on."""

    def __init__(self) -> None:
        self.wanted = self.events = 0
        self.over = asyncio.Event()
        self.ticks: Callable[[], int] = int
        """Says how often the stage was published."""
        self._cpu_s = self._wall_s = 0.0
        self._ticks = 0

    def begin(self, wanted: int) -> None:
        """Count from now: the hub is filled next, at once."""
        self.wanted, self.events = wanted, 0
        self.over.clear()
        self._cpu_s, self._wall_s, self._ticks = time.process_time(), time.monotonic(), self.ticks()

    def count(self, events: int) -> None:
        """Add some."""
        self.events += events
        if self.events >= self.wanted:
            self.over.set()

    def result(self) -> dict[str, float]:
        """Say what an event cost."""
        cpu_s = time.process_time() - self._cpu_s
        wall_s = time.monotonic() - self._wall_s
        return {"cpu_us": cpu_s / self.events * 1e6, "wall_s": wall_s, "ticks_hz": (self.ticks() - self._ticks) / wall_s}


async def bare(connection: str, hub: str, of_round: Round) -> Any:
    client = EventHubConsumerClient.from_connection_string(connection, "$Default", eventhub_name=hub)

    async def on_batch(_: PartitionContext, events: list[EventData]) -> None:
        of_round.count(len(events))

    task = asyncio.create_task(
        client.receive_batch(on_batch, max_batch_size=BATCH, prefetch=PREFETCH, starting_position="-1", owner_level=0)
    )

    async def close() -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await client.close()

    return close


def _settings(connection: str, hub: str, folder: str) -> dict[str, Any]:
    routes = [{"topic": "{entity}", "codec": sys.argv[6]}]
    return {
        "stage": {"root": f"{folder}/robots.usda"},
        "state_dir": f"{folder}/state-{hub}",
        "http": {"listen": "127.0.0.1:0"},
        "log": {"level": "error"},
        "sources": {"hub": {"type": "eventhubs", "connection_string": connection, "event_hub": hub, "routes": routes}},
    }


async def source(connection: str, hub: str, folder: str, of_round: Round, telemetry: Telemetry) -> Any:
    path = Path(folder) / f"{hub}.yaml"
    path.write_text(yaml.safe_dump(_settings(connection, hub, folder)))
    loaded = load([path], Registry.installed())
    opened = loaded.registry.sources.load("eventhubs").open(
        "hub", loaded.settings.sources["hub"], instance="bench", telemetry=telemetry
    )
    running = asyncio.create_task(opened.run())

    async def take() -> None:
        while messages := await opened.receive(512):
            of_round.count(sum(1 for message in messages if message.part == message.parts - 1))
            await asyncio.sleep(0)

    taking = asyncio.create_task(take())

    async def close() -> None:
        await opened.aclose()
        await asyncio.gather(running, taking)

    return close


async def daemon(connection: str, hub: str, folder: str, of_round: Round, telemetry: Telemetry) -> Any:
    path = Path(folder) / f"{hub}.yaml"
    path.write_text(yaml.safe_dump(_settings(connection, hub, folder)))
    loaded = load([path], Registry.installed())
    started = Daemon(loaded, telemetry=telemetry)
    await started.start()

    def on_batch(messages: list[Any]) -> None:
        of_round.count(sum(1 for message in messages if message.part == message.parts - 1))

    started.inlets["hub"].pump.on_batch = on_batch
    assert started.twinned is not None
    publisher = started.twinned.publisher
    of_round.ticks = lambda: publisher.ticks

    async def close() -> None:
        started.shutdown.request("the benchmark is over")
        await started.drain()

    return close


async def main(variant: str, connection: str, hub: str, folder: str) -> None:
    of_round = Round()
    with Telemetry() as telemetry:
        if variant.startswith("bare"):
            close = await bare(connection, hub, of_round)
        else:
            make = source if variant == "source" else daemon
            close = await make(connection, hub, folder, of_round, telemetry)
        try:
            say("ready")
            while line := await asyncio.to_thread(sys.stdin.readline):
                of_round.begin(int(line))
                say("go")
                async with asyncio.timeout(120):
                    await of_round.over.wait()
                say(json.dumps(of_round.result()))
        finally:
            await close()


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    os.sched_setaffinity(0, {int(sys.argv[4])})
    gc.freeze()  # this, and the next line, as `twind run` does; for the SDK's own loop as well
    sys.setswitchinterval(SWITCH_S)
    run = asyncio.run if sys.argv[1] == "bare" else run_on_loop
    run(main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[5]))
