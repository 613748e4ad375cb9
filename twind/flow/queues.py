"""The queue between a source and the pipeline: bounded in messages and in bytes, with a policy for each kind of stream."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twind.model.messages import RawMessage


class Intake:
    """Messages that arrived and were not taken yet. Belongs to one event loop; `put` never waits and never raises.

    A message without a token cannot be asked for again: when there is no room, the oldest of them are dropped and counted in
    `dropped_messages`. A message with a token is never dropped: instead `full` turns true and stays so until half of the room
    is free again, and the source must stop reading from its connection while it is (that is the back-pressure).
    """

    def __init__(self, *, max_messages: int, max_bytes: int) -> None:
        self.max_messages = max_messages
        self.max_bytes = max_bytes
        self.put_messages = 0
        """Messages that ever arrived."""
        self.taken_messages = 0
        """Messages that were handed on."""
        self.dropped_messages = 0
        """Messages dropped because there was no room."""
        self.full = False
        self._lossy: deque[tuple[int, RawMessage]] = deque()
        self._kept: deque[tuple[int, RawMessage]] = deque()
        self._bytes = 0
        self._arrived = asyncio.Event()
        self._closed = False

    def __repr__(self) -> str:
        """Show how full it is and what it lost."""
        state = "closed" if self._closed else "full" if self.full else "open"
        room = f"{len(self)}/{self.max_messages} messages, {self._bytes}/{self.max_bytes} bytes"
        return f"<Intake {state} {room}, {self.dropped_messages} dropped>"

    def __len__(self) -> int:
        """Messages waiting."""
        return len(self._lossy) + len(self._kept)

    @property
    def bytes_waiting(self) -> int:
        """Payload bytes waiting."""
        return self._bytes

    def put(self, message: RawMessage) -> None:
        """Add one message; drop the oldest that may be dropped if there is no room."""
        self._bytes += len(message.payload)
        self.put_messages += 1
        (self._kept if message.token else self._lossy).append((self.put_messages, message))
        if len(self._lossy) + len(self._kept) > self.max_messages or self._bytes > self.max_bytes:
            self._make_room()
        self._arrived.set()

    def put_kept(self, messages: Sequence[RawMessage]) -> None:
        """Add messages that all have a token, at the cost of one."""
        first = self.put_messages + 1
        self.put_messages += len(messages)
        self._kept.extend(zip(range(first, self.put_messages + 1), messages, strict=True))
        self._bytes += sum([len(message.payload) for message in messages])
        if len(self._lossy) + len(self._kept) > self.max_messages or self._bytes > self.max_bytes:
            self._make_room()
        self._arrived.set()

    def _make_room(self) -> None:
        while self._lossy and (len(self) > self.max_messages or self._bytes > self.max_bytes):
            self._bytes -= len(self._lossy.popleft()[1].payload)
            self.dropped_messages += 1
        no_room = len(self) >= self.max_messages or self._bytes >= self.max_bytes
        self.full = self.full or (bool(self._kept) and no_room)

    async def take(self, max_messages: int) -> list[RawMessage]:
        """Wait for a message, then take up to `max_messages` in order of arrival; an empty list means closed and empty."""
        while not len(self) and not self._closed:
            self._arrived.clear()
            await self._arrived.wait()
        return self.take_nowait(max_messages)

    def take_nowait(self, max_messages: int) -> list[RawMessage]:
        """Take up to `max_messages` in order of arrival, without waiting."""
        lossy, kept = self._lossy, self._kept
        taken: list[RawMessage] = []
        while lossy and kept and len(taken) < max_messages:
            oldest = lossy if lossy[0][0] < kept[0][0] else kept
            taken.append(oldest.popleft()[1])
        rest = lossy or kept
        taken += [rest.popleft()[1] for _ in range(min(max_messages - len(taken), len(rest)))]
        self._bytes -= sum([len(message.payload) for message in taken])
        self.taken_messages += len(taken)
        if self.full and 2 * len(self) <= self.max_messages and 2 * self._bytes <= self.max_bytes:
            self.full = False
        return taken

    def close(self) -> None:
        """Let `take` return what is left, then empty lists."""
        self._closed = True
        self._arrived.set()
