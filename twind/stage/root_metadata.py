"""Metadata that USD reads from a stage's root layer only: a layer put over a user's root layer must repeat it."""

from __future__ import annotations

from typing import Any

_FROM_ROOT_ONLY = (
    "upAxis",
    "metersPerUnit",
    "kilogramsPerUnit",
    "defaultPrim",
    "timeCodesPerSecond",
    "framesPerSecond",
    "startTimeCode",
    "endTimeCode",
    "colorConfiguration",
    "colorManagementSystem",
    "expressionVariables",
)
UNITS = ("upAxis", "metersPerUnit", "kilogramsPerUnit")
"""What a layer above must agree on with the layer below, or everything in it is read wrongly."""


def carry_over(source: Any, into: Any) -> None:
    """Copy what stands in one layer's root metadata, and is not yet in the other's, into that."""
    for key in _FROM_ROOT_ONLY:
        if source.pseudoRoot.HasInfo(key) and not into.pseudoRoot.HasInfo(key):
            into.pseudoRoot.SetInfo(key, source.pseudoRoot.GetInfo(key))


def differing(one: Any, other: Any, keys: tuple[str, ...] = UNITS) -> list[str]:
    """Return the keys whose authored values differ between two layers."""
    return [key for key in keys if _value(one, key) != _value(other, key)]


def _value(layer: Any, key: str) -> Any:
    return layer.pseudoRoot.GetInfo(key) if layer.pseudoRoot.HasInfo(key) else None
