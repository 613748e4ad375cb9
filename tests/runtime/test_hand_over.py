"""What one daemon knows of the robots on a stream goes to the next that owns it, bit by bit; the one before writes no more."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING, Self

import numpy as np

from tests.flow.sharing import blobs, place, storage
from tests.runtime.cell import MS, START, Cell
from twind.flow.shared_streams import STATE
from twind.flow.watermark import Watermark
from twind.runtime.restart import hand_over
from twind.runtime.restart.hand_over import HandOver, Ours
from twind.runtime.restart.state import capture, part_of
from twind.telemetry import Telemetry

if TYPE_CHECKING:
    import pytest

    from tests.flow.sharing import Place

__all__ = ["blobs", "place", "storage"]


class One:
    """One daemon's part of it."""

    def __init__(self, place: Place, name: str, *, moved_s: float = 30.0) -> None:
        self.log = io.StringIO()
        self.cell = Cell()
        self.watermark = Watermark()
        self.told = 0
        self.telemetry = Telemetry(stream=self.log)
        self.hand_over = HandOver(
            "floor",
            place(name),
            instance=name,
            estimators=self.cell.estimators,
            bindings=self.cell.bindings,
            gate=asyncio.Lock(),
            on_taken=self._note,
            telemetry=self.telemetry,
            moved_s=moved_s,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.telemetry.close()

    def _note(self) -> None:
        self.told += 1

    def drive(self, first: int, last: int) -> None:
        """Take what the arm says, as it comes on the stream."""
        for n in range(first, last):
            self.cell.joints(START + n * 5 * MS, [float(np.sin(n * 0.02)), 0.3])
        self.hand_over.topics.setdefault("3", set()).add("joint_state/arm")
        self.watermark.restore({"3": (last - 1, 1, 1)}, ())

    async def leave(self) -> None:
        """Write the state down."""
        await self.hand_over.write(capture(self.cell.estimators), self.watermark.streams, self.hand_over.to_leave())

    def left(self) -> bytes:
        """Return what was left of the stream."""
        claim, _ = self.hand_over.shared.read_all("floor", STATE)["3"]
        return self.hand_over.shared.read(claim, STATE) or b""

    def arm(self) -> dict[str, bytes]:
        """Return everything that is known of the arm."""
        return self.of("arm")

    def of(self, entity: str) -> dict[str, bytes]:
        """Return everything that is known of an entity."""
        state = part_of(capture(self.cell.estimators), {entity}, "floor")
        return {
            f"{name}.{array}": np.ascontiguousarray(values).tobytes()
            for name, table in state.tables.items()
            for array, values in table.arrays.items()
        }

    def said(self, event: str) -> bool:
        self.telemetry.flush()
        return event in self.log.getvalue()


def test_a_robot_goes_on_bit_by_bit_with_the_next_owner_of_its_stream(place: Place) -> None:
    async def scenario() -> None:
        with One(place, "a") as a, One(place, "b") as b:
            b.cell.pose(START, 1.0)  # b has other robots already, and so other rows
            await a.hand_over.take("3", a.watermark)
            a.drive(0, 500)
            await a.leave()
            await b.hand_over.take("3", b.watermark)
            assert b.watermark.streams["3"] == (499, 1, 1)
            assert b.arm() == a.arm()
            assert b.told == 1
            assert b.hand_over.about()["3"][1] == {"arm"}
            a.drive(500, 700)
            b.drive(500, 700)
            assert b.arm() == a.arm()
            assert b.cell.show(START + 700 * 5 * MS, "crate")["status"] != "lost"

    asyncio.run(scenario())


def test_a_daemon_that_lost_its_stream_unknowingly_writes_nothing_and_gives_it_up(place: Place) -> None:
    async def scenario() -> None:
        with One(place, "a") as a, One(place, "b") as b:
            await a.hand_over.take("3", a.watermark)
            a.drive(0, 100)
            await a.leave()
            await b.hand_over.take("3", b.watermark)
            before = b.left()
            a.drive(100, 200)
            await a.leave()
            assert b.left() == before
            assert "3" not in a.hand_over.claims
            assert a.said("stream_fenced")
            b.drive(100, 150)
            await b.leave()
            assert b.left() != before
            assert not b.said("stream_fenced")

    asyncio.run(scenario())


def test_a_daemon_that_knows_more_than_was_left_keeps_what_it_knows(place: Place) -> None:
    async def scenario() -> None:
        with One(place, "a") as a:
            await a.hand_over.take("3", a.watermark)
            a.drive(0, 100)
            await a.leave()
            a.drive(100, 200)  # of which its own snapshot and its recording know
            known = a.arm()
            await a.hand_over.take("3", a.watermark)
            assert a.arm() == known
            assert a.watermark.streams["3"] == (199, 1, 1)
            assert a.told == 0

    asyncio.run(scenario())


def test_a_state_that_is_damaged_is_said_and_the_stream_begins_where_the_source_says(place: Place) -> None:
    async def scenario() -> None:
        with One(place, "a") as a, One(place, "b") as b:
            await a.hand_over.take("3", a.watermark)
            a.drive(0, 100)
            await a.leave()
            place.spoil("floor", "3", STATE, a.left()[:-50])
            await b.hand_over.take("3", b.watermark)
            assert "3" not in b.watermark.streams
            assert "3" in b.hand_over.claims
            assert b.said("snapshot_refused")

    asyncio.run(scenario())


def test_a_daemon_tells_of_its_streams_and_of_what_only_it_receives(place: Place) -> None:
    async def scenario() -> None:
        with One(place, "a") as a:
            ours = Ours(a.cell.estimators, {"floor": a.hand_over})
            assert ours().tolist() == [False, False]
            await a.hand_over.take("3", a.watermark)
            a.drive(0, 3)
            await a.hand_over.look()
            a.hand_over.about()
            assert ours().tolist() == [True, False]
            a.cell.estimators.new_stream("pose/crate", source="another", entity=1)
            assert ours().tolist() == [True, True]
            a.hand_over.leave("3")
            assert ours().tolist() == [False, True]

    asyncio.run(scenario())


# A robot that comes on several streams.


class Pumped(One):
    """One daemon with what it hears on a stream of its own."""

    def hear(self, stream: str, number: int, *, x: float) -> None:
        """Take one message about the crate on a stream, as the pump does: only what is ours."""
        topic = "pose/crate"
        self.hand_over.topics[stream].add(topic)
        self.watermark.restore({stream: (number, 1, 1)}, ())
        if topic not in self.hand_over.elsewhere.get(stream, ()):
            self.cell.pose(START + number * 100 * MS, x)


def test_a_robot_that_comes_on_streams_of_two_daemons_is_one_daemons_and_the_other_says_what_cures_it(place: Place) -> None:
    async def scenario() -> None:
        with Pumped(place, "a") as a, Pumped(place, "b") as b:
            await a.hand_over.take("3", a.watermark)
            await b.hand_over.take("1", b.watermark)
            a.hear("3", 0, x=0.0)
            assert a.hand_over.about()["3"][1] == frozenset()  # not before the others were asked
            await a.hand_over.look()
            assert a.hand_over.about()["3"][1] == {"crate"}
            for number in range(1, 5):
                a.hear("3", number, x=0.0)
                b.hear("1", number, x=0.0)
                await b.hand_over.look()
                await a.hand_over.look()
                assert a.hand_over.about()["3"][1] == {"crate"}
                assert b.hand_over.about()["1"][1] == frozenset()
            assert b.hand_over.elsewhere == {"1": {"pose/crate"}}
            assert b.said("entity_elsewhere")
            assert b.said("set a partition key")
            assert not a.said("entity_elsewhere")
            assert b.hand_over.to_leave()["1"][1] == frozenset()

    asyncio.run(scenario())


def test_one_daemon_may_hear_a_robot_on_several_streams(place: Place) -> None:
    async def scenario() -> None:
        with Pumped(place, "a") as a:
            for stream in "12":
                await a.hand_over.take(stream, a.watermark)
                a.hear(stream, 0, x=0.0)
            await a.hand_over.look()
            await a.hand_over.look()
            assert [about for _, about in a.hand_over.about().values()] == [{"crate"}, {"crate"}]
            assert a.hand_over.elsewhere == {}

    asyncio.run(scenario())


def test_a_robot_that_moves_for_good_goes_on_with_its_state_at_the_daemon_that_hears_it_now(place: Place) -> None:
    async def scenario() -> None:
        with Pumped(place, "a", moved_s=0.2) as a, Pumped(place, "b", moved_s=0.2) as b:
            await a.hand_over.take("3", a.watermark)
            await b.hand_over.take("1", b.watermark)
            for number in range(20):
                a.hear("3", number, x=0.1 * number)
            await a.hand_over.look()
            await a.leave()
            known, number = a.of("crate"), 20
            while b.hand_over.about()["1"][1] != {"crate"}:
                assert number < 5000
                b.hear("1", number, x=5.0)
                await b.hand_over.look()
                await a.hand_over.look()
                number += 1
            assert b.of("crate") == known
            assert b.said("entity_moved")
            assert a.hand_over.about()["3"][1] == frozenset()
            for _ in range(3):
                b.hear("1", number, x=0.1 * number)
                number += 1
                await a.hand_over.look()
                await b.hand_over.look()
            assert a.hand_over.to_leave()["3"][1] == frozenset()
            assert b.hand_over.about()["1"][1] == {"crate"}

    asyncio.run(scenario())


def test_a_daemon_that_stood_still_tells_nothing_before_it_has_looked(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        with Pumped(place, "a") as a, Pumped(place, "b") as b:
            await a.hand_over.take("3", a.watermark)
            a.hear("3", 0, x=0.0)
            await a.hand_over.look()
            a.hand_over.about()
            ours = Ours(a.cell.estimators, {"floor": a.hand_over})
            assert (ours.tells("crate"), ours.tells("a source")) == (True, True)
            await b.hand_over.take("3", b.watermark)
            now_s = hand_over._now_s()
            monkeypatch.setattr(hand_over, "_now_s", lambda: now_s + 60.0)  # SIGSTOP, and SIGCONT
            assert ours.tells("crate") is None
            await a.hand_over.look()
            assert ours.tells("crate") is False
            assert a.said("stream_fenced")

    asyncio.run(scenario())


def test_what_an_earlier_start_had_to_tell_waits_until_it_is_known_whose_the_robot_is_now(place: Place) -> None:
    async def scenario() -> None:
        with Pumped(place, "a") as killed:
            await killed.hand_over.take("3", killed.watermark)
            killed.hear("3", 0, x=0.0)
            await killed.hand_over.look()
            await killed.hand_over.look()
        with Pumped(place, "a") as a, Pumped(place, "b") as b:
            ours = Ours(a.cell.estimators, {"floor": a.hand_over})
            assert (ours.tells("crate"), ours.tells("arm"), ours.tells("a source")) == (None, None, True)
            await a.hand_over.look()
            assert (ours.tells("crate"), ours.tells("arm")) == (None, True)  # nobody has the arm
            await a.hand_over.take("3", a.watermark)
            a.hear("3", 1, x=0.0)
            await a.hand_over.look()
            await a.hand_over.look()
            a.hand_over.about()
            assert ours.tells("crate") is True
            await b.hand_over.take("3", b.watermark)
            await a.hand_over.look()
            assert ours.tells("crate") is False

    asyncio.run(scenario())


def test_what_waits_about_a_robot_that_nobody_has_any_more_is_told_in_the_end(place: Place) -> None:
    async def scenario() -> None:
        with Pumped(place, "a", moved_s=0.2) as a:
            await a.hand_over.take("3", a.watermark)
            a.hear("3", 0, x=0.0)
            await a.hand_over.look()
            await a.hand_over.look()
            a.hand_over.about()
            ours = Ours(a.cell.estimators, {"floor": a.hand_over})
            assert ours.tells("crate") is True
            a.hand_over.leave("3")
            assert ours.tells("crate") is None  # somebody is about to claim it
            async with asyncio.timeout(60):
                while not ours.tells("crate"):
                    await a.hand_over.look()

    asyncio.run(scenario())


def test_a_doubted_pose_that_is_overruled_after_a_hand_over_is_withdrawn_from_its_own_stream(place: Place) -> None:
    def poses(one: One, first: int, last: int, x: float = 0.0) -> None:
        for n in range(first, last):
            one.cell.pose(START + n * 100 * MS, x)

    def counted(one: One) -> list[int]:
        streams = one.cell.estimators.streams
        (row,) = [row for row, stream in enumerate(streams) if stream.topic == "pose/crate"]
        return [int(value) for value in np.ravel(one.cell.estimators.tally._rows[:, row]["verdicts"])]

    async def scenario() -> None:
        with Pumped(place, "a") as a, Pumped(place, "b") as b:
            b.cell.joints(START, [0.0, 0.0])  # so that the crate's stream has another row at b
            b.cell.imu(START)
            await a.hand_over.take("3", a.watermark)
            poses(a, 0, 30)
            a.hear("3", 59, x=4.0)  # after a silence, and far away: used, and doubted
            before = counted(a)
            await a.hand_over.look()
            await a.leave()
            await b.hand_over.take("3", b.watermark)
            assert counted(b) == before
            poses(a, 60, 61)
            poses(b, 60, 61)
            assert counted(a) != [before[0] + 1, *before[1:]]  # it was withdrawn
            assert counted(b) == counted(a)

    asyncio.run(scenario())
