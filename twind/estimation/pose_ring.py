"""Samples in any order: a ring of the last ones per body, some with the state after them; a late one is replayed into place.

The state is a function of the sorted samples alone, so that the order of arrival within the lag does not matter.

A state is many times as long as a sample, and writing one costs as much as a third of an update where bodies are many. So only
every `STRIDE`-th slot of the ring keeps the state after its sample, and a late sample is reached from the last one kept before
it. The ring lets go `STRIDE` samples at once, so that its first slot always follows one that kept its state; that one is free.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from twind.estimation.compile import inlined, kernel
from twind.estimation.inertial_kernels import use_inertial_sample
from twind.estimation.pose_kernels import RESTART_NS, note_delta, use_sample
from twind.estimation.pose_prediction import FARTHEST_NS
from twind.estimation.prefetch import prefetch
from twind.estimation.quaternions import normalised
from twind.model.estimates import Verdict
from twind.model.messages import Channel
from twind.model.time import NO_STAMP

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_VAR = 1e4  # m^2, m^2/s^2, rad^2/s^2: more than a hundred of them is no measurement
MOST_TURN_VAR = 10.0  # rad^2: a whole turn either way says nothing
LARGEST = 1e9  # m; beyond it a number is no measurement
STRIDE = 4  # slots per kept state
BEHIND, BEHIND_NS = 10, 500_000_000  # ascending samples from before the lag, over so long: time itself was set back

_ACCEPTED, _RESET = int(Verdict.ACCEPTED), int(Verdict.RESET)
_DUPLICATE, _TOO_OLD, _FUTURE, _NOT_FINITE = (
    int(Verdict.DUPLICATE), int(Verdict.TOO_OLD), int(Verdict.FUTURE), int(Verdict.NOT_FINITE),
)  # fmt: skip
_POSE, _TWIST_BODY, _TWIST_WORLD, _IMU = (
    int(Channel.POSE), int(Channel.TWIST_BODY), int(Channel.TWIST_WORLD), int(Channel.IMU),
)  # fmt: skip


@inlined
def _stated(variance: float, default: float, most: float) -> float:
    """Honour a variance that the message states when it can be one: drivers write 1e6 where they do not know."""
    return variance if 1e-12 <= variance <= most else default


@inlined
def _plausible(linear: NDArray[np.float64], angular: NDArray[np.float64], channel: int) -> bool:
    """Say whether a sample can be a measurement; NaN fails every comparison."""
    for i in range(3):
        if not abs(linear[i]) <= LARGEST:
            return False
    if channel == _POSE:  # a quaternion far from unit length has lost its direction to rounding
        norm = angular[0] * angular[0] + angular[1] * angular[1] + angular[2] * angular[2] + angular[3] * angular[3]
        return bool(1e-12 <= norm <= 1e12)
    for i in range(3):
        if not abs(angular[i]) <= LARGEST:
            return False
    return channel in (_TWIST_BODY, _TWIST_WORLD, _IMU)


@inlined
def _write(
    sample: Any,
    c: Any,
    t: int,
    channel: int,
    tag: int,
    sigma_t: float,
    linear: NDArray[np.float64],
    angular: NDArray[np.float64],
    linear_var: NDArray[np.float64],
    angular_var: NDArray[np.float64],
) -> None:
    """Put one sample into the ring, with the variances that will be used."""
    sample.t_ns, sample.channel, sample.tag = t, channel, tag
    sample.sigma_t = min(sigma_t, 1e3) if sigma_t > 0.0 else 0.0
    first, second = c.r_position, c.r_rotation
    if channel == _POSE:
        q = normalised((angular[0], angular[1], angular[2], angular[3]))
        sample.angular[0], sample.angular[1], sample.angular[2], sample.angular[3] = q
    else:
        first, second = c.r_velocity, c.r_gyro if channel == _IMU else c.r_rate
        sample.angular[3] = 0.0
        for i in range(3):
            sample.angular[i] = angular[i]
    for i in range(3):
        sample.linear[i] = linear[i]
        sample.linear_var[i] = _stated(linear_var[i], first, MOST_VAR)
        sample.angular_var[i] = _stated(angular_var[i], second, MOST_TURN_VAR if channel == _POSE else MOST_VAR)


@kernel
def _set_back(c: Any, t: int, newest: int) -> bool:
    """Note a sample from before the lag; say whether so many ascend there that time itself was set back."""
    if c.behind == 0 or t <= c.behind_last_ns:
        c.behind, c.behind_first_ns = 0, t
    c.behind += 1
    c.behind_last_ns = t
    return bool(c.behind >= BEHIND and (newest - t > RESTART_NS or t - c.behind_first_ns >= BEHIND_NS))


@kernel
def ingest_samples(
    settings: NDArray[Any],
    states: NDArray[Any],
    samples: NDArray[Any],
    snapshots: NDArray[Any],
    driven: NDArray[Any],
    driven_snapshots: NDArray[Any],
    lag_ns: int,
    index: NDArray[np.int32],
    channel: NDArray[np.uint8],
    tag: NDArray[np.int32],
    t_ns: NDArray[np.int64],
    sigma_t: NDArray[np.float64],
    skip: NDArray[np.uint8],
    linear: NDArray[np.float64],
    angular: NDArray[np.float64],
    linear_var: NDArray[np.float64],
    angular_var: NDArray[np.float64],
    gate: float,
    work: NDArray[np.float64],
    P: NDArray[np.float64],
    dx: NDArray[np.float64],
    K: NDArray[np.float64],
    P15: NDArray[np.float64],
    dx15: NDArray[np.float64],
    K15: NDArray[np.float64],
    verdict: NDArray[np.uint8],
    nis: NDArray[np.float64],
    overruled: NDArray[np.int32],
) -> None:
    """Use M samples in order of arrival; see `PoseBank.ingest` for the columns."""
    size = samples.shape[1]
    last = index.shape[0] - 1
    for m in range(last + 1):
        if m + 1 < last:
            prefetch(settings, index[m + 2])
        if m < last:
            after = index[m + 1]
            free = (settings[after].head + settings[after].count) % size
            prefetch(states, after)
            prefetch(samples[after], free)
            prefetch(samples[after], free - 1 if free > 0 else size - 1)
            if free % STRIDE == STRIDE - 1:
                prefetch(snapshots[after], free // STRIDE)
        nis[m] = math.nan
        overruled[m] = -1
        verdict[m] = skip[m]
        if skip[m] != _ACCEPTED:
            continue
        n, t, kind = index[m], t_ns[m], channel[m]
        if not _plausible(linear[m], angular[m], kind):
            verdict[m] = _NOT_FINITE
            continue
        if t > FARTHEST_NS or t < -FARTHEST_NS:
            verdict[m] = _FUTURE if t > 0 else _TOO_OLD
            continue
        c = settings[n]
        place = c.count
        if c.count > 0:
            newest = samples[n, (c.head + c.count - 1) % size].t_ns
            if t < newest - lag_ns or t <= c.floor_ns:
                verdict[m] = _TOO_OLD
                if not _set_back(c, t, newest):
                    continue
                c.count = place = 0
                c.floor_ns = NO_STAMP
                c.epoch += 1
                verdict[m] = _RESET
            else:
                while place > 0:
                    other = samples[n, (c.head + place - 1) % size]
                    if other.t_ns < t or (other.t_ns == t and other.channel < kind):
                        break
                    place -= 1
                if place < c.count:
                    other = samples[n, (c.head + place) % size]
                    if other.t_ns == t and other.channel == kind:
                        verdict[m] = _DUPLICATE
                        continue
                if place < STRIDE and c.count == size - 1:  # the ring is too short to replay from here
                    verdict[m] = _TOO_OLD
                    continue
        c.behind = 0
        before, overruled_before = states[n].resets, states[n].overruled
        if verdict[m] == _RESET:  # the past that follows is another one; what was learned of the body stays
            if kind == _POSE:
                note_delta(states[n], linear[m], normalised((angular[m, 0], angular[m, 1], angular[m, 2], angular[m, 3])))
            states[n].t_ns = NO_STAMP
            states[n].resets += 1
        if c.count == size - 1:
            c.floor_ns = samples[n, c.head + STRIDE - 1].t_ns
            c.head = (c.head + STRIDE) % size
            c.count -= STRIDE
            place -= STRIDE
        for k in range(c.count, place, -1):
            samples[n, (c.head + k) % size] = samples[n, (c.head + k - 1) % size]
        _write(
            samples[n, (c.head + place) % size],
            c,
            t,
            kind,
            tag[m],
            sigma_t[m],
            linear[m],
            angular[m],
            linear_var[m],
            angular_var[m],
        )
        first = place - place % STRIDE if place < c.count else place
        kept = ((c.head + first) % size + size - STRIDE) % size // STRIDE  # where the state before the first is
        if c.count == 0:
            snapshots[n, kept] = states[n]
            if c.inertial == 1:
                driven_snapshots[n, kept] = driven[n]
        elif place < c.count:
            states[n] = snapshots[n, kept]
            if c.inertial == 1:
                driven[n] = driven_snapshots[n, kept]
        c.count += 1
        for k in range(first, c.count):
            slot = (c.head + k) % size
            if c.inertial == 1:
                found, distance = use_inertial_sample(states[n], c, driven[n], samples[n, slot], gate, P15, dx15, K15)
            else:
                found, distance = use_sample(states[n], c, samples[n, slot], gate, work, P, dx, K)
            if k == place:
                nis[m] = distance
                if verdict[m] != _RESET:
                    verdict[m] = found
            if slot % STRIDE == STRIDE - 1:
                snapshots[n, slot // STRIDE] = states[n]
                if c.inertial == 1:
                    driven_snapshots[n, slot // STRIDE] = driven[n]
        if states[n].resets > before:
            c.resets += states[n].resets - before
        if states[n].overruled > overruled_before:
            overruled[m] = states[n].overruled_tag
