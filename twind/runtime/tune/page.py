"""The report: one HTML file that needs nothing from elsewhere and runs nothing."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from twind import __version__
from twind.runtime.tune import charts
from twind.runtime.tune.innovations import MOST, innovations
from twind.runtime.tune.report import fragment, likely
from twind.runtime.tune.trial import HORIZONS_MS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from twind.model.topology import Topology
    from twind.runtime.tune.decoded import Decoded
    from twind.runtime.tune.innovations import Innovations
    from twind.runtime.tune.search import Quantity, Search, Tuned

    Floats = NDArray[np.float64]

_STYLE = """
:root{color-scheme:light dark;--ground:#fff;--card:#f6f7f9;--ink:#1b2430;--faint:#667080;--rule:#dde1e7;
--held:#b4bbc6;--was:#e39a3b;--now:#2f6fde;--y:#1f9d76;--z:#b3509e;--band:#2f6fde2e;--fit:#1f9d7630}
@media(prefers-color-scheme:dark){:root{--ground:#12161c;--card:#1b212a;--ink:#e6eaf0;--faint:#95a0b0;--rule:#303946;
--held:#586374;--was:#e8a654;--now:#6ca1ff;--y:#4cc79d;--z:#d884c6;--band:#6ca1ff38;--fit:#4cc79d38}}
body{font:15px/1.5 system-ui,sans-serif;background:var(--ground);color:var(--ink);
max-width:84em;margin:2em auto;padding:0 1.5em}
h1{font-size:1.6em;margin:0}h2{font-size:1.2em;margin:0 0 .2em}h3{font-size:.95em;margin:1em 0 .2em}
p{margin:.3em 0}.faint{color:var(--faint)}
section{background:var(--card);border-radius:10px;padding:1.2em 1.4em;margin:1.4em 0}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(26em,1fr));gap:0 2em}
table{border-collapse:collapse;margin:1em 0}td,th{padding:.25em .9em;text-align:right;border-bottom:1px solid var(--rule)}
td:first-child,th:first-child{text-align:left;padding-left:0}th{font-weight:600;color:var(--faint)}
td{font-variant-numeric:tabular-nums}pre{background:var(--ground);border-radius:6px;padding:1em;overflow:auto}
svg{width:100%;height:auto;display:block}svg text{font-size:11px;fill:var(--faint)}
.grid{stroke:var(--rule)}.band{fill:var(--band)}.fit{fill:var(--fit)}
.spike,.spike-y,.spike-z,.line,.line-was{fill:none;stroke-width:1.2}
.spike,.line{stroke:var(--now)}.spike-y{stroke:var(--y)}.spike-z{stroke:var(--z)}.line-was{stroke:var(--was)}
.line,.line-was{stroke-width:1.6}.held{fill:var(--held)}.was{fill:var(--was)}.now{fill:var(--now)}
.key{display:inline-block;width:.8em;height:.8em;border-radius:2px;margin:0 .35em 0 .8em;vertical-align:-.05em}
"""
_LEAST_NIS, _MOST_NIS = 1e-3, 1e3
_AXES = (("spike", "now", "x"), ("spike-y", "y", "y"), ("spike-z", "z", "z"))


def page(search: Search, found: Sequence[Tuned], topology: Topology, decoded: Decoded) -> str:
    """Return the report: innovations, running NIS and prediction errors of each joint and body, and the fragment."""
    before = innovations(topology, decoded, search.settings)
    after = innovations(topology, decoded, search.tuned_settings) if any(one.changed for one in found) else before
    first, last = decoded.span_ns
    cut = f" · innovations of the first {MOST:,} messages" if len(decoded.joints.t_ns) + len(decoded.bodies.t_ns) > MOST else ""
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8"/><meta name="viewport" content="width=device-width"/>',
        f"<title>twind tune</title><style>{_STYLE}</style></head><body>",
        "<h1>Noise and prediction</h1>",
        f'<p class="faint">twind {escape(__version__)} · {(last - first) * 1e-9:.1f} s of recording{cut}</p>',
        _summary(found),
    ]
    for one in found:
        key = (one.entity, one.joint)
        parts.append(_section(one, before.get(key, ()), after.get(key, ())))
    parts.append(f"<section><h2>Configuration fragment</h2><pre>{escape(fragment(found))}</pre></section></body></html>")
    return "\n".join(parts) + "\n"


def _summary(found: Sequence[Tuned]) -> str:
    head = "".join(f"<th>+{horizon} ms</th>" for horizon in HORIZONS_MS)
    rows = []
    for one in found:
        for quantity in one.quantities:
            name = escape(one.name) + (f" {quantity.name}" if one.joint is None else "")
            for label, errors in (("before", quantity.before), ("after", quantity.after)):
                cells = "".join(
                    f"<td>{ours / held:.3f}</td>" if held > 0 and np.isfinite(ours) else "<td>-</td>"
                    for ours, held in zip(errors.predicted, errors.held, strict=True)
                )
                rows.append(f"<tr><td>{name if label == 'before' else ''}</td><td>{label}</td>{cells}</tr>")
    return (
        f"<table><thead><tr><th>RMS error as a fraction of hold-last's</th><th></th>{head}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def _section(one: Tuned, before: Sequence[Innovations], after: Sequence[Innovations]) -> str:
    parts = [f"<section><h2>{escape(one.name)}</h2>"]
    if one.skipped:
        parts.append(f"<p>Not tuned: {escape(one.skipped)}.</p>")
    else:
        changed = ", ".join(f"{name}: {value}" for name, value in one.changed.items()) or "nothing changed"
        parts.append(
            f"<p>{one.samples:,} samples. Most likely, one model for all of it: {escape(likely(one))}.</p>"
            f"<p>Predicts best: {escape(one.choice)} ({escape(changed.lower())}).</p>"
        )
    parts.append('<div class="charts">')
    for quantity, was, now in zip(one.quantities, before, after, strict=False):
        parts += [f"<div>{_innovations(quantity, found, when)}</div>" for found, when in ((was, "before"), (now, "after"))]
    if before and after:
        parts.append(f"<div>{_running_nis(before[0], after[0])}</div>")
    parts += [f"<div>{_errors(quantity)}</div>" for quantity in one.quantities]
    return "".join([*parts, "</div></section>"])


def _innovations(quantity: Quantity, found: Innovations, when: str) -> str:
    off, twice = 1e3 * found.value, 2e3 * found.std
    reach = max(1.3 * float(np.quantile(twice, 0.95)), 1.1 * float(np.quantile(np.abs(off), 0.998))) or 1.0
    unit = f"m{quantity.unit}"
    frame = charts.Frame(
        _span(found.time_s), (-reach, reach), label=f"Innovations of {quantity.name} {when}, with 2 sigma", unit=unit
    )
    x, band = charts.thinned(found.time_s, twice)
    frame.area(x, -band, band, "band")
    axes = _AXES[: off.shape[1]]
    for axis, (style, _, _) in enumerate(axes):
        frame.spikes(*charts.columns(found.time_s, off[:, axis]), style)
    inside = float(np.mean(np.abs(off) <= twice[:, None]))
    keys = "".join(_key(colour, name) for _, colour, name in axes) if len(axes) > 1 else _key("now", "innovation")
    return (
        f"<h3>Innovations of {quantity.name}, {when} {keys}{_key('band', '± 2 sigma')}</h3>{frame.svg()}"
        f'<p class="faint">{100 * inside:.1f} % inside ± 2 sigma; 95.4 % are expected of Gaussian noise.</p>'
    )


def _running_nis(before: Innovations, after: Innovations) -> str:
    window = max(1, min(100, len(after.nis) // 5))
    low, high = nis_band(window, after.freedom)
    means = [_running_mean(found.nis, window) for found in (before, after)]
    reached = np.clip(np.concatenate([*means, [low, high]]), _LEAST_NIS * after.freedom, _MOST_NIS * after.freedom)
    frame = charts.Frame(
        _span(after.time_s), (0.7 * float(reached.min()), 1.4 * float(reached.max())),
        label="Running normalised innovation squared with its 95 % band", logarithmic=True,
    )  # fmt: skip
    ends = np.array(_span(after.time_s))
    frame.area(ends, np.full(2, low), np.full(2, high), "fit")
    for found, mean, style in ((before, means[0], "line-was"), (after, means[1], "line")):
        frame.line(*charts.thinned(found.time_s[-len(mean) :], mean), style)
    shares = [float(np.mean((mean >= low) & (mean <= high))) for mean in means]
    return (
        f"<h3>Running NIS over {window} samples {_key('was', 'before')}{_key('now', 'after')}{_key('fit', '95 % band')}</h3>"
        f'{frame.svg()}<p class="faint">Mean {np.mean(before.nis):.2f} before, {np.mean(after.nis):.2f} after; '
        f"{after.freedom} is expected. Inside the band {low:.2f} to {high:.2f}: {100 * shares[0]:.0f} % before, "
        f"{100 * shares[1]:.0f} % after. Below it the filter is more careful than it need be, above it too sure.</p>"
    )


def _running_mean(values: Floats, window: int) -> Floats:
    own = min(window, len(values))
    return np.convolve(values, np.full(own, 1.0 / own), mode="valid")


def _errors(quantity: Quantity) -> str:
    of = (("held", quantity.before.held), ("was", quantity.before.predicted), ("now", quantity.after.predicted))
    groups = [(style, (1e3 * values).tolist()) for style, values in of]
    keys = _key("held", "hold-last") + _key("was", "before") + _key("now", "after")
    labels = [f"+{horizon} ms" for horizon in HORIZONS_MS]
    chart = charts.bars(labels, groups, label=f"Prediction error of {quantity.name} per horizon", unit=f"m{quantity.unit}")
    return f"<h3>Prediction error of {quantity.name}, RMS {keys}</h3>{chart}"


def nis_band(samples: int, freedom: int) -> tuple[float, float]:
    """Return where the mean NIS of so many samples lies in 95 % of cases.

    Wilson and Hilferty (1931): n times the mean is chi-square with n times the degrees of freedom.
    """
    spread = 2.0 / (9.0 * samples * freedom)
    low, high = (freedom * max(0.0, 1.0 - spread + z * spread**0.5) ** 3 for z in (-1.959964, 1.959964))
    return low, high


def _span(time_s: Floats) -> tuple[float, float]:
    low, high = float(time_s[0]), float(time_s[-1])
    return low, max(high, low + 1e-3)


def _key(style: str, text: str) -> str:
    return f'<span class="key" style="background:var(--{style})"></span><span class="faint">{text}</span>'
