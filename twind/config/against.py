"""What a configuration means for one stage: the entities that it names must exist there."""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING

from twind.config.base import MASK
from twind.config.suggest import closest_or_all

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from twind.config.marks import Marks, SettingPath
    from twind.config.settings import Settings
    from twind.model.errors import Problem
    from twind.model.topology import Topology


def check_against(settings: Settings, topology: Topology, marks: Marks) -> list[Problem]:
    """Return a problem for every entity that the configuration names and the stage lacks, or has of the wrong kind."""
    problems = list(_check_shard(settings, topology, marks))
    known = (*topology.entity_index, *topology.elsewhere)
    for source, of_source in settings.sources.items():
        for index, route in enumerate(of_source.routes):
            at: SettingPath = ("sources", source, "routes", index, "entity")
            if route.entity is not None and route.entity not in known:
                shown = MASK if marks.substituted(at) else route.entity
                problems.append(marks.problem(at, _unknown(shown, known)))
    objects = {one.id for one in topology.objects}
    for entity, override in settings.estimation.overrides.items():
        at = ("estimation", "overrides", entity)
        if entity not in known:
            problems.append(marks.name_problem(at, _unknown(entity, known)))
        elif override.joints is not None and entity in objects:
            problems.append(marks.name_problem((*at, "joints"), f"{entity!r} is an object and has no joints; write `poses`"))
    return problems


def _check_shard(settings: Settings, topology: Topology, marks: Marks) -> Iterator[Problem]:
    known = (*topology.entity_index, *topology.elsewhere)
    for index, pattern in enumerate(settings.shard.entities):
        at: SettingPath = ("shard", "entities", index)
        if pattern != "*" and not fnmatch.filter(known, pattern):
            yield marks.problem(at, _unknown(MASK if marks.substituted(at) else pattern, known))


def _unknown(entity: str, known: Collection[str]) -> str:
    return f"the stage has no entity {entity!r}{closest_or_all(entity, known)}"
