"""Messages that no robot should send, and what must become of each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tests.end_to_end.robots import NS_PER_S, header, joint_state, pose

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np

WRONG = 0.9
"""A position far from where the robot is, the same in every message: lies that agree with each other are the worst ones."""
_IN_2100_NS = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp()) * NS_PER_S


@dataclass(frozen=True)
class Hostile:
    """One message and its due."""

    topic: str
    payload: bytes
    refusal: str = ""
    """Reason it is refused for; empty when it decodes."""
    verdict: str = ""
    """Verdict on each of its samples when it decodes."""
    samples: int = 0


class Attack:
    """Makes hostile messages about one robot, one object, and what is not there."""

    def __init__(self, robot: str, names: Sequence[str], thing: str, rng: np.random.Generator) -> None:
        self._names, self._rng = list(names), rng
        self._joints, self._pose = f"cell/{robot}/joint_state", f"cell/{thing}/pose"
        self._robot, self._thing = robot, thing
        self.kinds: list[Callable[[int], Hostile]] = [
            *(self._garbage, self._truncated, self._not_utf8, self._deep, self._not_finite, self._too_large, self._beyond),
            *(self._wrong_length, self._wrong_type, self._unknown_joint, self._unknown_entity, self._bad_stamp),
            *(self._from_1970, self._from_2100, self._pose_garbage, self._pose_from_another_time),
        ]

    def next(self, now_ns: int) -> Hostile:
        """Return a message of a random kind; one of 16."""
        return self.kinds[self._rng.integers(len(self.kinds))](now_ns)

    def huge(self, now_ns: int) -> Hostile:
        """Return a body of 10 MB that would be valid otherwise."""
        return Hostile(self._joints, self._message(now_ns, padding="x" * 10_000_000), "oversize")

    def _one(self, choices: Sequence[Any]) -> Any:
        return choices[self._rng.integers(len(choices))]

    def _message(self, now_ns: int, **fields: Any) -> bytes:
        message = {"header": header(now_ns), "name": self._names, "position": [WRONG] * len(self._names), **fields}
        return json.dumps({key: value for key, value in message.items() if value is not None}).encode()

    def _raw(self, now_ns: int, number: str) -> bytes:
        """Return a message whose last position is the given text."""
        return self._message(now_ns).replace(b"0.9]", f"{number}]".encode())

    def _garbage(self, _now_ns: int) -> Hostile:
        return Hostile(self._joints, b"\xfe" + self._rng.bytes(int(self._rng.integers(0, 500))), "undecodable")

    def _truncated(self, now_ns: int) -> Hostile:
        whole = self._message(now_ns)
        return Hostile(self._joints, whole[: self._rng.integers(0, len(whole))], "undecodable")

    def _not_utf8(self, now_ns: int) -> Hostile:
        return Hostile(self._joints, self._message(now_ns).replace(b"joint_1", b"joint_\xff"), "undecodable")

    def _deep(self, now_ns: int) -> Hostile:
        nested = b'{"more":' + b"[" * 20_000 + b"]" * 20_000 + b"," + self._message(now_ns)[1:]
        return Hostile(self._joints, nested, "undecodable")

    def _not_finite(self, now_ns: int) -> Hostile:
        number = self._one(["NaN", "Infinity", "-Infinity", "1e400", "9" * 400])
        return Hostile(self._joints, self._raw(now_ns, number), "not_finite")

    def _too_large(self, now_ns: int) -> Hostile:
        value = self._one([1e308, -1e308, 1e282, 1e30])
        payload = self._message(now_ns, position=[value] * len(self._names))
        return Hostile(self._joints, payload, verdict="not_finite", samples=len(self._names))

    def _beyond(self, now_ns: int) -> Hostile:
        message = self._one([{"name": None, "position": [WRONG] * 9}, {"name": None, "position": []}])
        return Hostile(self._joints, self._message(now_ns, **message), "wrong_length")

    def _wrong_length(self, now_ns: int) -> Hostile:
        fields = self._one([{"position": [WRONG] * 5}, {"velocity": [0.0]}, {"effort": [0.0] * 7}])
        return Hostile(self._joints, self._message(now_ns, **fields), "wrong_length")

    def _wrong_type(self, now_ns: int) -> Hostile:
        fields = self._one([{"position": "here"}, {"position": [None]}, {"position": [True]}, {"name": 3}, {"header": []}])
        return Hostile(self._joints, self._message(now_ns, **fields), "wrong_type")

    def _unknown_joint(self, now_ns: int) -> Hostile:
        names = self._one([[*self._names[:-1], "tail"], [self._names[0]] * len(self._names)])
        return Hostile(self._joints, self._message(now_ns, name=names), "unknown_joint")

    def _unknown_entity(self, now_ns: int) -> Hostile:
        stranger = f"stranger_{self._rng.integers(100_000)}"
        entity = self._one([stranger, stranger, self._thing, "\u2603" * 50])
        return Hostile(f"cell/{entity}/joint_state", self._message(now_ns), "unknown_entity")

    def _bad_stamp(self, now_ns: int) -> Hostile:
        stamp = self._one([-5, 10**40, 1e308, "yesterday", ""])
        return Hostile(self._joints, self._message(now_ns, header=None, stamp=stamp), "bad_stamp")

    def _from_1970(self, _now_ns: int) -> Hostile:
        stamp_ns = self._one([1, NS_PER_S, NS_PER_S, int(self._rng.integers(1, 10**15))])
        return Hostile(self._joints, self._message(stamp_ns), verdict="too_old", samples=len(self._names))

    def _from_2100(self, _now_ns: int) -> Hostile:
        stamp_ns = self._one([_IN_2100_NS, _IN_2100_NS, _IN_2100_NS + int(self._rng.integers(1, 10**15))])
        return Hostile(self._joints, self._message(stamp_ns), verdict="future", samples=len(self._names))

    def _pose_garbage(self, now_ns: int) -> Hostile:
        bad: list[tuple[bytes, str, str]] = [
            (pose(now_ns, (WRONG,) * 3, (0, 0, 0, 0)), "bad_quaternion", ""),
            (pose(now_ns, (WRONG, 0, float("nan")), (1, 0, 0, 0)), "not_finite", ""),
            (pose(now_ns, (WRONG, 0, 1e308), (1, 0, 0, 0)), "", "not_finite"),
            (joint_state(now_ns, self._names, [WRONG] * len(self._names)), "wrong_type", ""),
        ]
        payload, refusal, verdict = self._one(bad)
        return Hostile(self._pose, payload, refusal, verdict, samples=int(bool(verdict)))

    def _pose_from_another_time(self, _now_ns: int) -> Hostile:
        stamp_ns, verdict = self._one([(NS_PER_S, "too_old"), (_IN_2100_NS, "future")])
        return Hostile(self._pose, pose(stamp_ns, (WRONG,) * 3, (1, 0, 0, 0)), verdict=verdict, samples=1)
