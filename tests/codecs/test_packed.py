import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twind.codecs import packed
from twind.codecs.packed import PackedCodec, encode, names_hash
from twind.model.errors import RefusedInput
from twind.model.messages import NO_SEQUENCE, PackedJoints, PackedPoses
from twind.model.refusals import Refusal
from twind.model.time import NO_STAMP

CODEC = PackedCodec()
START = 1_700_000_000_123_456_789


def joints(payload: bytes) -> PackedJoints:
    sample = CODEC.decode(payload)
    assert isinstance(sample, PackedJoints)
    return sample


def poses(payload: bytes) -> PackedPoses:
    sample = CODEC.decode(payload)
    assert isinstance(sample, PackedPoses)
    return sample


def refusal(payload: bytes) -> Refusal:
    with pytest.raises(RefusedInput) as caught:
        CODEC.decode(payload)
    assert len(str(caught.value)) < 300
    return caught.value.reason


@settings(derandomize=True, deadline=None)
@given(st.integers(1, 20), st.integers(1, 9), st.data())
def test_joints_survive_the_way_there_and_back(instants: int, width: int, data: Any) -> None:
    def numbers() -> np.ndarray:
        values = data.draw(st.lists(st.floats(allow_subnormal=False), min_size=instants * width, max_size=instants * width))
        return np.array(values).reshape(instants, width)

    stamps = START + np.sort(np.array(data.draw(st.lists(st.integers(0, 2**32 - 1), min_size=instants, max_size=instants))))
    position = numbers()
    velocity, effort = data.draw(st.booleans()), data.draw(st.booleans())
    given_velocity, given_effort = numbers() if velocity else None, numbers() if effort else None
    names = data.draw(st.sampled_from([(), tuple(f"gelenk_ä_{i}" for i in range(width))]))
    sequence = data.draw(st.none() | st.integers(0, 2**63 - 1 - instants))
    sample = joints(
        encode(stamp_ns=stamps, position=position, velocity=given_velocity, effort=given_effort, names=names, sequence=sequence)
    )
    assert np.array_equal(sample.stamp_ns, stamps)
    assert np.array_equal(sample.position, position, equal_nan=True)
    for found, expected in ((sample.velocity, given_velocity), (sample.effort, given_effort)):
        assert (found is None) == (expected is None)
        assert found is None or np.array_equal(found, expected, equal_nan=True)
    assert sample.names == (names or None)
    assert sample.sequence == (NO_SEQUENCE if sequence is None else sequence)


def test_float32_halves_the_numbers() -> None:
    position = np.linspace(-3, 3, 70).reshape(10, 7)
    stamps = START + np.arange(10) * 1_000_000
    small, large = (encode(stamp_ns=stamps, position=position, float32=half) for half in (True, False))
    assert len(large) - len(small) == 4 * 70
    assert np.abs(joints(small).position - position).max() < 2e-7
    assert np.array_equal(joints(large).position, position)


def test_poses_of_many_bodies_and_instants_survive() -> None:
    rng = np.random.default_rng(1)
    position, orientation = rng.normal(size=(4, 3, 3)), rng.normal(size=(4, 3, 4))
    stamps = START + np.arange(4) * 8_000_000
    sample = poses(encode(stamp_ns=stamps, position=position, orientation=orientation, names=["a", "b", "c"], sequence=9))
    assert np.array_equal(sample.position, position)
    assert np.array_equal(sample.orientation, orientation)
    assert (sample.names, sample.sequence) == (("a", "b", "c"), 9)


def test_one_instant_may_be_given_flat() -> None:
    sample = joints(encode(stamp_ns=START, position=[1, 2, 3]))
    assert sample.position.tolist() == [[1, 2, 3]]
    one = poses(encode(stamp_ns=START, position=[[1, 2, 3]], orientation=[[1, 0, 0, 0]]))
    assert one.position.shape == (1, 1, 3)


def test_the_hash_of_names_is_the_published_fnv_1a() -> None:
    assert names_hash(["foobar"]) == 0x85944171F73967E8
    assert names_hash(["a"]) == 0xAF63DC4C8601EC8C
    payload = encode(stamp_ns=START, position=[1, 2], names=["a", "b"], hash_only=True)
    sample = joints(payload)
    assert sample.names is None
    assert sample.names_hash == names_hash(["a", "b"])


def test_instants_without_a_stamp_need_a_number() -> None:
    counted = joints(encode(stamp_ns=0, position=np.ones((3, 2)), sequence=5))
    assert counted.stamp_ns.tolist() == [NO_STAMP] * 3
    assert joints(encode(stamp_ns=0, position=[1.0])).stamp_ns.tolist() == [NO_STAMP]
    assert refusal(encode(stamp_ns=0, position=np.ones((3, 2)))) is Refusal.BAD_STAMP


