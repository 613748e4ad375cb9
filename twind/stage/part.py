"""A live layer of some entities only, and the layer beneath the parts of several daemons that says what all of them have.

Where entities go from daemon to daemon, no order of their live layers is right for long. So a part holds opinions about what it
is about and nothing else; structure, and the look of what nobody has news of, is in one layer that never changes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pxr import Sdf

from twind.flow.replacing import replacing
from twind.model.errors import StageError
from twind.stage.composed import composed_root, path_from
from twind.stage.layer_text import LayerText
from twind.stage.live import SCHEMA_VERSION
from twind.stage.shared_root import join_shards
from twind.stage.structure import author

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from twind.stage.fence import Holder
    from twind.stage.live import LiveStage

STRUCTURE, BASE = "structure.usda", "base.usda"


class LivePart:
    """The live layer's opinions about some entities. Belongs to the stage's thread.

    Args:
        live: Where the values come from.
        entities: Ids.
        holder: Who writes it.
    """

    def __init__(self, live: LiveStage, entities: Collection[str], holder: Holder) -> None:
        layer = Sdf.Layer.CreateAnonymous("part.usda")
        layer.customLayerData = {"twind": {**asdict(holder), "schemaVersion": SCHEMA_VERSION}}
        rows = {live.topology.entity_index[entity] for entity in entities if entity in live.topology.entity_index}
        columns = live.layout.columns
        attributes = [one for column in columns for one in column.attributes] + [*live.layout.fixed]
        with Sdf.ChangeBlock():
            for one in attributes:
                if one.entity in rows:
                    Sdf.CreatePrimInLayer(layer, one.prim)
        for one in attributes:
            if one.entity in rows:
                Sdf.CopySpec(live.layer, f"{one.prim}.{one.name}", layer, f"{one.prim}.{one.name}")
        self._text = LayerText(layer, values=live.layer)

    def data(self) -> bytes:
        """Return it as `.usda`, with the present values."""
        return self._text.now().encode()


@dataclass(frozen=True, slots=True)
class Beneath:
    """What lies beneath the parts: the structure of all entities as nobody has news of them, and the user's stage."""

    base: Any

    def join(self, part: Path | None, composed: Path) -> None:
        """Add a part to the stage of all of them; None: only see to it that there is one.

        Raises:
            StageError: It cannot be written.
        """
        join_shards(self.base, part, composed)


def beneath_parts(live: LiveStage, folder: Path) -> Beneath:
    """Write what lies beneath the parts into a folder, if it is not there: the same, whichever daemon does it.

    Raises:
        StageError: It cannot be written.
    """
    stage = live.stage
    layer = Sdf.Layer.CreateAnonymous("structure.usda")
    with live.taken_off():
        author(layer, stage, live.topology, options=live.options)
    root = stage.GetRootLayer()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _keep(folder / STRUCTURE, layer.ExportToString())
        base = composed_root(root, [f"./{STRUCTURE}", path_from(folder, root)])
        _keep(folder / BASE, base.ExportToString())
    except OSError as error:
        raise StageError(f"cannot write into {folder}: {error.strerror}; check `restart.hand_over.path`") from error
    return Beneath(Sdf.Layer.FindOrOpen(str(folder / BASE)))


def _keep(path: Path, text: str) -> None:
    data = text.encode()
    if not path.exists() or path.read_bytes() != data:  # a viewer would call it out of date
        with replacing(path) as temporary:
            temporary.write_bytes(data)
