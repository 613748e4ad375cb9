"""Everything noteworthy that can happen, one frozen dataclass each. An event knows its log level and its counter.

The class name in snake case is the event name in the log; the fields are its key-values. An event with a `counter` adds
`count` (or 1) to it, with the fields named in `labels` as metric labels. Label values are bounded: component names come from
the configuration, reasons from enums.
"""

from __future__ import annotations

from dataclasses import dataclass

from twind.telemetry import estimate_events, event

Event = event.Event
event_name = event.event_name


@dataclass(frozen=True, slots=True)
class SourceConnected(Event):
    """A source is in touch again."""

    limited = False
    counter = "source_connects"
    labels = ("source",)
    source: str
    address: str
    session_present: bool = False


@dataclass(frozen=True, slots=True)
class SourceDisconnected(Event):
    """A source lost its connection; reconnecting goes on by itself."""

    level = "warning"
    counter = "source_disconnects"
    labels = ("source",)
    source: str
    address: str
    reason: str


@dataclass(frozen=True, slots=True)
class SourceRefused(Event):
    """The far side refuses this client, for a reason that a human must cure; trying goes on."""

    level = "error"
    counter = "source_refusals"
    labels = ("source",)
    source: str
    address: str
    reason: str


@dataclass(frozen=True, slots=True)
class SubscriptionRefused(Event):
    """The far side does not grant a subscription, or grants less than was asked for."""

    level = "error"
    counter = "subscriptions_refused"
    labels = ("source",)
    source: str
    topic: str
    reason: str


@dataclass(frozen=True, slots=True)
class PartitionAssigned(Event):
    """A partition is read from now on; `position` is the number to begin with, or a word."""

    limited = False
    counter = "partitions_assigned"
    labels = ("source",)
    source: str
    partition: str
    position: str


@dataclass(frozen=True, slots=True)
class PartitionReleased(Event):
    """A partition is not read any more: this daemon stops, or it failed and is opened anew, or somebody else has it."""

    limited = False
    counter = "partitions_released"
    labels = ("source", "reason")
    source: str
    partition: str
    reason: str
    """shutdown | failed | lost | stolen"""
    contained: bool = False
    """Whether all that was taken of it is in a snapshot."""


@dataclass(frozen=True, slots=True)
class PartitionFailed(Event):
    """A partition cannot be read now; trying goes on."""

    level = "warning"
    counter = "partition_failures"
    labels = ("source",)
    source: str
    partition: str
    reason: str


@dataclass(frozen=True, slots=True)
class PartitionStalled(Event):
    """A partition has events but gives none; the connection is made anew."""

    level = "warning"
    counter = "partition_stalls"
    labels = ("source",)
    source: str
    partition: str
    events_waiting: int
    seconds: float


@dataclass(frozen=True, slots=True)
class CheckpointFailed(Event):
    """A position could not be noted for others to see; nothing is lost, the snapshot has it too."""

    level = "warning"
    counter = "checkpoint_failures"
    labels = ("source",)
    source: str
    partition: str
    reason: str


@dataclass(frozen=True, slots=True)
class ClocksDisagree(Event):
    """The clock of a hub and this machine's differ, so all ages are wrong by as much."""

    level = "warning"
    counter = "hub_clocks_disagree"
    labels = ("source",)
    source: str
    seconds: float
    """This machine's clock less the hub's, as far as arrivals show it."""


@dataclass(frozen=True, slots=True)
class MessagesDropped(Event):
    """Messages were lost: a queue had no room, or a hub had deleted events before they were read."""

    level = "error"
    counter = "messages_dropped"
    labels = ("source", "reason")
    source: str
    reason: str
    count: int


@dataclass(frozen=True, slots=True)
class MessagesPassedOver(Event):
    """Messages came again that had been taken already, or are of a stream that belongs to another daemon by now."""

    level = "debug"
    counter = "messages_passed_over"
    labels = ("source", "reason")
    source: str
    reason: str
    """repeated | not_owned"""
    count: int


@dataclass(frozen=True, slots=True)
class WallClockSet(Event):
    """This machine's clock was set, or it slept. Devices that share it seem to step; streams follow within a second."""

    level = "warning"
    counter = "wall_clock_steps"
    seconds: float
    """By how much, ahead where positive [s]."""


