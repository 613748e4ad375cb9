"""What comes twice counts once, and what only looks alike counts as what it is."""

from __future__ import annotations

import random

import pytest

from twind.flow.watermark import Watermark, whole
from twind.model.messages import RawMessage


def event(number: int, part: int = 0, parts: int = 1, stream: str = "0") -> RawMessage:
    return RawMessage("arm", b"%d.%d" % (number, part), 0, 1, stream=stream, number=number, part=part, parts=parts)


def packet(number: int, payload: bytes, *, repeated: bool = False, topic: str = "cell/arm") -> RawMessage:
    return RawMessage(topic, payload, 0, 1, number=number, repeated=repeated)


def test_messages_without_numbers_are_always_new() -> None:
    watermark = Watermark()
    same = RawMessage("cell/arm", b"1", 0)
    assert watermark.fresh([same, same]) == [same, same]


def test_a_packet_that_is_repeated_with_the_same_content_was_taken() -> None:
    watermark = Watermark()
    assert len(watermark.fresh([packet(7, b"a"), packet(8, b"b")])) == 2
    assert watermark.fresh([packet(7, b"a", repeated=True), packet(8, b"b", repeated=True)]) == []
    assert watermark.repeated == 2


def test_a_packet_that_is_repeated_but_never_arrived_is_new() -> None:
    watermark = Watermark()
    watermark.fresh([packet(7, b"a")])
    never_arrived = [
        packet(7, b"b", repeated=True),
        packet(9, b"a", repeated=True),
        packet(9, b"a", repeated=True, topic="cell/arm_b"),
    ]
    assert watermark.fresh(never_arrived) == never_arrived


def test_an_identifier_that_is_used_again_is_no_repetition() -> None:
    watermark = Watermark()
    assert len(watermark.fresh([packet(7, b"still"), packet(7, b"still")])) == 2


@pytest.mark.parametrize("seed", range(40))
def test_whatever_is_read_again_of_a_stream_each_part_of_each_event_is_taken_once(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311  (an order of things, not a secret)
    sizes = [rng.randint(1, 4) for _ in range(rng.randint(1, 12))]
    messages = [event(number, part, parts) for number, parts in enumerate(sizes) for part in range(parts)]
    watermark, taken, begin, end = Watermark(), [], 0, 0
    while end < len(messages):
        end = rng.randint(begin + 1, len(messages))
        taken += watermark.fresh(messages[begin:end])
        number, parts, _ = watermark.streams["0"]
        assert whole(watermark.streams["0"]) == (number if parts == sizes[number] else number - 1)
        after = Watermark()  # a restart, which resumes somewhere at or before the place that is known
        after.restore(watermark.streams, watermark.packets.items())
        watermark, begin = after, rng.randint(max(0, end - 6), end)
    assert taken == messages


def test_streams_do_not_know_of_each_other() -> None:
    watermark = Watermark()
    messages = [event(5, stream="0"), event(3, stream="1"), event(3, stream="0"), event(4, stream="1")]
    assert watermark.fresh(messages) == [messages[0], messages[1], messages[3]]
