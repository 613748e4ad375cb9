import numpy as np

from twind.config.settings import EstimationSettings
from twind.model.topology import RigidObject, Topology
from twind.runtime.estimation_watch import EstimationWatch
from twind.runtime.estimators import Estimators
from twind.telemetry import events

START = 1_700_000_000_000_000_000
MS = 1_000_000
HOUR = 3_600_000_000_000


def test_a_clock_that_is_set_and_then_stands_still_is_told_once_by_its_topic() -> None:
    estimators = Estimators(Topology(root="x", robots=(), objects=(RigidObject(id="box", prim="/box"),)), EstimationSettings())
    watch = EstimationWatch(estimators)
    row = estimators.new_stream("cell/box/pose")
    true = START + np.arange(600) * 10 * MS
    device = true.copy()
    device[200:] += HOUR
    device[400:] = device[400]
    column = np.full(600, row, np.int32)
    estimators.clocks.map(column, device, true + MS, np.zeros(600, np.int64), np.zeros(600), np.zeros(600, np.uint8))
    assert watch.new_events() == [
        events.ClockStepped(topic="cell/box/pose", direction="ahead", count=1),
        events.StampsFrozen(topic="cell/box/pose", count=1),
    ]
    assert watch.new_events() == []
