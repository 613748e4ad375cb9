"""Motions of joints that nobody tuned for, and what an encoder, a device's stamps and a network make of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Motion = Callable[[np.random.Generator, float], Floats]

STEP_S = 0.5e-3
"""Between two positions of a motion [s]."""
_START_NS = 1_700_000_000_000_000_000


@dataclass(frozen=True, slots=True)
class Machine:
    """A joint that moves.

    Attributes:
        motion: Position every `STEP_S` for so many seconds, given a source of chance [rad or m].
        velocity_limit: What its asset declares [rad/s or m/s]; infinite where such machines declare none.
        linear: Whether it is a prismatic joint. An encoder's step is a tenth then: 0.1 mm for 1 mrad.
    """

    motion: Motion
    velocity_limit: float = math.inf
    linear: bool = False


@dataclass(frozen=True, slots=True)
class Feed:
    """How a motion becomes messages.

    Attributes:
        rate_hz: Of samples.
        quantum: Step of the encoder [rad].
        jitter_s: One sigma of stamps about the instant of measurement [s].
        delay_s: Mean of an exponential delay by which messages overtake each other [s].
    """

    rate_hz: int
    quantum: float
    jitter_s: float
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Recording:
    """Messages in order of arrival, and the truth: position [rad or m] over seconds since `start_ns`."""

    arrive_ns: NDArray[np.int64]
    stamp_ns: NDArray[np.int64]
    position: Floats
    start_ns: int
    truth_s: Floats
    truth: Floats


def record(machine: Machine, feed: Feed, *, seed: int, seconds: float) -> Recording:
    """Let a machine move, and record it."""
    rng = np.random.default_rng(seed)
    truth = machine.motion(rng, seconds + 1.0)
    truth_s = STEP_S * np.arange(truth.size)
    taken = np.arange(0.0, seconds, 1.0 / feed.rate_hz)
    quantum = feed.quantum * (0.1 if machine.linear else 1.0)
    position = np.round(np.interp(taken, truth_s, truth) / quantum) * quantum
    stamp = taken + rng.normal(0.0, feed.jitter_s, taken.size)
    arrive = np.maximum(taken + rng.exponential(feed.delay_s, taken.size) if feed.delay_s else taken, 0.0)
    order = np.argsort(arrive, kind="stable")
    stamp_ns = _START_NS + np.rint(1e9 * stamp[order]).astype(np.int64)
    return Recording(
        _START_NS + np.rint(1e9 * arrive[order]).astype(np.int64), stamp_ns, position[order], _START_NS, truth_s, truth
    )


def _between_stops(
    rng: np.random.Generator,
    seconds: float,
    *,
    speed: float,
    least: float,
    most: float,
    pause: float,
    low: float,
    high: float,
    shape: Callable[[Floats], Floats],
) -> Floats:
    """Move between stops by a shape from 0 to 1, each as long as its way takes at `speed`, which is its mean over the way."""
    t = np.arange(0.0, seconds, STEP_S)
    p, at, here = np.zeros(t.size), 0.3, 0.0
    while at < seconds:
        way = rng.uniform(least, most) * rng.choice([-1.0, 1.0])
        if not low <= here + way <= high:
            way = -way
        lasts = abs(way) / speed * rng.uniform(1.0, 1.6)
        now = t >= at
        p[now] = here + way * shape(np.clip((t[now] - at) / lasts, 0.0, 1.0))
        here += way
        at += lasts + rng.uniform(0.2, 1.0) * pause
    return p


def _minimum_jerk(u: Floats) -> Floats:
    return u**3 * (10.0 - 15.0 * u + 6.0 * u * u)


def _trapezoid(u: Floats) -> Floats:
    """A third speeding up, a third at full speed, a third slowing down."""
    return np.where(u < 1 / 3, 2.25 * u * u, np.where(u < 2 / 3, 1.5 * u - 0.25, 1.0 - 2.25 * (1.0 - u) ** 2))


def _jerk_limited(u: Floats) -> Floats:
    """A trapezoid whose corners are rounded over a tenth of the way in time."""
    grid = np.linspace(0.0, 1.0, 1001)
    wide = 0.05
    smooth = np.mean(
        [_trapezoid(np.clip((grid * (1 + 2 * wide) - wide + d), 0.0, 1.0)) for d in np.linspace(-wide, wide, 41)], axis=0
    )
    return np.interp(u, grid, (smooth - smooth[0]) / (smooth[-1] - smooth[0]))


def _moves(
    shape: Callable[[Floats], Floats],
    *,
    speed: float,
    least: float,
    most: float,
    pause: float,
    low: float = -2.0,
    high: float = 2.0,
) -> Motion:
    return lambda rng, seconds: _between_stops(
        rng, seconds, speed=speed, least=least, most=most, pause=pause, low=low, high=high, shape=shape
    )


def _sines(*, low_hz: float, high_hz: float, size: float, count: int) -> Motion:
    def motion(rng: np.random.Generator, seconds: float) -> Floats:
        t = np.arange(0.0, seconds, STEP_S)
        hz, phase, width = rng.uniform(low_hz, high_hz, count), rng.uniform(0, 6.3, count), size * rng.uniform(0.2, 1.0, count)
        return (width[:, None] * np.sin(2.0 * np.pi * hz[:, None] * t + phase[:, None])).sum(axis=0)

    return motion


def _ringing(rng: np.random.Generator, seconds: float) -> Floats:
    """A joint behind a spring: trapezoids of its motor, and what they excite at 4 Hz with a damping of 3 %."""
    motor = _moves(_trapezoid, speed=0.7, least=0.3, most=1.5, pause=1.0)(rng, seconds)
    w, zeta = 2.0 * np.pi * 4.0, 0.03
    p, v, out = motor[0], 0.0, np.zeros(motor.size)
    for i, target in enumerate(motor):
        v += STEP_S * (w * w * (target - p) - 2.0 * zeta * w * v)
        p += STEP_S * v
        out[i] = p
    return out


def _swinging(rng: np.random.Generator, seconds: float) -> Floats:
    """A trolley [m] that a load swings under."""
    way = _moves(_jerk_limited, speed=0.04, least=0.05, most=0.3, pause=2.0, low=-1.0, high=1.0)(rng, seconds)
    t = np.arange(way.size) * STEP_S
    return way + 0.002 * np.sin(2.0 * np.pi * 0.45 * t + rng.uniform(0, 6.3)) * np.exp(-t / 20.0)


def _double_pendulum(first: float, second: float, joint: int) -> Motion:
    """Two point masses on massless rods [m], let go from rest, with a little friction; the second angle is relative."""

    def motion(rng: np.random.Generator, seconds: float) -> Floats:
        h, n = STEP_S, round(seconds / STEP_S)
        state = np.array([rng.uniform(1.5, 2.9), rng.uniform(-2.5, 2.5), 0.0, 0.0])
        out = np.zeros(n)

        def rates(s: Floats) -> Floats:
            a, b, va, vb = s
            d, g = a - b, 9.81
            c, sn = math.cos(d), math.sin(d)
            f = -first * 0.5 * second / first * vb * vb * sn - g * math.sin(a) - 0.1 * va
            k = first * va * va * sn - g * math.sin(b) - 0.05 * vb
            # of equal masses: a'' + (l2 / 2 l1) b'' cos d = f / l1;  b'' + (l1 / l2) a'' cos d = k / l2
            det = 1.0 - 0.5 * c * c
            aa = (f / first - 0.5 * second / first * c * k / second) / det
            bb = k / second - first / second * c * aa
            return np.array([va, vb, aa, bb])

        for i in range(n):
            out[i] = state[0] if joint == 0 else state[1] - state[0]
            k1 = rates(state)
            k2 = rates(state + 0.5 * h * k1)
            k3 = rates(state + 0.5 * h * k2)
            state = state + h / 6.0 * (k1 + 2 * k2 + 2 * k3 + rates(state + h * k3))
        return out

    return motion


def _gripper(rng: np.random.Generator, seconds: float) -> Floats:
    """Fingers [m] that open and close within 0.15 to 0.5 s and stand between."""
    t = np.arange(0.0, seconds, STEP_S)
    p, at, here = np.zeros(t.size), 0.4, 0.0
    while at < seconds:
        to = rng.uniform(0.0, 0.08) if here < 0.01 else 0.0 if rng.random() < 0.7 else rng.uniform(0.0, 0.08)
        lasts = rng.uniform(0.15, 0.5)
        now = t >= at
        shape = _trapezoid if rng.random() < 0.5 else _minimum_jerk
        p[now] = here + (to - here) * shape(np.clip((t[now] - at) / lasts, 0.0, 1.0))
        here, at = to, at + lasts + rng.uniform(0.3, 2.0)
    return p


MACHINES = {
    "slow arm, minimum jerk, 0.4 rad/s": Machine(_moves(_minimum_jerk, speed=0.21, least=0.2, most=1.0, pause=1.0), 2.0),
    "slow arm, six sines": Machine(_sines(low_hz=0.05, high_hz=0.3, size=0.25, count=6), 2.0),
    "arm, minimum jerk, 2 rad/s": Machine(_moves(_minimum_jerk, speed=1.06, least=0.5, most=2.0, pause=0.8), 3.14),
    "arm, trapezoids, 1.4 rad/s²": Machine(_moves(_trapezoid, speed=0.7, least=0.4, most=1.6, pause=0.8), 3.14),
    "arm, jerk-limited": Machine(_moves(_jerk_limited, speed=0.7, least=0.4, most=1.6, pause=0.8), 3.14),
    "SCARA, 6 rad/s, 60 rad/s²": Machine(_moves(_trapezoid, speed=4.0, least=0.7, most=2.0, pause=0.15), 10.0),
    "delta, sines of 1.5 to 3 Hz": Machine(_sines(low_hz=1.5, high_hz=3.0, size=0.2, count=3), 20.0),
    "flexible joint, rings at 4 Hz": Machine(_ringing, 3.14),
    "crane, load swinging": Machine(_swinging, 0.1, linear=True),
    "turntable, 0.6 rad/s": Machine(_moves(_jerk_limited, speed=0.5, least=0.5, most=3.0, pause=1.5, low=-9.0, high=9.0), 1.0),
    "double pendulum, 0.3 m": Machine(_double_pendulum(0.3, 0.25, 0)),
    "light pendulum, first joint": Machine(_double_pendulum(0.15, 0.12, 0)),
    "light pendulum, second joint": Machine(_double_pendulum(0.15, 0.12, 1)),
    "gripper": Machine(_gripper, 0.5, linear=True),
}  # fmt: skip
"""Robots, machines and toys from 0.05 m/s to 50 rad/s."""

FEEDS = (
    Feed(50, 1e-3, 1e-3), Feed(100, 1e-4, 0.0), Feed(100, 1e-4, 3e-3), Feed(250, 1e-4, 0.3e-3), Feed(250, 1e-3, 1e-3),
    Feed(250, 1e-4, 0.3e-3, 3e-3), Feed(500, 1e-5, 0.0), Feed(500, 1e-4, 3e-3), Feed(1000, 1e-5, 0.1e-3),
    Feed(1000, 1e-4, 1e-3),
)  # fmt: skip
"""Rates from 50 Hz to 1 kHz, coarse and fine encoders, good and bad stamps."""
