"""`packed`: a compact binary format for high rates: many joints or poses, and many instants, in one message.

Little-endian, without padding. A header of 40 bytes, then the blocks:

| offset | type | field | meaning |
|---|---|---|---|
| 0 | 4 bytes | magic | `TWPK` |
| 4 | u8 | version | 1 |
| 5 | u8 | kind | 1 joints, 2 poses |
| 6 | u16 | flags | 1: numbers are float32, else float64; 2: has a sequence number; 4: has velocities; 8: has efforts |
| 8 | u16 | instants | N, at least 1 |
| 10 | u16 | width | J joints or B bodies, at least 1 |
| 12 | u16 | names | bytes of the names block; 0: none |
| 14 | u16 | | 0 |
| 16 | i64 | stamp | of the first instant [ns since the epoch]; 0: none |
| 24 | u64 | sequence | number of the first instant, each next one more; 0 without flag 2 |
| 32 | u64 | names hash | FNV-1a of the names block that is meant; 0: open. For messages that leave the block out |

| block | size | meaning |
|---|---|---|
| names | as in the header | UTF-8, separated by line feeds: J joint names, or B entity ids |
| instants | 4 N | u32: nanoseconds after `stamp`, of each instant |
| joints: positions | N J numbers | [N][J], rad or m |
| joints: velocities | N J numbers with flag 4 | [N][J], per second; NaN where a joint has none |
| joints: efforts | N J numbers with flag 8 | [N][J], N m or N; NaN where a joint has none |
| poses | 7 N B numbers | [N][B][x, y, z, qw, qx, qy, qz], world, metres |

Without names, joints are in the discovered order, and poses are of the entity of the topic (B is 1). The size must be exact.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Literal

import numpy as np

from twind.model.errors import RefusedInput
from twind.model.messages import NO_SEQUENCE, PackedJoints, PackedPoses
from twind.model.refusals import Refusal
from twind.model.time import MAX_STAMP_NS, NO_STAMP

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

MAGIC = b"TWPK"
VERSION = 1
JOINTS, POSES = 1, 2
FLOAT32, SEQUENCE, VELOCITY, EFFORT = 1, 2, 4, 8

_HEADER = struct.Struct("<4sBBHHHHHqQQ")
_FLAGS_OF = {JOINTS: FLOAT32 | SEQUENCE | VELOCITY | EFFORT, POSES: FLOAT32 | SEQUENCE}
_POSE = 7
_LARGEST_OFFSET_NS = 2**32 - 1
_MOST = 2**16 - 1
_SMALLEST_NORM = 1e-6
_MOST_REMEMBERED = 256
_FNV_START, _FNV_PRIME = 0xCBF29CE484222325, 0x100000001B3


def names_hash(names: Sequence[str]) -> int:
    """Return the 64-bit FNV-1a hash of the names block, as it stands in the header."""
    value = _FNV_START
    for byte in "\n".join(names).encode():
        value = (value ^ byte) * _FNV_PRIME & 0xFFFFFFFFFFFFFFFF
    return value


class PackedCodec:
    """Decodes one packed message with a fixed number of array operations, however many values it holds."""

    name = "packed"
    kind: Literal["packed"] = "packed"

    def __init__(self) -> None:
        self._known_names: dict[bytes, tuple[str, ...]] = {}

    def decode(self, payload: bytes, /) -> PackedJoints | PackedPoses:
        """Decode one payload.

        Raises:
            RefusedInput: The payload cannot be used.
        """
        if len(payload) < _HEADER.size:
            raise RefusedInput(Refusal.UNDECODABLE, f"{len(payload)} bytes are less than the header's {_HEADER.size}")
        magic, version, kind, flags, instants, width, names_size, zero, base_ns, number, expected = _HEADER.unpack_from(payload)
        if magic != MAGIC or version != VERSION:
            raise RefusedInput(Refusal.UNDECODABLE, f"begins with {magic!r} version {version}, not {MAGIC!r} version {VERSION}")
        if kind not in _FLAGS_OF or flags & ~_FLAGS_OF[kind] or zero or (number and not flags & SEQUENCE):
            raise RefusedInput(Refusal.UNDECODABLE, f"kind {kind} with flags {flags:#x} is not of version {VERSION}")
        if not instants or not width:
            raise RefusedInput(
                Refusal.WRONG_LENGTH, f"{instants} instants of {width} {'joints' if kind == JOINTS else 'poses'}"
            )
        blocks = 1 + bool(flags & VELOCITY) + bool(flags & EFFORT) if kind == JOINTS else _POSE
        number_size = 4 if flags & FLOAT32 else 8
        size = _HEADER.size + names_size + instants * (4 + width * blocks * number_size)
        if len(payload) != size:
            raise RefusedInput(Refusal.WRONG_LENGTH, f"{len(payload)} bytes where the header announces {size}")
        start = _HEADER.size + names_size
        names = self._names(payload[_HEADER.size : start], width) if names_size else None
        stamps = _stamps(base_ns, np.frombuffer(payload, "<u4", instants, start), counted=bool(flags & SEQUENCE))
        sequence = _sequence(number, instants) if flags & SEQUENCE else NO_SEQUENCE
        start += 4 * instants
        numbers = np.frombuffer(payload, "<f4" if flags & FLOAT32 else "<f8", -1, start).astype(np.float64)
        if kind == POSES:
            return _poses(stamps, numbers.reshape(instants, width, _POSE), names, sequence)
        matrices = list(numbers.reshape(blocks, instants, width))
        position = matrices.pop(0)
        velocity = matrices.pop(0) if flags & VELOCITY else None
        effort = matrices.pop(0) if flags & EFFORT else None
        return PackedJoints(stamps, position, velocity, effort, names, expected, sequence)

    def _names(self, text: bytes, width: int) -> tuple[str, ...]:
        """Decode names, and remember them: a sender repeats the same ones each time."""
        names = self._known_names.get(text)
        if names is None:
            try:
                names = tuple(text.decode().split("\n"))
            except UnicodeDecodeError as error:
                raise RefusedInput(Refusal.UNDECODABLE, "the names are not UTF-8") from error
            if len(self._known_names) >= _MOST_REMEMBERED:
                self._known_names.clear()
            self._known_names[text] = names
        if len(names) != width:
            raise RefusedInput(Refusal.WRONG_LENGTH, f"{len(names)} names for a width of {width}")
        return names


def _stamps(base_ns: int, after_ns: NDArray[np.uint32], *, counted: bool) -> NDArray[np.int64]:
    if base_ns == 0:
        if len(after_ns) > 1 and not counted:
            raise RefusedInput(Refusal.BAD_STAMP, "several instants need a stamp or a sequence number")
        return np.full(len(after_ns), NO_STAMP)
    if not 0 < base_ns <= MAX_STAMP_NS - _LARGEST_OFFSET_NS:
        raise RefusedInput(Refusal.BAD_STAMP, f"stamp {base_ns} ns is outside the years 1970 to 2262")
    return base_ns + after_ns.astype(np.int64)


def _sequence(number: int, instants: int) -> int:
    if number > MAX_STAMP_NS - instants:
        raise RefusedInput(Refusal.WRONG_TYPE, f"sequence number {number} is larger than int64 holds")
    return number


def _poses(
    stamps: NDArray[np.int64], numbers: NDArray[np.float64], names: tuple[str, ...] | None, sequence: int
) -> PackedPoses:
    if names is None and numbers.shape[1] != 1:
        raise RefusedInput(Refusal.MISSING_FIELD, f"{numbers.shape[1]} bodies need names")
    orientation = numbers[..., 3:]
    with np.errstate(over="ignore", invalid="ignore"):  # numbers too large to square are the estimator's to refuse
        if ((orientation**2).sum(axis=-1) <= _SMALLEST_NORM**2).any():
            raise RefusedInput(Refusal.BAD_QUATERNION, "an orientation has no direction: its norm is zero")
    return PackedPoses(stamps, numbers[..., :3], orientation, names, sequence)


def encode(
    *,
    stamp_ns: int | Sequence[int],
    position: ArrayLike,
    velocity: ArrayLike | None = None,
    effort: ArrayLike | None = None,
    orientation: ArrayLike | None = None,
    names: Sequence[str] = (),
    hash_only: bool = False,
    sequence: int | None = None,
    float32: bool = False,
) -> bytes:
    """Encode joints, or poses where `orientation` is given.

    Args:
        stamp_ns: Stamps of the N instants, ascending, within 4.29 s [ns]; one 0 for none.
        position: (N, J) joint positions [rad or m], (J,) for one instant; or (N, B, 3), (B, 3) world positions [m].
        velocity: As `position`, per second; NaN where a joint has none. Joints only.
        effort: As `position`, in N m or N; NaN where a joint has none. Joints only.
        orientation: (N, B, 4) or (B, 4) body-to-world quaternions (w, x, y, z).
        names: J joint names or B entity ids; none for the discovered order, or the topic's entity.
        hash_only: Send only the hash of `names`: the receiver refuses the message where it would mean other joints.
        sequence: Number of the first instant.
        float32: Halve the size; 24 bits resolve 0.4 urad at pi.

    Raises:
        ValueError: The arguments do not fit together, or exceed what the format holds.
    """
    stamps = np.atleast_1d(np.asarray(stamp_ns, np.int64))
    axes = 1 if orientation is None else 2
    first = _instants(position, axes)
    blocks = [first] + [_instants(values, axes) for values in (velocity, effort, orientation) if values is not None]
    poses = orientation is not None
    if len({block.shape[:2] for block in blocks}) != 1 or (poses and [block.shape[2] for block in blocks] != [3, 4]):
        raise ValueError(f"arrays of {[block.shape for block in blocks]} do not belong together")
    instants, width = first.shape[:2]
    after = stamps - stamps[0]
    if len(stamps) != instants and not (len(stamps) == 1 and stamps[0] == 0):
        raise ValueError(f"{len(stamps)} stamps for {instants} instants")
    if stamps[0] < 0 or after.min() < 0 or after.max() > _LARGEST_OFFSET_NS:
        msg = "stamps must not be negative, and follow the first within 4.29 s"
        raise ValueError(msg)
    text = "\n".join(names).encode()
    if names and (len(names) != width or text.count(b"\n") != width - 1):
        raise ValueError(f"{len(names)} names for a width of {width}; none may hold a line feed")
    if not (0 < instants <= _MOST and 0 < width <= _MOST and len(text) <= _MOST) or not 0 <= (sequence or 0) <= MAX_STAMP_NS:
        raise ValueError(f"{instants} instants, a width of {width} or {len(text)} bytes of names exceed the format")
    flags = FLOAT32 * float32 | SEQUENCE * (sequence is not None) | VELOCITY * (velocity is not None)
    flags |= EFFORT * (effort is not None)
    if poses and (flags & ~_FLAGS_OF[POSES] or hash_only):
        msg = "poses have no velocity, effort or hash"
        raise ValueError(msg)
    kind = np.float32 if float32 else np.float64
    body = [np.concatenate(blocks, axis=2)] if poses else blocks
    header = _HEADER.pack(
        MAGIC, VERSION, POSES if poses else JOINTS, flags, instants, width, 0 if hash_only else len(text), 0,
        int(stamps[0]), sequence or 0, names_hash(names) if hash_only else 0,
    )  # fmt: skip
    offsets = np.broadcast_to(after, instants).astype("<u4").tobytes()
    return b"".join([header, b"" if hash_only else text, offsets, *(block.astype(kind, "C").tobytes() for block in body)])


def _instants(values: ArrayLike, axes: int) -> NDArray[np.float64]:
    """Return an array with one axis of instants before its own."""
    array = np.asarray(values, np.float64)
    if array.ndim == axes:
        array = array[np.newaxis]
    if array.ndim != axes + 1:
        raise ValueError(f"an array of {array.ndim} axes where {axes} or {axes + 1} are meant")
    return array
