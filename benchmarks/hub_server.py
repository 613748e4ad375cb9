"""The emulator with robots behind it, a process of its own: `python hub_server.py HUB...`.

`HUB EVENTS SAMPLES SHAPE` on standard input makes so many events, each with so many joint states of one robot; with the next
line they are put into the hub, faster than they can be read: so a reader has work to do from the first to the last. Shapes:
`array` and `lines` of JSON, `packed` in one message.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING

import numpy as np
from robots import JOINTS, payload

from twind.codecs.packed import encode
from twind_eventhubs.emulator import Emulator, HubSettings, Retention, Rule, device_event

if TYPE_CHECKING:
    from twind_eventhubs.emulator.amqp.messages import Message

PARTITIONS = 4
ROBOTS = 50
PERIOD_NS = 10_000_000
DELAY_MS = 3
AT_ONCE = 50


def make(events: int, samples: int, shape: str) -> list[list[Message]]:
    """Make events of all robots in turn, by partition; a robot's are in one."""
    rounds = -(-events // ROBOTS)
    begin_ns = time.time_ns() - rounds * samples * PERIOD_NS
    made: list[list[Message]] = [[] for _ in range(PARTITIONS)]
    for number in range(events):
        turn, robot = divmod(number, ROBOTS)
        first_ns = begin_ns + turn * samples * PERIOD_NS
        body = _body(robot, [first_ns + one * PERIOD_NS for one in range(samples)], shape)
        last_ms = (first_ns + (samples - 1) * PERIOD_NS) // 1_000_000 + DELAY_MS
        made[robot % PARTITIONS].append(device_event(f"robot_{robot}", body, enqueued_ms=last_ms))
    return made


def _body(robot: int, stamps_ns: list[int], shape: str) -> bytes:
    if shape == "packed":
        t = np.array(stamps_ns)[:, None] % 1_000_000_000_000 / 1e9
        return encode(stamp_ns=stamps_ns, position=np.sin((0.3 + 0.1 * np.arange(JOINTS)) * t + robot))
    bodies = [payload(robot, stamp_ns, velocities=False) for stamp_ns in stamps_ns]
    if len(bodies) == 1:
        return bodies[0]
    return b"\n".join(bodies) if shape == "lines" else b"[" + b",".join(bodies) + b"]"


async def fill(emulator: Emulator, hub: str, made: list[list[Message]]) -> None:
    """Put events into a hub, some of each partition at a time; they are sent meanwhile."""
    target = emulator.namespace.hub(hub)
    for begin in range(0, max(map(len, made)), AT_ONCE):
        for partition, events in enumerate(made):
            target.append(events[begin : begin + AT_ONCE], partition=str(partition))
        await asyncio.sleep(0)


async def main(hubs: list[str]) -> None:
    keep = Retention(events=1_000_000, size_bytes=200_000_000)
    async with Emulator(
        [HubSettings(hub, PARTITIONS, retention=keep) for hub in hubs], rules=(Rule("bench", "bench"),)
    ) as running:
        say(running.connection_string)
        while line := await asyncio.to_thread(sys.stdin.readline):
            hub, events, samples, shape = line.split()
            made = make(int(events), int(samples), shape)
            say("made")
            await asyncio.to_thread(sys.stdin.readline)
            await fill(running, hub, made)
            say("filled")


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
