"""Instances: what is inside of one is shared with others, and USD allows no opinions on it until the instance is opened.

An instance is opened by a stronger opinion of `instanceable = false`: its prims become its own, at the same paths.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


def instances_above(prims: Iterable[Any]) -> list[Any]:
    """Return the instances that must be opened before there can be opinions on these prims, outer ones first."""
    found: dict[Any, Any] = {}
    for prim in prims:
        above, chain = prim, []
        while above.IsInstanceProxy():
            above = above.GetParent()
            if above.IsInstance():
                chain.append(above)
        found |= {instance.GetPath(): instance for instance in reversed(chain)}
    return list(found.values())
