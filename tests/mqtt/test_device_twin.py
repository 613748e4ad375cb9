"""The twin of one device: merge patches, versions, limits, and what a device answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twind_mqtt.device_twin import Answer, DeviceTwin, difference, merged
from twind_mqtt.twin_limits import MAX_INTEGER, BadPatchError, checked, size_of

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60)
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


@UNHURRIED
@given(PATCHES, PATCHES)
def test_patches_merge_as_rfc_7386_says(first: dict[str, Any], second: dict[str, Any]) -> None:
    section = merged({}, first)
    before = json.dumps(section)
    assert merged(section, second) == rfc_7386(rfc_7386({}, first), second)
    assert json.dumps(section) == before


@UNHURRIED
@given(PATCHES, PATCHES)
def test_a_difference_is_the_patch_that_makes_one_section_of_another(first: dict[str, Any], second: dict[str, Any]) -> None:
    before, after = merged({}, first), merged({}, second)
    assert merged(before, difference(before, after)) == after
    assert difference(after, after) == {}


LEAVES = st.dictionaries(st.sampled_from("xy"), st.none() | st.integers(0, 3))
SHAPED = st.builds(lambda top, under: top | under, LEAVES, st.dictionaries(st.sampled_from("ab"), LEAVES))
"""Patches in which a name that stands for an object always does: what else was before, only asking for the twin shows."""


@UNHURRIED
@given(SHAPED, st.lists(SHAPED, min_size=1, max_size=5))
def test_a_device_that_missed_some_patches_has_the_same_after_the_whole(
    known: dict[str, Any], patches: list[dict[str, Any]]
) -> None:
    twin = DeviceTwin()
    twin.want(known, now="t0")
    device = twin.desired
    twin.removed = {}  # it has taken that over
    for patch in patches:
        twin.want(patch, now="t1")
    whole = json.loads(twin.desired_patch())
    assert whole.pop("$version") == len(patches) + 1
    assert merged(device, whole) == twin.desired


def test_each_change_counts_in_its_own_version() -> None:
    twin = DeviceTwin()
    twin.want({"rate_hz": 100, "log": {"level": "info"}}, now="t1")
    first = twin.etag
    twin.want({"rate_hz": 50, "log": None}, now="t2")
    assert twin.etag != first
    twin.report({"battery": 0.5}, now="t3")
    twin.report({"battery": None, "rate_hz": 20}, now="t4")
    twin.tag({"floor": 2, "owner": "x"})
    twin.tag({"owner": None})
    assert json.loads(twin.device_document()) == {
        "desired": {"rate_hz": 50, "$version": 2},
        "reported": {"rate_hz": 20, "$version": 2},
    }
    assert json.loads(twin.desired_patch()) == {"rate_hz": 50, "log": None, "$version": 2}
    shown = twin.service_document("arm")
    assert (shown["deviceId"], shown["tags"], shown["version"]) == ("arm", {"floor": 2}, 4)
    assert shown["properties"]["desired"]["$metadata"] == {
        "$lastUpdated": "t2",
        "$lastUpdatedVersion": 2,
        "rate_hz": {"$lastUpdated": "t2", "$lastUpdatedVersion": 2},
    }
    assert shown["properties"]["reported"]["$metadata"] == {"$lastUpdated": "t4", "rate_hz": {"$lastUpdated": "t4"}}


def test_a_changed_configuration_changes_what_it_changed_and_leaves_the_rest_as_it_was_set() -> None:
    twin = DeviceTwin()
    assert twin.configure({"rate_hz": 100, "mode": "fast"}, now="t")
    twin.want({"rate_hz": 5, "lamp": True}, now="t")
    assert not twin.configure({"rate_hz": 100, "mode": "fast"}, now="t")
    assert (twin.desired, twin.desired_version) == ({"rate_hz": 5, "mode": "fast", "lamp": True}, 2)
    assert twin.configure({"rate_hz": 100}, now="t")
    assert (twin.desired, twin.desired_version) == ({"rate_hz": 5, "lamp": True}, 3)
    assert twin.configure({"rate_hz": 200}, now="t")
    assert (twin.desired, twin.desired_version) == ({"rate_hz": 200, "lamp": True}, 4)


def test_a_twin_of_an_older_file_takes_the_configuration_as_it_was() -> None:
    twin = DeviceTwin(desired={"rate_hz": 100}, desired_version=7)
    assert twin.configure({"rate_hz": 100}, now="t")
    assert (twin.desired_version, twin.configured) == (7, {"rate_hz": 100})


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
    twin.want({"rate_hz": 50, "mode": {"kind": "fast"}}, now="t")
    for report in reports:
        twin.report(report, now="t")
    assert twin.answer() is answer


@pytest.mark.parametrize(
    ("patch", "words"),
    [
        ([1], "JSON object"),
        ({"$version": 3}, "must not hold"),
        ({"a": {"b.c": 1}}, "dot"),
        ({"a": [{"b\x01": 1}]}, "control character"),
        ({"": 1}, "must have 1 to 1024"),
        ({"k" * 1025: 1}, "must have 1 to 1024"),
        ({"a": "x" * 4097}, "4096 bytes"),
        ({f"k{number}": "x" * 4000 for number in range(9)}, "32768 are allowed"),
        ({"a": MAX_INTEGER + 1}, "between"),
        (json.loads('{"a":' * 12 + "1" + "}" * 12), "deep"),
        (json.loads('{"a":' + "[" * 11 + "1" + "]" * 11 + "}"), "deep"),
    ],
)
def test_a_patch_that_cannot_be_kept_changes_nothing(patch: Any, words: str) -> None:
    twin = DeviceTwin()
    twin.report({"a": 1}, now="t")
    with pytest.raises(BadPatchError, match=words):
        twin.report(patch, now="t")
    assert (twin.reported, twin.reported_version) == ({"a": 1}, 1)


def test_the_deepest_and_largest_section_that_iot_hub_documents_is_kept() -> None:
    checked(json.loads('{"a":' * 11 + "1" + "}" * 11))
    section = {f"k{number}": "x" * 4094 for number in range(8)}
    assert size_of(section) == 32_768
    checked(section)
    assert size_of({"on": True, "rate": 1.5, "list": [1, "ab"]}) == 2 + 4 + 4 + 8 + 4 + 8 + 2
