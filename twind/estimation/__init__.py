"""Numba kernels and the banks on them: clocks, joints, poses. Pure: arrays in, arrays out; no I/O, no clock, no asyncio."""

from twind.estimation.clocks import ClockBank
from twind.estimation.efforts import EffortBank
from twind.estimation.joint_kernels import NO_VERDICT
from twind.estimation.joints import JointBank
from twind.estimation.poses import PoseBank
from twind.estimation.tally import Tally
from twind.model.messages import Channel

__all__ = ["NO_VERDICT", "Channel", "ClockBank", "EffortBank", "JointBank", "PoseBank", "Tally"]
