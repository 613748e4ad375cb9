"""What was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twind.stage.lint.rules import Rule


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that breaks a rule."""

    rule: Rule
    prims: tuple[str, ...]
    """Where: prim paths of the same kind and the same entity are one finding. `/` is the stage itself."""
    what: str
    """What is wrong there, with the numbers."""
