"""What discovery passed over or had to assume, collected while it goes on."""

from __future__ import annotations

from twind.model.topology import Ignored


class Notes:
    """A list of remarks, one per prim and reason, in the order in which they were made."""

    def __init__(self) -> None:
        self._found: dict[Ignored, None] = {}

    def add(self, prim: object, reason: str) -> None:
        """Remark on a prim or path."""
        path = prim.GetPath() if hasattr(prim, "GetPath") else prim
        self._found[Ignored(str(path), reason)] = None

    def all(self) -> tuple[Ignored, ...]:
        """Return every remark."""
        return tuple(self._found)
