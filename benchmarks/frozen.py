"""How often a frozen source of joints is told within a second, and how often a robot that merely stops is taken for one.

    python frozen.py [--trials N] [--seed S] [--only WORD]

Robots of several kinds, message rates, encoders and speeds, nobody's constants among them; each trial is a robot of its own. A
source freezes at a random message of a motion; machines stop in several ways. Counts are of `trials`.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import numpy as np

from twind.estimation import JointBank

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[Any]
    Motion = Callable[[np.random.Generator, Floats], Floats]

START_NS = 1_700_000_000_000_000_000
RATES = (10, 25, 50, 100, 500)
ENCODERS = {"0.01 mrad": 1e-5, "0.1 mrad": 1e-4, "1 mrad": 1e-3, "none": 0.0}
NOISE = 1e-4  # rad, of an encoder that has no step
MOTION_S, STAND_S = 3.0, 2.5


def swing(low: float, high: float, axes: int) -> Motion:
    """Return a motion of axes that swing, each with a top speed of its own."""

    def motion(rng: np.random.Generator, t: Floats) -> Floats:
        w = rng.uniform(0.3, 0.8, axes) * max(1.0, high)
        way: Floats = rng.uniform(low, high, axes) / w * np.sin(w * t[:, None] + rng.uniform(0.0, 6.28, axes))
        return way

    return motion


def pendulum(rng: np.random.Generator, t: Floats) -> Floats:
    """Return a double pendulum of about 1 and 2 Hz."""
    w = rng.uniform(0.8, 1.2, 2) * 2.0 * np.pi * np.array([0.8, 1.7])
    way: Floats = np.array([0.6, 0.4]) * np.sin(w * t[:, None] + rng.uniform(0.0, 6.28, 2))
    return way


def turning(rng: np.random.Generator, t: Floats) -> Floats:
    """Return two wheels that turn at almost constant speeds."""
    way: Floats = rng.uniform(0.5, 6.0, 2) * t[:, None] + 0.1 * np.sin(2.0 * t[:, None])
    return way


def gripping(rng: np.random.Generator, t: Floats) -> Floats:
    """Return the two fingers of a gripper that closes [m]."""
    way: Floats = np.repeat(rng.uniform(0.01, 0.05) * t[:, None], 2, axis=1)
    return way


MOVING: dict[str, tuple[Motion, float]] = {
    "7 axes, 0.1 to 0.3 rad/s": (swing(0.1, 0.3, 7), 1.0),
    "7 axes, 0.3 to 1 rad/s": (swing(0.3, 1.0, 7), 1.0),
    "7 axes, 1 to 3 rad/s": (swing(1.0, 3.0, 7), 1.0),
    "double pendulum": (pendulum, 1.0),
    "wheels": (turning, 1.0),
    "gripper, 10 to 50 mm/s": (gripping, 0.1),
}


def stop(t: Floats, at: Any, speed: Any, braking: Any) -> Floats:
    """Return the way of axes that brake evenly to a stand from `at` on; an infinite braking stops them there."""
    lasts = speed / braking
    s = np.clip(t[:, None] - at, 0.0, lasts)
    way: Floats = speed * np.minimum(t[:, None], at) + speed * s - 0.5 * np.where(np.isfinite(braking), braking, 0.0) * s**2
    return way


def braking(a: float, low: float, high: float, *, scaled: bool = False, axes: int = 7) -> Motion:
    """Return axes that brake with `a`, all to one instant; scaled: all for the same time, the fastest with `a`."""

    def motion(rng: np.random.Generator, t: Floats) -> Floats:
        speed = rng.uniform(low, high, axes)
        each = a * speed / speed.max() if scaled else np.full(axes, a)
        return stop(t, MOTION_S - 0.3 * rng.uniform() - speed / each, speed, each)

    return motion


def one_by_one(a: float) -> Motion:
    """Return axes that begin to brake at one instant, as in an emergency stop."""

    def motion(rng: np.random.Generator, t: Floats) -> Floats:
        return stop(t, MOTION_S - 0.5 - 0.3 * rng.uniform(), rng.uniform(0.05, 2.0, 7), np.full(7, a))

    return motion


def cycles(rng: np.random.Generator, t: Floats) -> Floats:
    """Return pick and place: moves of minimum jerk with dwells between."""
    way, lasts, dwell = rng.uniform(-1.0, 1.0, (4, 7)), rng.uniform(0.5, 1.0), rng.uniform(0.3, 1.0)
    z = np.zeros((t.size, 7))
    for k in range(4):
        u = np.clip((t - k * (lasts + dwell)) / lasts, 0.0, 1.0)[:, None]
        z += way[k] * u**3 * (10.0 - 15.0 * u + 6.0 * u**2)
    return z


def creep(rng: np.random.Generator, t: Floats) -> Floats:
    """Return axes that creep, some of them less than a step of their encoder in a second, and then stand."""
    return stop(t, 2.3 + 0.3 * rng.uniform(), rng.uniform(0.0005, 0.02, 7), np.full(7, 5.0))


def reversals(rng: np.random.Generator, t: Floats) -> Floats:
    """Return axes that run back and forth at constant speed with sharp turns, and never stand."""
    lasts = rng.uniform(0.3, 0.8, 7)
    way: Floats = rng.uniform(0.1, 1.0, 7) * np.abs((t[:, None] + rng.uniform(0, 1, 7)) % (2.0 * lasts) - lasts)
    return way


def standing(rng: np.random.Generator, t: Floats) -> Floats:
    """Return axes that never move."""
    way: Floats = np.repeat(rng.uniform(-2.0, 2.0, (1, 7)), t.size, axis=0)
    return way


STOPPING: dict[str, Motion] = {
    "2 rad/s^2 to one instant": braking(2.0, 0.05, 2.0),
    "10 rad/s^2 to one instant": braking(10.0, 0.05, 2.0),
    "25 rad/s^2 to one instant": braking(25.0, 0.05, 2.0),
    "10 rad/s^2, 0.1 to 0.3 rad/s": braking(10.0, 0.1, 0.3),
    "25 rad/s^2, 0.1 to 0.3 rad/s": braking(25.0, 0.1, 0.3),
    "25 rad/s^2, same time": braking(25.0, 0.05, 2.0, scaled=True),
    "25 rad/s^2, one by one": one_by_one(25.0),
    "one axis, 25 rad/s^2": braking(25.0, 0.05, 2.0, axes=1),
    "100 rad/s^2 to one instant": braking(100.0, 0.05, 2.0),
    "at once": braking(np.inf, 0.05, 2.0),
    "pick and place": cycles,
    "sharp reversals": reversals,
    "creep": creep,
    "standing": standing,
}


def told(motion: Motion, rate: int, quantum: float, trials: int, seed: int, *, freezes: bool) -> int:
    """Return how many of the robots are told frozen: within a second of it, or ever where none is."""
    rng = np.random.default_rng(seed)
    t = np.arange(round((MOTION_S + STAND_S) * rate)) / rate
    robots = []
    for _ in range(trials):
        z = motion(rng, t)
        if quantum > 0.0:
            z = np.round(z / quantum) * quantum
        elif freezes:
            z = z + NOISE * rng.normal(size=z.shape)
        if freezes:
            cut = int(rng.integers(2 * rate, 3 * rate))
            z = np.concatenate([z[: cut + 1], np.repeat(z[cut : cut + 1], t.size - cut - 1, axis=0)])[: cut + 1 + rate]
        robots.append(z)
    count = 0
    for z in robots:
        count += _feed(t[: len(z)], z, rate)
    return count


def _feed(t: Floats, z: Floats, rate: int) -> bool:
    axes = z.shape[1]
    bank = JointBank(axes)
    layout = bank.add_layout(range(axes))
    stamps = START_NS + np.rint(t * 1e9).astype(np.int64)
    ever = False
    step = max(1, rate // 4)
    for begin in range(0, len(t), step):
        rows = slice(begin, min(begin + step, len(t)))
        n = rows.stop - rows.start
        bank.ingest(
            np.full(n, layout, np.int32), stamps[rows], np.zeros(n), np.zeros(n, np.uint8),
            np.arange(n + 1, dtype=np.int64) * axes, np.ascontiguousarray(z[rows]).reshape(-1),
            np.zeros(n * axes, np.uint8), np.zeros(n * axes),
        )  # fmt: skip
        ever = ever or bool((bank.frozen == 1).any())
    return ever


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    for title, freezes in (("frozen in motion, told within 1 s", True), ("stopped in truth, told all the same", False)):
        print(f"\n{title}, of {options.trials}\n{'':32}" + "".join(f"{name:>25}" for name in ENCODERS))
        print(f"{'Hz':>32}" + "".join("".join(f"{rate:>5}" for rate in RATES) for _ in ENCODERS))
        cells = MOVING if freezes else {name: (what, 1.0) for name, what in STOPPING.items()}
        for name, (motion, unit) in cells.items():
            if options.only not in name:
                continue
            line = f"{name:>32}"
            for quantum in ENCODERS.values():
                for rate in RATES:
                    line += f"{told(motion, rate, quantum * unit, options.trials, options.seed, freezes=freezes):>5}"
            print(line, flush=True)


if __name__ == "__main__":
    main()
