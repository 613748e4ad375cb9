"""Robots that publish over real MQTT what they were told, each sample at its own time, with its own stamp."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from twind_mqtt.publisher import connect

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

NS_PER_S = 1_000_000_000


def header(stamp_ns: int) -> dict[str, Any]:
    """Return a ROS header."""
    return {"stamp": {"sec": stamp_ns // NS_PER_S, "nanosec": stamp_ns % NS_PER_S}, "frame_id": ""}


def joint_state(stamp_ns: int, names: Sequence[str], positions: Sequence[float]) -> bytes:
    """Return a ROS `JointState` as JSON."""
    return json.dumps({"header": header(stamp_ns), "name": list(names), "position": list(map(float, positions))}).encode()


def pose(stamp_ns: int, position: Sequence[float], orientation: Sequence[float], *, std: float | None = None) -> bytes:
    """Return a ROS `PoseStamped` as JSON; `orientation` is (w, x, y, z).

    With `std` [m and rad], a `PoseWithCovarianceStamped` that says how good it is.
    """
    w, x, y, z = map(float, orientation)
    place = dict(zip("xyz", map(float, position), strict=True))
    shown: dict[str, Any] = {"position": place, "orientation": {"w": w, "x": x, "y": y, "z": z}}
    if std is not None:
        covariance = [0.0] * 36
        covariance[::7] = [std**2] * 6
        shown = {"pose": shown, "covariance": covariance}
    return json.dumps({"header": header(stamp_ns), "pose": shown}).encode()


@dataclass(frozen=True)
class Track:
    """What the joints of one robot do: positions over time, as measured or as made up."""

    names: tuple[str, ...]
    t_s: Floats
    """(T,) time since the start [s]."""
    position: Floats
    """(T, joints) [rad or m]."""

    def at(self, t_s: float) -> Floats:
        """Return the positions at one instant, linear between two samples."""
        return np.array([np.interp(t_s, self.t_s, column) for column in self.position.T])


def pendulum_log(file: Path) -> Track:
    """Read the log of the real double pendulum."""
    rows = np.loadtxt(file, delimiter=",", skiprows=1)
    return Track(("Joint1", "Joint2"), rows[:, 0], rows[:, 1:3])


class Player(threading.Thread):
    """Publishes one robot's track at its own pace with QoS 1, in a thread of its own."""

    def __init__(self, url: str, entity: str, track: Track, *, in_flight: int = 20_000) -> None:
        super().__init__(name=f"player of {entity}", daemon=True)
        self.track = track
        self.start_ns = 0
        """Wall clock at the track's time 0 [ns]; 0 before the first message."""
        self.sent: list[bytes] = []
        """Every payload that was published."""
        self.failure: BaseException | None = None
        self.entity = entity
        """Id of the robot."""
        self._url, self._in_flight = url, in_flight
        self._halt = threading.Event()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._halt.set()
        self.join()

    def run(self) -> None:
        try:
            with connect(self._url, max_in_flight=self._in_flight) as publisher:
                self._play(publisher.publish)
                publisher.close(timeout_s=60.0)
        except BaseException as error:  # noqa: BLE001  (told to the test, which may not see threads)
            self.failure = error

    def _play(self, publish: Callable[..., None]) -> None:
        self.start_ns = time.time_ns()
        topic, track = f"cell/{self.entity}/joint_state", self.track
        for t_s, position in zip(track.t_s, track.position, strict=True):
            stamp_ns = self.start_ns + round(t_s * NS_PER_S)
            self._halt.wait(max(0.0, (stamp_ns - time.time_ns()) / NS_PER_S))
            if self._halt.is_set():
                return
            payload = joint_state(stamp_ns, track.names, position)
            self.sent.append(payload)
            publish(topic, payload, qos=1)

    def finish(self) -> int:
        """Stop, wait until the broker has taken everything, and return how many messages that were."""
        self._halt.set()
        self.join()
        if self.failure is not None:
            raise self.failure
        return len(self.sent)

    def wait(self) -> int:
        """Wait for the end of the track likewise."""
        self.join()
        return self.finish()

    @property
    def end_ns(self) -> int:
        """Wall clock at the end of the track [ns]."""
        return self.start_ns + round(self.track.t_s[-1] * NS_PER_S)

    def truth(self, stamp_ns: int) -> Floats:
        """Return the positions at an instant of the wall clock."""
        return self.track.at((stamp_ns - self.start_ns) / NS_PER_S)
