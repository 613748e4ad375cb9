"""Devices that tell how their clock stands: what becomes of their stamps."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from twind.codecs.clock import ClockCodec
from twind.codecs.pose import PoseCodec
from twind.config.base import RouteSettings
from twind.config.settings import EstimationSettings
from twind.model.messages import RawMessage
from twind.model.refusals import Refusal
from twind.model.topology import RigidObject, Topology
from twind.runtime.bindings import Bindings
from twind.runtime.estimators import Estimators
from twind.runtime.figures import stream_figures
from twind.runtime.pipeline import Feed

START = 1_700_000_000_000_000_000
MS = 1_000_000
FLOOR = 20 * MS
CODECS: dict[str, Any] = {"pose": PoseCodec(), "clock": ClockCodec()}
TOPOLOGY = Topology(root="x", robots=(), objects=(RigidObject(id="box", prim="/box"), RigidObject(id="can", prim="/can")))


class Device:
    """A box whose clock is off, 20 to 25 ms away, in the cell of another one."""

    def __init__(self, *, ahead_ns: int, seed: int = 1) -> None:
        self.estimators = Estimators(TOPOLOGY, EstimationSettings())
        routes = [RouteSettings.model_validate({"topic": f"{name}/{{entity}}", "codec": name}) for name in CODECS]
        self.refused: list[Refusal] = []
        bindings = Bindings(routes, CODECS, TOPOLOGY, self.estimators)
        self.feed = Feed(bindings, self.estimators, on_refused=lambda _, refusal: self.refused.append(refusal.reason))
        self._ahead_ns = ahead_ns
        self._rng = np.random.default_rng(seed)
        self.now_ns = START

    def _delay(self) -> int:
        return FLOOR + int(self._rng.uniform(0, 5 * MS))

    def poses(self, seconds: float, *, entity: str = "box") -> float:
        """Send poses at 25 Hz; return how far behind its true instant the last stamp was put [ms]."""
        for _ in range(round(seconds * 25)):
            self.now_ns += 40 * MS
            pose = {"position": {"x": 0, "y": 0, "z": 0}, "orientation": {"x": 0, "y": 0, "z": 0, "w": 1}}
            payload = json.dumps({"stamp": self.now_ns + self._ahead_ns, "pose": pose}).encode()
            self.feed.process([RawMessage(f"pose/{entity}", payload, self.now_ns + self._delay())])
        row = TOPOLOGY.entity_index[entity]
        return float(self.estimators.poses.last_ns[row] - self.now_ns) / MS

    def report(self, document: dict[str, Any]) -> None:
        self.feed.process([RawMessage("clock/box", json.dumps(document).encode(), self.now_ns)])

    def exchange(self) -> dict[str, int]:
        """Ask for the time."""
        there, back = self._delay(), self._delay()
        t1 = self.now_ns + self._ahead_ns
        t2 = self.now_ns + there
        return {"t1": t1, "t2": t2, "t3": t2, "t4": t1 + there + back}

    def clock(self, topic: str = "pose/box") -> Any:
        figures = {stream.topic: stream for stream in stream_figures(self.estimators, 0, len(self.estimators.streams))}
        return figures[topic].clock


def test_without_a_report_the_latency_floor_stays_in_the_offset() -> None:
    device = Device(ahead_ns=5_000 * MS)
    assert device.poses(20) == pytest.approx(20, abs=0.5)
    assert device.clock().two_ways == 0
    assert np.isnan(device.clock().two_way_std_ms)


@pytest.mark.parametrize("ahead_ns", [5_000 * MS, -300 * MS, -10 * MS])
def test_a_reference_clock_shows_offset_and_latency_floor(ahead_ns: int) -> None:
    device = Device(ahead_ns=ahead_ns)
    device.poses(20)
    device.report({"offset_s": ahead_ns * 1e-9 + 2e-5, "error_s": 1e-4})
    assert device.poses(5) == pytest.approx(0, abs=0.1)
    assert device.clock().offset_s == pytest.approx(-ahead_ns * 1e-9, abs=1e-4)
    assert device.clock().two_ways == 1
    assert device.clock().two_way_std_ms < 2
    device.now_ns += 400_000 * MS
    assert device.poses(8) == pytest.approx(0, abs=0.5)  # too old to place stamps; the floor that it showed stays off
    assert device.clock().two_way_std_ms > 2


def test_exchanges_behind_a_slow_network_show_the_offset_together() -> None:
    device = Device(ahead_ns=-4_000 * MS)
    for _ in range(60):
        device.poses(0.2)
        device.report(device.exchange())
    assert device.poses(1) == pytest.approx(0, abs=1.0)
    assert device.clock().two_ways == 60


def test_a_report_before_the_first_sample_is_kept_for_it() -> None:
    device = Device(ahead_ns=5_000 * MS)
    device.report({"offset_s": 5.0, "error_s": 1e-4})
    assert device.poses(1) == pytest.approx(0, abs=0.1)


def test_a_report_is_for_its_entity_or_for_the_topics_that_it_names() -> None:
    device = Device(ahead_ns=5_000 * MS)
    device.poses(1)
    device.poses(1, entity="can")
    device.report({"offset_s": 5.0, "error_s": 1e-4})
    assert (device.clock("pose/box").two_ways, device.clock("pose/can").two_ways) == (1, 0)
    device.report({"offset_s": 5.0, "error_s": 1e-4, "topics": ["pose/can", "never/seen"]})
    assert (device.clock("pose/box").two_ways, device.clock("pose/can").two_ways) == (1, 1)
    assert device.clock("clock/box").two_ways == 0
    row = [stream.topic for stream in device.estimators.streams].index("clock/box")
    assert device.estimators.tally.messages[row] == 2


@pytest.mark.parametrize("said_s", [-5.0, 4.9, 3600.0])
def test_a_report_by_which_messages_came_before_they_were_sent_is_refused(said_s: float) -> None:
    device = Device(ahead_ns=5_000 * MS)
    before = device.poses(5)
    device.report({"offset_s": said_s, "error_s": 1e-4})
    assert device.refused == [Refusal.BAD_CLOCK]
    assert device.poses(1) == pytest.approx(before, abs=0.5)
    assert device.clock().two_ways == 0
