"""What is to stand in a binding layer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twind.model.routes import RouteHint


Setting = str | bool | float
"""Value of a joint's setting."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """By prim path. What is not mentioned stays as it is in the layer."""

    ids: Mapping[str, str] = field(default_factory=dict)
    routes: Mapping[str, Mapping[str, RouteHint]] = field(default_factory=dict)
    """Of an entity: hints by instance. They replace what the layer says of the entity's instances of the same kinds: of
    `joints`, that is `joints`, `joints_2` and so on."""
    joints: Mapping[str, Mapping[str, Setting]] = field(default_factory=dict)
    """Of a joint: values by attribute name, in USD's units."""
    released: tuple[str, ...] = ()
    """Fixed joints that shall not hold a robot to the world."""
    ignored: tuple[str, ...] = ()
    """Entities that twind shall not follow."""


def kind_of(instance: str) -> str:
    """Return what a route's instance carries: `joints` for `joints` and `joints_2`."""
    kind, _, number = instance.rpartition("_")
    return kind if kind and number.isdigit() else instance
