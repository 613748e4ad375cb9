"""What `/stage/` shows: the tree of files that the stage is made of, and over it the live layer as it is now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from twind.model.stage_file import StageFile
from twind.stage.snapshot import LIVE, TWIN

if TYPE_CHECKING:
    from collections.abc import Callable

    from twind.runtime.live_copy import LiveCopies
    from twind.stage.bootstrap import FileTree

_LEFT_OUT_SHOWN = 100


@dataclass(frozen=True, slots=True)
class StageView:
    """Answers the listener; pxr is not used in here."""

    tree: FileTree
    copies: LiveCopies
    instance: str
    seq: Callable[[], int]
    """Number of the newest update that stands in the stage."""

    @property
    def url(self) -> str | None:
        """Where the listener has the layer to open."""
        return None if self.tree.root is None else f"/stage/{TWIN}"

    def index(self) -> dict[str, object]:
        """Return what there is to fetch; every path is relative to the index."""
        tree = self.tree
        left_out = [{"path": path, "reason": reason} for path, reason in tree.left_out[:_LEFT_OUT_SHOWN]]
        return {
            "instance": self.instance,
            "seq": self.seq(),
            "twin": None if tree.root is None else TWIN,
            "live": LIVE,
            "root": tree.root,
            "files": sorted([LIVE, *tree.files]),
            "left_out": left_out,
            "left_out_total": len(tree.left_out),
        }

    async def find(self, path: str) -> StageFile | None:
        """Return what stands at a path of the tree; paths are looked up as they are, never taken apart."""
        if path != LIVE:
            return self.tree.files.get(path)
        copy = await self.copies.newest()
        return StageFile(None, copy.data, copy.digest)
