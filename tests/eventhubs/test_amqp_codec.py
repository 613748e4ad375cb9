"""AMQP's types: what is written is read back, and no bytes do harm."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from azure.eventhub._pyamqp._decode import _DECODE_BY_CONSTRUCTOR
from hypothesis import given, settings
from hypothesis import strategies as st

from twind_eventhubs.emulator.amqp import messages, performatives
from twind_eventhubs.emulator.amqp import values as v
from twind_eventhubs.emulator.amqp.decode import decode, skip
from twind_eventhubs.emulator.amqp.encode import encode
from twind_eventhubs.emulator.amqp.errors import AmqpError, DecodeError
from twind_eventhubs.emulator.amqp.frames import FrameReader, frame
from twind_eventhubs.emulator.amqp.links import transfer

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def ranged(kind: type, low: int, high: int) -> st.SearchStrategy[Any]:
    return st.integers(low, high).map(kind)


ascii_text = st.text(st.characters(max_codepoint=127), max_size=300)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    ranged(v.UByte, 0, 2**8 - 1),
    ranged(v.UShort, 0, 2**16 - 1),
    ranged(v.UInt, 0, 2**32 - 1),
    ranged(v.ULong, 0, 2**64 - 1),
    ranged(v.Byte, -(2**7), 2**7 - 1),
    ranged(v.Short, -(2**15), 2**15 - 1),
    ranged(v.Int, -(2**31), 2**31 - 1),
    st.integers(-(2**63), 2**63 - 1),
    ranged(v.Timestamp, -(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.floats(width=32, allow_nan=False).map(v.Single),
    st.characters(codec="utf-8").map(v.Char),
    st.binary(max_size=300),
    st.text(st.characters(codec="utf-8"), max_size=300),
    ascii_text.map(v.Symbol),
    st.uuids(),
    st.sampled_from([4, 8, 16]).flatmap(lambda n: st.binary(min_size=n, max_size=n)).map(v.Decimal),
)
arrays = st.one_of(
    st.lists(ascii_text.map(v.Symbol), min_size=1, max_size=4).map(lambda items: v.Array(v.Symbol, tuple(items))),
    st.lists(st.integers(-(2**63), 2**63 - 1), max_size=4).map(lambda items: v.Array(int, tuple(items))),
    st.lists(st.booleans(), max_size=4).map(lambda items: v.Array(bool, tuple(items))),
    st.lists(st.uuids(), max_size=4).map(lambda items: v.Array(uuid.UUID, tuple(items))),
    st.just(v.Array(str, ())),
)
anything = st.recursive(
    st.one_of(scalars, arrays),
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.dictionaries(ascii_text, inner, max_size=5),
        st.builds(v.Described, ranged(v.ULong, 0, 2**64 - 1), inner),
    ),
    max_leaves=12,
)


def same(a: Any, b: Any) -> bool:
    """Whether two values are equal and of the same AMQP types."""
    if type(a) is not type(b):
        return False
    match a:
        case list():
            return len(a) == len(b) and all(map(same, a, b))
        case dict():
            return same(list(a), list(b)) and same(list(a.values()), list(b.values()))
        case v.Described():
            return same(a.descriptor, b.descriptor) and same(a.value, b.value)
        case v.Array():
            return a.kind is b.kind and same(list(a.items), list(b.items))
    return bool(a == b)


@given(anything)
def test_what_is_written_is_read_back_with_its_types(value: Any) -> None:
    encoded = encode(value)
    read, end = decode(encoded + b"more")
    assert same(read, value)
    assert end == len(encoded) == skip(encoded, 0)


@given(
    st.lists(
        st.dictionaries(ascii_text, st.one_of(st.integers(-(2**63), 2**63 - 1), st.binary(max_size=300)), max_size=4),
        min_size=1,
    )
)
def test_the_sdk_reads_what_is_written(value: list[Any]) -> None:
    encoded = encode(value)
    rest, read = _DECODE_BY_CONSTRUCTOR[encoded[0]](memoryview(encoded)[1:])
    assert not rest
    assert read == [{name.encode(): of for name, of in item.items()} for item in value]


@given(anything, st.data())
def test_a_value_that_is_cut_off_is_refused(value: Any, data: st.DataObject) -> None:
    encoded = encode(value)
    with pytest.raises(DecodeError):
        decode(encoded[: data.draw(st.integers(0, len(encoded) - 1))])


@settings(max_examples=300)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.builds(lambda value, at, byte: _changed(encode(value), at, byte), anything, st.integers(0), st.integers(0, 255)),
    )
)
def test_any_bytes_are_read_within_their_bounds_or_refused_in_the_protocols_own_words(data: bytes) -> None:
    refusals: list[AmqpError] = []

    def told(read: Callable[[bytes], T]) -> T | None:
        try:
            return read(data)
        except AmqpError as error:
            refusals.append(error)
            return None

    value, performative, skipped_to = told(decode), told(performatives.read), told(lambda it: skip(it, 0))
    for end in (value and value[1], performative and performative[1], skipped_to):
        assert end is None or 0 < end <= len(data)
    assert performative is None or (value is not None and performative[1] == value[1])
    if value is not None and data[0] != 0:  # what describes a value may be described itself, which is not skipped
        assert skipped_to == value[1]
    message, batch, request = told(messages.read), told(messages.read_batch), told(messages.read_request)
    assert message is None or 0 < len(message.rest) <= len(data)
    assert batch is None or len(batch[1]) > 0
    assert request is None or isinstance(request.reply_to, str | None)
    assert all(refusal.condition == "amqp:decode-error" and refusal.description for refusal in refusals)


def _changed(data: bytes, at: int, byte: int) -> bytes:
    changed = bytearray(data)
    changed[at % len(changed)] = byte
    return bytes(changed)


def test_depth_and_claims_are_bounded() -> None:
    nested = encode(None)
    for _ in range(10_000):
        nested = b"\xd0" + (len(nested) + 4).to_bytes(4, "big") + b"\0\0\0\x01" + nested
    with pytest.raises(DecodeError, match="nested"):
        decode(nested)
    with pytest.raises(DecodeError):
        decode(b"\xf0\x00\x00\x00\x05\xff\xff\xff\xff\x40")  # four thousand million nulls in ten bytes
    with pytest.raises(DecodeError):
        decode(b"\x00" * 100_000)


def test_the_fast_way_to_write_a_transfer_says_the_same_as_the_general_one() -> None:
    data = transfer(b"payload", channel=3, handle=7, delivery=41, more=True)
    reader = FrameReader(max_frame_bytes=1000)
    reader.feed(data)
    piece = reader.next()
    assert not isinstance(piece, bytes)
    assert piece is not None
    performative, end = performatives.read(piece.body)
    assert piece.channel == 3
    assert piece.body[end:] == b"payload"
    assert performative == performatives.Transfer(
        handle=v.UInt(7), delivery_id=v.UInt(41), delivery_tag=b"\0\0\0\x29", message_format=v.UInt(0), settled=True, more=True
    )


@given(st.lists(st.binary(max_size=50), max_size=6), st.integers(1, 20))
def test_frames_come_out_however_the_stream_is_cut(bodies: list[bytes], size: int) -> None:
    stream = b"".join(frame(body, channel=number) for number, body in enumerate(bodies))
    reader = FrameReader(max_frame_bytes=100)
    out = []
    for start in range(0, len(stream), size):
        reader.feed(stream[start : start + size])
        while (piece := reader.next()) is not None:
            assert not isinstance(piece, bytes)
            out.append((piece.channel, piece.body))
    assert out == list(enumerate(bodies))
