"""Opens the stage as the settings say: whose entities, under which generation, with which overlays."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from twind.runtime.generation import next_generation
from twind.runtime.shards import owns
from twind.stage.fence import read_holder
from twind.stage.live import LiveStage
from twind.stage.snapshot import LIVE
from twind.stage.structure import LiveOptions

if TYPE_CHECKING:
    from twind.config.settings import Settings


def open_live_stage(settings: Settings) -> LiveStage:
    """Count this start and open the stage under it; on the stage's thread.

    Raises:
        StageError: The stage cannot be opened completely, is ambiguous, or holds a prim that cannot be moved.
        PermanentError: `state_dir` cannot be written.
    """
    stage = settings.stage
    there = 0 if stage.snapshot is None else read_holder(stage.snapshot.path / LIVE).generation
    options = LiveOptions(
        generation=next_generation(settings.state_dir, newest_elsewhere=there),
        dead_band=stage.dead_band,
        stale_color=stage.stale_color,
        physics_off=stage.physics == "off",
    )
    return LiveStage.open(stage.root, instance=settings.instance, options=options, owns=partial(owns, settings.shard))
