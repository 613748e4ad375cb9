"""Kinematics and the one current state of every entity. Pure: arrays in, an immutable `Update` out."""

from twind.twin.state import Twin, warm_up

__all__ = ["Twin", "warm_up"]
