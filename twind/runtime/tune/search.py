"""The search: one setting at a time, the best of a grid, twice round; every robot by itself, all in the same replays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from twind.config.settings import JointSettings, OverrideSettings
from twind.model.time import NS_PER_MS
from twind.runtime.tune.trial import HORIZONS_MS

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from twind.config.settings import EstimationSettings
    from twind.model.topology import Topology
    from twind.runtime.tune.trial import Measured, Trials

    Floats = NDArray[np.float64]

_GRID = {
    "jerk_noise": tuple(5.0 * 10 ** (step / 2) for step in range(8)),
    "stamp_std_ms": (0.0, 0.03, 0.1, 0.3, 1.0, 3.0),
    "position_std_rad": tuple(1e-5 * 10 ** (step / 2) for step in range(6)),
}
_ROUNDS = 2
_BETTER = 0.99
"""A value must predict better by this factor to be taken: what makes no difference stays as it is."""


@dataclass(frozen=True, slots=True)
class Errors:
    """Root mean square errors of one robot's joints, (horizons,) [rad or m]."""

    held: Floats
    """Of holding the last position that had arrived."""
    predicted: Floats

    @property
    def score(self) -> float:
        """Geometric mean, over the horizons, of the error as a fraction of hold-last's; the less the better."""
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = self.predicted / self.held
        ratios = ratios[np.isfinite(ratios) & (ratios > 0)]
        return float(np.exp(np.mean(np.log(ratios)))) if ratios.size else float("inf")


@dataclass(frozen=True, slots=True)
class Tuned:
    """What came of the search for one robot."""

    robot: str
    before: Errors
    after: Errors
    changed: dict[str, float]
    """Settings that differ from the present ones."""


def tune(
    trials: Trials, topology: Topology, settings: EstimationSettings, *, on_trial: Callable[[float], None] | None = None
) -> list[Tuned]:
    """Search the noise settings of every robot whose joints moved; objects are not tuned.

    Args:
        trials: The recording.
        topology: What the stage declares.
        settings: Where the search begins.
        on_trial: Called before each replay with the part of the search that is done.
    """
    measured = trials.measured()
    robots = [
        (robot.id, [row for row in range(first, first + len(robot.joints)) if row in measured])
        for robot, first in zip(topology.robots, topology.first_joint, strict=False)
    ]
    robots = [(robot, rows) for robot, rows in robots if rows]
    if not robots:
        return []

    def errors_with(choice: dict[str, dict[str, float]]) -> dict[str, Errors]:
        predicted = trials.predicted(_with(settings, choice))
        return {robot: _errors(predicted, rows, measured, trials) for robot, rows in robots}

    chosen: dict[str, dict[str, float]] = {robot: {} for robot, _ in robots}
    before = best = errors_with(chosen)
    total, done = _ROUNDS * sum(map(len, _GRID.values())), 0
    for _ in range(_ROUNDS):
        for name, values in _GRID.items():
            candidates = []
            for value in values:
                if on_trial is not None:
                    on_trial(done / total)
                done += 1
                candidates.append((value, errors_with({robot: {**own, name: value} for robot, own in chosen.items()})))
            for robot, own in chosen.items():
                value, errors = min(candidates, key=lambda candidate: candidate[1][robot].score)
                if errors[robot].score < _BETTER * best[robot].score:
                    own[name] = value
                    best = {**best, robot: errors[robot]}
    return [Tuned(robot, before[robot], best[robot], chosen[robot]) for robot, _ in robots]


def _with(settings: EstimationSettings, choice: dict[str, dict[str, float]]) -> EstimationSettings:
    """Return the settings with some of the robots' own changed."""
    overrides = dict(settings.overrides)
    for robot, values in choice.items():
        own = overrides.get(robot) or OverrideSettings()
        joints = {} if own.joints is None else {name: getattr(own.joints, name) for name in own.joints.model_fields_set}
        overrides[robot] = own.model_copy(update={"joints": JointSettings(**{**joints, **values})})
    return settings.model_copy(update={"overrides": overrides})


def _errors(predicted: Floats, rows: list[int], measured: dict[int, Measured], trials: Trials) -> Errors:
    held, ours = np.zeros(len(HORIZONS_MS)), np.zeros(len(HORIZONS_MS))
    for place, horizon in enumerate(HORIZONS_MS):
        of_held, of_ours = [], []
        for row in rows:
            truth = measured[row].at(trials.instants_ns + horizon * NS_PER_MS)
            last = measured[row].held_at(trials.instants_ns)
            known = np.isfinite(truth) & np.isfinite(last)
            of_held.append((last - truth)[known])
            of_ours.append((predicted[place, :, row] - truth)[known])
        held[place], ours[place] = _rms(np.concatenate(of_held)), _rms(np.concatenate(of_ours))
    return Errors(held, ours)


def _rms(errors: Floats) -> float:
    return float(np.sqrt(np.mean(np.square(errors)))) if errors.size else float("nan")
