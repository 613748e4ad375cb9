"""The bounded reasons for which twind refuses an input. Each is a metric label, so the set never grows at run time."""

from __future__ import annotations

import enum


class Refusal(enum.StrEnum):
    """Why one message was refused before it reached an estimator."""

    OVERSIZE = "oversize"
    """The payload is larger than the route's limit."""
    UNDECODABLE = "undecodable"
    """The bytes are not in the codec's wire format (random bytes, truncated JSON)."""
    WRONG_TYPE = "wrong_type"
    """The bytes parse, but a field has the wrong type or shape."""
    MISSING_FIELD = "missing_field"
    """A field that the codec needs is not there."""
    NOT_FINITE = "not_finite"
    """A number is NaN, infinite, or outside what a float64 holds."""
    WRONG_LENGTH = "wrong_length"
    """Two arrays that belong together differ in length, or an unnamed array does not match the joint order."""
    UNKNOWN_JOINT = "unknown_joint"
    """A joint name is not in the stage."""
    UNKNOWN_ENTITY = "unknown_entity"
    """The entity that the topic names is not in the stage, or is of the wrong kind for the codec."""
    OTHER_SHARD = "other_shard"
    """The entity that the topic names is in the stage and belongs to another shard. Nothing is wrong: it is neither logged nor
    kept as a dead letter."""
    OTHER_STREAM = "other_stream"
    """The entity is heard on another partition as well, whose owner is another daemon: it is that one's, and this message is
    not used. The robot publishes without a partition key."""
    BAD_STAMP = "bad_stamp"
    """The time stamp cannot be read, or lies outside the years 1970 to 2262 that int64 nanoseconds hold."""
    BAD_QUATERNION = "bad_quaternion"
    """The orientation has no direction (norm near zero)."""
    BAD_CLOCK = "bad_clock"
    """What a device says of its clock cannot be: its messages would have arrived before they were sent."""
    TOO_MANY_TOPICS = "too_many_topics"
    """More topics lead to entities of the stage than the daemon keeps clocks for."""
    NO_ROUTE = "no_route"
    """No route of the source matches the topic."""
