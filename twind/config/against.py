"""What a configuration means for one stage: the entities that it names must exist there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twind.config.base import MASK
from twind.config.suggest import closest_or_all

if TYPE_CHECKING:
    from twind.config.marks import Marks, SettingPath
    from twind.config.settings import Settings
    from twind.model.errors import Problem
    from twind.model.topology import Topology


def check_against(settings: Settings, topology: Topology, marks: Marks) -> list[Problem]:
    """Return a problem for every entity that the configuration names and the stage lacks, or has of the wrong kind."""
    problems: list[Problem] = []
    for source, of_source in settings.sources.items():
        for index, route in enumerate(of_source.routes):
            at: SettingPath = ("sources", source, "routes", index, "entity")
            if route.entity is not None and route.entity not in topology.entity_index:
                shown = MASK if marks.substituted(at) else route.entity
                problems.append(marks.problem(at, _unknown(shown, topology)))
    robots = {robot.id for robot in topology.robots}
    for entity, override in settings.estimation.overrides.items():
        at = ("estimation", "overrides", entity)
        if entity not in topology.entity_index:
            problems.append(marks.name_problem(at, _unknown(entity, topology)))
        elif override.joints is not None and entity not in robots:
            problems.append(marks.name_problem((*at, "joints"), f"{entity!r} is an object and has no joints; write `poses`"))
    return problems


def _unknown(entity: str, topology: Topology) -> str:
    return f"the stage has no entity {entity!r}{closest_or_all(entity, topology.entity_index)}"
