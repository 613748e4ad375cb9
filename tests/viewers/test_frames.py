"""The binary frames and JSON messages, in both directions, and what becomes of garbage."""

from __future__ import annotations

import json
import re
import struct
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from twind.viewers.follower.errors import ProtocolError
from twind.viewers.follower.frames import Attribute, Catalogue, Group, Prim, read_catalogue, read_frame, read_message
from twind.viewers.follower.websocket import FrameReader, masked_frame
from twind.viewers.protocol.frames import GroupChange, encode_frame
from twind.viewers.protocol.messages import Acknowledgement, Hello, Resume, Resync, Subscribe, Subscription, read_client_message
from twind.viewers.protocol.messages import ProtocolError as RefusedByServer

if TYPE_CHECKING:
    from collections.abc import Callable

SCALARS = {"f2": np.float16, "f4": np.float32, "f8": np.float64, "i8": np.int64, "u1": np.uint8}
WIDTHS = {"f2": (1, 3, 4), "f4": (1, 3, 4), "f8": (1, 3, 4, 16), "i8": (1,), "u1": (1,)}
CODES = ("ok", "coasting", "stale", "lost")


def catalogue_of(*groups: tuple[str, int, int]) -> Catalogue:
    """Return a catalogue of groups (scalar, width, size)."""
    made = tuple(
        Group(
            "any",
            scalar,
            width,
            CODES if scalar == "u1" else (),
            tuple(Attribute("/a", f"n{i}", 0, "", False, ()) for i in range(size)),
        )
        for scalar, width, size in groups
    )
    return Catalogue(7, "i", 1, "s", 1, 30.0, "", "Z", 1.0, (), (Prim("/a", ()),), (), made)


@st.composite
def frames(draw: Callable[..., Any]) -> tuple[Catalogue, list[GroupChange], dict[str, Any]]:
    """Draw a catalogue, changes of some of its groups, and a header."""
    shapes, changes = [], []
    full = draw(st.booleans())
    for number in range(draw(st.integers(0, 4))):
        scalar = draw(st.sampled_from(sorted(SCALARS)))
        width, size = draw(st.sampled_from(WIDTHS[scalar])), draw(st.integers(1, 12))
        shapes.append((scalar, width, size))
        rows = None if full or draw(st.booleans()) else np.flatnonzero(draw(npst.arrays(bool, size)))
        if rows is not None and not len(rows):
            continue
        count = size if rows is None else len(rows)
        shape = (count, width) if width > 1 else (count,)
        elements = st.integers(0, 3) if scalar == "u1" else npst.from_dtype(np.dtype(SCALARS[scalar]))
        changes.append(GroupChange(number, size, rows, draw(npst.arrays(SCALARS[scalar], shape, elements=elements))))
    base = draw(st.integers(0, 2**62))
    header = {
        "catalogue": 7,
        "sequence": base + draw(st.integers(0, 2**61)),
        "base": base,
        "stamp_ns": draw(st.integers(-(2**63), 2**63 - 1)),
        "full": full,
    }
    return catalogue_of(*shapes), changes, header


@settings(deadline=None, max_examples=80)
@given(frames())
def test_what_is_encoded_is_what_is_decoded_to_the_bit(drawn: Any) -> None:
    catalogue, changes, header = drawn
    frame = read_frame(encode_frame(changes, **header), catalogue)
    assert {name: getattr(frame, name) for name in header} == header
    assert len(frame.changes) == len(changes)
    for found, sent in zip(frame.changes, changes, strict=True):
        assert found.group == sent.group
        assert (None if found.rows is None else list(found.rows)) == (None if sent.rows is None else sent.rows.tolist())
        scalar = catalogue.groups[sent.group].scalar
        again = np.array(found.numbers, SCALARS[scalar])
        np.testing.assert_array_equal(again, sent.numbers.ravel())
        assert not np.any(np.signbit(again) != np.signbit(sent.numbers.ravel())) or scalar == "f2"


