"""Health of streams and entities, gathered from the banks when somebody asks: metrics, API and replay."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from twind.estimation.tally import CHANNELS
from twind.model.estimates import Verdict
from twind.model.time import NO_STAMP, NS_PER_S
from twind.model.topology import JointKind
from twind.telemetry.figures import OTHER, ChannelFigures, ClockFigures, EntityFigures, StreamFigures

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from twind.model.state import Update
    from twind.model.topology import Topology
    from twind.runtime.estimators import Estimators

    Floats = NDArray[np.float64]


_POSE = "pose"
_SKIPPED = ("gaps",)
PAGE = 500
"""Streams in one answer of the API; making it takes about 10 ms, which bounds how long the event loop is held."""


def stream_figures(estimators: Estimators, begin: int, end: int, *, recent: bool = True) -> list[StreamFigures]:
    """Return the figures of some streams by row; the mean of innovations is a running one, or of all since start."""
    clocks, streams = estimators.clocks, estimators.streams[begin:end]
    if not streams:
        return []
    offset_s, skew, jitter_s, steps, trusted, two_ways, two_way_std_s = (
        clocks.offset_s, clocks.skew, clocks.jitter_s, clocks.steps, clocks.trusted, clocks.two_ways, clocks.two_way_std_s,
    )  # fmt: skip
    found = []
    position_noise, rotation_noise = estimators.poses.measurement_noise
    used = estimators.tally.used(begin, begin + len(streams))
    skipped = clocks.counts(_SKIPPED)["gaps"]
    for row, stream in enumerate(streams, begin):
        channels = _channels(estimators, slice(row, row + 1), used[row - begin], recent=recent)
        if _POSE in channels and stream.entity:
            body = estimators.topology.entity_index[stream.entity]
            noise = {"position": float(position_noise[body]), "rotation": float(rotation_noise[body])}
            channels[_POSE] = replace(channels[_POSE], noise_found=noise)
        found.append(
            StreamFigures(
                source=stream.source,
                topic=stream.topic,
                entity=stream.entity,
                messages=int(estimators.tally.messages[row]),
                resets=sum(channel.verdicts["reset"] for channel in channels.values()),
                clock=ClockFigures(
                    offset_s=float(offset_s[row]),
                    skew_ppm=float(skew[row] * 1e6),
                    jitter_ms=float(jitter_s[row] * 1e3),
                    steps=int(steps[row]),
                    shares_the_daemons_clock=bool(trusted[row]),
                    two_ways=int(two_ways[row]),
                    two_way_std_ms=float(two_way_std_s[row] * 1e3),
                ),
                channels=channels,
                skipped=int(skipped[row]),
            )
        )
    return found


def other_stream_figures(estimators: Estimators, begin: int) -> StreamFigures | None:
    """Return the figures of all streams from a row on, together; None when there are none."""
    rows = slice(begin, len(estimators.streams))
    if rows.stop <= begin:
        return None
    channels = _channels(estimators, rows, [True] * len(CHANNELS), recent=True)
    resets = sum(channel.verdicts["reset"] for channel in channels.values())
    skipped = int(estimators.clocks.counts(_SKIPPED, streams=len(estimators.streams))["gaps"][begin:].sum())
    return StreamFigures("", OTHER, "", int(estimators.tally.messages[rows].sum()), resets, None, channels, skipped)


def _channels(estimators: Estimators, rows: slice, used: list[bool], *, recent: bool) -> dict[str, ChannelFigures]:
    found = {}
    for channel, name in enumerate(CHANNELS):
        counts = estimators.tally.verdicts(channel, rows) if used[channel] else None
        if counts is None or not counts.any():
            continue
        innovations = estimators.tally.innovations(channel, rows, recent=recent)
        found[name] = ChannelFigures(
            samples=int(counts.sum()),
            verdicts={verdict.name.lower(): int(counts[verdict]) for verdict in Verdict},
            mean_nis=innovations.mean,
            nis_samples=innovations.count,
            nis_expected=innovations.freedom,
            nis_band_95=innovations.band_95 if innovations.count else None,
        )
    return found


def stream_list(estimators: Estimators, begin: int) -> dict[str, object]:
    """Return the document of `/api/v1/streams`: up to `PAGE` streams, and the number of the one to go on with, if any."""
    end = begin + PAGE
    return {
        "streams": stream_figures(estimators, begin, end),
        "total": len(estimators.streams),
        "next": end if end < len(estimators.streams) else None,
    }


class LiveFigures:
    """What `twind.telemetry.figures.Figures` asks for, of a running daemon.

    Args:
        topology: What the stage declares.
        estimators: The banks.
        update: Returns what stands in the stage.
        now_ns: The daemon's wall clock [ns].
    """

    def __init__(
        self, topology: Topology, estimators: Estimators, *, update: Callable[[], Update | None], now_ns: Callable[[], int]
    ) -> None:
        self._topology = topology
        self._estimators = estimators
        self._update = update
        self._now_ns = now_ns
        joints = [joint for robot in topology.robots for joint in robot.joints]
        self._movable = np.array([joint.movable for joint in joints], np.bool_)
        self._linear = np.array([joint.kind is JointKind.PRISMATIC for joint in joints], np.bool_)

    def streams(self, begin: int, end: int) -> list[StreamFigures]:
        """Return the figures of some streams, in the order of their first messages."""
        return stream_figures(self._estimators, begin, end)

    def other_streams(self, begin: int) -> StreamFigures | None:
        """Return the figures of all further streams together; None when there are none."""
        return other_stream_figures(self._estimators, begin)

    def entities(self, begin: int, end: int) -> list[EntityFigures]:
        """Return the figures of some entities, in discovery order; none before the first update."""
        update, now_ns = self._update(), self._now_ns()
        if update is None:
            return []
        entities = self._topology.entities[begin:end]
        return [self._entity(update, now_ns, slice(index, index + 1), one.id) for index, one in enumerate(entities, begin)]

    def other_entities(self, begin: int) -> EntityFigures | None:
        """Return the figures of all further entities together; None when there are none."""
        update, count = self._update(), len(self._topology.entities)
        if update is None or count <= begin:
            return None
        return self._entity(update, self._now_ns(), slice(begin, count), OTHER)

    def _entity(self, update: Update, now_ns: int, rows: slice, name: str) -> EntityFigures:
        sampled = update.sample_ns[rows]
        sampled = sampled[sampled != NO_STAMP]
        first, robots = self._topology.first_joint, len(self._topology.robots)
        joints = slice(first[min(rows.start, robots)], first[min(rows.stop, robots)])
        movable, linear, std = self._movable[joints], self._linear[joints], update.joint_std[joints]
        quantities = {
            "joint_rad": std[movable & ~linear],
            "joint_m": std[movable & linear],
            "position_m": update.position_std[rows][update.position_std[rows] > 0.0],
            "rotation_rad": update.rotation_std[rows][update.rotation_std[rows] > 0.0],
        }
        known = {name: values[np.isfinite(values)] for name, values in quantities.items()}
        return EntityFigures(
            entity=name,
            age_s=float((now_ns - sampled.min()) / NS_PER_S) if len(sampled) else math.nan,
            std={name: float(values.max()) for name, values in known.items() if len(values)},
            joints_limited=int(np.count_nonzero(update.limited[joints])),
            resets=int(self._estimators.joints.resets[joints].sum() + self._estimators.poses.resets[rows].sum()),
        )
