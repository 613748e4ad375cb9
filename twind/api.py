"""Everything an adapter may use. Adapters import this module and nothing else of twind.

What a running adapter needs, asyncio with it, is imported when it is asked for: a configuration needs the settings alone.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from twind.config.address import is_loopback, parse_address
from twind.config.base import (
    DeliverySettings,
    HandOverSettings,
    NoticeSettings,
    RetrySettings,
    RouteSettings,
    Secret,
    SettingsModel,
    SourceSettings,
)
from twind.model.errors import (
    FencedError,
    MissingExtraError,
    PermanentError,
    RefusedChange,
    RefusedInput,
    RetryableError,
    TwindError,
)
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

if TYPE_CHECKING:
    from twind.flow.cloud_events import CONTENT_TYPE
    from twind.flow.delivery import Carrier, Delivery
    from twind.flow.outbox import Outgoing
    from twind.flow.queues import Intake
    from twind.flow.replacing import replacing
    from twind.flow.retry import Backoff
    from twind.flow.shared_streams import (
        CLAIM,
        LAYER,
        NAMES,
        Claim,
        SharedStreams,
        SharingAdapter,
        SharingContext,
        folder_name,
    )
    from twind.flow.sinks import SinkContext
    from twind.model.notices import Notice, NoticeKind
    from twind.sources.protocol import (
        AcknowledgingSource,
        LossySource,
        ResumableSource,
        SourceAdapter,
        SourceHealth,
        StreamKeeper,
    )
    from twind.telemetry import Telemetry, events
    from twind.telemetry.figures import PartitionFigures

_WHEN_ASKED_FOR = {
    "CONTENT_TYPE": "twind.flow.cloud_events",
    "Carrier": "twind.flow.delivery",
    "Delivery": "twind.flow.delivery",
    "Outgoing": "twind.flow.outbox",
    "Intake": "twind.flow.queues",
    "replacing": "twind.flow.replacing",
    "Backoff": "twind.flow.retry",
    "CLAIM": "twind.flow.shared_streams",
    "LAYER": "twind.flow.shared_streams",
    "NAMES": "twind.flow.shared_streams",
    "Claim": "twind.flow.shared_streams",
    "SharedStreams": "twind.flow.shared_streams",
    "SharingAdapter": "twind.flow.shared_streams",
    "SharingContext": "twind.flow.shared_streams",
    "folder_name": "twind.flow.shared_streams",
    "SinkContext": "twind.flow.sinks",
    "Notice": "twind.model.notices",
    "NoticeKind": "twind.model.notices",
    "AcknowledgingSource": "twind.sources.protocol",
    "LossySource": "twind.sources.protocol",
    "PartitionFigures": "twind.telemetry.figures",
    "ResumableSource": "twind.sources.protocol",
    "SourceAdapter": "twind.sources.protocol",
    "SourceHealth": "twind.sources.protocol",
    "StreamKeeper": "twind.sources.protocol",
    "Telemetry": "twind.telemetry",
    "events": "twind.telemetry",
}
"""Name: where it is."""

__all__ = [
    "CLAIM",
    "CONTENT_TYPE",
    "LAYER",
    "NAMES",
    "NO_SEQUENCE",
    "NO_STAMP",
    "NS_PER_MS",
    "NS_PER_S",
    "AcknowledgingSource",
    "Backoff",
    "Carrier",
    "Claim",
    "Delivery",
    "DeliverySettings",
    "FencedError",
    "HandOverSettings",
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
    "RefusedChange",
    "RefusedInput",
    "ResumableSource",
    "RetrySettings",
    "RetryableError",
    "RouteSettings",
    "Secret",
    "SettingsModel",
    "SharedStreams",
    "SharingAdapter",
    "SharingContext",
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
    "folder_name",
    "is_loopback",
    "overlapping",
    "parse_address",
    "replacing",
]


def __getattr__(name: str) -> Any:
    if name not in _WHEN_ASKED_FOR:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = _WHEN_ASKED_FOR[name]
    found = globals()[name] = import_module(f"{module}.{name}") if name == "events" else getattr(import_module(module), name)
    return found
