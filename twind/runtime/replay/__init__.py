"""Replay: the daemon's own pipeline over recordings, offline and deterministic."""
