"""The predicted states of a replay as a take: what `joints.csv` says in numbers, as the stage shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twind.model.time import NS_PER_S, ms_to_ns
from twind.runtime.advance import advance
from twind.twin import Twin

if TYPE_CHECKING:
    from twind.config.settings import EstimationSettings
    from twind.runtime.estimators import Estimators, Prediction
    from twind.stage.take import Take


class TakeSampler:
    """Turns each prediction into what the live stage would show, and adds it to the take."""

    def __init__(self, take: Take, estimators: Estimators, settings: EstimationSettings) -> None:
        self._take = take
        self._estimators = estimators
        self._first_ns: int | None = None
        self._twin = Twin(
            take.topology,
            fresh_ns=ms_to_ns(settings.fresh_ms),
            coast_ns=ms_to_ns(settings.coast_ms),
            lost_ns=ms_to_ns(settings.lost_ms),
        )

    def add(self, sample_ns: int, prediction: Prediction) -> None:
        """Add what was predicted at one instant, under the time that has passed since the first."""
        if self._first_ns is None:
            self._first_ns = sample_ns
        update = advance(self._twin, self._estimators, prediction, now_ns=sample_ns, everything=True)
        if update is not None:
            self._take.add((sample_ns - self._first_ns) / NS_PER_S, update)

    def finish(self, start_ns: int, *, horizon_s: float) -> None:
        """Write the take; `start_ns` is the wall clock of its first instant."""
        self._take.finish(start_ns=start_ns, horizon_s=horizon_s)
