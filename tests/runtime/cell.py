"""A small cell in memory: one arm, one crate, messages in and state out, as in the daemon but without its clock."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from twind.codecs.imu import ImuCodec
from twind.codecs.joint_state import JointStateCodec
from twind.codecs.pose import PoseCodec
from twind.codecs.twist import TwistCodec
from twind.config.base import RouteSettings
from twind.config.settings import EstimationSettings
from twind.model.messages import RawMessage
from twind.model.time import ms_to_ns
from twind.model.topology import Joint, JointKind, Link, RigidObject, Robot, Topology
from twind.runtime.advance import advance
from twind.runtime.bindings import Bindings
from twind.runtime.documents import entity_document
from twind.runtime.estimation_watch import EstimationWatch
from twind.runtime.estimators import Estimators
from twind.runtime.pipeline import BatchReport, Feed
from twind.twin import Twin

if TYPE_CHECKING:
    from twind.model.state import Update

START = 1_700_000_000_000_000_000
MS = 1_000_000
CODECS: dict[str, Any] = {codec.name: codec for codec in (JointStateCodec(), PoseCodec(), TwistCodec(), ImuCodec())}


def hinge(name: str, child: int, **fields: Any) -> Joint:
    return Joint(name=name, prim=f"/arm/{name}", kind=JointKind.REVOLUTE, axis=2, parent=child - 1, child=child, **fields)


ARM = Robot(
    id="arm",
    prim="/arm",
    links=tuple(Link(name=f"l{i}", prim=f"/arm/l{i}") for i in range(3)),
    joints=(hinge("shoulder", 1), hinge("elbow", 2, lower=-1.0, upper=1.0)),
)
CELL = Topology(root="x", robots=(ARM,), objects=(RigidObject(id="crate", prim="/crate"),))


class Cell:
    """Topics are CODEC/ENTITY; messages arrive 1 ms after their stamps."""

    def __init__(self, topology: Topology = CELL, **estimation: Any) -> None:
        settings = EstimationSettings.model_validate(estimation)
        self.topology = topology
        self.estimators = Estimators(topology, settings)
        self.watch = EstimationWatch(self.estimators)
        routes = [RouteSettings.model_validate({"topic": f"{name}/{{entity}}", "codec": name}) for name in CODECS]
        self.bindings = bindings = Bindings(routes, CODECS, topology, self.estimators, source="floor")
        self.refused: list[str] = []
        self.feed = Feed(bindings, self.estimators, on_refused=lambda _, refusal: self.refused.append(str(refusal)))
        limits = {
            name: ms_to_ns(getattr(settings, f"{name.removesuffix('_ns')}_ms")) for name in ("fresh_ns", "coast_ns", "lost_ns")
        }
        self.twin = Twin(topology, **limits)
        self.update: Update | None = None

    def send(self, topic: str, stamp_ns: int, **payload: Any) -> BatchReport:
        """Process one message."""
        return self.feed.process([RawMessage(topic, json.dumps({"stamp": stamp_ns, **payload}).encode(), stamp_ns + MS)])

    def joints(self, stamp_ns: int, position: list[float], **payload: Any) -> BatchReport:
        return self.send("joint_state/arm", stamp_ns, position=position, **payload)

    def pose(self, stamp_ns: int, x: float, *, entity: str = "crate") -> BatchReport:
        pose = {"position": {"x": x, "y": 0, "z": 0}, "orientation": {"x": 0, "y": 0, "z": 0, "w": 1}}
        return self.send(f"pose/{entity}", stamp_ns, pose=pose)

    def imu(self, stamp_ns: int) -> BatchReport:
        still, up = {"x": 0, "y": 0, "z": 0}, {"x": 0, "y": 0, "z": 9.81}
        return self.send("imu/crate", stamp_ns, angular_velocity=still, linear_acceleration=up)

    def show(self, now_ns: int, entity: str) -> dict[str, Any]:
        """Publish, and return what the API shows of an entity."""
        prediction = self.estimators.predict(now_ns, 150 * MS)
        update = advance(self.twin, self.estimators, prediction, now_ns=now_ns)
        self.update = self.update if update is None else update
        assert self.update is not None
        document: Any = entity_document(self.topology, self.update, now_ns, entity)
        return document
