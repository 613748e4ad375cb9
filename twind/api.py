"""Everything an adapter may use. Adapters import this module and nothing else of twind."""

from typing import TYPE_CHECKING, Any

from twind.config.address import is_loopback, parse_address
from twind.config.base import (
    DeliverySettings,
    NoticeSettings,
    RetrySettings,
    RouteSettings,
    Secret,
    SettingsModel,
    SourceSettings,
)
from twind.flow.cloud_events import CONTENT_TYPE
from twind.flow.delivery import Carrier, Delivery
from twind.flow.outbox import Outgoing
from twind.flow.queues import Intake
from twind.flow.replacing import replacing
from twind.flow.retry import Backoff
from twind.flow.sinks import SinkContext
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
from twind.model.notices import Notice, NoticeKind
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
from twind.telemetry import events
from twind.telemetry.figures import PartitionFigures

if TYPE_CHECKING:
    from twind.telemetry import Telemetry

__all__ = [
    "CONTENT_TYPE",
    "NO_SEQUENCE",
    "NO_STAMP",
    "NS_PER_MS",
    "NS_PER_S",
    "AcknowledgingSource",
    "Backoff",
    "Carrier",
    "Delivery",
    "DeliverySettings",
    "ImuSample",
    "Intake",
    "JointSample",
    "LossySource",
    "MissingExtraError",
    "Notice",
    "NoticeKind",
    "NoticeSettings",
    "OdometrySample",
    "Outgoing",
    "PackedJoints",
    "PackedPoses",
    "PartitionFigures",
    "PermanentError",
    "PoseSample",
    "RawMessage",
    "Refusal",
    "RefusedInput",
    "ResumableSource",
    "RetrySettings",
    "RetryableError",
    "RouteSettings",
    "Secret",
    "SettingsModel",
    "SinkContext",
    "SourceAdapter",
    "SourceHealth",
    "SourceSettings",
    "StreamKeeper",
    "Telemetry",
    "TopicPattern",
    "TwindError",
    "TwistSample",
    "events",
    "is_loopback",
    "overlapping",
    "parse_address",
    "replacing",
]


def __getattr__(name: str) -> Any:
    if name != "Telemetry":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from twind.telemetry import Telemetry  # with all that metrics and logs need: adapters are handed one, none makes one

    return Telemetry
