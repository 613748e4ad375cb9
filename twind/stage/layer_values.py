"""The values of live attributes outside of USD: as numbers of a type, and as JSON has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pxr import Sdf

if TYPE_CHECKING:
    from twind.model.live_layer import Plain

NUMBERS: dict[str, tuple[str, int]] = {
    "float": ("<f4", 1),
    "double": ("<f8", 1),
    "half": ("<f2", 1),
    "int64": ("<i8", 1),
    "double3": ("<f8", 3),
    "float3": ("<f4", 3),
    "half3": ("<f2", 3),
    "quatd": ("<f8", 4),
    "quatf": ("<f4", 4),
    "quath": ("<f2", 4),
    "matrix4d": ("<f8", 16),
    "token": ("|u1", 1),
    "color3f[]": ("|u1", 1),
}
"""Of each USD type that is ever written: what an encoder's numbers are, and how many make a value."""


def plain(value: Any) -> Plain:
    """Return a USD value as JSON has it."""
    if isinstance(value, Sdf.ValueBlock):
        return None
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return [plain(part) for part in value]
