"""A configuration file as a tree that knows, for every key and value, the line and column it stands at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from twind.model.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a file; line and column count from 1."""

    file: str
    line: int
    column: int

    def problem(self, path: str, message: str) -> Problem:
        """State a problem that stands here."""
        return Problem(self.file, self.line, self.column, path, message)


@dataclass(frozen=True, slots=True)
class Scalar:
    """Text, a number, a truth value or nothing."""

    mark: Mark
    value: str | int | float | bool | None
    origin: frozenset[str] = frozenset()
    """Kinds of placeholder that were put into the value (`env`, `file`, `cred`); such a value is never shown in a message."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A list."""

    mark: Mark
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One `key: value` of a table; the mark is the key's."""

    mark: Mark
    node: Node


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping."""

    mark: Mark
    entries: Mapping[str, Entry]


Node = Scalar | Listing | Table


def plain(node: Node) -> Any:
    """Return the tree as dicts, lists and scalars."""
    match node:
        case Scalar():
            return node.value
        case Listing():
            return [plain(item) for item in node.items]
        case Table():
            return {key: plain(entry.node) for key, entry in node.entries.items()}
