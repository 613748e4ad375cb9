"""Lets Foxglove connect to the daemon directly: frame transforms, joint states and diagnostics, by Foxglove's own SDK."""

from twind_foxglove.sink import adapter

__all__ = ["adapter"]
