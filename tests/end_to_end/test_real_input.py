"""Real robots' motion over a real broker: the live stage follows it, at every look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.end_to_end.daemon import Daemon, settings, until
from tests.end_to_end.robots import Player, Track, pendulum_log
from twind.sources.synthetic import SyntheticMotion
from twind.stage.discover import discover

pytest.importorskip("mujoco")

from tests.end_to_end.oracle import Kinematics, Shown

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from twind.model.topology import Robot

JOINT_BAR = 3e-3  # rad or m: off the measurement, at most
LINK_BAR = 1e-6  # m and rad
SINGLE = 1e-6  # single precision of joint states in USD [m, rad]
SAME = 1e-9  # m: link positions in USD are doubles


class Witness:
    """Looks at a daemon's account of one robot and compares each look with the truth."""

    def __init__(self, daemon: Daemon, player: Player, robot: Robot) -> None:
        self.daemon, self.player, self.robot = daemon, player, robot
        self.kinematics = Kinematics(robot)
        self.documents: dict[int, dict[str, Any]] = {}
        self.snapshots: dict[int, Shown] = {}
        self.errors: list[tuple[float, float, float]] = []
        """Error [rad or m], instant of the state since the start [s], age of its newest sample [ms]."""
        self.predicted = 0
        """Looks at a state that says of itself that it is predicted, for want of samples."""

    def look(self) -> None:
        document = self.daemon.entity(self.robot.id)
        if document["stamp_ns"] is None or document["stamp_ns"] > self.player.end_ns:
            return  # before the first message, or after the last: there is nothing to compare with
        self.documents[document["seq"]] = document
        if document["status"] == "ok":
            truth = self.player.truth(document["stamp_ns"])
            shown = np.array([document["joints"][name]["position"] for name in self.player.track.names])
            since_s = (document["stamp_ns"] - self.player.start_ns) / 1e9
            self.errors.append((float(np.abs(shown - truth).max()), since_s, document["age_ms"]))
        else:  # this machine stood still for longer than `estimation.fresh_ms`
            self.predicted += 1
        distance, angle = self.kinematics.disagreement(document)
        assert distance < LINK_BAR
        assert angle < LINK_BAR

    def look_at_snapshot(self) -> Shown:
        shown = Shown(self.daemon.folder / "live" / "twin.usda", self.robot)
        self.snapshots[shown.seq] = shown
        return shown


def follow(daemon: Daemon, player: Player, robot: Robot) -> Witness:
    """Play a track and look at the daemon until it is over; then let both end, and count."""
    witness = Witness(daemon, player, robot)
    looks = 0
    with player:
        while player.is_alive():
            witness.look()
            looks += 1
            if looks % 25 == 0:
                witness.look_at_snapshot()
            player.join(0.01)
        published = player.wait()
    until(lambda: daemon.messages("received") >= published, "everything published arrives")
    metrics = daemon.metrics
    assert published == len(player.track.t_s)
    assert daemon.messages("received") == published
    assert daemon.messages("processed") == published
    assert daemon.messages("refused") == 0
    assert daemon.messages("dropped") == 0
    samples = metrics.by("twind_sample_verdicts_total", "verdict")
    assert samples == {"accepted": published * len(player.track.names)}
    (stream,) = daemon.json("/api/v1/streams")["streams"]
    assert (stream["source"], stream["entity"], stream["messages"]) == ("floor", robot.id, published)
    assert stream["channels"]["position"]["verdicts"]["accepted"] == samples["accepted"]
    assert metrics.by("twind_stream_samples_total", "topic") == {stream["topic"]: samples["accepted"]}
    assert metrics.total("twind_stream_nis_mean", source="floor", channel="position") > 0.0
    assert metrics.total("twind_stream_clock_trusted", source="floor") == 1.0
    assert metrics.total("twind_entity_std", entity=robot.id, quantity="joint_rad") > 0.0
    witness.look()
    return witness


def judge(witness: Witness) -> None:
    worst = max(witness.errors)
    assert worst[0] < JOINT_BAR, f"error, instant [s] and age [ms] of the worst: {sorted(witness.errors)[-10:]}"
    assert witness.predicted < 0.25 * len(witness.errors)
    compared = witness.snapshots.keys() & witness.documents.keys()
    assert len(witness.documents) > 50
    assert len(compared) > 5
    for seq in compared:
        document, shown = witness.documents[seq], witness.snapshots[seq]
        assert shown.stamp_ns == pytest.approx(document["stamp_ns"], abs=1000)
        for name, joint in document["joints"].items():
            assert shown.joints[name] == pytest.approx(joint["position"], rel=1e-6, abs=SINGLE)
        for prim, place in document["links"].items():
            np.testing.assert_allclose(shown.links[prim], place["position"], rtol=0, atol=SAME)


def only_robot(root: Path) -> Robot:
    (robot,) = discover(str(root)).robots
    return robot


@pytest.mark.parametrize("log", ["sys_id_01", "sys_id_03"])
def test_the_stage_follows_a_real_pendulum_and_loses_nothing(
    log: str, data_dir: Path, mosquitto: Any, start_daemon: Callable[[Any], Daemon]
) -> None:
    root = data_dir / "robots" / "double_pendulum" / "double_pendulum.usda"
    daemon = start_daemon(settings(root, mosquitto.url))
    daemon.wait_ready()
    track = pendulum_log(data_dir / "logs" / "double_pendulum" / f"{log}.csv")
    judge(follow(daemon, Player(mosquitto.url, "double_pendulum", track), only_robot(root)))
    assert daemon.stop() == 0


@pytest.mark.parametrize(("name", "rate_hz"), [("panda", 200.0), ("iiwa14", 100.0)])
def test_the_stage_follows_a_synthetic_arm_and_loses_nothing(
    name: str, rate_hz: float, data_dir: Path, mosquitto: Any, start_daemon: Callable[[Any], Daemon]
) -> None:
    root = data_dir / "robots" / name / f"{name}.usda"
    topology = discover(str(root))
    (robot,) = topology.robots
    t_s = np.arange(0.0, 6.0, 1.0 / rate_hz)
    movable = [index for index, joint in enumerate(robot.joints) if joint.movable]
    positions = SyntheticMotion(topology, seed=7).joints(0, t_s)[0][:, movable]
    track = Track(tuple(robot.joints[index].name for index in movable), t_s, positions)
    daemon = start_daemon(settings(root, mosquitto.url))
    daemon.wait_ready()
    judge(follow(daemon, Player(mosquitto.url, robot.id, track), robot))
    assert daemon.stop() == 0
