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
from twind.runtime.restart.hand_over import HandOver, Ours
from twind.runtime.restart.state import capture, part_of
from twind.telemetry import Telemetry

if TYPE_CHECKING:
    from tests.flow.sharing import Place

__all__ = ["blobs", "place", "storage"]


class One:
    """One daemon's part of it."""

    def __init__(self, place: Place, name: str) -> None:
        self.log = io.StringIO()
        self.cell = Cell()
        self.watermark = Watermark()
        self.told = 0
        self.telemetry = Telemetry(stream=self.log)
        self.hand_over = HandOver(
            "floor",
            place(name),
            estimators=self.cell.estimators,
            bindings=self.cell.bindings,
            gate=asyncio.Lock(),
            on_taken=self._note,
            telemetry=self.telemetry,
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
        state = part_of(capture(self.cell.estimators), {"arm"}, "floor")
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
