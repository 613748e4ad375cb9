"""Kernels of the pose filter: an error-state Kalman filter on R^3 x SO(3), one record per body.

Nominal state p, v (world), q (body to world), w (body). Error state (dp, dv, dtheta, dw) with the rotation error in the body
frame, `q_true = q Exp(dtheta)` (right perturbation). Constant velocity and constant body angular velocity, driven by white
acceleration. Equations from J. Sola, "Quaternion kinematics for the error-state Kalman filter", arXiv 1711.02508: integration
(eq. 214), transition `dtheta' = Exp(-w T) dtheta + Jr(w T) T dw` (eqs. 183 and 238), injection and reset (eqs. 283 to 287).

With diagonal measurement noise the twelve states fall into blocks that never couple: (p, v) of each world axis, 2 x 2, and
(theta, w), 6 x 6. Measurements are applied one scalar at a time, which for diagonal noise equals the block update.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from twind.estimation import measurement_noise, process_noise
from twind.estimation.compile import inlined, kernel
from twind.estimation.imu_attitude import track_attitude
from twind.estimation.pose_frozen import AGREED, note_agreement, watch_motion, watch_pose
from twind.estimation.quaternions import conjugate, exponential, logarithm, multiply, normalised, rotate
from twind.estimation.rotation_covariance import correct, move_tangent, propagate, quadratic
from twind.model.estimates import Verdict
from twind.model.messages import Channel
from twind.model.time import NO_STAMP

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from twind.estimation.quaternions import Quaternion, Vector

RESTART_NS = 2_000_000_000  # a silence after which the old motion says nothing
PATIENCE_NS = 1_000_000_000  # poses are never refused for longer than this
SILENCE_S, SILENCE_INTERVALS = 0.4, 4.0  # s and usual intervals: a longer one is a silence
MOST_ODDS = 60.0  # as a logarithm: beyond doubt
STRAYS, STRAY = 0.03, 0.5  # share of poses that are wrong, and by how much on each axis [m]: of what is shown while in doubt
RIVALS = 3  # mutually consistent rejections that win
PRIOR_SPEED, PRIOR_RATE = 3.0, 5.0  # m/s and rad/s, one sigma, of a body never seen
KEPT_SPEED, KEPT_RATE = 1.0, 1.0  # m/s and rad/s, one sigma, by which a motion changes in a silence
TOP_SPEED, TOP_RATE, TOP_ACCELERATION = 20.0, 40.0, 200.0  # m/s, rad/s, m/s^2 that mutually consistent samples may show
JUDGE_SPEED, JUDGE_RATE = 0.5, 1.0  # m/s and rad/s: how well poses must know the motion before they judge a twist
DOUBT_MEMORY = 0.9  # per twist sample
DOUBTED, TRUSTED = 0.6, 0.2  # share of contradicting velocities that disables the channel, and that enables it again

_ACCEPTED, _GATED, _RESET = int(Verdict.ACCEPTED), int(Verdict.GATED), int(Verdict.RESET)
_POSE, _TWIST_WORLD, _IMU = int(Channel.POSE), int(Channel.TWIST_WORLD), int(Channel.IMU)


@kernel
def start_track(s: Any, c: Any, p: Vector, q: Quaternion, v: Vector, w: Vector, rp: Vector, rq: Vector, t: int) -> None:
    """Begin a new track: the pose is known, the motion hardly."""
    if s.posed == 0:
        process_noise.prepare(s.likelihood[0])
        process_noise.prepare(s.likelihood[1])
        measurement_noise.prepare(s)
        measurement_noise.begin(s, t, p, q)
        s.q_position, s.q_rotation = c.q_position, c.q_rotation
        s.posed = 1
    s.t_ns = s.pose_ns = t
    s.P[:, :] = 0.0
    for i in range(3):
        s.p[i], s.v[i], s.w[i] = p[i], v[i], w[i]
        s.pp[i], s.pv[i], s.vv[i] = rp[i], 0.0, PRIOR_SPEED * PRIOR_SPEED
        s.P[i, i], s.P[3 + i, 3 + i] = rq[i], PRIOR_RATE * PRIOR_RATE
        s.vote_p[i] = p[i]
    s.q[0], s.q[1], s.q[2], s.q[3] = q
    s.vote_q[0], s.vote_q[1], s.vote_q[2], s.vote_q[3] = q
    process_noise.restart(s.offset[0], s.rate[0], s.spread[0], v, rp[0], PRIOR_SPEED * PRIOR_SPEED)
    process_noise.restart(s.offset[1], s.rate[1], s.spread[1], w, rq[0], PRIOR_RATE * PRIOR_RATE)
    if s.noise_seen >= measurement_noise.YOUNG or s.span_ns < t - RESTART_NS or s.span_ns > t:
        measurement_noise.begin(s, t, p, q)
    s.rivals = s.refused = 0


@kernel
def states_position(c: Any, r: Vector) -> bool:
    """Say whether the variances of a position are those that its message states, not the configured ones."""
    return bool(r[0] != c.r_position or r[1] != c.r_position)


@kernel
def states_rotation(c: Any, r: Vector) -> bool:
    """Say the same of those of a rotation."""
    return bool(r[0] != c.r_rotation or r[1] != c.r_rotation)


@kernel
def note_interval(s: Any, since: float) -> None:
    """Learn the usual time between two poses [s]."""
    s.interval = since if s.interval == 0.0 else 0.7 * s.interval + 0.3 * min(since, SILENCE_INTERVALS * s.interval)


@kernel
def note_delta(s: Any, p: Vector, q: Quaternion) -> None:
    """Note by how much a new pose differs from the state that it overrules: shift in the world, turn in the old body frame."""
    for i in range(3):
        s.delta_p[i] = p[i] - s.p[i]
    turn = normalised(multiply(conjugate((s.q[0], s.q[1], s.q[2], s.q[3])), q))
    s.delta_q[0], s.delta_q[1], s.delta_q[2], s.delta_q[3] = turn


@kernel
def reset_track(s: Any, c: Any, p: Vector, q: Quaternion, v: Vector, w: Vector, rp: Vector, rq: Vector, t: int) -> None:
    """Begin anew in spite of the state, and note what that changed."""
    note_delta(s, p, q)
    start_track(s, c, p, q, v, w, rp, rq, t)
    s.resets += 1


@inlined
def _remember(s: Any, p: Vector, q: Quaternion, t: int) -> None:
    """Note the newest pose that is not believed."""
    s.rival_t = t
    for i in range(3):
        s.rival_p[i] = p[i]
    s.rival_q[0], s.rival_q[1], s.rival_q[2], s.rival_q[3] = q


@kernel
def challenge(s: Any, p: Vector, q: Quaternion, rp: Vector, rq: Vector, t: int) -> bool:
    """Note a gated sample; say whether it completes enough rejections that agree with each other to overrule the state."""
    agrees = False
    if s.rivals > 0:
        dt = (t - s.rival_t) * 1e-9
        noise = 6.0 * math.sqrt(max(rp[0], rp[1], rp[2]))
        v = ((p[0] - s.rival_p[0]) / dt, (p[1] - s.rival_p[1]) / dt, (p[2] - s.rival_p[2]) / dt)
        turn = logarithm(multiply(conjugate((s.rival_q[0], s.rival_q[1], s.rival_q[2], s.rival_q[3])), q))
        moved, turned = math.sqrt(v[0] ** 2 + v[1] ** 2 + v[2] ** 2) * dt, math.sqrt(turn[0] ** 2 + turn[1] ** 2 + turn[2] ** 2)
        agrees = dt * 1e9 < RESTART_NS and moved <= TOP_SPEED * dt + noise
        agrees = agrees and turned <= TOP_RATE * dt + 6.0 * math.sqrt(max(rq[0], rq[1], rq[2]))
        if agrees and s.rivals > 1:
            change = math.sqrt((v[0] - s.rival_v[0]) ** 2 + (v[1] - s.rival_v[1]) ** 2 + (v[2] - s.rival_v[2]) ** 2)
            agrees = change * dt <= TOP_ACCELERATION * dt * dt + 4.0 * noise
        for i in range(3):
            s.rival_v[i], s.rival_w[i] = v[i], turn[i] / dt
    else:
        for i in range(3):
            s.rival_v[i] = s.rival_w[i] = 0.0
    s.rivals = s.rivals + 1 if agrees else 1
    s.refused += 1
    _remember(s, p, q, t)
    tired = t - s.pose_ns > PATIENCE_NS and s.refused >= RIVALS
    return bool(s.rivals >= RIVALS or tired)


@kernel
def _confirmed(s: Any, p: Vector, rp: Vector, t: int) -> bool:
    """Say whether a pose is where a body could have gone from the newest pose that was refused."""
    if s.rivals == 0:
        return False
    dt = (t - s.rival_t) * 1e-9
    moved = speed = 0.0
    for i in range(3):
        moved += (p[i] - s.rival_p[i]) ** 2
        speed += s.v[i] ** 2
    return bool(math.sqrt(moved) <= (PRIOR_SPEED + math.sqrt(speed)) * dt + 6.0 * math.sqrt(max(rp[0], rp[1], rp[2])))


@kernel
def _miss(s: Any, p: Vector, t: int) -> float:
    """Measure how far a pose is from where the motion before the silence led [m]."""
    dt = (t - s.doubt_ns) * 1e-9
    miss = 0.0
    for i in range(3):
        miss += (p[i] - s.doubt_p[i] - dt * s.doubt_v[i]) ** 2
    return math.sqrt(miss)


@kernel
def _doubt(s: Any, p: Vector, t: int, tag: int) -> None:
    """Note that a pose is used which may be wrong, and where the motion before it led."""
    s.doubted, s.doubt_ns, s.doubt_tag = 1, s.t_ns, tag
    for i in range(3):
        s.doubt_p[i], s.doubt_v[i], s.doubt_w[i] = s.p[i], s.v[i], s.w[i]
    s.doubt_miss = _miss(s, p, t)


@kernel
def _outlier_variance(miss: float, nis: float) -> float:
    """Return what the chance that a doubted pose is wrong adds to its variance [m^2]: Bayes with outliers `STRAY` wide.

    Args:
        miss: How far it is from its prediction [m].
        nis: That distance in squared sigmas of the prediction; 0 where there is none.
    """
    variance = miss * miss / nis if nis > 0.0 else math.inf  # of one axis of the innovation
    share = variance / (variance + STRAY * STRAY) if nis > 0.0 else 1.0
    odds = STRAYS * share * math.sqrt(share) * math.exp(min(0.5 * nis * (1.0 - share), MOST_ODDS))
    return odds / (1.0 + odds) * miss * miss / 3.0


@inlined
def _position_nis(s: Any, p: Vector, rp: Vector, q: float, late: float, T: float) -> float:
    """Compare a position with its prediction; `late` is the variance of the stamp [s^2]."""
    nis = 0.0
    for i in range(3):
        pp = s.pp[i] + T * (2.0 * s.pv[i] + T * s.vv[i]) + q * T * T * T / 3.0
        e = p[i] - s.p[i] - T * s.v[i]
        nis += e * e / (pp + rp[i] + late * (s.v[i] ** 2 + s.vv[i] + q * T))
    return nis


@inlined
def _use_pose(
    s: Any,
    c: Any,
    t: int,
    tag: int,
    sigma_t: float,
    p: Vector,
    q: Quaternion,
    rp: Vector,
    rq: Vector,
    gate: float,
    work: NDArray[np.float64],
    P: NDArray[np.float64],
    dx: NDArray[np.float64],
    K: NDArray[np.float64],
) -> tuple[int, float]:
    """Predict to the pose, gate it and update with it; the state changes only when the pose is used."""
    position_stated, rotation_stated = states_position(c, rp), states_rotation(c, rq)
    late = sigma_t * sigma_t  # a stamp that is off by dt puts the sample off by v dt
    mean_p = (rp[0] + rp[1] + rp[2] + late * (s.v[0] ** 2 + s.v[1] ** 2 + s.v[2] ** 2)) / 3.0
    mean_q = (rq[0] + rq[1] + rq[2] + late * (s.w[0] ** 2 + s.w[1] ** 2 + s.w[2] ** 2)) / 3.0
    scale = measurement_noise.applied(s.noise_factor[0], position_stated)
    turn_scale = measurement_noise.applied(s.noise_factor[1], rotation_stated)
    young = s.noise_seen < measurement_noise.YOUNG
    if young:  # also from what will be refused: who knows the noise too small refuses too much
        before, turn_before = scale, turn_scale
        measurement_noise.learn(s, t, p, q, mean_p, mean_q)
        scale = measurement_noise.applied(s.noise_factor[0], position_stated)
        turn_scale = measurement_noise.applied(s.noise_factor[1], rotation_stated)
        if scale > before:
            measurement_noise.doubt(s, 0, scale / before)
        if turn_scale > turn_before:
            measurement_noise.doubt(s, 1, turn_scale / turn_before)
    rp, rq = (scale * rp[0], scale * rp[1], scale * rp[2]), (turn_scale * rq[0], turn_scale * rq[1], turn_scale * rq[2])
    T = (t - s.t_ns) * 1e-9
    turned = multiply((s.q[0], s.q[1], s.q[2], s.q[3]), exponential(s.w[0] * T, s.w[1] * T, s.w[2] * T))
    y = logarithm(normalised(multiply(conjugate(turned), q)))
    qp, qr = s.q_position, s.q_rotation
    propagate(P, s.P, s.w, qr, T, work)
    r = (
        rq[0] + late * (s.w[0] ** 2 + P[3, 3]),
        rq[1] + late * (s.w[1] ** 2 + P[4, 4]),
        rq[2] + late * (s.w[2] ** 2 + P[5, 5]),
    )
    nis_position, nis_rotation = _position_nis(s, p, rp, qp, late, T), quadratic(P, 0, r, y)
    nis = nis_position + nis_rotation
    since = (t - s.pose_ns) * 1e-9
    silent = since > SILENCE_S and since > SILENCE_INTERVALS * s.interval
    believed = nis_position <= gate and nis_rotation <= gate
    # After a silence, at the start and with more noise than usual the gate is so wide that it tells little.
    doubtful = not believed or s.interval == 0.0 or silent
    if not believed:
        # A body that starts to move outruns the noise that its past chose: more noise may explain the pose.
        boost = process_noise.STEP if s.refused == 0 else process_noise.STEP * process_noise.STEP
        qp, qr = max(qp * boost, c.q_position), max(qr * boost, c.q_rotation)
        propagate(P, s.P, s.w, qr, T, work)
        believed = _position_nis(s, p, rp, qp, late, T) <= gate and quadratic(P, 0, r, y) <= gate
    if believed:
        s.doubted, s.doubt_var = 0, 0.0
        if doubtful:  # used, but easily overruled by the next
            _doubt(s, p, t, tag)
            s.doubt_var = _outlier_variance(s.doubt_miss, nis_position)
    if not believed:
        if s.doubted and (_confirmed(s, p, rp, t) or _miss(s, p, t) < s.doubt_miss):
            # It is the doubted pose that was wrong: this one corrects it, and nothing begins anew.
            v, w = (s.doubt_v[0], s.doubt_v[1], s.doubt_v[2]), (s.doubt_w[0], s.doubt_w[1], s.doubt_w[2])
            wrong_p, wrong_q, wrong_t = (s.p[0], s.p[1], s.p[2]), (s.q[0], s.q[1], s.q[2], s.q[3]), s.pose_ns
            s.doubt_miss = _miss(s, p, t)
            s.overruled += 1
            s.overruled_tag, s.doubt_tag = s.doubt_tag, tag
            start_track(s, c, p, q, v, w, rp, rq, t)
            _remember(s, wrong_p, wrong_q, wrong_t)  # were it right after all, the next one would confirm it
            s.rivals = 1
            for i in range(3):  # it moves about as before: were the velocity free, the gate would let the next outlier in
                s.vv[i], s.P[3 + i, 3 + i] = KEPT_SPEED * KEPT_SPEED, KEPT_RATE * KEPT_RATE
            return _ACCEPTED, math.nan
        if challenge(s, p, q, rp, rq, t):
            agree = s.rivals >= RIVALS
            v = (s.rival_v[0], s.rival_v[1], s.rival_v[2]) if agree else (0.0, 0.0, 0.0)
            w = (s.rival_w[0], s.rival_w[1], s.rival_w[2]) if agree else (0.0, 0.0, 0.0)
            between = s.interval if s.interval > 0.0 else (t - s.pose_ns) * 1e-9 / RIVALS
            reset_track(s, c, p, q, v, w, rp, rq, t)
            if agree:  # two of them show the velocity, as well as their noise lets them
                for i in range(3):
                    s.vv[i] = min(s.vv[i], KEPT_SPEED * KEPT_SPEED + 2.0 * rp[i] / (between * between))
                    s.P[3 + i, 3 + i] = min(s.P[3 + i, 3 + i], KEPT_RATE * KEPT_RATE + 2.0 * rq[i] / (between * between))
            return _RESET, nis
        return _GATED, nis

    rate = logarithm(normalised(multiply(conjugate((s.vote_q[0], s.vote_q[1], s.vote_q[2], s.vote_q[3])), q)))
    step = (p[0] - s.vote_p[0], p[1] - s.vote_p[1], p[2] - s.vote_p[2])
    shifted = late * (s.v[0] ** 2 + s.v[1] ** 2 + s.v[2] ** 2) / 3.0
    if not young:
        measurement_noise.learn(s, t, p, q, mean_p, mean_q)
    noise = (rp[0] + rp[1] + rp[2]) / 3.0 + shifted
    s.q_position = process_noise.vote(
        s.likelihood[0], s.offset[0], s.rate[0], s.spread[0], since, step, noise, c.q_position, scale
    )
    s.q_rotation = process_noise.vote(
        s.likelihood[1], s.offset[1], s.rate[1], s.spread[1], since, rate, (r[0] + r[1] + r[2]) / 3.0, c.q_rotation, turn_scale
    )
    for i in range(3):  # each world axis on its own
        pv = s.pv[i] + T * s.vv[i] + qp * T * T / 2.0
        pp = s.pp[i] + T * (2.0 * s.pv[i] + T * s.vv[i]) + qp * T * T * T / 3.0
        vv = s.vv[i] + qp * T
        r_axis = rp[i] + late * (s.v[i] ** 2 + vv)
        total = pp + r_axis
        k0, k1 = pp / total, pv / total
        predicted = s.p[i] + T * s.v[i]
        e = p[i] - predicted
        s.p[i] = predicted + k0 * e
        s.v[i] += k1 * e
        left = r_axis / total
        s.pp[i] = left * left * pp + r_axis * k0 * k0
        s.pv[i] = left * (pv - k1 * pp) + r_axis * k0 * k1
        s.vv[i] = vv - k1 * pv - k1 * (pv - k1 * pp) + r_axis * k1 * k1
        s.vote_p[i] = p[i]
    s.vote_q[0], s.vote_q[1], s.vote_q[2], s.vote_q[3] = q

    dx[:] = 0.0
    correct(P, 0, r, y, dx, K)
    _inject(s, turned, P, dx, work)
    note_interval(s, since)
    s.t_ns = s.pose_ns = t
    s.rivals = s.refused = 0
    return _ACCEPTED, nis


@inlined
def _inject(s: Any, q: Quaternion, P: NDArray[np.float64], dx: NDArray[np.float64], work: NDArray[np.float64]) -> None:
    """Make predicted orientation, covariance and correction the state."""
    move_tangent(P, dx[0], dx[1], dx[2], work)
    s.q[0], s.q[1], s.q[2], s.q[3] = normalised(multiply(q, exponential(dx[0], dx[1], dx[2])))
    for i in range(3):
        s.w[i] += dx[3 + i]
    for a in range(6):
        for b in range(6):
            s.P[a, b] = P[a, b]


@kernel
def _use_rate(
    s: Any,
    t: int,
    z: Vector,
    r: Vector,
    gate: float,
    work: NDArray[np.float64],
    P: NDArray[np.float64],
    dx: NDArray[np.float64],
    K: NDArray[np.float64],
) -> float:
    """Compare a body rate with its prediction, use it if its distance is within the gate, and return that distance."""
    T = (t - s.t_ns) * 1e-9
    propagate(P, s.P, s.w, s.q_rotation, T, work)
    y = (z[0] - s.w[0], z[1] - s.w[1], z[2] - s.w[2])
    nis = quadratic(P, 3, r, y)
    if nis <= gate:
        turned = multiply((s.q[0], s.q[1], s.q[2], s.q[3]), exponential(s.w[0] * T, s.w[1] * T, s.w[2] * T))
        dx[:] = 0.0
        correct(P, 3, r, y, dx, K)
        _inject(s, turned, P, dx, work)
    return nis


@kernel
def _use_twist(
    s: Any,
    t: int,
    sigma_t: float,
    linear: Vector,
    angular: Vector,
    rv: Vector,
    rw: Vector,
    channel: int,
    gate: float,
    work: NDArray[np.float64],
    P: NDArray[np.float64],
    dx: NDArray[np.float64],
    K: NDArray[np.float64],
) -> tuple[int, float]:
    """Gate a velocity and update with it; velocities that keep contradicting the poses are left out until they agree again.

    They are compared with the motion that the poses alone show, which the votes on the process noise know.

    What is measured along the other frame's axes is turned by the estimated orientation. The uncertainty of that turn is
    added to its noise, and the noise is taken as equal in all directions, its largest: that keeps the blocks apart.
    """
    T = (t - s.t_ns) * 1e-9
    turned = normalised(multiply((s.q[0], s.q[1], s.q[2], s.q[3]), exponential(s.w[0] * T, s.w[1] * T, s.w[2] * T)))
    tilt = max(s.P[0, 0], s.P[1, 1], s.P[2, 2])
    if channel == _TWIST_WORLD:
        most = max(rw[0], rw[1], rw[2]) + tilt * (angular[0] ** 2 + angular[1] ** 2 + angular[2] ** 2)
        rw = (most, most, most)
        angular = rotate(conjugate(turned), angular)
    else:
        most = max(rv[0], rv[1], rv[2]) + tilt * (linear[0] ** 2 + linear[1] ** 2 + linear[2] ** 2)
        rv = (most, most, most)
        linear = rotate(turned, linear)
    if s.twist_off == 0:
        watch_motion(s, t, linear, angular)
    rv = (rv[0] + sigma_t * s.q_position, rv[1] + sigma_t * s.q_position, rv[2] + sigma_t * s.q_position)
    rw = (rw[0] + sigma_t * s.q_rotation, rw[1] + sigma_t * s.q_rotation, rw[2] + sigma_t * s.q_rotation)
    if t - s.pose_ns < PATIENCE_NS:
        first, second = process_noise.best(s.likelihood[0]), process_noise.best(s.likelihood[1])
        since = (t - s.pose_ns) * 1e-9
        v_var = s.spread[0, first, 2] + s.q_position * since
        w_var = s.spread[1, second, 2] + s.q_rotation * since
        if v_var > JUDGE_SPEED * JUDGE_SPEED or w_var > JUDGE_RATE * JUDGE_RATE:
            return _GATED, math.nan  # the poses do not tell yet how it moves
        far_v = far_w = 0.0
        for i in range(3):
            far_v += (linear[i] - s.rate[0, first, i]) ** 2 / (v_var + rv[i])
            far_w += (angular[i] - s.rate[1, second, i]) ** 2 / (w_var + rw[i])
        lies = not (far_v <= gate and far_w <= gate)
        if lies and s.repeats > 0 and s.agreed >= AGREED:
            return _GATED, far_v + far_w  # which of the two tells the truth is being watched
        s.twist_doubt = DOUBT_MEMORY * s.twist_doubt + ((1.0 - DOUBT_MEMORY) if lies else 0.0)
        if s.twist_doubt > DOUBTED:
            s.twist_off = 1
        elif s.twist_doubt < TRUSTED:
            s.twist_off = 0
        if lies:
            return _GATED, far_v + far_w
    nis_linear = 0.0
    for i in range(3):
        e = linear[i] - s.v[i]
        nis_linear += e * e / (s.vv[i] + s.q_position * T + rv[i])
    fits = nis_linear <= gate
    nis_angular = _use_rate(s, t, angular, rw, gate if fits and s.twist_off == 0 else -1.0, work, P, dx, K)
    nis = nis_linear + nis_angular
    if not (fits and nis_angular <= gate) or s.twist_off == 1:
        return _GATED, nis
    for i in range(3):
        predicted = s.p[i] + T * s.v[i]
        pv = s.pv[i] + T * s.vv[i] + s.q_position * T * T / 2.0
        pp = s.pp[i] + T * (2.0 * s.pv[i] + T * s.vv[i]) + s.q_position * T * T * T / 3.0
        vv = s.vv[i] + s.q_position * T
        total = vv + rv[i]
        k0, k1 = pv / total, vv / total
        e = linear[i] - s.v[i]
        s.p[i] = predicted + k0 * e
        s.v[i] += k1 * e
        left = rv[i] / total
        s.pp[i] = pp - k0 * pv - k0 * (pv - k0 * vv) + rv[i] * k0 * k0
        s.pv[i] = left * (pv - k0 * vv) + rv[i] * k0 * k1
        s.vv[i] = left * left * vv + rv[i] * k1 * k1
    s.t_ns = t
    note_agreement(s)
    return _ACCEPTED, nis


@kernel
def _coast(s: Any, T: float) -> None:
    """Carry position and its covariance over T [s]."""
    q = s.q_position
    for i in range(3):
        s.p[i] += T * s.v[i]
        s.pp[i] += T * (2.0 * s.pv[i] + T * s.vv[i]) + q * T * T * T / 3.0
        s.pv[i] += T * s.vv[i] + q * T * T / 2.0
        s.vv[i] += q * T


@inlined
def use_sample(
    s: Any,
    c: Any,
    sample: Any,
    gate: float,
    work: NDArray[np.float64],
    P: NDArray[np.float64],
    dx: NDArray[np.float64],
    K: NDArray[np.float64],
) -> tuple[int, float]:
    """Use one sample, not older than the state, of a body with settings `c`; return its verdict and distance."""
    t, sigma_t = sample.t_ns, sample.sigma_t
    a = (sample.linear[0], sample.linear[1], sample.linear[2])
    b = (sample.angular[0], sample.angular[1], sample.angular[2])
    ra = (sample.linear_var[0], sample.linear_var[1], sample.linear_var[2])
    rb = (sample.angular_var[0], sample.angular_var[1], sample.angular_var[2])
    if sample.channel == _POSE:
        q = (sample.angular[0], sample.angular[1], sample.angular[2], sample.angular[3])
        thawed = watch_pose(s, t, a, q)
        if thawed or s.t_ns == NO_STAMP or s.posed == 0 or t - s.t_ns > RESTART_NS:
            still, known = (0.0, 0.0, 0.0), s.posed == 1 and s.t_ns != NO_STAMP
            for i in range(3):
                s.v[i] = s.w[i] = 0.0  # after so long the old motion says nothing
            if known:
                _doubt(s, a, t, sample.tag)
            start_track(s, c, a, q, still, still, ra, rb, t)
            s.doubt_var = min(_outlier_variance(s.doubt_miss, 0.0), STRAYS * STRAY * STRAY) if known else 0.0
            return _ACCEPTED, math.nan
        return _use_pose(s, c, t, sample.tag, sigma_t, a, q, ra, rb, gate, work, P, dx, K)
    if s.posed == 0 and sample.channel == _IMU:
        return _ACCEPTED, track_attitude(s, t, a, b)
    if s.posed == 0 or s.t_ns == NO_STAMP or t - s.t_ns > RESTART_NS:
        return _GATED, math.nan  # nothing to compare it with, nowhere to go from
    if sample.channel != _IMU:
        return _use_twist(s, t, sigma_t, a, b, ra, rb, sample.channel, gate, work, P, dx, K)
    T = (t - s.t_ns) * 1e-9
    watch_motion(s, t, (0.0, 0.0, 0.0), b)
    nis = _use_rate(s, t, b, rb, gate, work, P, dx, K)
    if nis <= gate:
        note_agreement(s)
        _coast(s, T)
        s.t_ns = t
    return _ACCEPTED if nis <= gate else _GATED, nis
