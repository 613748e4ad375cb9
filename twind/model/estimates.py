"""What estimation says: the verdict on each sample and the status of each estimate."""

from __future__ import annotations

import enum


class Verdict(enum.IntEnum):
    """What became of one sample. Every sample gets exactly one."""

    ACCEPTED = 0
    """Used to update the estimate."""
    GATED = 1
    """Refused by the chi-square gate."""
    RESET = 2
    """Used to re-initialise the estimate after mutually consistent rejections, or after a time jump."""
    DUPLICATE = 3
    """Same instant as a sample already used."""
    TOO_OLD = 4
    """Older than the estimate and outside the lag in which it could still be used."""
    FUTURE = 5
    """Stamped further ahead than any clock error explains."""
    NOT_FINITE = 6
    """NaN, infinite, or too large to be a measurement."""


class Status(enum.IntEnum):
    """How far an estimate can be believed. The lower-case name is the stage's `twind:quality` token."""

    OK = 0
    """Fresh samples support it."""
    COASTING = 1
    """Predicted: samples are late, but not for longer than the coasting time."""
    STALE = 2
    """Held: no sample for longer than the coasting time."""
    LOST = 3
    """No sample yet, or none for so long that the value says nothing about the present."""
