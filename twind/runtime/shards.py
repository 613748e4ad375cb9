"""Which entities are this daemon's, when several share one stage."""

from __future__ import annotations

import zlib
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twind.config.settings import ShardSettings


def owns(shard: ShardSettings, entity_id: str) -> bool:
    """Whether a shard looks after an entity. All daemons that count the same shards deal out the entities alike."""
    if not any(fnmatchcase(entity_id, pattern) for pattern in shard.entities):
        return False
    return shard.count == 1 or zlib.crc32(entity_id.encode()) % shard.count == shard.index
