"""A recording, decoded once and with its stamps mapped: what every trial of other settings is fed with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from twind.runtime.bindings import bindings_of
from twind.runtime.estimators import Estimators
from twind.runtime.pipeline import Feed
from twind.runtime.replay.routing import RecordedRoutes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from twind.config.load import Loaded
    from twind.config.settings import EstimationSettings
    from twind.model.messages import RawMessage
    from twind.model.topology import Topology
    from twind.runtime.columns import BodyColumns, JointArrays, JointColumns
    from twind.runtime.estimators import Outcome

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bytes = NDArray[np.uint8]

_BATCH = 4096


@dataclass(frozen=True, slots=True)
class DecodedJoints:
    """M messages with K positions in all, in order of arrival."""

    receive_ns: Ints
    """(M,) [ns]."""
    t_ns: Ints
    """(M,) stamps in the daemon's clock [ns]."""
    sigma_t: Floats
    """(M,) [s]."""
    skip: Bytes
    """(M,) the clock's verdict."""
    layout: NDArray[np.int32]
    offset: Ints
    """(M + 1,)"""
    position: Floats
    velocity: Floats
    """(K,), NaN where there is none."""
    verdict: Bytes
    """(K,) of the settings that the recording was decoded with."""


@dataclass(frozen=True, slots=True)
class DecodedBodies:
    """M samples, in order of arrival."""

    receive_ns: Ints
    t_ns: Ints
    sigma_t: Floats
    skip: Bytes
    entity: NDArray[np.int32]
    channel: Bytes
    linear: Floats
    angular: Floats
    linear_var: Floats
    angular_var: Floats
    verdict: Bytes


@dataclass(frozen=True, slots=True)
class Decoded:
    """One recording. The mapping of stamps does not depend on the noise that is tuned."""

    layouts: list[list[int]]
    """Joint rows of each layout."""
    joints: DecodedJoints
    bodies: DecodedBodies

    @property
    def span_ns(self) -> tuple[int, int]:
        """First and last arrival of what could be decoded; (0, 0) where nothing could [ns]."""
        arrivals = np.concatenate([self.joints.receive_ns, self.bodies.receive_ns])
        return (int(arrivals.min()), int(arrivals.max())) if arrivals.size else (0, 0)


class _Collector(Estimators):
    """Estimators that keep what they were given, and what became of it."""

    def __init__(self, topology: Topology, settings: EstimationSettings) -> None:
        super().__init__(topology, settings)
        self.layouts: list[list[int]] = []
        self.joint_batches: list[tuple[JointArrays, tuple[Ints, Floats, Bytes], Bytes]] = []
        self.body_batches: list[tuple[BodyColumns, tuple[Ints, Floats, Bytes], Bytes]] = []
        self._mapped: tuple[Ints, Floats, Bytes]

    def new_layout(self, joints: Sequence[int]) -> int:
        self.layouts.append(list(joints))
        return super().new_layout(joints)

    def ingest_joints(self, columns: JointColumns) -> Outcome:
        outcome = super().ingest_joints(columns)
        self.joint_batches.append((columns.arrays(), self._mapped, outcome.verdicts))
        return outcome

    def ingest_bodies(self, columns: BodyColumns) -> Outcome:
        outcome = super().ingest_bodies(columns)
        self.body_batches.append((columns, self._mapped, outcome.verdicts))
        return outcome

    def _map(
        self, stream: NDArray[np.int32], device_ns: Ints, receive_ns: Ints, number: Ints | None
    ) -> tuple[Ints, Floats, Bytes]:
        self._mapped = super()._map(stream, device_ns, receive_ns, number)
        return self._mapped


def decode(
    loaded: Loaded,
    topology: Topology,
    settings: EstimationSettings,
    messages: Sequence[RawMessage],
    streams: RecordedRoutes,
) -> Decoded:
    """Take messages through routes, codecs and clocks; the settings judge which samples are outliers.

    Args:
        loaded: The configuration with the routes.
        topology: What the stage declares.
        settings: How the verdicts are found.
        messages: In order of arrival.
        streams: What gave them their topics; says which source and topic a key stands for.
    """
    collector = _Collector(topology, settings)
    sources = {
        name: bindings_of(name, source, loaded.registry, topology, collector)
        for name, source in loaded.settings.sources.items()
    }
    routes = RecordedRoutes(sources)
    routes.streams = streams.streams
    feed = Feed(routes, collector, on_refused=lambda *_: None)
    for begin in range(0, len(messages), _BATCH):
        feed.process(list(messages[begin : begin + _BATCH]))
    return Decoded(collector.layouts, _joints(collector), _bodies(collector))


def _joints(collector: _Collector) -> DecodedJoints:
    batches = collector.joint_batches
    arrays = [batch for batch, _, _ in batches]
    widths = _joined([np.diff(batch.offset) for batch in arrays], np.int64)
    receive_ns = _joined([batch.receive_ns for batch in arrays], np.int64)
    order = np.argsort(receive_ns, kind="stable")  # packed messages come last in their batch
    begins = np.cumsum(widths) - widths
    offset = np.concatenate([[0], np.cumsum(widths[order])]).astype(np.int64)
    values = np.repeat(begins[order] - offset[:-1], widths[order]) + np.arange(offset[-1])
    rates = [batch.velocity if len(batch.velocity) else np.full(len(batch.position), np.nan) for batch in arrays]
    t_ns, sigma_t, skip = _mapped([mapped for _, mapped, _ in batches])
    return DecodedJoints(
        receive_ns[order], t_ns[order], sigma_t[order], skip[order],
        _joined([batch.layout for batch in arrays], np.int32)[order], offset,
        _joined([batch.position for batch in arrays], np.float64)[values],
        _joined(rates, np.float64)[values],
        _joined([verdict for _, _, verdict in batches], np.uint8)[values],
    )  # fmt: skip


def _bodies(collector: _Collector) -> DecodedBodies:
    batches = collector.body_batches
    columns = [batch for batch, _, _ in batches]
    receive_ns = _joined([np.array(batch.receive_ns, np.int64) for batch in columns], np.int64)
    order = np.argsort(receive_ns, kind="stable")
    t_ns, sigma_t, skip = _mapped([mapped for _, mapped, _ in batches])

    def column(name: str, width: int) -> Floats:
        found: Floats = np.array([row for batch in columns for row in getattr(batch, name)], np.float64)
        return found.reshape(-1, width)[order]

    return DecodedBodies(
        receive_ns[order], t_ns[order], sigma_t[order], skip[order],
        _joined([np.array(batch.entity, np.int32) for batch in columns], np.int32)[order],
        _joined([np.array(batch.channel, np.uint8) for batch in columns], np.uint8)[order],
        column("linear", 3), column("angular", 4), column("linear_var", 3), column("angular_var", 3),
        _joined([verdict for _, _, verdict in batches], np.uint8)[order],
    )  # fmt: skip


def _mapped(parts: list[tuple[Ints, Floats, Bytes]]) -> tuple[Ints, Floats, Bytes]:
    return (
        _joined([part[0] for part in parts], np.int64),
        _joined([part[1] for part in parts], np.float64),
        _joined([part[2] for part in parts], np.uint8),
    )


def _joined(parts: list[Any], kind: Any) -> Any:
    return np.concatenate(parts) if parts else np.empty(0, kind)
