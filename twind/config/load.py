"""From files to settings, or to everything that is wrong with them."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import reduce
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from twind.config.base import MASK, SettingsModel, SourceSettings
from twind.config.diagnose import problems_of
from twind.config.document import read
from twind.config.marks import Marks, SettingPath, dotted
from twind.config.meaning import check_meaning, check_routes
from twind.config.merge import merge
from twind.config.places import anchor
from twind.config.settings import FolderSettings, Settings
from twind.config.substitute import Substitution
from twind.config.tree import Scalar, Table, plain
from twind.model.errors import ConfigurationError, MissingExtraError, PermanentError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from twind.config.registry import Group, Registry


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings in order, with where each of them stands."""

    settings: Settings
    marks: Marks = field(repr=False)
    """Knows what stands in the files, secrets too."""
    registry: Registry
    """What the settings were checked against; it opens the sources and makes the codecs that they name."""


def load(paths: Sequence[Path], registry: Registry, *, environment: Mapping[str, str] | None = None) -> Loaded:
    """Read configuration files; later ones win key by key.

    Args:
        paths: YAML files, at least one.
        registry: The installed adapters and codecs.
        environment: Variables for `${env:...}` and `${cred:...}`; the process's own when None.

    Raises:
        ConfigurationError: Something is wrong; every problem found is in it, in order of position.
    """
    if not paths:
        raise ConfigurationError([Problem("", 1, 1, "", "no configuration file was given")])
    tables, problems = _read_all(paths)
    if len(tables) < len(paths):  # what stands in the broken files cannot be known, so what seems missing may stand there
        raise ConfigurationError(_in_order(problems, paths))
    substitution = Substitution(environment=os.environ if environment is None else environment, problems=[], failed=set())
    marks = Marks(substitution.table(reduce(merge, tables)))
    checker = _Checker(marks, registry)
    settings = checker.check()
    problems += substitution.problems
    problems += [problem for problem in checker.problems if not _misled(problem, substitution.failed)]
    if problems or settings is None:
        raise ConfigurationError(_in_order(problems, paths))
    return Loaded(anchor(settings, marks), marks, registry)


def _misled(problem: Problem, failed: set[SettingPath]) -> bool:
    """Whether a problem is about a value that could not be filled, which has been reported already."""
    return any(problem.path == name or problem.path.startswith(f"{name}.") for name in map(dotted, failed))


def _read_all(paths: Sequence[Path]) -> tuple[list[Table], list[Problem]]:
    tables: list[Table] = []
    problems: list[Problem] = []
    for path in paths:
        table, found = read(path)
        problems += found
        if table is not None:
            tables.append(table)
    return tables, problems


def _in_order(problems: Iterable[Problem], paths: Sequence[Path]) -> list[Problem]:
    rank = {str(path): index for index, path in enumerate(paths)}
    return sorted(set(problems), key=lambda p: (rank.get(p.file, 0), p.line, p.column, p.path, p.message))


class _Checker:
    """Checks each part by itself, so that a fault in one does not hide a fault in another."""

    def __init__(self, marks: Marks, registry: Registry) -> None:
        self.problems: list[Problem] = []
        self._marks = marks
        self._registry = registry

    def check(self) -> Settings | None:
        """Return the settings, or None when there are problems; relative paths are still as they were written."""
        data: dict[str, Any] = plain(self._marks.root)
        self._build_adapters(data, "sources", self._registry.sources)
        self._build_adapters(data, "sinks", self._registry.sinks)
        self._build_hand_over(data)
        for name in self._names("sources"):
            self.problems += check_routes(name, self._marks, self._registry)
        settings, sound = self._validate(data)
        self.problems += check_meaning(anchor(sound, self._marks), self._marks)
        return None if self.problems else settings

    def _validate(self, data: dict[str, Any]) -> tuple[Settings | None, Settings]:
        """Return the settings, None when they are not sound; and settings in which every unsound part has its default."""
        try:
            settings = Settings.model_validate(data)
        except ValidationError as error:
            self.problems += problems_of(error, self._marks, Settings)
            unsound = {str(detail["loc"][0]) for detail in error.errors(include_url=False, include_input=False)}
        else:
            return settings, settings
        sound = {name: value for name, value in data.items() if name not in unsound}
        # The stage is the one part that has no default; an absolute path stands in for it.
        return None, Settings.model_validate({"stage": {"root": "/"}} | sound)

    def _names(self, part: str) -> tuple[str, ...]:
        node = self._marks.node((part,))
        return tuple(node.entries) if isinstance(node, Table) else ()

    def _build_adapters(self, data: dict[str, Any], part: str, group: Group[Any]) -> None:
        """Put settings objects in the place of the entries that their own adapters accept, and drop the others."""
        names = self._names(part)
        if not names:
            return
        built = {name: self._build(part, name, data[part][name], group) for name in names}
        data[part] = {name: settings for name, settings in built.items() if settings is not None}

    def _build_hand_over(self, data: dict[str, Any]) -> None:
        """Do the same for what streams are handed over through: a folder, which needs no adapter, or what `type` names."""
        restart = data.get("restart")
        if not isinstance(restart, dict) or not isinstance(restart.get("hand_over"), dict):
            return
        entry = restart["hand_over"]
        if entry.get("type", "folder") == "folder":
            restart["hand_over"] = self._validated(("restart", "hand_over"), entry, FolderSettings)
        else:
            restart["hand_over"] = self._build("restart", "hand_over", entry, self._registry.hand_overs)

    def _validated(self, at: SettingPath, entry: Any, model: type[SettingsModel]) -> SettingsModel | None:
        try:
            return model.model_validate(entry)
        except ValidationError as error:
            self.problems += problems_of(error, self._marks, model, at)
            return None

    def _build(self, part: str, name: str, entry: Any, group: Group[Any]) -> SettingsModel | None:
        at: SettingPath = (part, name)
        model = self._model(at, entry, group)
        known_only = model is None and part == "sources" and isinstance(entry, dict) and "routes" in entry
        try:
            if known_only:  # which other settings there are is not known; the routes are the same for every adapter
                SourceSettings.model_validate({"type": "", "routes": entry["routes"]})
            return None if model is None else model.model_validate(entry)
        except ValidationError as error:
            self.problems += problems_of(error, self._marks, model or SourceSettings, at)
            return None

    def _model(self, at: SettingPath, entry: Any, group: Group[Any]) -> type[SettingsModel] | None:
        """Return the settings class of the adapter that an entry's `type` names."""
        if not isinstance(entry, dict):
            self.problems.append(self._marks.problem(at, "must be a mapping (`name: value` lines)"))
            return None
        here = (*at, "type")
        installed = ", ".join(group.names) or "none"
        if "type" not in entry:
            self.problems.append(self._marks.problem(here, f"'type' is required and missing; installed: {installed}"))
            return None
        node = self._marks.node(here)
        if not isinstance(node, Scalar) or not isinstance(node.value, str):
            self.problems.append(self._marks.problem(here, f"must be the name of a {group.kind}; installed: {installed}"))
            return None
        if node.value not in group.names:
            self.problems.append(self._marks.problem(here, group.unknown(MASK if node.origin else node.value)))
            return None
        try:
            settings: type[SettingsModel] = group.load(node.value).settings
        except (MissingExtraError, PermanentError) as error:
            self.problems.append(self._marks.problem(here, str(error)))
            return None
        return settings
