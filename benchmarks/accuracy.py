"""One default for every machine: causal prediction against the best of many fixed filters, found on the same recording.

Every filter is one joint of a bank, so a recording is read once. `python accuracy.py -v` prints each recording.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from machines import FEEDS, MACHINES, Feed, Machine, Recording, record

from twind.config.settings import JointSettings
from twind.estimation import JointBank
from twind.model.time import NS_PER_MS

HORIZONS_MS = (20, 50, 100, 200)
SECONDS = 16.0
EVERY_NS = 20 * NS_PER_MS
TOLD_NS = 500 * NS_PER_MS
BAR = 1.3
JERKS = tuple(0.03 * 10.0 ** (0.5 * k) for k in range(13))
STAMPS_S = (0.0, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2)


def ratios(machine: Machine, recording: Recording) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return, for each horizon, the shipped filter's error over that of the best fixed one."""
    shipped = JointSettings()
    std = shipped.position_std_m if machine.linear else shipped.position_std_rad
    most = shipped.jerk_noise_m if machine.linear else shipped.jerk_noise
    grid = [(jerk, stamp) for jerk in JERKS for stamp in STAMPS_S]
    n = len(grid) + 1
    bank = JointBank(n, gate=0.999, lag_ns=200 * NS_PER_MS)
    common: dict[str, Any] = {
        "position_std": std, "tau_s": shipped.acceleration_tau_s, "velocity_limit": machine.velocity_limit,
    }  # fmt: skip
    bank.configure(slice(0, 1), adapt=shipped.adapt, jerk_noise=most, stamp_std_s=1e-3 * shipped.stamp_std_ms, **common)
    for i, (jerk, stamp) in enumerate(grid, 1):
        bank.configure(slice(i, i + 1), adapt=False, jerk_noise=jerk, stamp_std_s=stamp, **common)
    layout = bank.add_layout(range(n))
    instants = np.arange(recording.start_ns + EVERY_NS, recording.start_ns + int(SECONDS * 1e9), EVERY_NS)
    squares, said = np.zeros((len(HORIZONS_MS), n)), [np.zeros(n) for _ in range(3)]
    first = 0
    for now in instants:
        last = int(np.searchsorted(recording.arrive_ns, now, "right"))
        _feed(bank, layout, recording, first, last)
        first = last
        if now < recording.start_ns + TOLD_NS:
            continue
        for k, horizon in enumerate(HORIZONS_MS):
            target = int(now) + horizon * NS_PER_MS
            bank.predict(np.full(n, target), *said)
            truth = np.interp((target - recording.start_ns) * 1e-9, recording.truth_s, recording.truth)
            squares[k] += (said[0] - truth) ** 2
    return np.sqrt(squares[:, 0] / squares[:, 1:].min(axis=1))


def _feed(bank: JointBank, layout: int, recording: Recording, first: int, last: int) -> None:
    count, n = last - first, bank.n_joints
    values = np.repeat(recording.position[first:last], n)
    verdict, nis = np.zeros(count * n, np.uint8), np.zeros(count * n)
    bank.ingest(
        np.full(count, layout, np.int32), recording.stamp_ns[first:last], np.zeros(count), np.zeros(count, np.uint8),
        np.arange(count + 1, dtype=np.int64) * n, values, verdict, nis,
    )  # fmt: skip


def main() -> None:
    """Print a table of all machines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-v", action="store_true", dest="each", help="print each recording")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="machines whose name contains this")
    options = parser.parse_args()
    missed = total = 0
    for name, machine in MACHINES.items():
        if options.only not in name:
            continue
        rows = []
        for feed in FEEDS:
            row = ratios(machine, record(machine, feed, seed=options.seed, seconds=SECONDS))
            rows.append(row)
            if options.each:
                print(f"  {_say(feed):34}", "  ".join(f"{r:5.2f}" for r in row), "*" if (row > BAR).any() else "")
        table = np.array(rows)
        missed, total = missed + int((table > BAR).sum()), total + table.size
        means, worst = np.exp(np.log(table).mean(axis=0)), table.max(axis=0)
        print(f"{name:36}", " | ".join(f"{m:.2f} / {w:.2f}" for m, w in zip(means, worst, strict=True)), flush=True)
    print(f"{missed} of {total} above {BAR}")


def _say(feed: Feed) -> str:
    late = f", {1e3 * feed.delay_s:g} ms late" if feed.delay_s else ""
    return f"{feed.rate_hz} Hz, {feed.quantum:g}, {1e3 * feed.jitter_s:g} ms{late}"


if __name__ == "__main__":
    main()
