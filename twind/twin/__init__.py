"""Kinematics and the one current state of every entity. Pure: arrays in, an immutable `Update` out."""
