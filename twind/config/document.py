"""From the bytes of a YAML file to a tree with marks.

Words are read as YAML 1.2 reads them: only `true` and `false` are truth values (`on`, `no` and `12:30` stay text).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import yaml

from twind.config.tree import Entry, Listing, Mark, Node, Scalar, Table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from twind.model.errors import Problem

MAX_BYTES = 1 << 20
MAX_DEPTH = 64
MAX_NODES = 100_000
MAX_DIGITS = 400
_TAG = "tag:yaml.org,2002:"


def read(path: Path) -> tuple[Table | None, list[Problem]]:
    """Read one file; the table is None when nothing can be made of it."""
    start = Mark(str(path), 1, 1)
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the path
        return None, [start.problem("", f"cannot be read: {getattr(error, 'strerror', None) or error}")]
    if len(raw) > MAX_BYTES:
        return None, [start.problem("", f"is larger than {MAX_BYTES} bytes")]
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8-sig", errors="replace")
        return None, [_at(str(path), before).problem("", "is not UTF-8 text")]
    return parse(text, file=str(path))


def parse(text: str, *, file: str) -> tuple[Table | None, list[Problem]]:
    """Parse the text of one file; the table is None when nothing can be made of it."""
    builder = _Builder(file)
    try:
        node = builder.build(_compose(text, file), path="", depth=0)
    except _UnusableError as error:
        return None, [*builder.problems, error.problem]
    if not isinstance(node, Table):
        return None, [*builder.problems, node.mark.problem("", "must be a mapping of settings (`name: value` lines)")]
    return node, builder.problems


class _UnusableError(Exception):
    """Nothing can be made of the file."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def _compose(text: str, file: str) -> yaml.Node:
    mark = Mark(file, 1, 1)
    try:
        root = yaml.compose(text, Loader=_Loader)
    except yaml.reader.ReaderError as error:
        mark, said = _at(file, text[: error.position]), f"holds the control character U+{error.character:04X}"
    except yaml.MarkedYAMLError as error:
        mark, said = _syntax(file, error, text)
    except RecursionError:
        said = f"is nested deeper than {MAX_DEPTH} levels"
    except (ValueError, OverflowError) as error:  # PyYAML converts escapes such as "\\UFFFFFFFF" without looking
        said = f"is not YAML: {error}"
    else:
        if root is not None and root.tag != _TAG + "null":
            return root
        said = "is empty; it needs at least `stage: {root: PATH}`"
    raise _UnusableError(mark.problem("", said)) from None


class _Loader(yaml.SafeLoader):
    """Resolves plain words by the core schema of YAML 1.2 (section 10.3.2)."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  (PyYAML declares it so)


_Loader.add_implicit_resolver(_TAG + "null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_Loader.add_implicit_resolver(_TAG + "bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))
_Loader.add_implicit_resolver(_TAG + "int", re.compile(r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    _TAG + "float",
    re.compile(r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"),
    list("-+.0123456789"),
)


class _Builder:
    """Turns PyYAML's nodes into ours. Aliases are expanded, within `MAX_NODES`."""

    def __init__(self, file: str) -> None:
        self.problems: list[Problem] = []
        self._file = file
        self._count = 0

    def build(self, node: yaml.Node, *, path: str, depth: int) -> Node:
        mark = self._mark(node)
        self._count += 1
        if depth > MAX_DEPTH:
            raise _UnusableError(mark.problem(path, f"is nested deeper than {MAX_DEPTH} levels"))
        if self._count > MAX_NODES:
            raise _UnusableError(mark.problem(path, f"holds more than {MAX_NODES} values, aliases included"))
        if isinstance(node, yaml.MappingNode):
            return Table(mark, self._entries(node, path=path, depth=depth))
        if isinstance(node, yaml.SequenceNode):
            items = enumerate(node.value)
            return Listing(mark, tuple(self.build(item, path=_join(path, str(i)), depth=depth + 1) for i, item in items))
        return Scalar(mark, self._scalar(node, mark, path))

    def _entries(self, node: yaml.MappingNode, *, path: str, depth: int) -> dict[str, Entry]:
        entries: dict[str, Entry] = {}
        for key_node, value_node in node.value:
            mark = self._mark(key_node)
            if not isinstance(key_node, yaml.ScalarNode):
                self.problems.append(mark.problem(path, "a key must be a plain word"))
                continue
            key = key_node.value
            here = _join(path, key)
            if not _is_text(key):
                self.problems.append(mark.problem(path, "a key is not valid text"))
                continue
            if key in entries:
                first = entries[key].mark.line
                self.problems.append(mark.problem(here, f"stands twice; the first is in line {first}"))
            entries[key] = Entry(mark, self.build(value_node, path=here, depth=depth + 1))
        return entries

    def _scalar(self, node: yaml.Node, mark: Mark, path: str) -> str | int | float | bool | None:
        kind, text = node.tag.removeprefix(_TAG), str(node.value)
        read = _KINDS.get(kind)
        if read is None:
            self.problems.append(mark.problem(path, f"the YAML tag {node.tag!r} is not supported"))
            return None
        try:
            return read(text)
        except ValueError:
            self.problems.append(mark.problem(path, f"is not a value of kind {kind}"))
            return None

    def _mark(self, node: yaml.Node) -> Mark:
        return Mark(self._file, node.start_mark.line + 1, node.start_mark.column + 1)


def _join(path: str, part: str) -> str:
    return f"{path}.{part}" if path else part


def _is_text(text: str) -> bool:
    """Whether the text can be written out as UTF-8; the escape of half a surrogate pair makes text that cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _read_text(text: str) -> str:
    text.encode()  # UnicodeEncodeError is a ValueError
    return text


def _read_truth(text: str) -> bool:
    if text.lower() not in {"true", "false"}:
        raise ValueError(text)
    return text.lower() == "true"


def _read_whole(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError(text)
    return int(text, 0) if text[:2] in {"0o", "0x"} else int(text)


def _read_number(text: str) -> float:
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


def _read_nothing(_: str) -> None:
    return None


_KINDS: dict[str, Callable[[str], str | int | float | bool | None]] = {
    "str": _read_text,
    "!": _read_text,
    "bool": _read_truth,
    "int": _read_whole,
    "float": _read_number,
    "null": _read_nothing,
}


def _syntax(file: str, error: yaml.MarkedYAMLError, text: str) -> tuple[Mark, str]:
    where = error.problem_mark or error.context_mark
    mark = Mark(file, where.line + 1, where.column + 1) if where else Mark(file, 1, 1)
    said = " ".join(part for part in (error.context, error.problem) if part)
    line = text.split("\n")[mark.line - 1 : mark.line]
    hint = ""
    if "'\\t'" in said:
        hint = "; indent with spaces"
    elif "${" in "".join(line):
        hint = "; between braces or brackets, a placeholder must stand in quotes"
    return mark, f"is not YAML: {said}{hint}"


def _at(file: str, before: str) -> Mark:
    """Return the place after the text `before`."""
    lines = re.split(r"\r\n|[\n\r\x85\u2028\u2029]", before)
    return Mark(file, len(lines), len(lines[-1]) + 1)
