"""The twin of one device: merge patches, versions, limits, and what a device answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twind_mqtt.device_twin import MAX_BYTES, Answer, BadPatchError, DeviceTwin, merged

KEYS = st.sampled_from("abc")
VALUES = st.recursive(
    st.none() | st.integers(-3, 3) | st.sampled_from(("", "x")),
    lambda under: st.dictionaries(KEYS, under, max_size=3),
    max_leaves=8,
)
PATCHES = st.dictionaries(KEYS, VALUES, max_size=3)


def rfc_7386(target: Any, patch: Any) -> Any:
    """The pseudo-code of RFC 7386, section 2."""
    if not isinstance(patch, dict):
        return patch
    target = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        else:
            target[name] = rfc_7386(target.get(name), value)
    return target


@given(PATCHES, PATCHES)
def test_patches_merge_as_rfc_7386_says(first: dict[str, Any], second: dict[str, Any]) -> None:
    section = merged({}, first)
    before = json.dumps(section)
    assert merged(section, second) == rfc_7386(rfc_7386({}, first), second)
    assert json.dumps(section) == before


def test_each_change_counts_in_its_own_version_and_no_change_does_not() -> None:
    twin = DeviceTwin()
    assert twin.want({"rate_hz": 100})
    assert not twin.want({"rate_hz": 100})
    assert twin.want({"rate_hz": 50})
    twin.report({"battery": 0.5})
    twin.report({"battery": None, "rate_hz": 20})
    assert json.loads(twin.document()) == {
        "desired": {"rate_hz": 50, "$version": 2},
        "reported": {"rate_hz": 20, "$version": 2},
    }
    assert json.loads(twin.desired_patch()) == {"rate_hz": 50, "$version": 2}


@pytest.mark.parametrize(
    ("reports", "answer"),
    [
        ([], Answer.PENDING),
        ([{"rate_hz": 50}], Answer.PENDING),
        ([{"rate_hz": 50, "mode": {"kind": "fast"}}], Answer.ACCEPTED),
        ([{"rate_hz": {"value": 50, "ac": 200, "av": 1}, "mode": {"kind": "fast"}}], Answer.ACCEPTED),
        ([{"rate_hz": {"value": 20, "ac": 406, "av": 1}, "mode": {"kind": "fast"}}], Answer.REFUSED),
        ([{"rate_hz": {"value": 20, "ac": 200, "av": 0}, "mode": {"kind": "fast"}}], Answer.PENDING),
        ([{"rate_hz": 7, "mode": {"kind": "fast"}}], Answer.PENDING),
    ],
)
def test_a_device_answers_by_code_and_version_or_by_reporting_the_same(reports: list[Any], answer: Answer) -> None:
    twin = DeviceTwin()
    twin.want({"rate_hz": 50, "mode": {"kind": "fast"}})
    for report in reports:
        twin.report(report)
    assert twin.answer() is answer


@pytest.mark.parametrize(
    ("patch", "words"),
    [
        ([1], "JSON object"),
        ({"$version": 3}, "must not begin with"),
        ({"a": {"b.c": 1}}, "dot"),
        ({"a": "x" * MAX_BYTES}, "bytes"),
        (json.loads('{"a":' * 12 + "1" + "}" * 12), "deep"),
    ],
)
def test_a_patch_that_cannot_be_kept_changes_nothing(patch: Any, words: str) -> None:
    twin = DeviceTwin()
    twin.report({"a": 1})
    with pytest.raises(BadPatchError, match=words):
        twin.report(patch)
    assert (twin.reported, twin.reported_version) == ({"a": 1}, 1)
