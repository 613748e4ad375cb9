"""Decodes what a daemon sends: catalogues and binary frames. Pure; raises nothing but `ProtocolError`."""

from __future__ import annotations

import json
import struct
import sys
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Sequence

SUBPROTOCOL = "twind.live.1"
VERSION = 1

_HEADER = struct.Struct("<BBHIqqq")
_GROUP = struct.Struct("<HBxI")
_STATE = 1
_FULL = 1
_ARRAYS = {"f4": ("f", 4), "f8": ("d", 8), "i8": ("q", 8), "u1": ("B", 1)}
_HALF_BYTES = 2
_INDICES = {2: "H", 4: "I"}
_MAX_WIDTH = 16
_SWAP = sys.byteorder == "big"


@dataclass(frozen=True)
class Entity:
    """A robot or an object."""

    index: int
    id: str
    kind: str
    prim: str


@dataclass(frozen=True)
class Prim:
    """A prim that the live layer has opinions about."""

    path: str
    schemas: tuple[str, ...]
    """Applied schemas to prepend."""


@dataclass(frozen=True)
class Attribute:
    """One entry of a group."""

    prim: str
    name: str
    entity: int
    """`Entity.index`."""
    unit: str
    """`deg`, `deg/s`, `stage`, `stage/s`, `s`, or nothing."""
    custom: bool
    choices: tuple[Any, ...]
    """What the codes 0, 1, ... stand for, where they stand for something else at each entry; None blocks the value."""


@dataclass(frozen=True)
class Fixed:
    """An attribute that keeps its value."""

    prim: str
    name: str
    type: str
    value: Any
    custom: bool
    uniform: bool


@dataclass(frozen=True)
class Group:
    """Entries of one type, numbered from 0."""

    type: str
    """USD value type."""
    scalar: str
    """`f2`, `f4`, `f8`, `i8`, or `u1` for a code."""
    width: int
    """Numbers in one value; quaternions are (x, y, z, w), matrices row by row."""
    names: tuple[str, ...]
    """What the codes 0, 1, ... of tokens stand for."""
    attributes: tuple[Attribute, ...]


@dataclass(frozen=True)
class Catalogue:
    """What the entries of frames mean."""

    number: int
    instance: str
    generation: int
    session: str
    schema_version: int
    max_rate_hz: float
    stage_url: str
    """Path of the layer to open on the same server; empty where the stage cannot be had from it."""
    up_axis: str
    meters_per_unit: float
    entities: tuple[Entity, ...]
    prims: tuple[Prim, ...]
    fixed: tuple[Fixed, ...]
    groups: tuple[Group, ...]


@dataclass(frozen=True)
class GroupChange:
    """New numbers of entries of one group."""

    group: int
    rows: Sequence[int] | None
    """Which of them; None: all, in order."""
    count: int
    numbers: Sequence[float]
    """`count` times the group's width."""


@dataclass(frozen=True)
class Frame:
    """Leads from the state at `base` to that at `sequence`."""

    catalogue: int
    sequence: int
    base: int
    stamp_ns: int
    """When the daemon made the update [ns since the epoch]; of a frame without changes, when it was sent."""
    full: bool
    changes: tuple[GroupChange, ...]

    @property
    def still(self) -> bool:
        """Whether nothing has changed: it only says that the daemon is there."""
        return not (self.changes or self.full)


