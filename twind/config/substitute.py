"""Placeholders in text values: `${env:NAME}`, `${env:NAME:-default}`, `${file:PATH}`, `${cred:NAME}`; `$${` writes `${`.

`env` takes an environment variable (the default stands in when it is unset or empty), `file` the text of a file, `cred` a
file of that name in `$CREDENTIALS_DIRECTORY`, where systemd puts credentials. One newline at the end of a file is left out.
Keys, numbers and comments are never touched, and what was put in is not looked at again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from twind.config.marks import SettingPath, dotted
from twind.config.suggest import did_you_mean
from twind.config.tree import Entry, Listing, Mark, Node, Scalar, Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twind.model.errors import Problem

MAX_BYTES = 1 << 16
_KINDS = ("env", "file", "cred")
_PLACEHOLDER = re.compile(r"\$(?P<escaped>\$\{)|\$\{(?P<body>[^}]*)(?P<end>\}?)", re.DOTALL)


class _UnfilledError(Exception):
    """A placeholder that cannot be filled; the message says why."""


@dataclass(slots=True)
class Substitution:
    """Fills the placeholders of a tree and collects what is wrong with them."""

    environment: Mapping[str, str]
    problems: list[Problem]
    failed: set[SettingPath]
    """Paths of the values that could not be filled; whatever else is said about them would mislead."""

    def table(self, table: Table, path: SettingPath = ()) -> Table:
        """Return the table with every string value filled."""
        entries = {}
        for key, entry in table.entries.items():
            here = (*path, key)
            if "${" in key:
                message = "a placeholder may stand in a value, not in a name; write the name out"
                self.problems.append(entry.mark.problem(dotted(here), message))
                self.failed.add(here)
            entries[key] = Entry(entry.mark, self._node(entry.node, here))
        return Table(table.mark, entries)

    def _node(self, node: Node, path: SettingPath) -> Node:
        match node:
            case Table():
                return self.table(node, path)
            case Listing():
                return Listing(node.mark, tuple(self._node(item, (*path, i)) for i, item in enumerate(node.items)))
            case Scalar(value=str(text)) if "${" in text:
                return self._scalar(node, text, path)
        return node

    def _scalar(self, node: Scalar, text: str, path: SettingPath) -> Scalar:
        origin: set[str] = set()

        def fill(match: re.Match[str]) -> str:
            if match["escaped"]:
                return "${"
            try:
                kind, value = self._value(match, node.mark)
            except _UnfilledError as error:
                self.problems.append(node.mark.problem(dotted(path), str(error)))
                self.failed.add(path)
                return ""
            origin.add(kind)
            return value

        filled = _PLACEHOLDER.sub(fill, text)
        return Scalar(node.mark, filled, frozenset(origin))

    def _value(self, match: re.Match[str], mark: Mark) -> tuple[str, str]:
        """Return the kind of a placeholder and what it stands for."""
        body = match["body"]
        if not match["end"]:
            raise _UnfilledError(f"the placeholder {match[0][:40]!r} is not closed by '}}' (a literal '${{' is written '$${{')")
        kind, colon, argument = body.partition(":")
        if kind not in _KINDS or not colon:
            hint = did_you_mean(kind, _KINDS) or "; write ${env:NAME}, ${file:PATH} or ${cred:NAME} ('$${' for a literal '${')"
            raise _UnfilledError(f"there is no placeholder '${{{body}}}'{hint}")
        if not argument:
            raise _UnfilledError(f"the placeholder '${{{body}}}' names nothing after the colon")
        if kind == "env":
            return kind, self._variable(argument)
        return kind, self._file(argument, mark) if kind == "file" else self._credential(argument)

    def _variable(self, argument: str) -> str:
        name, has_default, default = argument.partition(":-")
        value = self.environment.get(name)
        if has_default:
            value = value or default
        if value is None:
            raise _UnfilledError(
                f"the environment variable {name!r} is not set; set it, or give a default: ${{env:{name}:-VALUE}}"
            )
        try:
            value.encode()
        except UnicodeEncodeError:
            raise _UnfilledError(f"the environment variable {name!r} is not UTF-8 text") from None
        return value

    def _file(self, argument: str, mark: Mark) -> str:
        return _text(Path(mark.file).parent / argument)

    def _credential(self, name: str) -> str:
        folder = self.environment.get("CREDENTIALS_DIRECTORY")
        if not folder:
            raise _UnfilledError(
                f"the credential {name!r} cannot be read: CREDENTIALS_DIRECTORY is not set; "
                "systemd sets it for units with LoadCredential="
            )
        if "/" in name or name in {".", ".."}:
            raise _UnfilledError(f"the credential name {name!r} must not be a path")
        return _text(Path(folder) / name)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the path
        raise _UnfilledError(f"the file '{path}' cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if len(raw) > MAX_BYTES:
        raise _UnfilledError(f"the file '{path}' is larger than {MAX_BYTES} bytes")
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise _UnfilledError(f"the file '{path}' is not UTF-8 text") from None
    return text.removesuffix("\n").removesuffix("\r")
