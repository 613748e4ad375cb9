"""Ten thousand messages that no robot should send, among those of a robot that works."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.end_to_end.daemon import Daemon, settings, until
from tests.end_to_end.hostile import Attack, Hostile
from tests.end_to_end.robots import NS_PER_S, joint_state, pose
from twind.demo.places import cell_root
from twind.sources.synthetic import SyntheticMotion
from twind.stage.discover import discover
from twind_mqtt.publisher import connect

if TYPE_CHECKING:
    from collections.abc import Callable

ROBOT, THING = "arm_a", "part_3"
JOINT_BAR = 3e-3  # rad
PLACE_BAR = 5e-3  # m
PLACE_STD = 1e-3  # m and rad: what the poses say of themselves
RATE_HZ = 100
WAVES, WAVE, HUGE = 5, 2000, 2
GROWTH_BAR = 48 * 2**20
"""What may come and go between two waves: bodies of 10 MB, and the bounded queue that holds a few of them [bytes]."""


class Siege(threading.Thread):
    """Publishes a robot's and an object's true motion, with hostile messages in between."""

    def __init__(self, url: str) -> None:
        super().__init__(name="siege", daemon=True)
        self.topology = discover(str(cell_root()))
        self.motion = SyntheticMotion(self.topology, seed=3)
        self.robot = [robot.id for robot in self.topology.robots].index(ROBOT)
        self.thing = [entity.id for entity in self.topology.entities].index(THING)
        joints = self.topology.robots[self.robot].joints
        self.movable = [index for index, joint in enumerate(joints) if joint.movable]
        self.names = tuple(joints[index].name for index in self.movable)
        self.attack = Attack(ROBOT, self.names, THING, np.random.default_rng(11))
        self.start_ns = time.time_ns()
        self.sent = 0
        self.honest = {"joints": 0, "poses": 0}
        self.hostile: list[Hostile] = []
        """What was sent, less the payloads."""
        self.failure: BaseException | None = None
        self._url = url
        self._waves = threading.Semaphore(0)
        self._over = threading.Event()

    def wave(self) -> None:
        """Let the next wave of hostile messages go."""
        self._waves.release()

    def end(self) -> None:
        self._over.set()
        self.join()
        if self.failure is not None:
            raise self.failure

    def run(self) -> None:
        try:
            with connect(self._url, max_in_flight=2000) as publisher:
                self._publish(publisher.publish)
                publisher.close(timeout_s=60.0)
        except BaseException as error:  # noqa: BLE001  (told to the test, which may not see threads)
            self.failure = error

    def _publish(self, publish: Callable[..., None]) -> None:
        left = tick = 0
        while not self._over.is_set():
            tick += 1
            stamp_ns = self.start_ns + tick * NS_PER_S // RATE_HZ
            self._over.wait(max(0.0, (stamp_ns - time.time_ns()) / NS_PER_S))
            publish(f"cell/{ROBOT}/joint_state", joint_state(stamp_ns, self.names, self.joints(stamp_ns)), qos=1)
            publish(f"cell/{THING}/pose", pose(stamp_ns, *self.pose(stamp_ns), std=PLACE_STD), qos=1)
            self.honest["joints"] += 1
            self.honest["poses"] += 1
            self.sent += 2
            if not left and self._waves.acquire(blocking=False):
                left = WAVE
            for _ in range(min(left, 8)):
                now_ns = time.time_ns()
                huge = left in range(WAVE // 4, WAVE, WAVE // HUGE)
                message = self.attack.huge(now_ns) if huge else self.attack.next(now_ns)
                publish(message.topic, message.payload, qos=1)
                self.hostile.append(Hostile(message.topic, b"", message.refusal, message.verdict, message.samples))
                self.sent += 1
                left -= 1

    def joints(self, stamp_ns: int) -> Any:
        return self.motion.joints(self.robot, self._since(stamp_ns))[0][0, self.movable]

    def pose(self, stamp_ns: int) -> tuple[Any, Any]:
        position, orientation = self.motion.body(self.thing, self._since(stamp_ns))
        return position[0], orientation[0]

    def _since(self, stamp_ns: int) -> Any:
        return np.array([(stamp_ns - self.start_ns) / NS_PER_S])


def look(daemon: Daemon, siege: Siege, errors: Counter[str]) -> None:
    """Compare the robot and the object with the truth."""
    arm, part = daemon.entity(ROBOT), daemon.entity(THING)
    if arm["stamp_ns"] is not None and arm["status"] == "ok":
        shown = [arm["joints"][name]["position"] for name in siege.names]
        error = float(np.abs(shown - siege.joints(arm["stamp_ns"])).max())
        assert error < JOINT_BAR, (
            f"{error} rad off, {arm['age_ms']} ms old; {daemon.metrics.by('twind_sample_verdicts_total', 'verdict')}"
        )
        errors["joints"] += 1
    if part["stamp_ns"] is not None and part["status"] == "ok":
        error = float(np.abs(np.array(part["pose"]["position"]) - siege.pose(part["stamp_ns"])[0]).max())
        assert error < PLACE_BAR, f"{error} m off, {part['age_ms']} ms old"
        errors["poses"] += 1


def others(daemon: Daemon) -> dict[str, Any]:
    """Return every entity that nobody addresses."""
    ids = [entity["id"] for entity in daemon.json("/api/v1/entities")["entities"]]
    return {name: daemon.entity(name) for name in ids if name not in {ROBOT, THING}}


def test_ten_thousand_hostile_messages_change_no_valid_state(mosquitto: Any, start_daemon: Callable[[Any], Daemon]) -> None:
    daemon = start_daemon(settings(cell_root(), mosquitto.url))
    daemon.wait_ready()
    before = others(daemon)
    siege = Siege(mosquitto.url)
    looks: Counter[str] = Counter()
    taken: list[tuple[int, int]] = []
    siege.start()
    try:
        until(lambda: daemon.messages("processed") > 100, "honest messages flow")
        for wave in range(1, WAVES + 1):
            siege.wave()
            while len(siege.hostile) < wave * WAVE:
                assert siege.is_alive(), siege.failure
                look(daemon, siege, looks)
                assert daemon.ready
                assert daemon.live
            until(lambda: daemon.messages("received") >= siege.sent - 2 * RATE_HZ, "the wave is worked off")
            look(daemon, siege, looks)
            taken.append((daemon.resident_bytes, daemon.threads))
    finally:
        siege.end()
    until(lambda: daemon.messages("received") >= siege.sent, "everything arrives")
    assert len(siege.hostile) == 10_000
    assert min(looks["joints"], looks["poses"]) > 100
    assert others(daemon) == before

    metrics = daemon.metrics
    refused = Counter(message.refusal for message in siege.hostile if message.refusal)
    decoded = Counter[str]()
    for message in siege.hostile:
        decoded[message.verdict] += message.samples
    decoded.pop("")
    decoded["accepted"] = siege.honest["joints"] * len(siege.names) + siege.honest["poses"]
    assert metrics.by("twind_messages_refused_total", "reason") == refused
    assert metrics.by("twind_sample_verdicts_total", "verdict") == decoded
    assert daemon.messages("received") == siege.sent
    assert daemon.messages("refused") == refused.total()
    assert daemon.messages("processed") == siege.sent - refused.total()
    assert daemon.messages("dropped") == 0
    assert metrics.total("twind_estimate_resets_total") == 0
    assert metrics.total("twind_task_restarts_total") == 0

    memory, threads = zip(*taken, strict=True)
    until(
        lambda: daemon.resident_bytes - memory[0] < GROWTH_BAR, f"what huge bodies took is given back: {memory}", within_s=30.0
    )
    assert max(threads[1:]) <= threads[0], threads
    assert daemon.stop() == 0
