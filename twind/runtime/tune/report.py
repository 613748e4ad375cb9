"""What the search found, as text, as a configuration fragment, and as a page without anything from elsewhere."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import yaml

from twind.runtime.tune.trial import HORIZONS_MS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twind.runtime.tune.search import Tuned

_STYLE = (
    "body{font:15px sans-serif;margin:2em;max-width:50em}td,th{padding:.2em 1em;text-align:right}.bar{fill:#36c}.was{fill:#bbb}"
)
_BAR = 300


def fragment(found: Sequence[Tuned]) -> str:
    """Return the settings to add to the configuration, as YAML."""
    overrides = {
        one.robot: {"joints": {name: float(f"{value:.3g}") for name, value in one.changed.items()}}
        for one in found
        if one.changed
    }
    if not overrides:
        return "# The present settings predict this recording as well as any that were tried.\n"
    document: dict[str, Any] = {"estimation": {"overrides": overrides}}
    return yaml.safe_dump(document, sort_keys=False)


def as_text(found: Sequence[Tuned]) -> str:
    """Return one table for each robot: errors by horizon, and as a fraction of hold-last's."""
    lines = []
    for one in found:
        lines += [f"{one.robot}: RMS prediction error [mrad or mm]", "  horizon  hold-last   before  (of hold-last)    after"]
        for place, horizon in enumerate(HORIZONS_MS):
            held, before, after = (1e3 * float(errors[place]) for errors in _three(one))
            shares = f"({_share(before, held)})", f"({_share(after, held)})"
            lines.append(f"  {horizon:4d} ms {held:10.3f} {before:8.3f} {shares[0]:>8}  {after:15.3f} {shares[1]}")
    return "\n".join(lines)


def as_html(found: Sequence[Tuned]) -> str:
    """Return a page: for each robot the errors before and after as bars, of hold-last's, and the fragment."""
    parts = [f"<!doctype html><meta charset=utf-8><title>twind tune</title><style>{_STYLE}</style><h1>twind tune</h1>"]
    for one in found:
        parts.append(f"<h2>{escape(one.robot)}</h2><table><tr><th>horizon<th>hold-last<th>before<th>after<th>of hold-last")
        for place, horizon in enumerate(HORIZONS_MS):
            held, before, after = (1e3 * float(errors[place]) for errors in _three(one))
            bars = "".join(
                f'<rect class="{kind}" y="{y}" height="8" width="{min(1.0, value / held if held else 0.0) * _BAR:.1f}"/>'
                for kind, y, value in (("was", 0, before), ("bar", 10, after))
            )
            parts.append(
                f"<tr><td>{horizon} ms<td>{held:.3f}<td>{before:.3f}<td>{after:.3f}"
                f'<td><svg width="{_BAR}" height="18">{bars}</svg>'
            )
        parts.append("</table><p>RMS in mrad or mm. Grey: present settings; blue: tuned; full width: hold-last.</p>")
    parts.append(f"<h2>Configuration</h2><pre>{escape(fragment(found))}</pre>")
    return "\n".join(parts) + "\n"


def _three(one: Tuned) -> tuple[Any, Any, Any]:
    return one.before.held, one.before.predicted, one.after.predicted


def _share(error: float, held: float) -> str:
    return f"{error / held:.3f}" if held else "-"
