"""A live stage with everything that a live layer can hold, and a hub that streams it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pxr import Gf, UsdGeom, UsdPhysics

from twind.config.settings import ViewerSettings
from twind.model.estimates import Status
from twind.stage.live import SCHEMA_VERSION, LiveStage
from twind.stage.structure import LiveOptions
from twind.stage.synthetic import random_update, serial_robots
from twind.telemetry import Telemetry
from twind.viewers.hub import Hub
from twind.viewers.protocol.selection import LiveSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def varied_stage(*, robots: int = 2) -> Any:
    """Return robots, and objects whose ops have every type; in centimetres."""
    stage = serial_robots(robots, joints=3, meters_per_unit=0.01)
    for name, add in {
        "half": lambda x: (x.AddTranslateOp(UsdGeom.XformOp.PrecisionHalf), x.AddOrientOp(UsdGeom.XformOp.PrecisionHalf)),
        "double": lambda x: (x.AddTranslateOp(), x.AddOrientOp(UsdGeom.XformOp.PrecisionDouble)),
        "euler": lambda x: (x.AddTranslateOp(UsdGeom.XformOp.PrecisionFloat), x.AddRotateXYZOp()),
        "matrix": lambda x: (x.AddTransformOp(),),
        "bare": lambda x: (x.AddRotateXOp(), x.AddScaleOp()),
    }.items():
        xform = UsdGeom.Xform.Define(stage, f"/World/{name}")
        for op in add(xform):
            if op.GetOpType() == UsdGeom.XformOp.TypeScale:
                op.Set(Gf.Vec3f(2, 2, 2))
        UsdPhysics.RigidBodyAPI.Apply(xform.GetPrim())
        UsdGeom.Cube.Define(stage, f"/World/{name}/shape")
    UsdGeom.Cube.Get(stage, "/World/half/shape").GetDisplayColorAttr().Set([Gf.Vec3f(0.1, 0.7, 0.3)])
    return stage


class Streamed:
    """The live stage, written by the test, and the hub that is told."""

    def __init__(self, stage: Any, *, seed: int = 1, rate_hz: float = 30.0, **limits: Any) -> None:
        self.stage = stage
        self.live = LiveStage.over(
            stage, instance="cell-7", options=LiveOptions(generation=3, stale_color=(0.5, 0.25, 0.125), physics_off=True)
        )
        self.log = io.StringIO()
        self.telemetry = Telemetry(stream=self.log)
        self.rng = np.random.default_rng(seed)
        self.seq = 0
        topology = self.live.topology
        self.source = LiveSource(
            layout=self.live.layout,
            topology=topology,
            instance="cell-7",
            generation=self.live.holder.generation,
            session=self.live.holder.session,
            schema_version=SCHEMA_VERSION,
            rate_hz=rate_hz,
            stage_url="/stage/twin.usda",
            live_url="/stage/live.usda",
        )
        self.limits = ViewerSettings.model_validate(limits)

    def hub(self) -> Hub:
        """Make the hub; on the running loop."""
        hub = Hub(self.source, self.limits, telemetry=self.telemetry)
        self.live.tell(hub.on_flush)
        return hub

    def write(self, changed: list[int] | None = None, *, status: Status = Status.OK) -> None:
        """Write random values of some entities, or of all."""
        from dataclasses import replace

        self.seq += 1
        update = random_update(self.live.topology, seq=self.seq, rng=self.rng, changed=changed)
        if changed is not None and self.live.shown is not None:
            untouched = np.ones(len(update.status), bool)
            untouched[changed] = False
            update = replace(update, status=np.where(untouched, self.live.shown.status, update.status))
        statuses = update.status.copy()
        statuses[changed if changed is not None else slice(None)] = status
        self.live.write(replace(update, status=statuses))


@pytest.fixture
def streamed() -> Iterator[Callable[..., Streamed]]:
    made: list[Streamed] = []

    def make(stage: Any = None, **options: Any) -> Streamed:
        made.append(Streamed(varied_stage() if stage is None else stage, **options))
        return made[-1]

    yield make
    for one in made:
        one.live.close()
        one.telemetry.close()
