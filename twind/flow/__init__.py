"""Bounded queues with a stated policy, acknowledgement order, retry and dead letters. Knows nothing of what flows."""
