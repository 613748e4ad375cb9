"""Whether the poses of a body repeat themselves: fresh stamps, old numbers.

A body at rest whose source has no noise repeats itself, too, as simulators and retained messages do. Frozen is the very same
pose, to its last bit, for almost a second, although that cannot be true:

- its poses were noisy: neighbouring third differences alternated as those of white noise do (`measurement_noise`), in steps far
  finer than that noise, and it did not repeat itself before;
- it would have had to brake harder than bodies do: from the speed v that its last steps show, in the way d by which the last
  one stayed behind the one before plus what noise may hide, at v^2 / 2 d or more;
- its velocities or its gyroscope, found to agree with the poses in motion before, show that it goes on.

Any other pose ends it, and the track begins anew there. A body that goes on from where it stood had stopped in truth: much
harder braking is granted to it from then on, and noise in motion proves nothing any more until it was seen at rest, too.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from twind.estimation.compile import kernel
from twind.estimation.quaternions import conjugate, logarithm, multiply, normalised

if TYPE_CHECKING:
    from twind.estimation.quaternions import Quaternion, Vector

FROZEN_NS = 800_000_000
VARIED = 30  # poses in a row that differed, before one that repeats means something ...
AT_REST = 100  # ... and that show a source to be noisy at rest
ALTERNATES = 0.7  # share of third differences that point away from the one before: 0.9 of white noise
WHITE = 0.3  # share of their variance that noise must explain
STEP = 0.5  # sigmas of that noise: a coarser step is rounding, and rounded poses repeat at rest
EXACT = 1e-12  # of a coordinate: what is less is the rounding of numbers themselves
FORGET = 1.02  # by which the least step grows with each pose
LEARNT = 20.0  # third differences before the noise is known
BRAKING, TURNING = (12.0, 60.0)  # m/s^2 and rad/s^2: more than vehicles, drones and carried objects do
LEAST_SPEED, LEAST_RATE = 0.05, 0.1  # m/s, rad/s: slower is not moving
GRANTED = 4.0  # times the braking that a body showed when it had stopped in truth
WHERE_IT_STOOD, STEPS = 6.0, 2.0  # sigmas of its noise, or of its last steps, between the poses before and after a standstill
LONGEST_S = 0.5  # of a step that tells a speed
AGREED = 10  # velocities that agreed with the poses in motion, before they are believed against them
HELD_S = 0.1  # that one of them holds
SPEED, RATE = 0.1, 0.2  # m/s and rad/s on average over a standstill, that contradict it
WAY, TURN = 0.05, 0.1  # m and rad, as well


@kernel
def _unseen(s: Any, g: int) -> float:
    """Return how far it may have moved unseen: two sigmas of the most that the noise can be."""
    most = s.noise_square[g] * (1.0 + 4.0 / s.noise_seen) if s.noise_seen >= LEARNT else max(1.0, s.noise_square[g])
    return float(2.0 * math.sqrt(s.span_r[g, 2] * most))


@kernel
def _noisy(s: Any) -> bool:
    """Say whether its poses are noisy at full precision."""
    if s.noise_seen < LEARNT or s.varied < VARIED or s.alternates < ALTERNATES or s.stands == 1:
        return False
    white = s.noise_product[0] / s.noise_kappa
    return bool(white > WHITE * s.noise_square[0] and s.least_step < STEP * math.sqrt(white * s.span_r[0, 2]))


@kernel
def _braking(s: Any) -> float:
    """Return what its stop takes, as a multiple of what bodies do."""
    a, b = s.step_s[1], s.step_s[0]  # of the last step, of the one before
    if not (0.0 < a < LONGEST_S and 0.0 < b < LONGEST_S):
        return 0.0
    needed = 0.0
    for g in range(2):
        way = before = along = 0.0
        for i in range(3):
            way += s.step[g, 1, i] ** 2
            before += s.step[g, 0, i] ** 2
            along += s.step[g, 0, i] * s.step[g, 1, i]
        way, before, unseen = math.sqrt(way), math.sqrt(before), _unseen(s, g)
        speed = min(way / a, before / b)
        if along <= 0.0 or way < 2.0 * unseen or speed < (LEAST_SPEED if g == 0 else LEAST_RATE):
            continue
        behind = max(before / b * a - way, 0.0)
        needed = max(needed, speed * speed / (2.0 * (behind + unseen)) / (BRAKING if g == 0 else TURNING))
    return needed


@kernel
def watch_pose(s: Any, t: int, p: Vector, q: Quaternion) -> bool:
    """Note one pose, whatever becomes of it; say whether it is the first of a source that was frozen until then."""
    repeats = s.varied >= 0
    for i in range(3):
        repeats = repeats and p[i] == s.last_p[i]
    mirrored = repeats
    for i in range(4):  # the same rotation with either sign
        repeats = repeats and q[i] == s.last_q[i]
        mirrored = mirrored and q[i] == -s.last_q[i]
    if repeats or mirrored:
        if s.repeats == 0:
            s.braking = _braking(s)
            s.abrupt = 1 if _noisy(s) else (2 if s.braking > max(1.0, s.hardest) else 0)
            s.witness_ns = s.same_ns
            s.witness[:, :] = 0.0
        s.repeats += 1
        s.varied = 0
        if t - s.same_ns > FROZEN_NS and (s.abrupt > 0 or _contradicted(s, t)):
            s.frozen = 1
        return False
    turn = logarithm(normalised(multiply(conjugate((s.last_q[0], s.last_q[1], s.last_q[2], s.last_q[3])), q)))
    thawed = s.frozen == 1
    if thawed:
        moved = way = 0.0
        for i in range(3):
            moved += (p[i] - s.last_p[i]) ** 2
            way += s.step[0, 1, i] ** 2
        if math.sqrt(moved) < max(WHERE_IT_STOOD * 0.5 * _unseen(s, 0), STEPS * math.sqrt(way)):
            s.hardest = max(s.hardest, GRANTED * s.braking)
            s.stands = 1 if s.abrupt == 1 else s.stands
    T = (t - s.same_ns) * 1e-9
    # Rounded numbers, and sums of them, are whole multiples of one step; second differences leave little of the motion.
    if s.varied >= 1 and not thawed:
        s.least_step *= FORGET
        for i in range(3):
            change = abs(p[i] - s.last_p[i] - s.step[0, 1, i])
            if change > EXACT * max(1.0, abs(p[i])):
                s.least_step = min(s.least_step, change)
    for g in range(2):
        for i in range(3):
            s.step[g, 0, i] = s.step[g, 1, i]
            s.step[g, 1, i] = p[i] - s.last_p[i] if g == 0 else turn[i]
    s.step_s[0], s.step_s[1] = s.step_s[1], T if s.varied >= 0 else 0.0
    if s.varied < 0:
        s.least_step = math.inf
    s.varied = 0 if thawed else s.varied + 1
    s.repeats = s.abrupt = s.frozen = 0
    s.same_ns = t
    for i in range(3):
        s.last_p[i] = p[i]
    for i in range(4):
        s.last_q[i] = q[i]
    if s.stands == 1 and s.varied >= AT_REST and _still(s):
        s.stands = 0
    return bool(thawed)


@kernel
def _still(s: Any) -> bool:
    """Say whether the body hardly moves."""
    return bool(s.v[0] ** 2 + s.v[1] ** 2 + s.v[2] ** 2 < LEAST_SPEED * LEAST_SPEED)


@kernel
def _contradicted(s: Any, t: int) -> bool:
    """Say whether what else measures the body shows that it moved while its poses stood."""
    if s.agreed < AGREED:
        return False
    T = (t - s.same_ns) * 1e-9
    way = math.sqrt(s.witness[0, 0] ** 2 + s.witness[0, 1] ** 2 + s.witness[0, 2] ** 2)
    turn = math.sqrt(s.witness[1, 0] ** 2 + s.witness[1, 1] ** 2 + s.witness[1, 2] ** 2)
    return bool(way > max(WAY, SPEED * T) or turn > max(TURN, RATE * T))


@kernel
def watch_motion(s: Any, t: int, v: Vector, w: Vector) -> None:
    """Note a velocity in the world [m/s] and a rate [rad/s] that something else than the poses measured."""
    if s.repeats == 0:
        return
    T = min((t - s.witness_ns) * 1e-9, HELD_S)
    if not T > 0.0:
        return
    s.witness_ns = t
    for i in range(3):
        s.witness[0, i] += T * v[i]
        s.witness[1, i] += T * w[i]


@kernel
def note_agreement(s: Any) -> None:
    """Note that a velocity or a rate agreed with the poses, if the body moves."""
    turning = s.w[0] ** 2 + s.w[1] ** 2 + s.w[2] ** 2 > RATE * RATE
    if s.agreed < AGREED and (turning or s.v[0] ** 2 + s.v[1] ** 2 + s.v[2] ** 2 > SPEED * SPEED):
        s.agreed += 1
