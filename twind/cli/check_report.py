"""What `twind check` found out, for people and for machines."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from twind.cli.lazy import EX_CONFIG

if TYPE_CHECKING:
    from twind.config.load import Loaded
    from twind.model.errors import Problem
    from twind.model.topology import Topology


@dataclass(frozen=True, slots=True)
class Probe:
    """What became of connecting to one source, or to where daemons hand over to each other."""

    source: str
    ok: bool
    message: str


@dataclass(slots=True)
class Report:
    """What was found out, in the order in which it is."""

    problems: list[Problem] = field(default_factory=list)
    loaded: Loaded | None = None
    topology: Topology | None = None
    notes: list[str] = field(default_factory=list)
    probes: list[Probe] = field(default_factory=list)
    hand_over: Probe | None = None

    @property
    def exit_code(self) -> int:
        """78 for a configuration that cannot be used, 1 for a source that cannot be reached, else 0."""
        if self.problems:
            return EX_CONFIG
        return 0 if all(probe.ok for probe in (*self.probes, self.hand_over) if probe is not None) else 1


def summary(report: Report) -> list[str]:
    """Return the lines for a person to read."""
    lines = []
    if report.problems:
        lines.append(_count(len(report.problems), "problem"))
    elif report.loaded is not None:
        lines.append("configuration: ok")
    if report.topology is not None:
        found = f"{_count(len(report.topology.robots), 'robot')}, {_count(len(report.topology.objects), 'object')}"
        names = ", ".join(entity.id for entity in report.topology.entities)
        lines.append(f"stage: {found}{': ' + names if names else ''}")
    probes = {probe.source: probe for probe in report.probes}
    for name, settings in report.loaded.settings.sources.items() if report.loaded is not None else ():
        line = f"source {name}: {settings.type}, {_count(len(settings.routes), 'route')}"
        if name in probes:
            line += f"; {'ok' if probes[name].ok else 'FAILED'}: {probes[name].message}"
        lines.append(line)
    if report.loaded is not None and report.loaded.settings.restart.hand_over is not None:
        line = f"hand-over: {report.loaded.settings.restart.hand_over.type}"
        if report.hand_over is not None:
            line += f"; {'ok' if report.hand_over.ok else 'FAILED'}: {report.hand_over.message}"
        lines.append(line)
    return lines + [f"note: {note}" for note in report.notes]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def as_json(report: Report) -> dict[str, Any]:
    """Return the same for machines."""
    topology, loaded = report.topology, report.loaded
    probes = {probe.source: _outcome(probe) for probe in report.probes}
    hand_over = {} if report.hand_over is None else {"hand_over": {"probe": _outcome(report.hand_over)}}
    return {
        "ok": report.exit_code == 0,
        "problems": [asdict(problem) for problem in report.problems],
        "stage": None
        if topology is None
        else {"robots": [robot.id for robot in topology.robots], "objects": [body.id for body in topology.objects]},
        "sources": {}
        if loaded is None
        else {
            name: {
                "type": settings.type,
                "routes": [{"topic": route.topic.text, "codec": route.codec} for route in settings.routes],
                "probe": probes.get(name),
            }
            for name, settings in loaded.settings.sources.items()
        },
        **hand_over,
        "notes": report.notes,
    }


def _outcome(probe: Probe) -> dict[str, Any]:
    return {"ok": probe.ok, "message": probe.message}
