"""The search: the most likely noise of every joint and body, taken where it predicts the recording better than what is set."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from twind.config.settings import JointNoise, JointSettings, OverrideSettings, PoseSettings
from twind.estimation.likelihood import log_likelihood
from twind.model.errors import PermanentError
from twind.model.time import NS_PER_MS, NS_PER_S
from twind.model.topology import JointKind
from twind.runtime.estimators import over
from twind.runtime.tune.maximum import Range, maximise
from twind.runtime.tune.series import body_series, joint_series, turned
from twind.runtime.tune.trial import HORIZONS_MS, Trials

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from twind.config.settings import EstimationSettings
    from twind.model.topology import Joint, Topology
    from twind.runtime.tune.decoded import Decoded
    from twind.runtime.tune.series import Series
    from twind.runtime.tune.trial import Predicted

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

Values = dict[str, float | bool]

_BETTER = 0.99
"""Settings must predict better by this factor to be taken: what makes no difference stays as it is."""
_ONE_MODEL = "one model with the most likely noise"
_MUCH_BETTER = 0.95
"""The same for a model that no longer adapts: it is made for this recording, and the next may be livelier."""
_LEAST_SAMPLES = 100
_STRETCH = 3000
_STILL = 5.0
"""Times its own noise that something must move to be tuned."""
_HEADROOM = 10.0
"""Where models adapt, `jerk_noise` is the most that is expected: the most likely one holds for the recording as a whole."""
_JERK, _ACCELERATION = Range(-2.0, 5.0), Range(-4.0, 3.0)
_STAMP_MS = Range(-3.0, 1.0, or_none=True)
_JOINT_STD, _POSITION_STD, _ROTATION_STD = Range(-7.0, -1.0), Range(-5.0, 0.0), Range(-5.0, 0.0)
_PRIOR_SPEED, _PRIOR_ACCELERATION = 10.0, 300.0


@dataclass(frozen=True, slots=True)
class Errors:
    """Root mean square prediction errors of one quantity, (horizons,) [rad or m]."""

    held: Floats
    """Of holding the last value that had arrived."""
    predicted: Floats

    @property
    def score(self) -> float:
        """Geometric mean, over the horizons, of the error as a fraction of hold-last's; the less the better."""
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = self.predicted / self.held
        ratios = ratios[np.isfinite(ratios) & (ratios > 0)]
        return float(np.exp(np.mean(np.log(ratios)))) if ratios.size else float("inf")


@dataclass(frozen=True, slots=True)
class Quantity:
    """What is predicted of a joint or body, and how well."""

    name: str
    """`position` or `rotation`."""
    unit: str
    """rad or m."""
    before: Errors
    after: Errors


@dataclass(frozen=True, slots=True)
class Tuned:
    """What came of the search for one joint or body."""

    entity: str
    joint: str | None
    """None for a body."""
    samples: int
    likely: dict[str, float]
    """Most likely noise, by setting. Of the process it is that of a single model."""
    choice: str
    """Which settings predicted best, in words."""
    changed: Values
    """Settings that differ from the present ones."""
    quantities: tuple[Quantity, ...]
    skipped: str = ""
    """Why it was not tuned; empty where it was."""

    @property
    def name(self) -> str:
        """Entity and joint."""
        return self.entity if self.joint is None else f"{self.entity}/{self.joint}"


@dataclass(slots=True)
class _Subject:
    """One joint or body on its way through the search."""

    entity: str
    joint: str | None
    row: int
    series: tuple[Series, ...]
    likely: dict[str, float] = field(default_factory=dict)
    options: dict[str, Values] = field(default_factory=dict)
    skipped: str = ""


