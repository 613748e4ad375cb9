"""What the search found, as text, as a configuration fragment and as a document for machines."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import yaml

from twind.runtime.tune.trial import HORIZONS_MS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twind.runtime.tune.search import Quantity, Tuned

UNITS = {
    "jerk_noise": "rad/s^3/sqrt(Hz)",
    "jerk_noise_m": "m/s^3/sqrt(Hz)",
    "stamp_std_ms": "ms",
    "position_std_rad": "rad",
    "position_std_m": "m",
    "rotation_std_rad": "rad",
    "acceleration_noise": "m/s^2/sqrt(Hz)",
    "angular_acceleration_noise": "rad/s^2/sqrt(Hz)",
}


def fragment(found: Sequence[Tuned]) -> str:
    """Return the settings to add to the configuration, as YAML."""
    overrides: dict[str, dict[str, Any]] = {}
    for one in found:
        if not one.changed:
            continue
        own = overrides.setdefault(one.entity, {})
        if one.joint is None:
            own["poses"] = dict(one.changed)
        else:
            own.setdefault("joints", {"names": {}})["names"][one.joint] = dict(one.changed)
    if not overrides:
        return "# The present settings predict this recording as well as any that were tried.\n{}\n"
    document: dict[str, Any] = {"estimation": {"overrides": overrides}}
    return "# Found by `twind tune`. Give it after the configuration: later files win.\n" + yaml.safe_dump(
        document, sort_keys=False
    )


def as_text(found: Sequence[Tuned]) -> str:
    """Return one table for each joint and body: errors by horizon, and as a fraction of hold-last's."""
    lines: list[str] = []
    for one in found:
        lines += ["", f"{one.name}: {one.samples} samples"] if lines else [f"{one.name}: {one.samples} samples"]
        if one.skipped:
            lines.append(f"  not tuned: {one.skipped}")
            continue
        lines.append(f"  most likely: {likely(one)}")
        lines.append(f"  predicts best: {one.choice}")
        for quantity in one.quantities:
            unit = f"m{quantity.unit}"
            lines.append(f"  {quantity.name + ' [' + unit + ']':<18}{'hold-last':>10}{'before':>19}{'after':>19}")
            for place, horizon in enumerate(HORIZONS_MS):
                held, before, after = _at(quantity, place)
                cells = (f"{1e3 * error:.3f} ({share(error, held)})" for error in (before, after))
                lines.append(f"  {f'+{horizon} ms':>17} {1e3 * held:10.3f}" + "".join(f"{cell:>19}" for cell in cells))
    return "\n".join(lines)


def as_document(found: Sequence[Tuned]) -> dict[str, Any]:
    """Return what was found, ready for JSON; errors in rad or m, null where nothing could be judged."""
    return {
        "horizons_ms": list(HORIZONS_MS),
        "tuned": [
            {
                "entity": one.entity,
                "joint": one.joint,
                "samples": one.samples,
                "skipped": one.skipped or None,
                "most_likely": one.likely,
                "choice": one.choice,
                "changed": one.changed,
                "rms_error": {
                    quantity.name: {
                        "unit": quantity.unit,
                        "hold_last": _numbers(quantity.before.held),
                        "before": _numbers(quantity.before.predicted),
                        "after": _numbers(quantity.after.predicted),
                    }
                    for quantity in one.quantities
                },
            }
            for one in found
        ],
        "fragment": fragment(found),
    }


def likely(one: Tuned) -> str:
    """Return the most likely noise in words."""
    return ", ".join(f"{name} {value:g} {UNITS[name]}" for name, value in one.likely.items())


def share(error: float, held: float) -> str:
    """Return an error as a fraction of hold-last's."""
    return f"{error / held:.3f}" if held > 0 and math.isfinite(error) else "-"


def _at(quantity: Quantity, place: int) -> tuple[float, float, float]:
    before, after = quantity.before, quantity.after
    return float(before.held[place]), float(before.predicted[place]), float(after.predicted[place])


def _numbers(values: Any) -> list[float | None]:
    return [float(value) if math.isfinite(value) else None for value in values]
