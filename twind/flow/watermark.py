"""What of a source has been taken already, so that what comes twice counts once."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

from twind.model.messages import NO_SEQUENCE, RawMessage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Place = tuple[int, int, int]
"""Number of an event, how many of its messages were taken, and how many it has."""
_NOTHING: Place = (-1, 0, 0)
_UNKNOWN_PARTS = 1 << 30
"""A recording does not say how many messages an event had."""


class Watermark:
    """How far one source was taken.

    A stream's numbers ascend, so what is not above the newest was taken. A broker without streams repeats what it has no
    acknowledgement for with the same packet identifier, and says so: such a message was taken if the last one with that
    identifier had the same topic and payload.
    """

    def __init__(self) -> None:
        self.repeated = 0
        """Messages that had been taken before."""
        self._streams: dict[str, Place] = {}
        self._packets: dict[int, int] = {}
        """Checksum of the newest message by packet identifier: 65,535 at most."""

    def __repr__(self) -> str:
        """Show how much is known."""
        return f"<Watermark {len(self._streams)} streams, {len(self._packets)} packets, {self.repeated} repeated>"

    def fresh(self, messages: list[RawMessage]) -> list[RawMessage]:
        """Take messages in order, and return those that had not been taken before."""
        packets, streams, found = self._packets, self._streams, []
        for message in messages:
            number, stream = message.number, message.stream
            if number == NO_SEQUENCE:
                found.append(message)
            elif stream:
                newest, taken, _ = streams.get(stream, _NOTHING)
                if number > newest or (number == newest and message.part >= taken):
                    streams[stream] = (number, message.part + 1, message.parts)
                    found.append(message)
            else:
                check = crc32(message.payload, crc32(message.topic.encode("utf-8", "surrogatepass")))
                if not message.repeated or packets.get(number) != check:
                    packets[number] = check
                    found.append(message)
        self.repeated += len(messages) - len(found)
        return found

    def fresh_in_recording(self, message: RawMessage, *, topic: str | None = None) -> bool:
        """Take one message of a recording, in its order; say whether it had not been taken before.

        Args:
            message: As it was recorded: with its number, but not with its place among the messages of one event.
            topic: Its topic, where the message has something else there.
        """
        if message.number == NO_SEQUENCE:
            return True
        number, taken, _ = self._streams.get(message.stream, _NOTHING)
        part = taken if message.stream and number == message.number else 0
        topic = message.topic if topic is None else topic
        real = RawMessage(
            topic, message.payload, 0, stream=message.stream, number=message.number, part=part, parts=_UNKNOWN_PARTS
        )
        return bool(self.fresh([real]))

    @property
    def streams(self) -> Mapping[str, Place]:
        """How far each stream was taken."""
        return self._streams

    @property
    def packets(self) -> Mapping[int, int]:
        """Checksum of the newest message by packet identifier."""
        return self._packets

    def restore(self, streams: Mapping[str, Place], packets: Iterable[tuple[int, int]]) -> None:
        """Go on where an earlier life ended."""
        self._streams.update(streams)
        self._packets.update(packets)


def whole(place: Place) -> int:
    """Return the number of the newest event of which every message was taken."""
    number, taken, parts = place
    return number if taken >= parts else number - 1
