"""What pydantic found wrong, in plain words, at the place where it stands.

A value is quoted only when it was written out in the file and cannot be a secret: numbers, truth values, and words that
should have been one of a few.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from twind.config.base import MASK, SettingsModel
from twind.config.marks import Marks, SettingPath, dotted
from twind.config.shape import names_at
from twind.config.suggest import closest_or_all, did_you_mean
from twind.config.tree import Scalar

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

    from twind.model.errors import Problem

_SHOWN = 40
"""So much of a value is quoted [characters]."""
_WORD = 3
"""A text of so many characters is masked even inside of words."""

_WORDS: dict[str, str] = {
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a smaller whole number",
    "int_from_float": "must be a whole number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "greater_than": "must be greater than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be at most {le:g}",
}
"""Messages that a quotation of the value may follow."""

_SILENT_WORDS: dict[str, str] = {
    "string_type": "must be text; write it in quotes",
    "string_unicode": "must be valid text",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must match {pattern}",
    "path_type": "must be a path",
    "dict_type": "must be a mapping (`name: value` lines)",
    "model_type": "must be a mapping (`name: value` lines)",
    "model_attributes_type": "must be a mapping (`name: value` lines)",
    "dataclass_type": "must be a mapping (`name: value` lines)",
    "tuple_type": "must be a list (lines that begin with '-')",
    "list_type": "must be a list (lines that begin with '-')",
    "too_short": "must have at least {min_length} entries",
    "too_long": "must have at most {max_length} entries",
}
"""Messages that never quote: the value may be a secret, or is not a single word."""


def problems_of(error: ValidationError, marks: Marks, model: type[SettingsModel], at: SettingPath = ()) -> list[Problem]:
    """Return one problem for each path at which a settings class refused its value.

    Args:
        error: What pydantic raised.
        marks: Where the settings stand.
        model: The class that refused.
        at: The path of its value.
    """
    found: dict[SettingPath, Problem] = {}
    details = error.errors(include_url=False)
    for detail in details:
        if detail["type"] == "too_short" and any(_is_below(other, detail) for other in details):
            continue  # pydantic counts only the items that it accepted
        path, problem = _problem(detail, marks, model, at)
        found.setdefault(path, problem)  # a union refuses once for each of its members; the first says enough
    return list(found.values())


def _is_below(inner: ErrorDetails, outer: ErrorDetails) -> bool:
    loc = outer["loc"]
    return len(inner["loc"]) > len(loc) and inner["loc"][: len(loc)] == loc


def _problem(detail: ErrorDetails, marks: Marks, model: type[SettingsModel], at: SettingPath) -> tuple[SettingPath, Problem]:
    inner = detail["loc"]
    if detail["type"] == "missing":
        parent = marks.present((*at, *inner[:-1]))
        path = (*parent, inner[-1])
        return path, marks.name(parent).problem(dotted(path), f"{inner[-1]!r} is required and missing")
    path = marks.present((*at, *inner))
    if detail["type"] == "extra_forbidden":
        known = names_at(model, path[len(at) : -1])
        hint = closest_or_all(str(path[-1]), known)
        return path, marks.name_problem(path, f"unknown setting{hint}")
    return path, marks.problem(path, _message(detail, marks, path))


def _message(detail: ErrorDetails, marks: Marks, path: SettingPath) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    node = marks.node(path)
    if isinstance(node, Scalar) and node.value is None:
        return "is empty; give it a value or leave the line out"
    if kind == "literal_error":
        return _one_of(detail, node)
    if kind in _WORDS:
        return _WORDS[kind].format(**context) + _quoted(node)
    if kind in _SILENT_WORDS:
        return _SILENT_WORDS[kind].format(**context).replace("at least 1 entries", "at least one entry")
    said = str(context["error"]) if "error" in context else detail["msg"][:1].lower() + detail["msg"][1:]
    return _without(said, marks.substituted(path))


def _one_of(detail: ErrorDetails, node: object) -> str:
    choices = re.findall(r"'([^']*)'", detail.get("ctx", {}).get("expected", ""))
    said = f"must be {detail['ctx']['expected']}" + _quoted(node)
    value = detail["input"]
    if isinstance(value, str):
        return said if isinstance(node, Scalar) and node.origin else said + did_you_mean(value, choices)
    return f"{said}; write it in quotes" if str(value) in choices else said


def _quoted(node: object) -> str:
    """Quote a value that was written out in the file."""
    if not isinstance(node, Scalar):
        return ""
    if node.origin:
        return f"; the value came from ${{{min(node.origin)}:...}} and is not shown"
    text = str(node.value).lower() if isinstance(node.value, bool) else repr(node.value)
    return f", not {text if len(text) <= _SHOWN else text[:_SHOWN] + '...'}"


def _without(said: str, secrets: list[str]) -> str:
    """Mask what came from placeholders, whole or in words, in a message that a validator made of the value."""
    hidden = {text for text in secrets if text} | {word for text in secrets for word in re.findall(r"\w{3,}", text)}
    for text in sorted(hidden, key=len, reverse=True):
        # A short text is masked only where it stands alone: one letter would otherwise eat holes into every word.
        pattern = re.escape(text) if len(text) >= _WORD else rf"(?<!\w){re.escape(text)}(?!\w)"
        said = re.sub(pattern, MASK, said, flags=re.IGNORECASE)
    return said
