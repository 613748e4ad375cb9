"""An entity that is heard on the streams of several daemons has one of them at a time, and goes on when it moves for good."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from twind.flow.rosters import Rival, Roster, Seat, Standing, decide, decode, encode
from twind.model.errors import RetryableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twind.flow.rosters import Decided

MOVED_S = 30.0


class Daemon:
    """One daemon with one stream, and what is written of it for others."""

    def __init__(self, stream: str, board: dict[str, bytes]) -> None:
        self.stream = stream
        self.seats: dict[str, dict[str, Seat]] = {stream: {}}
        self.board = board
        self.seen: Mapping[str, bytes] = {}

    def hear(self, now_s: float, entity: str = "arm") -> None:
        seats = self.seats[self.stream]
        seats.setdefault(entity, Seat(Standing.ASKING, 0, now_s)).heard_s = now_s

    def write(self) -> None:
        seats = self.seats[self.stream]
        self.board[self.stream] = encode(Roster(1, {name: (seat.standing, seat.term) for name, seat in seats.items()}))
        for seat in seats.values():
            seat.asked = seat.standing is Standing.ASKING

    def read(self) -> None:
        self.seen = dict(self.board)

    def decide(self, now_s: float) -> Decided:
        rivals: dict[str, list[Rival]] = {}
        for stream, content in self.seen.items():
            if stream != self.stream:
                for entity, (standing, term) in decode(content).entities.items():
                    rivals.setdefault(entity, []).append(Rival(stream, f"of {stream}", standing, term))
        return decide(self.seats, rivals, now_s=now_s, moved_s=MOVED_S)

    def look(self, now_s: float) -> Decided:
        self.write()
        self.read()
        decided = self.decide(now_s)
        self.write()
        return decided

    @property
    def standing(self) -> Standing | None:
        seat = self.seats[self.stream].get("arm")
        return None if seat is None else seat.standing


def test_who_is_alone_has_it_after_one_look() -> None:
    a = Daemon("1", {})
    a.hear(0.0)
    assert a.look(0.0).gained == [("1", "arm", "")]
    assert a.standing is Standing.HELD


def test_who_comes_later_is_refused_and_told_who_has_it_once() -> None:
    board: dict[str, bytes] = {}
    a, b = Daemon("2", board), Daemon("1", board)
    a.hear(0.0)
    a.look(0.0)
    told = []
    for now in range(60):
        a.hear(now)
        b.hear(now)
        told += b.look(now).refused
        a.look(now)
        assert (a.standing, b.standing) == (Standing.HELD, Standing.WAITING)
    assert told == [("1", "arm", Rival("2", "of 2", Standing.HELD, 0))]


def test_one_that_moved_for_good_goes_on_there_when_its_old_stream_was_silent_for_a_while() -> None:
    board: dict[str, bytes] = {}
    a, b = Daemon("2", board), Daemon("1", board)
    a.hear(0.0)
    a.look(0.0)
    gained: list[tuple[int, tuple[str, str, str]]] = []
    for now in range(1, 60):
        b.hear(now)
        a.look(now)
        gained += [(now, one) for one in b.look(now).gained]
    ((when, what),) = gained
    assert what == ("1", "arm", "2")
    assert MOVED_S < when < MOVED_S + 5
    assert a.standing is None


def test_one_that_is_silent_stays_where_it_is() -> None:
    board: dict[str, bytes] = {}
    a, b = Daemon("1", board), Daemon("2", board)
    a.hear(0.0)
    for now in range(0, 1000, 10):
        a.look(now)
        b.look(now)
    assert a.standing is Standing.HELD


def test_one_that_was_taken_while_its_owner_stood_still_is_not_taken_back() -> None:
    board: dict[str, bytes] = {}
    a, b = Daemon("1", board), Daemon("2", board)
    a.hear(0.0)
    a.look(0.0)
    board["1"] = encode(Roster(1, {"arm": (Standing.RELEASED, 0)}))  # as it is seen when nobody keeps it any more
    b.hear(100.0)
    b.look(100.0)
    assert b.standing is Standing.HELD
    a.hear(101.0)
    a.look(101.0)
    assert a.standing is Standing.WAITING
    b.look(102.0)
    assert b.standing is Standing.HELD


@pytest.mark.parametrize("seed", range(200))
def test_in_whatever_order_they_write_and_read_two_never_have_it_at_once_and_one_has_it_in_the_end(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311  (an order of steps)
    board: dict[str, bytes] = {}
    daemons = [Daemon(name, board) for name in "123"]
    steps = {one.stream: 0 for one in daemons}
    keyless = rng.random() < 0.5
    now, at = 0.0, rng.choice(daemons)
    for _ in range(600):
        now += rng.uniform(0.0, 0.5)
        if rng.random() < 0.01:
            at = rng.choice(daemons)
        (rng.choice(daemons) if keyless else at).hear(now)
        one = rng.choice(daemons)  # one of the parts of a look; those of others come between
        if steps[one.stream] % 3 == 0:
            one.write()
        elif steps[one.stream] % 3 == 1:
            one.read()
        else:
            one.decide(now)
        steps[one.stream] += 1
        assert [other.standing for other in daemons].count(Standing.HELD) <= 1
    for _ in range(200):
        now += 0.5
        at.hear(now)
        for one in daemons:
            one.look(now)
    assert at.standing is Standing.HELD


def test_what_is_no_roster_is_said() -> None:
    assert decode(b"") == Roster(0, {})
    with pytest.raises(RetryableError, match="a roster cannot be read"):
        decode(b"[1]")
