"""The queue between a source and the pipeline, against a model that keeps everything in one list."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from twind.flow.queues import Intake
from twind.model.messages import RawMessage
from twind.testing.loops import run

MAX_MESSAGES, MAX_BYTES = 8, 100


def message(number: int, *, size: int = 1, token: int = 0) -> RawMessage:
    return RawMessage(str(number), bytes(size), number, token)


class IntakeModel(RuleBasedStateMachine):
    """Any order of arrivals and takes. The model is a plain list, oldest first."""

    def __init__(self) -> None:
        super().__init__()
        self.intake = Intake(max_messages=MAX_MESSAGES, max_bytes=MAX_BYTES)
        self.waiting: list[RawMessage] = []
        self.dropped = 0
        self.count = 0
        self.full = False

    @rule(size=st.integers(0, 60), token=st.booleans())
    def put(self, size: int, token: bool) -> None:  # noqa: FBT001  (hypothesis passes by name)
        self.count += 1
        arrived = message(self.count, size=size, token=self.count if token else 0)
        self.intake.put(arrived)
        self.waiting.append(arrived)
        if self.over():
            while self.over() and any(not m.token for m in self.waiting):
                self.waiting.remove(next(m for m in self.waiting if not m.token))
                self.dropped += 1
            at_limit = len(self.waiting) >= MAX_MESSAGES or self.bytes() >= MAX_BYTES
            self.full = self.full or (at_limit and any(m.token for m in self.waiting))

    @precondition(lambda self: self.waiting)
    @rule(most=st.integers(1, 12))
    def take(self, most: int) -> None:
        assert self.intake.take_nowait(most) == self.waiting[:most]
        del self.waiting[:most]
        if 2 * len(self.waiting) <= MAX_MESSAGES and 2 * self.bytes() <= MAX_BYTES:
            self.full = False

    def bytes(self) -> int:
        return sum(len(m.payload) for m in self.waiting)

    def over(self) -> bool:
        return len(self.waiting) > MAX_MESSAGES or self.bytes() > MAX_BYTES

    @invariant()
    def it_holds_what_the_model_holds(self) -> None:
        assert len(self.intake) == len(self.waiting)
        assert self.intake.bytes_waiting == self.bytes()
        assert self.intake.dropped_messages == self.dropped

    @invariant()
    def every_message_is_waiting_taken_or_dropped(self) -> None:
        intake = self.intake
        assert intake.put_messages == len(intake) + intake.taken_messages + intake.dropped_messages == self.count

    @invariant()
    def only_what_cannot_be_asked_for_again_is_ever_dropped(self) -> None:
        if self.over():
            assert all(m.token for m in self.waiting)

    @invariant()
    def it_is_full_from_no_room_to_half_of_it(self) -> None:
        assert self.intake.full == self.full
        if self.over():
            assert self.intake.full


IntakeModel.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
test_any_order_of_puts_and_takes_agrees_with_the_model = IntakeModel.TestCase


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 30)), max_size=60))
def test_a_reliable_stream_comes_out_whole_and_in_order_whatever_flows_beside_it(stream: list[tuple[bool, int]]) -> None:
    intake = Intake(max_messages=MAX_MESSAGES, max_bytes=MAX_BYTES)
    sent = [message(n, size=size, token=n if reliable else 0) for n, (reliable, size) in enumerate(stream, 1)]
    for each in sent:
        intake.put(each)
    out = intake.take_nowait(1000)
    assert [m for m in out if m.token] == [m for m in sent if m.token]
    assert [m.receive_ns for m in out] == sorted(m.receive_ns for m in out)


def test_messages_put_together_are_kept_in_order_and_count_as_if_put_one_by_one() -> None:
    async def main() -> None:
        intake = Intake(max_messages=MAX_MESSAGES, max_bytes=MAX_BYTES)
        many = [message(number, token=1) for number in range(1, MAX_MESSAGES + 3)]
        intake.put(message(0))
        intake.put_kept(many)
        assert intake.full
        assert (intake.put_messages, intake.dropped_messages) == (len(many) + 1, 1)
        assert await intake.take(100) == many
        assert not intake.full
        assert intake.bytes_waiting == 0

    run(main())


def test_take_waits_for_the_first_message() -> None:
    async def main() -> None:
        intake = Intake(max_messages=4, max_bytes=100)
        taking = asyncio.create_task(intake.take(10))
        await asyncio.sleep(0)
        assert not taking.done()
        intake.put(message(1))
        assert await taking == [message(1)]

    run(main(), virtual_time=True)


def test_a_closed_intake_hands_out_what_is_left_and_then_nothing() -> None:
    async def main() -> None:
        intake = Intake(max_messages=4, max_bytes=100)
        intake.put(message(1))
        intake.close()
        assert await intake.take(10) == [message(1)]
        assert await intake.take(10) == []
        assert "closed" in repr(intake)

    run(main(), virtual_time=True)


def test_closing_wakes_who_waits() -> None:
    async def main() -> None:
        intake = Intake(max_messages=4, max_bytes=100)
        taking = asyncio.create_task(intake.take(10))
        await asyncio.sleep(0)
        intake.close()
        assert await taking == []

    run(main(), virtual_time=True)


@pytest.mark.parametrize("size", [101, 5000])
def test_a_lossy_message_larger_than_the_queue_is_dropped_and_counted(size: int) -> None:
    intake = Intake(max_messages=4, max_bytes=100)
    intake.put(message(1, size=size))
    assert (len(intake), intake.bytes_waiting, intake.dropped_messages) == (0, 0, 1)


def test_dropping_a_lossy_message_does_not_end_the_back_pressure_early() -> None:
    intake = Intake(max_messages=8, max_bytes=100)
    intake.put(message(1, size=50, token=1))
    intake.put(message(2, size=60, token=2))
    assert intake.full
    intake.take_nowait(1)
    intake.put(message(3, size=90))  # dropped again at once: 60 bytes still wait
    assert intake.full
