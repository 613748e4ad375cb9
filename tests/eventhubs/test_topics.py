"""What a template makes of what an event says of itself."""

from __future__ import annotations

import pytest

from twind_eventhubs.topics import Template, topic_of

DEVICE = b"iothub-connection-device-id"


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize(
    ("said", "topic"),
    [
        (b"arm-1", "arm-1"),
        ("Förderer".encode(), "Förderer"),
        (b"\xff", "\N{REPLACEMENT CHARACTER}"),
        (b"x" * 5000, "x" * 5000),
        ("text", "text"),
        (7, "7"),
        (b"", None),
        (None, None),
    ],
)
def test_a_name_that_is_the_topic_as_it_stands_is_the_same_each_time(said: object, topic: str | None, times: int) -> None:
    template = Template("{device_id}")
    assert [template.fill({DEVICE: said}, {}, "0") for _ in range(times)] == [topic] * times


def test_more_names_than_are_remembered_are_all_told_apart() -> None:
    template = Template("{device_id}")
    names = [f"device-{number}" for number in range(40_000)]
    for _ in range(2):
        assert [template.fill({DEVICE: name.encode()}, {}, "0") for name in names] == names


def test_an_event_with_an_empty_name_gets_the_next_topic_that_it_has_everything_of() -> None:
    templates = [Template("{device_id}"), Template("{property.topic}"), Template("{partition}")]
    assert topic_of(templates, {DEVICE: b""}, {b"topic": b"cell/arm"}, "3") == "cell/arm"
    assert topic_of(templates, {DEVICE: b""}, {b"topic": b""}, "3") == "3"
    assert topic_of(templates[:2], {}, {}, "3") == "//(without {device_id} or {property.topic})"
