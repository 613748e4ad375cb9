"""Reads the PNG files that Chromium makes (W3C Portable Network Graphics: 8 bits, no interlacing)."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def pixels(png: bytes) -> NDArray[np.int16]:
    """Return the picture, (height, width, 3)."""
    at, data, header = 8, b"", b""
    while at < len(png):
        length, kind = struct.unpack_from(">I4s", png, at)
        body = png[at + 8 : at + 8 + length]
        header = body if kind == b"IHDR" else header
        data += body if kind == b"IDAT" else b""
        at += 12 + length
    width, height, depth, color, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    assert (depth, interlaced) == (8, 0)
    channels = {2: 3, 6: 4}[color]
    rows = np.frombuffer(zlib.decompress(data), np.uint8).reshape(height, 1 + width * channels)
    picture = np.zeros((height + 1, width + 1, channels), np.uint8)  # a row above and a column to the left of zeros
    for y in range(height):
        kind, line = int(rows[y, 0]), rows[y, 1:].reshape(width, channels)
        above, here = picture[y], picture[y + 1]
        if kind == 0:
            here[1:] = line
        elif kind == 1:
            here[1:] = np.add.accumulate(line, axis=0, dtype=np.uint8)
        elif kind == 2:
            here[1:] = line + above[1:]
        else:
            _slowly(kind, line, above, here)
    return picture[1:, 1:, :3].astype(np.int16)


def _slowly(kind: int, line: NDArray[np.uint8], above: NDArray[np.uint8], here: NDArray[np.uint8]) -> None:
    """Undo the filters that look at the pixel to the left as it comes out."""
    ups, lines = above.astype(np.int32).tolist(), line.astype(np.int32).tolist()
    channels = len(lines[0])
    left, out = [0] * channels, []
    for x, raw in enumerate(lines):
        up, corner = ups[x + 1], ups[x]
        if kind == 3:
            left = [(raw[c] + (left[c] + up[c]) // 2) & 255 for c in range(channels)]
        else:
            left = [(raw[c] + _paeth(left[c], up[c], corner[c])) & 255 for c in range(channels)]
        out.append(left)
    here[1:] = np.array(out, np.uint8)


def _paeth(left: int, up: int, corner: int) -> int:
    guess = left + up - corner
    return min((left, up, corner), key=lambda one: (abs(guess - one), (left, up, corner).index(one)))
