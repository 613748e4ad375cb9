"""Everything noteworthy that can happen, one frozen dataclass each. An event knows its log level and its counter.

The class name in snake case is the event name in the log; the fields are its key-values. An event with a `counter` adds
`count` (or 1) to it, with the fields named in `labels` as metric labels. Label values are bounded: component names come from
the configuration, reasons from enums.

Each is defined with its kind and named here: this is the order of the reference page, and what has its counter from the start.
"""

from __future__ import annotations

from twind.telemetry import (
    daemon_events,
    estimate_events,
    event,
    partition_events,
    recording_events,
    sink_events,
    source_events,
    stage_events,
    state_events,
    twin_events,
    viewer_events,
)

Event = event.Event
event_name = event.event_name

SourceConnected = source_events.SourceConnected
SourceDisconnected = source_events.SourceDisconnected
SourceRefused = source_events.SourceRefused
SubscriptionRefused = source_events.SubscriptionRefused

PartitionAssigned = partition_events.PartitionAssigned
PartitionReleased = partition_events.PartitionReleased
PartitionFailed = partition_events.PartitionFailed
PartitionStalled = partition_events.PartitionStalled
CheckpointFailed = partition_events.CheckpointFailed
ClocksDisagree = partition_events.ClocksDisagree

MessagesDropped = source_events.MessagesDropped
MessagesPassedOver = source_events.MessagesPassedOver

WallClockSet = daemon_events.WallClockSet

DeadLettersRetried = recording_events.DeadLettersRetried

StreamTaken = state_events.StreamTaken
StreamFenced = state_events.StreamFenced
SharedStoreFailed = state_events.SharedStoreFailed
RosterFailed = state_events.RosterFailed
EntityElsewhere = state_events.EntityElsewhere
EntityMoved = state_events.EntityMoved
StateRestored = state_events.StateRestored
SnapshotRefused = state_events.SnapshotRefused
SnapshotFailed = state_events.SnapshotFailed
RecordingTailMissing = state_events.RecordingTailMissing

MessagesRefused = source_events.MessagesRefused
MessagesOfOthers = source_events.MessagesOfOthers

EstimateReset = estimate_events.EstimateReset
ChannelDisabled = estimate_events.ChannelDisabled
ChannelRestored = estimate_events.ChannelRestored
SourceFrozen = estimate_events.SourceFrozen
SourceMoving = estimate_events.SourceMoving
ClockStepped = estimate_events.ClockStepped
StampsFrozen = estimate_events.StampsFrozen
ClockNotShared = estimate_events.ClockNotShared

EntityEvent = source_events.EntityEvent

TaskRestarted = daemon_events.TaskRestarted
TaskGivenUp = daemon_events.TaskGivenUp

DeadLettersLost = recording_events.DeadLettersLost
RecordingLost = recording_events.RecordingLost
RecordingHeld = recording_events.RecordingHeld
RecordingSegmentDeleted = recording_events.RecordingSegmentDeleted

SinkConnected = sink_events.SinkConnected
SinkDisconnected = sink_events.SinkDisconnected
NoticesSent = sink_events.NoticesSent
NoticesReplaced = sink_events.NoticesReplaced
NoticesLost = sink_events.NoticesLost
NoticesKept = sink_events.NoticesKept
NoticesRestored = sink_events.NoticesRestored
OutboxUnwritten = sink_events.OutboxUnwritten
OutboxSetAside = sink_events.OutboxSetAside

DesiredSent = twin_events.DesiredSent
DesiredAccepted = twin_events.DesiredAccepted
DesiredRefused = twin_events.DesiredRefused
DesiredUnanswered = twin_events.DesiredUnanswered
TwinChanged = twin_events.TwinChanged
TwinReportRefused = twin_events.TwinReportRefused

LoopStalled = daemon_events.LoopStalled

StageWriteFailed = stage_events.StageWriteFailed
StageFenced = stage_events.StageFenced

ViewerConnected = viewer_events.ViewerConnected
ViewerGone = viewer_events.ViewerGone
ViewerRefused = viewer_events.ViewerRefused

DaemonStarting = daemon_events.DaemonStarting
StartHeld = daemon_events.StartHeld
DaemonReady = daemon_events.DaemonReady
DaemonStopping = daemon_events.DaemonStopping
DaemonStopped = daemon_events.DaemonStopped
DrainWaiting = daemon_events.DrainWaiting
DrainStepFailed = daemon_events.DrainStepFailed
