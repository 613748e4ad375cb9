"""The frames that run connections, sessions and links (part 2, 2.7).

They are always written with every field: the SDKs read by position, and some forget that trailing nulls may be left out.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, ClassVar, TypeAlias, cast

from twind_eventhubs.emulator.amqp.decode import decode
from twind_eventhubs.emulator.amqp.encode import encode
from twind_eventhubs.emulator.amqp.errors import AmqpError, DecodeError
from twind_eventhubs.emulator.amqp.values import Array, Described, Symbol, UByte, UInt, ULong, UShort

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twind_eventhubs.emulator.amqp.values import Value

Symbols: TypeAlias = Array | Symbol | None
"""One, several or no symbols: `multiple="true"` in the specification."""
Properties: TypeAlias = "dict[Value, Value] | None"

SENDER = False
RECEIVER = True
"""Roles of the end that speaks."""

MAX_UINT = 0xFFFFFFFF
_NO_LIMIT = UInt(MAX_UINT)
_NO_CHANNEL_LIMIT = UShort(0xFFFF)
_MIXED = UByte(2)
_FIRST = UByte(0)
"""Defaults of the specification."""

SOURCE = ULong(0x28)
TARGET = ULong(0x29)
_ERROR = ULong(0x1D)
_SOURCE_FIELDS = 11
_TARGET_FIELDS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """Negotiates a connection."""

    code: ClassVar[int] = 0x10
    container_id: str
    hostname: str | None = None
    max_frame_size: UInt = _NO_LIMIT
    channel_max: UShort = _NO_CHANNEL_LIMIT
    idle_time_out: UInt | None = None
    outgoing_locales: Symbols = None
    incoming_locales: Symbols = None
    offered_capabilities: Symbols = None
    desired_capabilities: Symbols = None
    properties: Properties = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Begin:
    """Begins a session on a channel."""

    code: ClassVar[int] = 0x11
    remote_channel: UShort | None = None
    next_outgoing_id: UInt
    incoming_window: UInt
    outgoing_window: UInt
    handle_max: UInt = _NO_LIMIT
    offered_capabilities: Symbols = None
    desired_capabilities: Symbols = None
    properties: Properties = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attach:
    """Attaches a link to a session."""

    code: ClassVar[int] = 0x12
    name: str
    handle: UInt
    role: bool
    snd_settle_mode: UByte = _MIXED
    rcv_settle_mode: UByte = _FIRST
    source: Described | None = None
    target: Described | None = None
    unsettled: Properties = None
    incomplete_unsettled: bool = False
    initial_delivery_count: UInt | None = None
    max_message_size: ULong | None = None
    offered_capabilities: Symbols = None
    desired_capabilities: Symbols = None
    properties: Properties = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """States windows of the session, and credit of a link."""

    code: ClassVar[int] = 0x13
    next_incoming_id: UInt | None = None
    incoming_window: UInt
    next_outgoing_id: UInt
    outgoing_window: UInt
    handle: UInt | None = None
    delivery_count: UInt | None = None
    link_credit: UInt | None = None
    available: UInt | None = None
    drain: bool = False
    echo: bool = False
    properties: Properties = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """Carries a message or a part of it, which follows in the frame."""

    code: ClassVar[int] = 0x14
    handle: UInt
    delivery_id: UInt | None = None
    delivery_tag: bytes | None = None
    message_format: UInt | None = None
    settled: bool | None = None
    more: bool = False
    rcv_settle_mode: UByte | None = None
    state: Described | None = None
    resume: bool = False
    aborted: bool = False
    batchable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Disposition:
    """States what became of deliveries."""

    code: ClassVar[int] = 0x15
    role: bool
    first: UInt
    last: UInt | None = None
    settled: bool = False
    state: Described | None = None
    batchable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Detach:
    """Detaches a link."""

    code: ClassVar[int] = 0x16
    handle: UInt
    closed: bool = False
    error: Described | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """Ends a session."""

    code: ClassVar[int] = 0x17
    error: Described | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """Closes a connection."""

    code: ClassVar[int] = 0x18
    error: Described | None = None


Performative: TypeAlias = Open | Begin | Attach | Flow | Transfer | Disposition | Detach | End | Close

_BY_CODE: dict[int, type[Performative]] = {
    kind.code: kind for kind in (Open, Begin, Attach, Flow, Transfer, Disposition, Detach, End, Close)
}
_BY_NAME: dict[str, int] = {
    f"amqp:{kind.__name__.lower()}:list": kind.code
    for kind in (Open, Begin, Attach, Flow, Transfer, Disposition, Detach, End, Close)
}
_KINDS: Mapping[str, tuple[type, ...]] = {
    "str": (str,),
    "bytes": (bytes,),
    "bool": (bool,),
    "UByte": (UByte,),
    "UShort": (UShort,),
    "UInt": (UInt,),
    "ULong": (ULong,),
    "Described": (Described,),
    "Symbols": (Array, Symbol),
    "Properties": (dict,),
}
"""What a field may be, by the words in its annotation."""
_OPTIONAL = {"Symbols", "Properties"}


def _layout(kind: type[Performative]) -> tuple[tuple[str, tuple[type, ...], bool], ...]:
    """Return name, types and whether it must be there, of every field in order."""
    layout = []
    for field in fields(kind):
        words = cast("str", field.type).split(" | ")
        required = field.default is not None and not (isinstance(field.default, (bool, int)))
        layout.append((field.name, _KINDS[words[0]], required))
    return tuple(layout)


_LAYOUTS = {kind: _layout(kind) for kind in _BY_CODE.values()}


def write(performative: Performative) -> bytes:
    """Return a performative with every field."""
    values = [getattr(performative, name) for name, _, _ in _LAYOUTS[type(performative)]]
    return encode(Described(ULong(performative.code), values))


def read(body: bytes) -> tuple[Performative, int]:
    """Return the performative of a frame's body, and where it ends.

    Raises:
        DecodeError: There is none.
    """
    value, end = decode(body)
    if not isinstance(value, Described) or not isinstance(value.value, list):
        raise DecodeError("a frame without a performative")
    descriptor = value.descriptor
    code = _BY_NAME.get(descriptor) if isinstance(descriptor, Symbol) else descriptor
    kind = _BY_CODE.get(code) if isinstance(code, int) else None
    if kind is None:
        raise DecodeError(f"a performative {descriptor!r:.50}")
    layout = _LAYOUTS[kind]
    if len(value.value) > len(layout):
        raise DecodeError(f"{kind.__name__} with {len(value.value)} fields")
    given: dict[str, Value] = {}
    for (name, kinds, required), field in zip(layout, value.value + [None] * len(layout), strict=False):
        if field is not None:
            if type(field) not in kinds:
                raise DecodeError(f"{kind.__name__}.{name} is a {type(field).__name__}")
            given[name] = field
        elif required:
            raise DecodeError(f"{kind.__name__} without {name}")
    return kind(**given), end  # type: ignore[arg-type]


def source(address: str | None) -> Described:
    """Return a source with every field."""
    return Described(SOURCE, [address, *[None] * (_SOURCE_FIELDS - 1)])


def target(address: str | None) -> Described:
    """Return a target with every field."""
    return Described(TARGET, [address, *[None] * (_TARGET_FIELDS - 1)])


def terminus_field(terminus: Described | None, index: int) -> Value:
    """Return a field of a source or target, None where it is left out."""
    if terminus is None or not isinstance(terminus.value, list) or index >= len(terminus.value):
        return None
    return terminus.value[index]


def error(problem: AmqpError) -> Described:
    """Return an `error` with its three fields."""
    return Described(_ERROR, [Symbol(problem.condition), problem.description, None])


def accepted() -> Described:
    """Return the outcome of a delivery that was taken."""
    return Described(ULong(0x24), [])


def rejected(problem: AmqpError) -> Described:
    """Return the outcome of a delivery that was not."""
    return Described(ULong(0x25), [error(problem)])
