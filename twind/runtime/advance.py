"""From a prediction to what is shown: the one place that joins the estimators to the twin."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twind.model.state import Update
    from twind.runtime.estimators import Estimators, Prediction
    from twind.twin import Twin


def advance(
    twin: Twin, estimators: Estimators, prediction: Prediction, *, now_ns: int, everything: bool = False
) -> Update | None:
    """Hand a prediction to the twin and return what is shown now, or None when nothing changed.

    Args:
        twin: Of the same topology as the estimators.
        estimators: Have made the prediction, and took in nothing since.
        prediction: What they made.
        now_ns: Daemon wall clock, from which ages are counted [ns].
        everything: Show every entity, changed or not.
    """
    return twin.advance(
        now_ns=now_ns,
        target_ns=prediction.target_ns,
        sample_ns=estimators.live_ns,
        joint_position=prediction.joint_position,
        joint_velocity=prediction.joint_velocity,
        joint_std=prediction.joint_std,
        joint_effort=prediction.joint_effort,
        joint_sample_ns=estimators.joints.live_ns,
        body_position=prediction.body_position,
        body_orientation=prediction.body_orientation,
        body_position_std=prediction.position_std,
        body_rotation_std=prediction.rotation_std,
        posed=prediction.posed,
        everything=everything,
    )