class Search:
    """Tunes the noise settings to one recording.

    Args:
        topology: What the stage declares.
        settings: Where the search begins.
        decoded: The recording; its verdicts should be those of adapting settings (`unbiased`), as bad ones refuse good samples.
        entities: Only these; all when empty.
        rate_hz: Instants a second from which predictions are judged.

    Raises:
        PermanentError: An entity is not in the stage, or nothing was measured.
    """

    def __init__(
        self,
        topology: Topology,
        settings: EstimationSettings,
        decoded: Decoded,
        *,
        entities: Sequence[str] = (),
        rate_hz: float = 25.0,
    ) -> None:
        self.settings = settings
        """The present ones."""
        self.tuned_settings = settings
        """The present ones with what was found, after `run`."""
        self._topology = topology
        self._trials = Trials(topology, decoded)
        unknown = sorted(set(entities) - set(topology.entity_index))
        if unknown:
            known = ", ".join(sorted(topology.entity_index)) or "none"
            raise PermanentError(f"{unknown[0]!r} is not an entity of the stage; it has: {known}")
        first, last = decoded.span_ns
        self._instants: Ints = np.arange(first, last, round(NS_PER_S / rate_hz), dtype=np.int64)
        self._subjects = self._found(decoded, set(entities) or set(topology.entity_index))
        if not self._subjects:
            what = f"of {', '.join(sorted(entities))} " if entities else ""
            raise PermanentError(f"no joint and no pose {what}was measured in this part of the recording")

    def _found(self, decoded: Decoded, entities: set[str]) -> list[_Subject]:
        modulus = np.zeros(self._topology.n_joints)
        names = {}
        for robot, first in zip(self._topology.robots, self._topology.first_joint, strict=False):
            for row, joint in enumerate(robot.joints, first):
                wraps = joint_noise(self.settings, robot.id, joint).wraps_rad
                modulus[row] = wraps or (math.tau if joint.kind is JointKind.CONTINUOUS else 0.0)
                names[row] = (robot.id, joint.name)
        found = [_Subject(*names[row], row, (series,)) for row, series in joint_series(decoded, modulus).items()]
        ids = [entity.id for entity in self._topology.entities]
        found += [_Subject(ids[row], None, row, series) for row, series in body_series(decoded).items()]
        return [subject for subject in found if subject.entity in entities]

    def run(self, *, on_progress: Callable[[float], None] | None = None) -> list[Tuned]:
        """Find the most likely noise of each, then judge by causal predictions what to take of it."""
        for number, subject in enumerate(self._subjects):
            if on_progress is not None:
                on_progress(0.8 * number / len(self._subjects))
            self._fit(subject)
        names = dict.fromkeys(name for subject in self._subjects for name in subject.options)
        present = self._errors(self.settings)
        best = {id(subject): ("the present settings", Values(), errors) for subject, errors in present}
        for number, name in enumerate(names):
            if on_progress is not None:
                on_progress(0.8 + 0.2 * number / len(names))
            chosen = [(subject, subject.options.get(name, {})) for subject in self._subjects]
            for subject, errors in self._errors(self._with(chosen)):
                _, _, so_far = best[id(subject)]
                better = _MUCH_BETTER if name == _ONE_MODEL else _BETTER
                if name in subject.options and _score(errors) < better * _score(so_far):
                    best[id(subject)] = (name, subject.options[name], errors)
        self.tuned_settings = self._with([(subject, best[id(subject)][1]) for subject in self._subjects])
        return [self._tuned(subject, errors, *best[id(subject)]) for subject, errors in present]

    def _tuned(
        self, subject: _Subject, before: tuple[Errors, ...], choice: str, changed: Values, after: tuple[Errors, ...]
    ) -> Tuned:
        of = (("position", "m"), ("rotation", "rad"))
        if subject.joint is not None:
            of = (("position", self._joint(subject).kind.unit),) * 2
        quantities = tuple(Quantity(*of[i], *pair) for i, pair in enumerate(zip(before, after, strict=True)))
        samples = len(subject.series[0].t_ns)
        return Tuned(
            subject.entity, subject.joint, samples, subject.likely, choice, changed, quantities, skipped=subject.skipped
        )

    def _joint(self, subject: _Subject) -> Joint:
        robot = self._topology.robots[self._topology.entity_index[subject.entity]]
        return next(joint for joint in robot.joints if joint.name == subject.joint)

    def _fit(self, subject: _Subject) -> None:
        samples = len(subject.series[0].t_ns)
        if samples < _LEAST_SAMPLES:
            subject.skipped = f"{samples} samples are too few to tell its noise ({_LEAST_SAMPLES} are needed)"
        elif subject.joint is None:
            self._fit_body(subject)
        else:
            self._fit_joint(subject)

    def _fit_joint(self, subject: _Subject) -> None:
        joint, (series,) = self._joint(subject), subject.series
        noise = joint_noise(self.settings, subject.entity, joint)
        linear = joint.kind is JointKind.PRISMATIC
        jerk, std = ("jerk_noise_m", "position_std_m") if linear else ("jerk_noise", "position_std_rad")
        position = series.value[:, 0]
        if np.ptp(position) < _STILL * getattr(noise, std):
            subject.skipped = "it did not move"
            return
        alpha = {"singer": 1.0 / noise.acceleration_tau_s, "ca": 0.0, "cv": math.inf}[noise.model]
        speed = joint.velocity_limit if 0.0 < joint.velocity_limit < math.inf else _PRIOR_SPEED

        def likelihood(part: slice, values: Mapping[str, float]) -> float:
            return log_likelihood(
                series.t_ns[part], position[part], series.stated[part], series.late[part], values[std] ** 2, values[jerk] ** 2,
                (values["stamp_std_ms"] * 1e-3) ** 2, alpha, speed**2, _PRIOR_ACCELERATION**2 if alpha < math.inf else 0.0,
            )  # fmt: skip

        ranges = {jerk: _JERK, "stamp_std_ms": _STAMP_MS, std: _JOINT_STD}
        known = {"stamp_std_ms": noise.stamp_std_ms, std: getattr(noise, std)}
        subject.likely = _rounded(
            maximise(partial(likelihood, slice(None)), ranges, known, coarse=partial(likelihood, _liveliest(position)))
        )
        measured = {name: value for name, value in subject.likely.items() if name != jerk}
        shipped = {name: getattr(JointNoise(), name) for name in (jerk, "stamp_std_ms", std)}
        likely_most = float(f"{_HEADROOM * subject.likely[jerk]:.3g}")
        subject.options = {
            "adapting models, all noise as shipped": {"adapt": True, **shipped},
            "adapting models, most likely noise of the measurement": {"adapt": True, **shipped, **measured},
            "adapting models, most likely noise of positions": {"adapt": True, **shipped, std: measured[std]},
            "adapting models, most likely noise of the stamps": {
                "adapt": True,
                **shipped,
                "stamp_std_ms": measured["stamp_std_ms"],
            },
            "adapting models up to ten times the most likely noise": {"adapt": True, **measured, jerk: likely_most},
            _ONE_MODEL: {"adapt": False, **subject.likely},
        }
        now = {name: getattr(noise, name) for name in JointNoise.model_fields}
        subject.options = _differing(subject.options, now)

    def _fit_body(self, subject: _Subject) -> None:
        own = self.settings.overrides.get(subject.entity)
        noise = over(self.settings.poses, None if own is None else own.poses)
        place, orientation = subject.series
        steps = turned(orientation.value[:-1], orientation.value[1:])
        angle = np.concatenate([np.zeros((1, 3)), np.cumsum(steps, axis=0)])
        for series, path, process, std, scales in (
            (place, place.value, "acceleration_noise", "position_std_m", (_ACCELERATION, _POSITION_STD)),
            (orientation, angle, "angular_acceleration_noise", "rotation_std_rad", (_ACCELERATION, _ROTATION_STD)),
        ):
            if np.max(np.ptp(path, axis=0)) < _STILL * getattr(noise, std):
                continue
            axes = [np.ascontiguousarray(path[:, axis]) for axis in range(3)]

            def likelihood(
                values: Mapping[str, float],
                series: Series = series,
                axes: list[Floats] = axes,
                process: str = process,
                std: str = std,
            ) -> float:
                return sum(
                    log_likelihood(
                        series.t_ns, axis, series.stated, series.late, values[std] ** 2, values[process] ** 2,
                        0.0, math.inf, _PRIOR_SPEED**2, 0.0,
                    )
                    for axis in axes
                )  # fmt: skip

            known = {std: getattr(noise, std)}
            subject.likely |= _rounded(maximise(likelihood, dict(zip((process, std), scales, strict=True)), known))
        if not subject.likely:
            subject.skipped = "it did not move"
            return
        process_only = {name: value for name, value in subject.likely.items() if name.endswith("acceleration_noise")}
        measured_only = {name: value for name, value in subject.likely.items() if name not in process_only}
        options: dict[str, Values] = {
            "noise as shipped": {name: getattr(PoseSettings(), name) for name in subject.likely},
            "the most likely noise": dict(subject.likely),
            "the most likely noise of the motion": dict(process_only),
            "the most likely noise of the measurement": dict(measured_only),
        }
        subject.options = _differing(options, {name: getattr(noise, name) for name in PoseSettings.model_fields})

    def _with(self, chosen: Sequence[tuple[_Subject, Values]]) -> EstimationSettings:
        """Return the present settings with some of single joints' and bodies' own changed."""
        return with_changes(self.settings, [(subject.entity, subject.joint, values) for subject, values in chosen])

    def _errors(self, settings: EstimationSettings) -> list[tuple[_Subject, tuple[Errors, ...]]]:
        predicted = self._trials.predicted(settings, self._instants)
        return [(subject, self._errors_of(subject, predicted)) for subject in self._subjects]

    def _errors_of(self, subject: _Subject, predicted: Predicted) -> tuple[Errors, ...]:
        if subject.joint is not None:
            return (self._judged(subject.series[0], predicted.joints[:, :, subject.row, None], _difference),)
        place, orientation = subject.series
        return (
            self._judged(place, predicted.position[:, :, subject.row], _difference),
            self._judged(orientation, predicted.orientation[:, :, subject.row], turned),
        )

    def _judged(self, series: Series, predicted: Floats, between: Callable[[Floats, Floats], Floats]) -> Errors:
        held = series.held_at(self._instants)
        found = []
        for place, horizon in enumerate(HORIZONS_MS):
            truth = series.at(self._instants + horizon * NS_PER_MS)
            known = np.isfinite(truth[:, 0]) & np.isfinite(held[:, 0])
            found.append([_rms(between(truth[known], guess[known])) for guess in (held, predicted[place])])
        of_held, ours = np.array(found).T
        return Errors(of_held, ours)


