"""The codec of what happened to an entity, and what becomes of it."""

from __future__ import annotations

import pytest

from twind.codecs.event import EventCodec
from twind.model.errors import RefusedInput
from twind.model.refusals import Refusal
from twind.model.time import NO_STAMP


def test_an_event_has_a_name_a_stamp_and_all_that_was_said() -> None:
    sample = EventCodec().decode(b' {"event": "tool_changed", "stamp": 1700000000000000000, "tool": 2}')
    assert (sample.name, sample.stamp_ns) == ("tool_changed", 1_700_000_000_000_000_000)
    assert sample.detail == b'{"event": "tool_changed", "stamp": 1700000000000000000, "tool": 2}'


def test_an_empty_payload_says_that_something_happened_and_no_more() -> None:
    sample = EventCodec().decode(b"")
    assert (sample.name, sample.stamp_ns, sample.detail) == ("", NO_STAMP, b"{}")


@pytest.mark.parametrize("payload", [b"{", b"\xff\xfe", b"[1]", b'{"event": 3}'])
def test_what_is_no_json_object_is_refused(payload: bytes) -> None:
    with pytest.raises(RefusedInput) as refused:
        EventCodec().decode(payload)
    assert refused.value.reason in (Refusal.UNDECODABLE, Refusal.WRONG_TYPE)