def read_message(text: str) -> dict[str, Any]:
    """Decode a JSON message; its `type` is text."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"not JSON: {error}") from error
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise ProtocolError("a message without a type")
    return message


def read_catalogue(message: dict[str, Any]) -> Catalogue:
    """Build the catalogue that a message of the type `catalogue` holds."""
    try:
        return _catalogue(message)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        raise ProtocolError(f"not a catalogue: {type(error).__name__}: {error}") from error


def _catalogue(message: dict[str, Any]) -> Catalogue:
    if message["protocol"] != VERSION:
        raise ProtocolError(f"the daemon speaks version {message['protocol']!r} of the protocol, this is version {VERSION}")
    stage = message["stage"]
    prims = tuple(Prim(_text(one["path"]), _texts(one.get("schemas", ()))) for one in message["prims"])
    paths = [prim.path for prim in prims]
    return Catalogue(
        number=_whole(message["catalogue"]),
        instance=_text(message["instance"]),
        generation=_whole(message["generation"]),
        session=_text(message["session"]),
        schema_version=_whole(message["schema_version"]),
        max_rate_hz=float(message["max_rate_hz"]),
        stage_url=_text(stage.get("url") or ""),
        up_axis=_text(stage["up_axis"]),
        meters_per_unit=float(stage["meters_per_unit"]),
        entities=tuple(
            Entity(_whole(one["index"]), _text(one["id"]), _text(one["kind"]), _text(one["prim"]))
            for one in message["entities"]
        ),
        prims=prims,
        fixed=tuple(
            Fixed(
                paths[_whole(one["prim"])],
                _text(one["name"]),
                _text(one["type"]),
                one["value"],
                bool(one.get("custom", False)),
                bool(one.get("uniform", False)),
            )
            for one in message["fixed"]
        ),
        groups=tuple(_group(one, paths) for one in message["groups"]),
    )


def _group(one: dict[str, Any], paths: list[str]) -> Group:
    scalar, width = _text(one["scalar"]), _whole(one["width"])
    if (scalar not in _ARRAYS and scalar != "f2") or not 1 <= width <= _MAX_WIDTH:
        raise ProtocolError(f"a group of {width} {scalar!r}, which this version does not have")
    attributes = tuple(
        Attribute(
            paths[_whole(entry["prim"])],
            _text(entry["name"]),
            _whole(entry["entity"]),
            _text(entry.get("unit", "")),
            bool(entry.get("custom", False)),
            tuple(entry.get("choices", ())),
        )
        for entry in one["attributes"]
    )
    return Group(_text(one["type"]), scalar, width, _texts(one.get("names", ())), attributes)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(_text(one) for one in value)


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError(f"{value!r} is no whole number")
    return value


def read_frame(data: bytes, catalogue: Catalogue) -> Frame:
    """Decode a binary message.

    Raises:
        ProtocolError: It is no frame of this catalogue.
    """
    if len(data) < _HEADER.size:
        raise ProtocolError(f"a frame of {len(data)} bytes")
    kind, flags, groups, number, sequence, base, stamp_ns = _HEADER.unpack_from(data)
    if kind != _STATE or flags & ~_FULL:
        raise ProtocolError(f"a frame of kind {kind} with flags {flags:#x}, which this version does not have")
    if number != catalogue.number:
        raise ProtocolError(f"a frame of catalogue {number}, but the catalogue here is {catalogue.number}")
    if sequence < base or base < 0:
        raise ProtocolError(f"a frame from {base} to {sequence}")
    full = bool(flags & _FULL)
    changes = []
    at, last = _HEADER.size, -1
    for _ in range(groups):
        change, at = _read_group(data, at, catalogue)
        if change.group <= last:
            raise ProtocolError("groups of a frame out of order")
        last = change.group
        changes.append(change)
    if at != len(data):
        raise ProtocolError(f"{len(data) - at} bytes after the end of a frame")
    if full and (len(changes) != len(catalogue.groups) or any(change.rows is not None for change in changes)):
        raise ProtocolError("a full frame that lacks entries")
    return Frame(number, sequence, base, stamp_ns, full, tuple(changes))


def _read_group(data: bytes, at: int, catalogue: Catalogue) -> tuple[GroupChange, int]:
    if len(data) - at < _GROUP.size:
        raise ProtocolError("a frame ends within a group")
    number, index_bytes, count = _GROUP.unpack_from(data, at)
    at += _GROUP.size
    if number >= len(catalogue.groups):
        raise ProtocolError(f"group {number} of {len(catalogue.groups)}")
    group = catalogue.groups[number]
    size = len(group.attributes)
    rows: Sequence[int] | None = None
    if index_bytes == 0:
        if count != size:
            raise ProtocolError(f"all of group {number} are {size}, not {count}")
    elif index_bytes in _INDICES and 0 < count <= size:
        rows, at = _numbers(data, at, _INDICES[index_bytes], count, index_bytes)
        if max(rows) >= size:
            raise ProtocolError(f"entry {max(rows)} of {size} in group {number}")
    else:
        raise ProtocolError(f"{count} indices of {index_bytes} bytes in a group of {size}")
    total = count * group.width
    if group.scalar == "f2":
        numbers, at = _halves(data, at, total)
    else:
        numbers, at = _numbers(data, at, *_typed(group.scalar, total))
    if group.scalar == "u1" and total:
        _check_codes(group, rows, numbers)
    return GroupChange(number, rows, count, numbers), at


def _typed(scalar: str, total: int) -> tuple[str, int, int]:
    code, size = _ARRAYS[scalar]
    return code, total, size


def _numbers(data: bytes, at: int, code: str, total: int, size: int) -> tuple[Any, int]:
    """Return numbers of one type, and where the next part begins: at a multiple of 8."""
    end = at + total * size
    if end + -end % 8 > len(data):
        raise ProtocolError("a frame ends within a group")
    numbers = array(code)
    numbers.frombytes(data[at:end])
    if _SWAP:
        numbers.byteswap()
    return numbers, end + -end % 8


def _halves(data: bytes, at: int, total: int) -> tuple[Sequence[float], int]:
    end = at + total * _HALF_BYTES
    if end + -end % 8 > len(data):
        raise ProtocolError("a frame ends within a group")
    return struct.unpack_from(f"<{total}e", data, at), end + -end % 8


def _check_codes(group: Group, rows: Sequence[int] | None, codes: Sequence[float]) -> None:
    """See that every code stands for something."""
    if group.names:
        known = max(codes) < len(group.names)
    else:
        places = range(len(group.attributes)) if rows is None else rows
        known = all(code < len(group.attributes[place].choices) for place, code in zip(places, codes, strict=True))
    if not known:
        raise ProtocolError("a code that stands for nothing")