def joint_noise(settings: EstimationSettings, robot: str, joint: Joint) -> JointNoise:
    """Return the settings that hold for one joint."""
    own = settings.overrides.get(robot)
    of_robot = over(settings.joints, None if own is None else own.joints)
    noise: JointNoise = of_robot
    for names in (settings.joints.names, of_robot.names):
        noise = over(noise, names.get(joint.name))
    return noise


def with_changes(
    settings: EstimationSettings, changes: Sequence[tuple[str, str | None, Mapping[str, Any]]]
) -> EstimationSettings:
    """Return settings in which some joints (entity, joint, values) and bodies (entity, None, values) have their own."""
    overrides = dict(settings.overrides)
    for entity, joint, values in changes:
        if not values:
            continue
        own = overrides.get(entity) or OverrideSettings()
        if joint is None:
            changed: dict[str, Any] = {"poses": PoseSettings(**{**_set(own.poses), **values})}
        else:
            joints = own.joints or JointSettings()
            before = joints.names.get(joint) or settings.joints.names.get(joint)
            names = {**joints.names, joint: JointNoise(**{**_set(before), **values})}
            changed = {"joints": JointSettings(**{**_set(joints), "names": names})}
        overrides[entity] = OverrideSettings(**{**_set(own), **changed})
    return settings.model_copy(update={"overrides": overrides})


