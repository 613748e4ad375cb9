"""Where every setting stands, after all files were merged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from twind.config.tree import Listing, Mark, Node, Scalar, Table

if TYPE_CHECKING:
    from twind.model.errors import Problem

SettingPath = tuple[str | int, ...]
"""Keys and list indices from the root, such as `("sources", "floor", "routes", 0, "codec")`."""


def dotted(path: SettingPath) -> str:
    """Write a path as `sources.floor.routes.0.codec`."""
    return ".".join(map(str, path))


@dataclass(frozen=True, slots=True)
class Marks:
    """The merged tree of all files; answers where a setting stands."""

    root: Table

    def node(self, path: SettingPath) -> Node | None:
        """Return the value at a path, None when no file names it."""
        node: Node = self.root
        for part in path:
            below = _below(node, part)
            if below is None:
                return None
            node = below
        return node

    def value(self, path: SettingPath) -> Mark:
        """Return where a value stands; for one that no file names, where its nearest named parent's name stands."""
        node = self.node(path)
        return self.name(path) if node is None else node.mark

    def name(self, path: SettingPath) -> Mark:
        """Return where the name of a setting stands, or of its nearest parent that some file names."""
        node: Node = self.root
        mark = node.mark
        for part in path:
            below = _below(node, part)
            if below is None:
                break
            # An item of a list has no name; the place where it begins is as good.
            mark = node.entries[str(part)].mark if isinstance(node, Table) else below.mark
            node = below
        return mark

    def problem(self, path: SettingPath, message: str) -> Problem:
        """State a problem of a value."""
        return self.value(path).problem(dotted(path), message)

    def name_problem(self, path: SettingPath, message: str) -> Problem:
        """State a problem of a name."""
        return self.name(path).problem(dotted(path), message)

    def present(self, path: tuple[str | int, ...]) -> SettingPath:
        """Leave out the parts that no file names; pydantic puts names of union members and validators between the keys."""
        node: Node = self.root
        found: list[str | int] = []
        for part in path:
            below = _below(node, part)
            if below is not None:
                node = below
                found.append(part)
        return tuple(found)

    def substituted(self, path: SettingPath) -> list[str]:
        """Return every text at or below a path that came, wholly or in part, from a placeholder."""
        node = self.node(path)
        return [] if node is None else [str(scalar.value) for scalar in _scalars(node) if scalar.origin]


def _below(node: Node, part: str | int) -> Node | None:
    match node:
        case Table() if isinstance(part, str) and part in node.entries:
            return node.entries[part].node
        case Listing() if isinstance(part, int) and part < len(node.items):
            return node.items[part]
    return None


def _scalars(node: Node) -> list[Scalar]:
    match node:
        case Scalar():
            return [node]
        case Listing():
            return [scalar for item in node.items for scalar in _scalars(item)]
        case Table():
            return [scalar for entry in node.entries.values() for scalar in _scalars(entry.node)]
