"""Events of the daemon itself: its start and end, its tasks, its loop and its clock."""

from __future__ import annotations

from dataclasses import dataclass

from twind.telemetry.event import Event


@dataclass(frozen=True, slots=True)
class WallClockSet(Event):
    """This machine's clock was set, or it slept. Devices that share it seem to step; streams follow within a second."""

    level = "warning"
    counter = "wall_clock_steps"
    seconds: float
    """By how much, ahead where positive [s]."""


@dataclass(frozen=True, slots=True)
class TaskRestarted(Event):
    """A supervised task failed and is started again after `delay_s`."""

    level = "error"
    counter = "task_restarts"
    labels = ("task",)
    task: str
    error: str
    delay_s: float


@dataclass(frozen=True, slots=True)
class TaskGivenUp(Event):
    """A supervised task failed for good and is not started again."""

    level = "error"
    counter = "tasks_given_up"
    labels = ("task",)
    task: str
    error: str


@dataclass(frozen=True, slots=True)
class LoopStalled(Event):
    """The event loop stood still; `where` is the code that held it up, innermost call first."""

    level = "warning"
    counter = "event_loop_stalls"
    seconds: float
    where: str


@dataclass(frozen=True, slots=True)
class DaemonStarting(Event):
    """The daemon begins to start."""

    limited = False
    instance: str
    version: str


@dataclass(frozen=True, slots=True)
class DaemonReady(Event):
    """Everything is started; samples are being processed."""

    limited = False
    instance: str
    http: str
    robots: int
    objects: int
    seconds: float


@dataclass(frozen=True, slots=True)
class DaemonStopping(Event):
    """The daemon drains and stops."""

    limited = False
    instance: str
    reason: str


@dataclass(frozen=True, slots=True)
class DaemonStopped(Event):
    """The daemon stopped; `unfinished` names what the deadline cut off."""

    limited = False
    instance: str
    seconds: float
    unfinished: str = ""


@dataclass(frozen=True, slots=True)
class DrainWaiting(Event):
    """The drain goes on; `remaining` names the steps that are not done."""

    limited = False
    remaining: str
    seconds_left: float


@dataclass(frozen=True, slots=True)
class DrainStepFailed(Event):
    """One step of the drain failed, or was cut off at the deadline."""

    level = "error"
    limited = False
    step: str
    error: str