@settings(deadline=None, max_examples=120)
@given(frames(), st.data())
def test_damaged_frames_are_refused_or_read_but_nothing_else_happens(drawn: Any, data: Any) -> None:
    catalogue, changes, header = drawn
    whole = bytearray(encode_frame(changes, **header))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(whole) - 1))
        whole[place] = data.draw(st.integers(0, 255))
    cut = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    for damaged in (bytes(whole), cut, cut + data.draw(st.binary(max_size=40))):
        try:
            frame = read_frame(damaged, catalogue)
        except ProtocolError:
            continue
        for change in frame.changes:
            group = catalogue.groups[change.group]
            assert len(change.numbers) == change.count * group.width
            assert change.rows is None or max(change.rows) < len(group.attributes)


@settings(deadline=None, max_examples=120)
@given(st.binary(max_size=200))
def test_random_bytes_are_refused(data: bytes) -> None:
    catalogue = catalogue_of(("f4", 3, 5), ("u1", 1, 2))
    with pytest.raises(ProtocolError):
        read_frame(data, catalogue)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


@settings(deadline=None, max_examples=80)
@given(JSON, st.data())
def test_catalogues_with_anything_in_them_are_refused_or_read(value: Any, data: Any) -> None:
    attribute = {"prim": 0, "name": "n", "entity": 0, "unit": "deg"}
    group = {"type": "float", "scalar": "f4", "width": 1, "attributes": [attribute]}
    document: dict[str, Any] = {
        "type": "catalogue", "protocol": 1, "catalogue": 1, "instance": "i", "generation": 1, "session": "s",
        "schema_version": 1, "max_rate_hz": 30.0, "stage": {"url": None, "up_axis": "Z", "meters_per_unit": 1.0},
        "entities": [{"index": 0, "id": "a", "kind": "robot", "prim": "/a"}], "prims": [{"path": "/a"}],
        "fixed": [{"prim": 0, "name": "f", "type": "bool", "value": False}], "groups": [group],
    }  # fmt: skip
    assert read_catalogue(document).groups[0].attributes[0].unit == "deg"
    place = data.draw(
        st.sampled_from([document, group, attribute, document["stage"], document["prims"][0], document["fixed"][0]])
    )
    name = data.draw(st.sampled_from(sorted(place)))
    if data.draw(st.booleans()):
        del place[name]
    else:
        place[name] = value
    try:
        read_catalogue(document)
    except ProtocolError:
        return


@settings(deadline=None, max_examples=80)
@given(st.text(max_size=60) | st.binary(max_size=60) | JSON.map(json.dumps))
def test_any_message_is_refused_or_read_on_both_sides(text: str | bytes) -> None:
    with suppress(RefusedByServer):
        assert isinstance(read_client_message(text), Hello | Subscribe | Resync | Acknowledgement)
    with suppress(ProtocolError):
        assert isinstance(read_message(text if isinstance(text, str) else text.decode(errors="replace"))["type"], str)


def test_what_clients_may_say() -> None:
    hello = (
        '{"type":"hello","client":"me","subscribe":{"entities":["a"],"max_rate_hz":5},"resume":{"session":"s","sequence":3}}'
    )
    assert read_client_message(hello) == Hello(Subscription(("a",), (), 5.0), Resume("s", 3), client="me")
    assert read_client_message('{"type":"hello","from_a_later_version":1}') == Hello()
    assert read_client_message('{"type":"subscribe","prims":["/a"]}') == Subscribe(prims=("/a",))
    assert read_client_message('{"type":"resync"}') == Resync()
    for bad in (
        '{"type":"hello","subscribe":{"max_rate_hz":0}}',
        '{"type":"more"}',
        "[]",
        "{",
        "[" * 100_000,
        '{"type":"hello","client":' + '"x' * 300 + '"}',
    ):
        with pytest.raises(RefusedByServer):
            read_client_message(bad)


