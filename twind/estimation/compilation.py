"""The kernels of the banks, in parts that processes of their own can compile: `python -m twind.estimation.compilation PART`.

A compiler uses one core, holds the interpreter while it works, and leaves hundreds of megabytes behind.
"""

from __future__ import annotations

import ctypes
import signal
import sys
from typing import TYPE_CHECKING, Any

from twind.estimation.clock_kernels import map_stamps
from twind.estimation.clocks import ClockBank
from twind.estimation.joint_kernels import ingest_joints
from twind.estimation.joints import JointBank
from twind.estimation.pose_ring import ingest_samples
from twind.estimation.poses import PoseBank
from twind.kernels import is_missing

if TYPE_CHECKING:
    from collections.abc import Callable

_PR_SET_PDEATHSIG = 1
_PARTS: dict[str, tuple[Callable[[int], Any], Any]] = {
    "poses": (PoseBank, ingest_samples),
    "joints": (JointBank, ingest_joints),
    "clocks": (ClockBank, map_stamps),
}
"""What compiles a part, and the kernel that takes longest of it; the longest part comes first."""


def missing_parts() -> list[str]:
    """Return the parts whose kernels are not on disk although they could be, the longest first."""
    return [name for name, (_, kernel) in _PARTS.items() if is_missing(kernel)]


def compile_part(name: str) -> None:
    """Compile the kernels of a part and keep them on disk."""
    bank, _ = _PARTS[name]
    bank(1).warm_up()


def end_with_parent() -> None:
    """Let the system kill this process when the thread that started it ends; elsewhere than on Linux it goes on to its end."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    end_with_parent()
    compile_part(sys.argv[1])
