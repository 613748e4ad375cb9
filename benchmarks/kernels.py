"""What the kernels cost, against filterpy, a NumPy batch and Pinocchio: CPU time per sample, joint or body, calls included.

twind does more than the others: eight models a joint, gates, adaptation, verdicts, and a ring from which late samples are put
in order. A NumPy batch needs a sample of everything in every step; a kernel takes them as they come.
"""

from __future__ import annotations

import contest_joints
import contest_kinematics
import contest_poses
import machine
import robots
from contest import contend
from table import Section


def measure(*, quick: bool) -> Section:
    """Measure every kernel and its rivals in every round."""
    with machine.on(machine.MEASURED):
        contestants = [
            *contest_joints.contestants(100, 32),
            *contest_joints.contestants(4286, 1),
            *contest_poses.contestants(100, 20),
            *contest_poses.contestants(1000, 4),
            *contest_kinematics.contestants(100),
        ]
        rows = contend(contestants, rounds=5 if quick else 31)
    return Section(f"Kernels against others: arms of {robots.JOINTS} joints, one core, all in turn in every round", rows)
