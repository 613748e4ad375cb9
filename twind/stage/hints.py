"""What an asset says of its joints' measurements: optional `twind:*` attributes on joint prims.

Angles are in degrees and lengths in stage units, as of every joint attribute in USD; times are in seconds.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from twind.model.topology import JointHints
from twind.stage.schemas import authored

if TYPE_CHECKING:
    from twind.stage.notes import Notes

POSITION_STD, JERK_NOISE, VELOCITY_STD = "twind:positionStd", "twind:jerkNoise", "twind:velocityStd"
STAMP_STD, WRAPS, USE_VELOCITY, USE_EFFORT = "twind:stampStd", "twind:wraps", "twind:useVelocity", "twind:useEffort"


def read_hints(prim: Any, unit: float, *, turns: bool, notes: Notes) -> JointHints:
    """Return what a joint prim says, in SI; `unit` is what one of its USD units is in SI.

    An attribute that makes no sense becomes a note and is left out.
    """
    if not prim.GetAuthoredPropertiesInNamespace("twind"):
        return JointHints()
    stamp_std = _positive(prim, STAMP_STD, notes, zero=True)
    wraps = _positive(prim, WRAPS, notes)
    if wraps is not None and not turns:
        notes.add(prim, f"{WRAPS} is for joints that turn; it is ignored")
        wraps = None
    return JointHints(
        position_std=_scaled(_positive(prim, POSITION_STD, notes), unit),
        jerk_noise=_scaled(_positive(prim, JERK_NOISE, notes), unit),
        stamp_std_s=stamp_std,
        wraps=_scaled(wraps, unit),
        use_velocity=_flag(prim, USE_VELOCITY, notes),
        velocity_std=_scaled(_positive(prim, VELOCITY_STD, notes), unit),
        use_effort=_flag(prim, USE_EFFORT, notes),
    )


def _positive(prim: Any, name: str, notes: Notes, *, zero: bool = False) -> float | None:
    value = authored(prim, name)
    if value is None:
        return None
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        number = float(value)
        if number > 0.0 or (zero and number == 0.0):
            return number
    notes.add(prim, f"{name} is {value!r}, which is not a {'number from 0' if zero else 'positive number'}; it is ignored")
    return None


def _scaled(value: float | None, unit: float) -> float | None:
    return None if value is None else value * unit


def _flag(prim: Any, name: str, notes: Notes) -> bool | None:
    value = authored(prim, name)
    if value is None or isinstance(value, bool):
        return value
    notes.add(prim, f"{name} is {value!r}, which is neither true nor false; it is ignored")
    return None
