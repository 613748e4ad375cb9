"""Which entities are this daemon's, when several share one stage."""

from __future__ import annotations

from fnmatch import fnmatchcase
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twind.config.settings import ShardSettings


def owns(shard: ShardSettings, entity_id: str) -> bool:
    """Whether a shard looks after an entity. All daemons that count the same shards deal out the entities alike."""
    if not any(fnmatchcase(entity_id, pattern) for pattern in shard.entities):
        return False
    return shard.count == 1 or owner(entity_id, shard.count) == shard.index


def owner(entity_id: str, count: int) -> int:
    """Return which of `count` shards an entity belongs to: the one that draws the highest number for its id.

    One more shard takes only what it draws higher than all others, 1 of `count + 1` entities; the rest stay where they
    are. (Rendezvous hashing: Thaler and Ravishankar, "Using name-based mappings to increase hit rates", 1998. A checksum
    modulo the count moves nearly all, and puts ids that differ in one digit on one shard.)
    """

    def draw(index: int) -> bytes:
        return blake2b(entity_id.encode(), digest_size=8, salt=index.to_bytes(4, "little")).digest()

    return max(range(count), key=draw)
