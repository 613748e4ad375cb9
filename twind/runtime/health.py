"""Decides whether the daemon is alive, started and ready. Pure: facts in, verdicts with reasons out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from twind.runtime.supervisor import State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from twind.config.settings import HealthSettings
    from twind.runtime.supervisor import ComponentStatus
    from twind.sources.protocol import SourceHealth


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known at one instant. All times are `time.monotonic()` [s]."""

    now_s: float
    started: bool
    """Whether warm-up is done and samples are being processed."""
    draining: bool = False
    starting: str = ""
    """What start-up is doing, such as `compiling kernels`."""
    heartbeat_s: float | None = None
    """When the event loop last ran its own timer (`LoopLag.heartbeat_monotonic_s`); None before the first time."""
    stage_ok_s: float | None = None
    """When the stage was last known to be writable."""
    sources: Mapping[str, SourceHealth] = field(default_factory=dict)
    recordings: Mapping[str, tuple[float, str]] = field(default_factory=dict)
    """Those that cannot be written: since when, and why."""
    components: Sequence[ComponentStatus] = ()


@dataclass(frozen=True, slots=True)
class Probe:
    """One answer. Every reason is a sentence that says what is wrong and what is allowed."""

    ok: bool
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Health:
    """The answers of the three probes."""

    live: Probe
    """Restart the process when this is false. Never asks anything outside the process."""
    ready: Probe
    """Whether the stage is fed and written now."""
    started: Probe
    """Whether start-up is done."""


def judge(facts: Facts, settings: HealthSettings) -> Health:
    """Answer all three probes."""
    starting = () if facts.started else (_starting(facts),)
    live = tuple(_stalled(facts, settings))
    ready = (
        *starting,
        *_draining(facts),
        *live,
        *_given_up(facts),
        *_away(facts, settings),
        *_held(facts, settings),
        *(_unwritten(facts, settings) if facts.started else ()),
    )
    return Health(live=Probe(not live, live), ready=Probe(not ready, ready), started=Probe(not starting, starting))


def _starting(facts: Facts) -> str:
    return f"start-up is not finished: {facts.starting}" if facts.starting else "start-up is not finished"


def _draining(facts: Facts) -> list[str]:
    return ["the daemon is draining and will stop"] if facts.draining else []


def _stalled(facts: Facts, settings: HealthSettings) -> list[str]:
    if facts.heartbeat_s is None or facts.now_s - facts.heartbeat_s <= settings.loop_stall_s:
        return []
    return [
        f"the event loop has stood still for {facts.now_s - facts.heartbeat_s:.1f} s (allowed: {settings.loop_stall_s:g} s)"
    ]


def _given_up(facts: Facts) -> list[str]:
    return [
        f"component {component.name!r} failed for good: {component.error}"
        for component in facts.components
        if component.state is State.PERMANENT
    ]


def _away(facts: Facts, settings: HealthSettings) -> list[str]:
    return [
        f"source {name!r} has been away for {facts.now_s - health.since_monotonic_s:.1f} s "
        f"(allowed: {settings.source_grace_s:g} s)" + (f": {health.detail}" if health.detail else "")
        for name, health in facts.sources.items()
        if not health.connected and facts.now_s - health.since_monotonic_s > settings.source_grace_s
    ]


def _held(facts: Facts, settings: HealthSettings) -> list[str]:
    return [
        f"recording {name!r} could not be written for {facts.now_s - since_s:.1f} s (allowed: {settings.recording_grace_s:g} "
        f"s), and nothing is acknowledged meanwhile: {trouble}"
        for name, (since_s, trouble) in facts.recordings.items()
        if facts.now_s - since_s > settings.recording_grace_s
    ]


def _unwritten(facts: Facts, settings: HealthSettings) -> list[str]:
    if facts.stage_ok_s is None:
        return ["the stage has not been written yet"]
    if facts.now_s - facts.stage_ok_s <= settings.stage_grace_s:
        return []
    return [
        f"the stage could not be written for {facts.now_s - facts.stage_ok_s:.1f} s (allowed: {settings.stage_grace_s:g} s)"
    ]
