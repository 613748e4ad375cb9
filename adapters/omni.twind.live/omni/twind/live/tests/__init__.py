"""Tests for people who have Kit: `omni.kit.test` finds them here. They need no daemon, only a free port on loopback."""

from importlib.util import find_spec

if find_spec("carb"):  # elsewhere others use the canned daemon beside
    from .test_extension import *
