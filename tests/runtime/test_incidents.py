"""What others are told of incidents is on the page and in the schema."""

from __future__ import annotations

from pathlib import Path

import pytest

from twind.runtime.incidents import data_of, example, incident_types, page, schema, schema_text, subject_of
from twind.telemetry import events

REFERENCE = Path(__file__).parents[2] / "docs/reference"


def test_the_page_and_the_schema_are_current() -> None:
    assert (REFERENCE / "incidents.md").read_text(encoding="utf-8") == page(), "run `make docs`"
    assert (REFERENCE / "events.schema.json").read_text(encoding="utf-8") == schema_text(), "run `make docs`"


def test_what_happens_to_robots_is_told_and_what_happens_to_the_telling_is_not() -> None:
    told = set(incident_types())
    assert {events.EstimateReset, events.SourceFrozen, events.ClockStepped, events.StampsFrozen, events.ChannelDisabled} <= told
    assert {events.MessagesRefused, events.MessagesDropped, events.WallClockSet, events.DesiredRefused} <= told
    assert not told & {events.NoticesLost, events.SinkDisconnected, events.OutboxUnwritten, events.DaemonReady}


@pytest.mark.parametrize("kind", incident_types(), ids=lambda kind: kind.__name__)
def test_each_incident_is_as_the_schema_says(kind: type[events.Event]) -> None:
    data = data_of(example(kind))
    (found,) = [
        one for one in schema()["$defs"]["io.twind.incident"]["oneOf"] if one["properties"]["event"]["const"] == data["event"]
    ]
    assert list(data) == found["required"]
    for name, value in data.items():
        expected = found["properties"][name]
        assert value == expected.get("const", value)
        kinds = {"string": str, "integer": int, "number": (int, float), "boolean": bool}
        wanted = expected.get("type", "string")
        assert isinstance(value, kinds[wanted if isinstance(wanted, str) else wanted[0]])


def test_the_subject_is_the_robot_before_the_source() -> None:
    assert subject_of(example(events.EstimateReset)) == "arm_a"
    assert subject_of(example(events.MessagesRefused)) == "floor"
    assert subject_of(example(events.LoopStalled)) == ""
