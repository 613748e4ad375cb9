"""What stands under each setting in the source, read when somebody asks for it.

pydantic would read it whenever a class is made (`use_attribute_docstrings`), at each start: a tenth of a second, most of what
settings cost, for what only the reference and the schema show.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from functools import cache
from itertools import pairwise
from typing import Any

from twind.config.base import SettingsModel


@cache
def description(model: type[SettingsModel], field: str) -> str:
    """Return what a settings class, or one that it is built on, says of a field; nothing when none does."""
    said = model.model_fields[field].description
    if said is not None:
        return said
    above = (base for base in model.__mro__ if issubclass(base, SettingsModel))
    return next((docs[field] for docs in map(_docstrings, above) if field in docs), "")


@cache
def _docstrings(model: type[SettingsModel]) -> dict[str, str]:
    """Return the docstring under each field of a class itself."""
    definition: Any = ast.parse(textwrap.dedent(inspect.getsource(model))).body[0]
    return {
        statement.target.id: inspect.cleandoc(after.value.value)
        for statement, after in pairwise(definition.body)
        if isinstance(statement, ast.AnnAssign)
        and isinstance(statement.target, ast.Name)
        and isinstance(after, ast.Expr)
        and isinstance(after.value, ast.Constant)
        and isinstance(after.value.value, str)
    }
