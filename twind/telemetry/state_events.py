"""Events of the state that outlives a daemon: what it takes over, restores and writes down."""

from __future__ import annotations

from dataclasses import dataclass

from twind.telemetry.event import Event


@dataclass(frozen=True, slots=True)
class StreamTaken(Event):
    """A stream is this daemon's, and goes on where its last owner left it."""

    counter = "streams_taken"
    labels = ("source",)
    limited = False
    source: str
    stream: str
    epoch: int
    """How often it was claimed, by whomever."""
    before: str
    """Instance that had it; empty where nobody had."""
    entities: int
    """Entities whose state was taken over; 0 where more was known here, or nobody left any."""
    number: int
    """Where it goes on; -1 where the source's own settings decide."""
    seconds: float
    """How long it took to claim and to load."""


@dataclass(frozen=True, slots=True)
class StreamFenced(Event):
    """A write about a stream was refused, as another daemon has claimed it: nothing more is written about it here."""

    level = "warning"
    counter = "streams_fenced"
    labels = ("source",)
    limited = False
    source: str
    stream: str
    epoch: int
    error: str


@dataclass(frozen=True, slots=True)
class SharedStoreFailed(Event):
    """A request to what daemons share of their streams failed."""

    level = "warning"
    counter = "shared_store_failures"
    labels = ("reason",)
    reason: str
    """throttled | unreachable | server | missing_container | refused | other."""
    again: bool
    """Whether it is sent again."""
    error: str


@dataclass(frozen=True, slots=True)
class RosterFailed(Event):
    """It cannot be seen whose entities are whose; sinks wait, and robots that were not heard before are not shown."""

    level = "warning"
    counter = "roster_failures"
    labels = ("source",)
    source: str
    error: str


@dataclass(frozen=True, slots=True)
class EntityElsewhere(Event):
    """An entity is heard on a stream of ours, and belongs to another daemon, which hears it on another stream."""

    level = "error"
    counter = "entities_elsewhere"
    labels = ("source",)
    source: str
    entity: str
    stream: str
    """Ours."""
    elsewhere: str
    """The stream that it belongs to."""
    instance: str
    """Whose that is."""
    cure: str


@dataclass(frozen=True, slots=True)
class EntityMoved(Event):
    """An entity belongs to a stream of ours now, and went on with the state that another stream's owner had of it."""

    counter = "entities_moved"
    labels = ("source",)
    limited = False
    source: str
    entity: str
    stream: str
    before: str
    """The stream that it belonged to."""


@dataclass(frozen=True, slots=True)
class StateRestored(Event):
    """The state of an earlier life is back: from a snapshot, and from what the recording holds beyond it."""

    limited = False
    snapshot: str
    """Name of the file; empty where none was used."""
    entities: int
    left_out: int
    """Rows whose joint, body or stream is not in the stage any more, or is set up in another way."""
    messages: int
    """Messages of the recording that were used again."""
    seconds: float


@dataclass(frozen=True, slots=True)
class SnapshotRefused(Event):
    """A snapshot of the state cannot be used and was set aside; an older one is tried, or the state begins anew."""

    level = "error"
    limited = False
    counter = "state_snapshots_refused"
    labels = ("reason",)
    reason: str
    """unreadable | newer | layout"""
    file: str
    error: str


@dataclass(frozen=True, slots=True)
class SnapshotFailed(Event):
    """The state could not be written down; it is tried again. Until then a restart has to go further back."""

    level = "error"
    counter = "state_snapshot_failures"
    error: str


@dataclass(frozen=True, slots=True)
class RecordingTailMissing(Event):
    """What was recorded after the newest usable snapshot cannot be read, so the state lacks it."""

    level = "error"
    counter = "recording_tails_missing"
    labels = ("sink",)
    limited = False
    sink: str
    error: str
