"""Whether a joint stands still.

Still: two means of the measured position, a fast and a slow one, have agreed for a while to within the encoder's own noise,
which is measured from sample to sample. A still joint is shown at the slow mean with no velocity; the models run on unseen, so
the first sample that leaves the noise shows motion at once.

While it is still, `still` counts how restless its encoder is: a source that repeats itself is told by that (`joint_frozen`).
"""

from __future__ import annotations

from typing import Any

from twind.estimation.compile import inlined, kernel

CALM_NS = 300_000_000  # how long they must agree
SPARSE_S = 0.22  # samples farther apart say nothing about rest
LOUDEST = 9.0  # variances of a position: more than that is motion
FARTHEST = 16.0  # variances of the noise that a sample of a still joint may be away
MEMORY = 0.1  # how fast noise is forgotten at rest: an encoder between two steps may flip only now and then
REPEATED, MOST_STILL = -8, 1000  # how `still` counts on: by one for each sample that differs from the one before, else by this
RESTLESS = 250  # a count that only an encoder reaches which hardly ever shows the same number twice
FLOOR = 0.05  # of the position's sigma: noise that is always granted


@kernel
def start_rest(track: Any, z: float, t: int) -> None:
    """Nothing is known about noise yet."""
    track.last_z = track.fast = track.slow = z
    track.noise = 0.0
    track.calm_ns = t
    track.still = 0


@inlined
def watch_rest(row: Any, track: Any, pace: Any, z: float, t: int) -> None:
    """Note one accepted sample, by the pace of its step."""
    d = z - track.last_z
    track.last_z = z
    if pace.T > SPARSE_S:
        start_rest(track, z, t)
        return
    noise = min(track.noise, 2.0 * row.r)
    track.fast += pace.fast * (z - track.fast)
    w = pace.slow
    away = abs(z - track.slow)
    track.slow += w * (z - track.slow)
    change = min(0.5 * d * d, LOUDEST * row.r) - track.noise
    track.noise += w * change * (MEMORY if track.still > 0 and change < 0.0 else 1.0)
    least = FLOOR * FLOOR * row.r
    drift = track.fast - track.slow
    if drift * drift > 2.0 * noise + least or away * away > FARTHEST * noise + least:
        track.still = 0
        track.calm_ns = t
    elif t - track.calm_ns > CALM_NS:
        track.still = min(max(track.still + (1 if d != 0.0 else REPEATED), 1), MOST_STILL)