@dataclass(frozen=True, slots=True)
class DeadLettersRetried(Event):
    """Messages that had been refused were given to the daemon again by `twind dead-letters retry`."""

    counter = "dead_letters_retried"
    labels = ("source",)
    source: str
    count: int


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


@dataclass(frozen=True, slots=True)
class MessagesRefused(Event):
    """Messages could not be used; `example` says what was wrong with the first of them."""

    level = "warning"
    counter = "messages_refused"
    labels = ("source", "reason")
    source: str
    reason: str
    count: int
    topic: str
    example: str


@dataclass(frozen=True, slots=True)
class MessagesOfOthers(Event):
    """Messages were about entities that other shards look after."""

    level = "debug"
    counter = "messages_refused"
    labels = ("source", "reason")
    source: str
    reason: str
    count: int
    topic: str
    example: str


EstimateReset = estimate_events.EstimateReset
ChannelDisabled = estimate_events.ChannelDisabled
ChannelRestored = estimate_events.ChannelRestored
SourceFrozen = estimate_events.SourceFrozen
SourceMoving = estimate_events.SourceMoving
ClockStepped = estimate_events.ClockStepped
StampsFrozen = estimate_events.StampsFrozen
ClockNotShared = estimate_events.ClockNotShared


@dataclass(frozen=True, slots=True)
class EntityEvent(Event):
    """Something happened to an entity, as it or its hub reported it."""

    counter = "entity_events"
    labels = ("source",)
    source: str
    entity: str
    happened: str
    """What: the word that was reported."""
    stamp_ns: int


@dataclass(frozen=True, slots=True)
class TaskRestarted(Event):
    """A supervised task failed and is started again after `delay_s`."""

    level = "error"
    counter = "task_restarts"
    labels = ("task",)
    task: str
    error: str
    delay_s: float


@dataclass(frozen=True, slots=True)
class TaskGivenUp(Event):
    """A supervised task failed for good and is not started again."""

    level = "error"
    counter = "tasks_given_up"
    labels = ("task",)
    task: str
    error: str


@dataclass(frozen=True, slots=True)
class DeadLettersLost(Event):
    """Refused inputs could not be kept as dead letters; they were counted as refused all the same."""

    level = "error"
    counter = "dead_letters_lost"
    labels = ("reason",)
    reason: str
    """queue_full | write_failed"""
    count: int
    error: str = ""


@dataclass(frozen=True, slots=True)
class RecordingLost(Event):
    """Messages could not be recorded; they were processed all the same."""

    level = "error"
    counter = "recording_messages_lost"
    labels = ("sink", "reason")
    sink: str
    reason: str
    """queue_full | write_failed | too_many_topics"""
    count: int
    error: str = ""


@dataclass(frozen=True, slots=True)
class RecordingHeld(Event):
    """The recording cannot be written: nothing of it is acknowledged, and it is tried again. Make room, or repair the disk."""

    level = "error"
    counter = "recording_write_failures"
    labels = ("sink",)
    sink: str
    waiting: int
    """Messages that are held and not acknowledged; when there are as many as may be, their source waits."""
    error: str


@dataclass(frozen=True, slots=True)
class RecordingSegmentDeleted(Event):
    """The oldest segment of a recording was deleted to keep its quota."""

    counter = "recording_segments_deleted"
    labels = ("sink",)
    sink: str
    file: str
    bytes: int


@dataclass(frozen=True, slots=True)
class SinkConnected(Event):
    """What a sink sends arrives, again or for the first time."""

    limited = False
    told = False
    counter = "sink_connects"
    labels = ("sink",)
    sink: str
    address: str


@dataclass(frozen=True, slots=True)
class SinkDisconnected(Event):
    """What a sink sends does not arrive; it waits, and trying goes on."""

    level = "warning"
    told = False
    counter = "sink_disconnects"
    labels = ("sink",)
    sink: str
    address: str
    reason: str


@dataclass(frozen=True, slots=True)
class NoticesSent(Event):
    """Events that the far side of a sink has confirmed."""

    level = "debug"
    told = False
    counter = "notices_sent"
    labels = ("sink",)
    sink: str
    count: int


@dataclass(frozen=True, slots=True)
class NoticesReplaced(Event):
    """States that were not sent because a newer one of the same entity took their place."""

    level = "debug"
    told = False
    counter = "notices_replaced"
    labels = ("sink",)
    sink: str
    count: int


