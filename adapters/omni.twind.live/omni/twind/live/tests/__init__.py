"""Tests for people who have Kit: `omni.kit.test` finds them here. They need no daemon, only a free port on loopback."""

from .test_extension import *