def test_frames_out_of_order_or_of_another_catalogue_are_refused() -> None:
    catalogue = catalogue_of(("f8", 1, 2), ("f8", 1, 2))
    numbers = np.zeros(2)
    turned = [GroupChange(1, 2, None, numbers), GroupChange(0, 2, None, numbers)]
    for changes, header, why in (
        (turned, {}, "out of order"),
        ([], {"catalogue": 8}, "catalogue 8"),
        ([], {"sequence": 1, "base": 2}, "from 2 to 1"),
        (turned[:1], {"full": True}, "lacks entries"),
        ([GroupChange(2, 2, None, numbers)], {}, "group 2 of 2"),
        ([GroupChange(0, 2, np.array([2]), numbers[:1])], {}, "entry 2 of 2"),
        ([GroupChange(0, 2, None, numbers[:1])], {}, "all of group 0 are 2"),
    ):
        data = encode_frame(changes, **{"catalogue": 7, "sequence": 2, "base": 1, "stamp_ns": 0} | header)
        with pytest.raises(ProtocolError, match=why):
            read_frame(data, catalogue)


def server_frame(opcode: int, payload: bytes, *, final: bool = True) -> bytes:
    head = bytes([(0x80 if final else 0) | opcode])
    if len(payload) < 126:
        return head + bytes([len(payload)]) + payload
    if len(payload) < 1 << 16:
        return head + b"\x7e" + struct.pack(">H", len(payload)) + payload
    return head + b"\x7f" + struct.pack(">Q", len(payload)) + payload


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(st.sampled_from([1, 2]), st.lists(st.integers(0, 70_000), min_size=1, max_size=3)), max_size=3),
    st.data(),
)
def test_the_websocket_reader_puts_messages_together_however_they_are_cut(messages: Any, data: Any) -> None:
    stream, expected = b"", []
    for opcode, sizes in messages:
        parts = [bytes([65 + i]) * size for i, size in enumerate(sizes)]
        for i, part in enumerate(parts):
            stream += server_frame(opcode if i == 0 else 0, part, final=i == len(parts) - 1)
            if i < len(parts) - 1:
                stream += server_frame(9, b"ping")
                expected.append((9, b"ping"))
        expected.append((opcode, b"".join(parts)))
    reader, found = FrameReader(), []
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=4)))
    for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += reader.feed(stream[begin:end])
    assert found == expected


@settings(deadline=None, max_examples=120)
@given(st.lists(st.binary(max_size=60), max_size=4))
def test_the_websocket_reader_takes_garbage_for_what_it_is(chunks: list[bytes]) -> None:
    reader = FrameReader(max_message=1000)
    try:
        for chunk in chunks:
            for opcode, payload in reader.feed(chunk):
                assert opcode in (1, 2, 8, 9, 10)
                assert len(payload) <= 1000
    except ProtocolError:
        pass


def test_masking_hides_the_payload_and_can_be_taken_off() -> None:
    for size in (0, 5, 200, 70_000):
        payload = bytes(range(256)) * (size // 256 + 1)
        frame = masked_frame(1, payload[:size])
        at = 2 if size < 126 else 4 if size < 1 << 16 else 10
        mask, hidden = frame[at : at + 4], frame[at + 4 :]
        assert frame[1] & 0x80
        assert bytes(byte ^ mask[i % 4] for i, byte in enumerate(hidden)) == payload[:size]


def test_the_vectors_of_the_documentation_are_what_they_say() -> None:
    text = (Path(__file__).parents[2] / "docs" / "live-protocol.md").read_text(encoding="utf-8")
    vectors = text.partition("## Test vectors")[2]
    catalogue = read_catalogue(json.loads(vectors.partition("```json\n")[2].partition("```")[0]))
    blocks = re.findall(r"(?:^ {4}[0-9a-f ]+\n?)+", vectors.partition("Full, ")[2], re.MULTILINE)
    full, after = (read_frame(bytes.fromhex(block), catalogue) for block in blocks)
    assert (full.full, full.sequence, full.stamp_ns) == (True, 41, 1_800_000_000_000_000_000)
    assert [list(change.numbers) for change in full.changes] == [[30.0, -4.5], [0.25, 0.0, 1.0], [0]]
    assert (after.full, after.base, after.sequence) == (False, 41, 43)
    speed, quality = after.changes
    assert (speed.group, list(speed.rows or ()), list(speed.numbers)) == (0, [1], [-4.25])
    assert (quality.group, quality.rows, list(quality.numbers)) == (2, None, [1])
