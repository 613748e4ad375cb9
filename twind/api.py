"""Everything an adapter may use. Adapters import this module and nothing else of twind."""

from twind.config.base import RouteSettings, Secret, SettingsModel, SourceSettings
from twind.flow.queues import Intake
from twind.flow.replacing import replacing
from twind.flow.retry import Backoff
from twind.model.errors import MissingExtraError, PermanentError, RefusedInput, RetryableError, TwindError
from twind.model.messages import (
    NO_SEQUENCE,
    ImuSample,
    JointSample,
    OdometrySample,
    PackedJoints,
    PackedPoses,
    PoseSample,
    RawMessage,
    TwistSample,
)
from twind.model.refusals import Refusal
from twind.model.routes import TopicPattern, overlapping
from twind.model.time import NO_STAMP, NS_PER_MS, NS_PER_S
from twind.sources.protocol import (
    AcknowledgingSource,
    LossySource,
    ResumableSource,
    SourceAdapter,
    SourceHealth,
    StreamKeeper,
)
from twind.telemetry import Telemetry, events
from twind.telemetry.partitions import PartitionFigures

__all__ = [
    "NO_SEQUENCE",
    "NO_STAMP",
    "NS_PER_MS",
    "NS_PER_S",
    "AcknowledgingSource",
    "Backoff",
    "ImuSample",
    "Intake",
    "JointSample",
    "LossySource",
    "MissingExtraError",
    "OdometrySample",
    "PackedJoints",
    "PackedPoses",
    "PartitionFigures",
    "PermanentError",
    "PoseSample",
    "RawMessage",
    "Refusal",
    "RefusedInput",
    "ResumableSource",
    "RetryableError",
    "RouteSettings",
    "Secret",
    "SettingsModel",
    "SourceAdapter",
    "SourceHealth",
    "SourceSettings",
    "StreamKeeper",
    "Telemetry",
    "TopicPattern",
    "TwindError",
    "TwistSample",
    "events",
    "overlapping",
    "replacing",
]
