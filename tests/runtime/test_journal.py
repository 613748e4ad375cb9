"""What happened to entities: the newest of each is kept, and each is told."""

from __future__ import annotations

import pytest

from twind.codecs.event import EventCodec
from twind.model.errors import RefusedInput
from twind.runtime.columns import BodyColumns, JointColumns
from twind.runtime.journal import EventBinding, Happening, Journal


def binding(journal: Journal, name: str) -> EventBinding:
    return EventBinding(0, "arm-1", EventCodec(), name=name, source="hub", max_bytes=1000, journal=journal)


def test_the_topic_names_what_happened_and_arrival_stands_in_for_a_stamp() -> None:
    told: list[Happening] = []
    journal = Journal(told.append)
    binding(journal, "deviceConnected").take(b'{"by": "x"}', 7, JointColumns(), BodyColumns())
    assert journal.of("arm-1") == [{"event": "deviceConnected", "stamp_ns": 7, "source": "hub", "detail": {"by": "x"}}]
    assert [happening.entity for happening in told] == ["arm-1"]
    assert journal.of("arm-2") == []


def test_the_payload_names_it_where_the_topic_does_not_and_one_of_them_must() -> None:
    journal = Journal()
    binding(journal, "").take(b'{"event": "stop", "stamp": 5}', 7, JointColumns(), BodyColumns())
    assert [event["event"] for event in journal.of("arm-1")] == ["stop"]
    with pytest.raises(RefusedInput, match="says what happened"):
        binding(journal, "").take(b"{}", 7, JointColumns(), BodyColumns())


def test_only_the_newest_are_kept() -> None:
    journal = Journal()
    for number in range(30):
        binding(journal, f"e{number}").take(b"{}", number, JointColumns(), BodyColumns())
    assert [event["event"] for event in journal.of("arm-1")] == [f"e{number}" for number in range(10, 30)]
