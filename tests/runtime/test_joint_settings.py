"""Whose word counts for a joint: the configuration's on it, else the stage's, else the configuration's on all."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.runtime.cell import ARM
from twind.config.settings import EstimationSettings
from twind.model.topology import JointHints, JointKind, Topology
from twind.runtime.estimators import Estimators

HINTS = JointHints(position_std=0.02, jerk_noise=40.0, stamp_std_s=0.002, wraps=12.5, use_velocity=True, velocity_std=0.3)


def banks(hints: JointHints, kind: JointKind = JointKind.REVOLUTE, **joints: object) -> Estimators:
    overrides = {"arm": {"joints": joints.pop("override")}} if "override" in joints else {}
    settings = EstimationSettings.model_validate({"joints": joints, "overrides": overrides})
    first, second = ARM.joints
    return Estimators(Topology("x", robots=(replace(ARM, joints=(replace(first, hints=hints, kind=kind), second)),)), settings)


def stds(estimators: Estimators) -> list[float]:
    return [float(value) ** 0.5 for value in estimators.joints._rows["r"]]


def test_what_the_stage_says_of_a_joint_beats_what_is_set_for_all() -> None:
    estimators = banks(HINTS, position_std_rad=0.01)
    rows = estimators.joints._rows
    assert stds(estimators) == pytest.approx([0.02, 0.01])
    assert rows["stamp_var"].tolist() == pytest.approx([4e-6, 1e-8])
    assert rows["modulus"].tolist() == [12.5, 0.0]
    assert rows["velocity_var"].tolist() == pytest.approx([0.09, 0.0])


def test_what_the_stage_says_of_a_sliding_joint_is_in_metres() -> None:
    estimators = banks(JointHints(position_std=0.003), JointKind.PRISMATIC, position_std_rad=0.01)
    assert stds(estimators) == pytest.approx([0.003, 0.01])


@pytest.mark.parametrize(
    "configuration",
    [
        {"override": {"position_std_rad": 0.005}},
        {"names": {"shoulder": {"position_std_rad": 0.005}}},
        {"override": {"position_std_rad": 0.009, "names": {"shoulder": {"position_std_rad": 0.005}}}},
    ],
)
def test_what_the_configuration_says_of_a_robot_or_joint_beats_the_stage(configuration: dict[str, object]) -> None:
    assert stds(banks(HINTS, **configuration))[0] == pytest.approx(0.005)


def test_an_override_leaves_alone_what_it_does_not_name() -> None:
    estimators = banks(HINTS, override={"jerk_noise": 7.0})
    assert stds(estimators) == pytest.approx([0.02, 0.001])


def test_a_body_can_be_driven_by_its_imu_by_configuration() -> None:
    from tests.runtime.cell import CELL

    settings = EstimationSettings.model_validate({"overrides": {"crate": {"poses": {"inertial": True}}}})
    assert Estimators(CELL, settings).poses._settings["inertial"].tolist() == [0, 1]