@dataclass(frozen=True, slots=True)
class NoticesLost(Event):
    """Events that could not be sent."""

    level = "error"
    told = False
    counter = "notices_lost"
    labels = ("sink", "reason")
    sink: str
    reason: str
    """queue_full | oversize | shutdown"""
    count: int
    error: str = ""


@dataclass(frozen=True, slots=True)
class DesiredSent(Event):
    """Desired properties were sent to robots that have not answered them."""

    level = "debug"
    counter = "desired_sent"
    labels = ("sink",)
    sink: str
    count: int


@dataclass(frozen=True, slots=True)
class DesiredAccepted(Event):
    """A robot took over its desired properties."""

    counter = "desired_accepted"
    labels = ("sink",)
    sink: str
    entity: str
    version: int


@dataclass(frozen=True, slots=True)
class DesiredRefused(Event):
    """A robot answered that it cannot be what it shall."""

    level = "error"
    counter = "desired_refused"
    labels = ("sink",)
    sink: str
    entity: str
    version: int


@dataclass(frozen=True, slots=True)
class DesiredUnanswered(Event):
    """A robot has not answered its desired properties for long; they are sent on."""

    level = "warning"
    counter = "desired_unanswered"
    labels = ("sink",)
    sink: str
    entity: str
    version: int


@dataclass(frozen=True, slots=True)
class TwinReportRefused(Event):
    """What a robot wanted of its device twin could not be done."""

    level = "warning"
    counter = "twin_reports_refused"
    labels = ("sink",)
    sink: str
    entity: str
    error: str


@dataclass(frozen=True, slots=True)
class LoopStalled(Event):
    """The event loop stood still; `where` is the code that held it up, innermost call first."""

    level = "warning"
    counter = "event_loop_stalls"
    seconds: float
    where: str


@dataclass(frozen=True, slots=True)
class StageWriteFailed(Event):
    """State could not be written to the stage or its snapshot."""

    level = "error"
    counter = "stage_write_failures"
    labels = ("what",)
    what: str
    error: str


@dataclass(frozen=True, slots=True)
class StageFenced(Event):
    """A snapshot was not written because a daemon of a newer generation writes it; this one stops."""

    level = "error"
    limited = False
    counter = "stage_writes_fenced"
    instance: str
    generation: int
    error: str


@dataclass(frozen=True, slots=True)
class ViewerConnected(Event):
    """Somebody watches the live stream."""

    counter = "viewer_connects"
    address: str


@dataclass(frozen=True, slots=True)
class ViewerGone(Event):
    """A viewer left, or was disconnected: `message` says why."""

    counter = "viewer_disconnects"
    labels = ("reason",)
    address: str
    client: str
    """Who it said it is."""
    reason: str
    """left | lost | shutdown | bad_message | too_many_messages | silent | overflow"""
    message: str


@dataclass(frozen=True, slots=True)
class ViewerRefused(Event):
    """Somebody who wanted to watch was not let in."""

    level = "warning"
    counter = "viewers_refused"
    labels = ("reason",)
    address: str
    reason: str
    """origin | full | version"""
    message: str


@dataclass(frozen=True, slots=True)
class DaemonStarting(Event):
    """The daemon begins to start."""

    limited = False
    instance: str
    version: str


@dataclass(frozen=True, slots=True)
class DaemonReady(Event):
    """Everything is started; samples are being processed."""

    limited = False
    instance: str
    http: str
    robots: int
    objects: int
    seconds: float


@dataclass(frozen=True, slots=True)
class DaemonStopping(Event):
    """The daemon drains and stops."""

    limited = False
    instance: str
    reason: str


@dataclass(frozen=True, slots=True)
class DaemonStopped(Event):
    """The daemon stopped; `unfinished` names what the deadline cut off."""

    limited = False
    instance: str
    seconds: float
    unfinished: str = ""


@dataclass(frozen=True, slots=True)
class DrainWaiting(Event):
    """The drain goes on; `remaining` names the steps that are not done."""

    limited = False
    remaining: str
    seconds_left: float


@dataclass(frozen=True, slots=True)
class DrainStepFailed(Event):
    """One step of the drain failed, or was cut off at the deadline."""

    level = "error"
    limited = False
    step: str
    error: str
