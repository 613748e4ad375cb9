"""Applied schemas and attributes by name, whether or not a plug-in defines them here.

`HasAPI` and `GetAppliedSchemas` hide schemas without a registered definition (PhysX, Newton, Isaac); the prim's type
information does not.
"""

from __future__ import annotations

from typing import Any


def applied(prim: Any) -> list[str]:
    """Return every applied API schema of a prim, multiple-apply ones as `NAME:INSTANCE`."""
    return [str(name) for name in prim.GetPrimTypeInfo().GetAppliedAPISchemas()]


def instances(prim: Any, schema: str) -> list[str]:
    """Return the instance names with which a multiple-apply schema is applied."""
    prefix = f"{schema}:"
    return [name.removeprefix(prefix) for name in applied(prim) if name.startswith(prefix)]


def authored(prim: Any, name: str) -> Any:
    """Return an attribute's authored value, None when there is none."""
    attribute = prim.GetAttribute(name)
    return attribute.Get() if attribute and attribute.HasAuthoredValue() else None


def authored_text(prim: Any, *names: str) -> str | None:
    """Return the first of these attributes that holds text."""
    for name in names:
        value = authored(prim, name)
        if isinstance(value, str) and value:
            return value
    return None


def target(prim: Any, relationship: str) -> Any | None:
    """Return the path that a relationship points at, forwarded; None when it points nowhere."""
    found = prim.GetRelationship(relationship)
    paths = found.GetForwardedTargets() if found else []
    return paths[0] if paths else None