def header(**changed: int | bytes) -> bytes:
    """Return a header of one instant of two joints, changed, with a body of the right size for the original."""
    fields: dict[str, int | bytes] = {
        "magic": b"TWPK", "version": 1, "kind": 1, "flags": 0, "instants": 1, "width": 2, "names": 0, "zero": 0,
        "stamp": START, "sequence": 0, "hash": 0,
    }  # fmt: skip
    return struct.pack("<4sBBHHHHHqQQ", *(fields | changed).values()) + bytes(4) + bytes(16)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", Refusal.UNDECODABLE),
        (header()[:39], Refusal.UNDECODABLE),
        (header(magic=b"JSON"), Refusal.UNDECODABLE),
        (header(version=2), Refusal.UNDECODABLE),
        (header(kind=0), Refusal.UNDECODABLE),
        (header(kind=3), Refusal.UNDECODABLE),
        (header(flags=16), Refusal.UNDECODABLE),
        (header(kind=2, flags=4), Refusal.UNDECODABLE),
        (header(zero=1), Refusal.UNDECODABLE),
        (header(sequence=1), Refusal.UNDECODABLE),
        (header(flags=2, sequence=2**64 - 1), Refusal.WRONG_TYPE),
        (header(instants=0), Refusal.WRONG_LENGTH),
        (header(width=0), Refusal.WRONG_LENGTH),
        (header(instants=2**16 - 1, width=2**16 - 1), Refusal.WRONG_LENGTH),
        (header(names=1), Refusal.WRONG_LENGTH),
        (header(width=3), Refusal.WRONG_LENGTH),
        (header(flags=4), Refusal.WRONG_LENGTH),
        (header() + b"\0", Refusal.WRONG_LENGTH),
        (header()[:-1], Refusal.WRONG_LENGTH),
        (header(stamp=-1), Refusal.BAD_STAMP),
        (header(stamp=2**63 - 1), Refusal.BAD_STAMP),
        (header(width=1, names=8)[:40] + b"\xff" * 8 + bytes(12), Refusal.UNDECODABLE),
        (header(names=3)[:40] + b"a\nb" + bytes(20), None),
        (header(names=3)[:40] + b"abc" + bytes(20), Refusal.WRONG_LENGTH),
        (encode(stamp_ns=START, position=np.ones((1, 2, 3)), orientation=np.ones((1, 2, 4))), Refusal.MISSING_FIELD),
        (encode(stamp_ns=START, position=np.ones((1, 1, 3)), orientation=np.zeros((1, 1, 4))), Refusal.BAD_QUATERNION),
    ],
)
def test_only_what_fits_to_the_byte_is_decoded(payload: bytes, reason: Refusal | None) -> None:
    if reason is None:
        assert joints(payload).names == ("a", "b")
    else:
        assert refusal(payload) is reason


@given(st.binary(max_size=300))
def test_random_bytes_are_only_ever_refused(payload: bytes) -> None:
    assert refusal(payload) in Refusal


_WHOLE = encode(stamp_ns=START + np.arange(3), position=np.ones((3, 2)), velocity=np.ones((3, 2)), names=["a", "b"], sequence=4)
_POSES = encode(stamp_ns=START, position=np.ones((1, 2, 3)), orientation=np.ones((1, 2, 4)), names=["a", "b"])


@settings(max_examples=500, deadline=None)
@given(
    st.sampled_from([_WHOLE, _POSES]),
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=4),
    st.integers(0, 300),
)
def test_a_message_with_changed_bytes_is_refused_or_has_the_shape_it_says(
    payload: bytes, changes: list[tuple[int, int]], length: int
) -> None:
    hostile = bytearray(payload)
    for place, value in changes:
        hostile[place % len(hostile)] = value
    try:
        sample = CODEC.decode(bytes(hostile[:length] if length < 100 else hostile))
    except RefusedInput:
        return
    instants, width = sample.position.shape[:2]
    assert sample.stamp_ns.shape == (instants,)
    assert sample.names is None or len(sample.names) == width
    assert sample.position.dtype == np.float64


def test_names_cannot_grow_the_memory_of_the_codec() -> None:
    codec = PackedCodec()
    for i in range(1000):
        codec.decode(encode(stamp_ns=START, position=[1.0], names=[f"joint_{i}"]))
    assert len(codec._known_names) <= 256


@pytest.mark.parametrize(
    "arguments",
    [
        {"stamp_ns": [START], "position": np.ones((2, 2))},
        {"stamp_ns": [START, START - 1], "position": np.ones((2, 2))},
        {"stamp_ns": [START, START + 2**32], "position": np.ones((2, 2))},
        {"stamp_ns": -1, "position": [1.0]},
        {"stamp_ns": START, "position": [1.0], "velocity": [1.0, 2.0]},
        {"stamp_ns": START, "position": [1.0], "names": ["a", "b"]},
        {"stamp_ns": START, "position": [1.0], "names": ["a\nb"]},
        {"stamp_ns": START, "position": [1.0], "sequence": -1},
        {"stamp_ns": START, "position": []},
        {"stamp_ns": START, "position": np.ones((1, 1, 1))},
        {"stamp_ns": START, "position": np.ones((1, 3)), "orientation": np.ones((1, 3))},
        {"stamp_ns": START, "position": np.ones((1, 3)), "orientation": np.ones((1, 4)), "velocity": np.ones((1, 3))},
    ],
)
def test_what_the_format_cannot_hold_is_not_encoded(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        encode(**arguments)


def test_the_module_says_where_everything_stands() -> None:
    assert packed._HEADER.size == 40
    assert "A header of 40 bytes" in str(packed.__doc__)


def test_the_reference_in_the_documentation_packs_the_same_bytes() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "codecs.md").read_text()
    names: dict[str, Any] = {}
    exec(page.split("```python\n")[1].split("```")[0], names)  # noqa: S102  (our own page)
    stamps, rows = [START, START + 1000], [[0.5, 1.0, -2.0], [0.25, 0.0, 3.0]]
    ours = encode(stamp_ns=stamps, position=rows, names=["a", "b", "c"], sequence=4, float32=True)
    assert names["pack_joints"](stamps, rows, ["a", "b", "c"], 4) == ours
    assert names["fnv_1a"](["a", "b"]) == names_hash(["a", "b"])


def test_the_page_and_the_module_describe_one_format() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "codecs.md").read_text()
    rows = [line for line in str(packed.__doc__).splitlines() if line.startswith("| ") and line[2].isdigit()]
    assert len(rows) == 11
    for row in rows:
        assert row.split("|")[1:4] in [line.split("|")[1:4] for line in page.splitlines()]
