from __future__ import annotations

import json
from typing import Any

import pytest

from twind.codecs.clock import ClockCodec
from twind.model.errors import RefusedInput
from twind.model.messages import ClockSample
from twind.model.refusals import Refusal
from twind.model.time import NO_STAMP

T = 1_700_000_000_000_000_000
MS = 1_000_000


def decode(document: Any) -> ClockSample:
    return ClockCodec().decode(document if isinstance(document, bytes) else json.dumps(document).encode())


def test_an_exchange_shows_the_offset_within_half_its_round_trip() -> None:
    ahead = 250 * MS  # the device's clock; 4 ms there, 50 us to answer, 6 ms back
    stamps = {"t1": T + ahead, "t2": T + 4 * MS, "t3": T + 4 * MS + 50_000, "t4": T + 10 * MS + 50_000 + ahead}
    sample = decode(stamps)
    assert sample == ClockSample(stamps["t4"], -ahead - 1 * MS, 5e6, None)
    assert abs(sample.offset_ns + ahead) <= sample.error_ns


def test_what_chrony_or_ptp4l_say_is_turned_round() -> None:
    said = {"stamp": T, "offset_s": 0.0005, "error_s": 1e-5, "topics": ["cell/arm/joint_state"]}
    assert decode(said) == ClockSample(T, -500_000, 1e4, ("cell/arm/joint_state",))
    assert decode({"offset_s": -0.0005, "error_s": 1e-12}) == ClockSample(NO_STAMP, 500_000, 100.0, None)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({}, Refusal.MISSING_FIELD),
        ({"offset_s": 0.1}, Refusal.MISSING_FIELD),
        ({"t1": T, "t2": T, "t3": T}, Refusal.MISSING_FIELD),
        ({"t1": T, "t2": T, "t3": T, "t4": 0}, Refusal.MISSING_FIELD),
        ({"t1": T, "t2": T + MS, "t3": T, "t4": T + MS}, Refusal.BAD_STAMP),
        ({"t1": T + MS, "t2": T, "t3": T, "t4": T}, Refusal.BAD_STAMP),
        ({"t1": T, "t2": T, "t3": T + 2 * MS, "t4": T + MS}, Refusal.BAD_STAMP),
        ({"offset_s": 0.1, "error_s": 0.0}, Refusal.NOT_FINITE),
        ({"offset_s": 1e30, "error_s": 1.0}, Refusal.NOT_FINITE),
        ({"offset_s": "a lot", "error_s": 1.0}, Refusal.WRONG_TYPE),
        (b'{"offset_s": NaN, "error_s": 1}', Refusal.NOT_FINITE),
        (b"\xff\x00", Refusal.UNDECODABLE),
    ],
)
def test_a_report_that_cannot_be_is_refused(document: Any, reason: Refusal) -> None:
    with pytest.raises(RefusedInput) as refused:
        decode(document)
    assert refused.value.reason is reason
