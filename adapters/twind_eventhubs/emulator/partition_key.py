"""Which partition a key belongs to: Bob Jenkins' lookup3 (hashlittle2), as the service and its SDKs have it.

Source: https://burtleburtle.net/bob/c/lookup3.c; how the halves are folded: the partition resolver of Microsoft's SDKs.
"""

from __future__ import annotations

_MASK = 0xFFFFFFFF
_BLOCK = 12
_SIGN = 0x8000


def partition_of(key: str, count: int) -> int:
    """Return the number of the partition, of `count`, that a key belongs to."""
    return abs(hash_of(key)) % count  # the remainder of a negative number as in C#, whose sign is then dropped


def hash_of(key: str) -> int:
    """Return the signed 16-bit hash of a key."""
    first, second = _lookup3(key.encode())
    folded = (first ^ second) & 0xFFFF
    return folded - 0x10000 if folded & _SIGN else folded


def _lookup3(data: bytes) -> tuple[int, int]:
    a = b = c = (0xDEADBEEF + len(data)) & _MASK
    position = 0
    while len(data) - position > _BLOCK:
        a, b, c = _mix(*_added(a, b, c, data[position : position + _BLOCK]))
        position += _BLOCK
    if position < len(data):
        a, b, c = _final(*_added(a, b, c, data[position:].ljust(_BLOCK, b"\0")))
    return c, b


def _added(a: int, b: int, c: int, block: bytes) -> tuple[int, int, int]:
    return (
        (a + int.from_bytes(block[0:4], "little")) & _MASK,
        (b + int.from_bytes(block[4:8], "little")) & _MASK,
        (c + int.from_bytes(block[8:12], "little")) & _MASK,
    )


def _rot(value: int, bits: int) -> int:
    return ((value << bits) | (value >> (32 - bits))) & _MASK


def _mix(a: int, b: int, c: int) -> tuple[int, int, int]:
    for bits_a, bits_b, bits_c in ((4, 6, 8), (16, 19, 4)):
        a = ((a - c) & _MASK) ^ _rot(c, bits_a)
        c = (c + b) & _MASK
        b = ((b - a) & _MASK) ^ _rot(a, bits_b)
        a = (a + c) & _MASK
        c = ((c - b) & _MASK) ^ _rot(b, bits_c)
        b = (b + a) & _MASK
    return a, b, c


def _final(a: int, b: int, c: int) -> tuple[int, int, int]:
    c = ((c ^ b) - _rot(b, 14)) & _MASK
    a = ((a ^ c) - _rot(c, 11)) & _MASK
    b = ((b ^ a) - _rot(a, 25)) & _MASK
    c = ((c ^ b) - _rot(b, 16)) & _MASK
    a = ((a ^ c) - _rot(c, 4)) & _MASK
    b = ((b ^ a) - _rot(a, 14)) & _MASK
    c = ((c ^ b) - _rot(b, 24)) & _MASK
    return a, b, c