def unbiased(settings: EstimationSettings, topology: Topology) -> EstimationSettings:
    """Return settings with the shipped noise everywhere: they adapt, and so refuse outliers and little else."""
    kept = ("model", "wraps_rad")
    shipped = {name: value for name, value in JointNoise().model_dump().items() if name not in kept}
    changes: list[tuple[str, str | None, Mapping[str, Any]]] = [
        (robot.id, joint.name, shipped) for robot in topology.robots for joint in robot.joints if joint.movable
    ]
    changes += [(entity.id, None, PoseSettings().model_dump()) for entity in topology.entities]
    return with_changes(settings, changes)


def _set(settings: Any) -> dict[str, Any]:
    return {} if settings is None else {name: getattr(settings, name) for name in settings.model_fields_set}


def _differing(options: Mapping[str, Values], now: Mapping[str, Any]) -> dict[str, Values]:
    """Leave out of each option what is so already, and options that change nothing."""
    found: dict[str, Values] = {}
    for name, values in options.items():
        changed = {key: value for key, value in values.items() if value != now[key]}
        if changed and changed not in found.values():
            found[name] = changed
    return found


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: float(f"{value:.3g}") for name, value in values.items()}


def _liveliest(position: Floats) -> slice:
    """Return the stretch, of those that are long enough to tell the scale of the noise, in which there was most motion."""
    starts = range(0, max(1, len(position) - _STRETCH // 2), _STRETCH)
    start = max(starts, key=lambda start: float(np.ptp(position[start : start + _STRETCH])))
    return slice(start, start + _STRETCH)


def _difference(truth: Floats, guess: Floats) -> Floats:
    return guess - truth


def _rms(errors: Floats) -> float:
    return float(np.sqrt(np.mean(np.sum(np.square(errors), axis=1)))) if len(errors) else float("nan")


def _score(errors: tuple[Errors, ...]) -> float:
    """Return the geometric mean of the quantities' scores, of those that moved."""
    scores = [score for score in (one.score for one in errors) if math.isfinite(score)]
    return math.exp(sum(map(math.log, scores)) / len(scores)) if scores else math.inf
