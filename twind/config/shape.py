"""What settings classes look like from outside: which class stands at a path, and which names it knows."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

from twind.config.base import SettingsModel

if TYPE_CHECKING:
    from collections.abc import Sequence


def names_at(model: type[SettingsModel], path: Sequence[str | int]) -> tuple[str, ...]:
    """Return the names that a settings class knows at a path below it; empty when the path leads to no class."""
    annotation: Any = model
    for part in path:
        annotation = _below(annotation, part)
    found = model_in(annotation)
    return () if found is None else tuple(found.model_fields)


def model_in(annotation: Any) -> type[SettingsModel] | None:
    """Return the settings class that an annotation such as `Annotated[Model, ...]` or `Model | None` is about."""
    if isinstance(annotation, type) and issubclass(annotation, SettingsModel):
        return annotation
    if get_origin(annotation) in {Annotated, Union, types.UnionType}:
        return next((found for found in map(model_in, get_args(annotation)) if found is not None), None)
    return None


def _below(annotation: Any, part: str | int) -> Any:
    """Return the annotation of a field, of a dict's values or of a list's items."""
    model = model_in(annotation)
    if model is not None:
        field = model.model_fields.get(str(part))
        return None if field is None else field.annotation
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is dict:
        return arguments[1]
    if origin in {tuple, list}:
        return arguments[0]
    if origin in {Annotated, Union, types.UnionType}:
        return next((found for found in (_below(argument, part) for argument in arguments) if found is not None), None)
    return None
