"""What waits to be told: bounded, in order, the same at every try."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from twind.flow.outbox import Outbox, Outgoing
from twind.model.notices import Notice, NoticeKind

KINDS = tuple(NoticeKind)


def notice(kind: NoticeKind, subject: str, number: int) -> Notice:
    return Notice(kind, subject, number, {"number": number})


def put(outbox: Outbox, kind: NoticeKind, subject: str, number: int, *, size: int = 10) -> None:
    outbox.put(Outgoing(notice(kind, subject, number), b"x" * size, f"{number:08d}"))


def numbers(outbox: Outbox, most: int = 1000) -> list[int]:
    return [one.notice.time_ns for one in outbox.waiting(most)]


def test_a_newer_state_takes_the_place_of_an_older_one_and_goes_to_the_end() -> None:
    outbox = Outbox(max_events=10, max_bytes=1000)
    put(outbox, NoticeKind.STATE, "arm", 1)
    put(outbox, NoticeKind.STATUS, "arm", 2)
    put(outbox, NoticeKind.STATE, "arm", 3)
    put(outbox, NoticeKind.STATE, "agv", 4)
    assert numbers(outbox) == [2, 3, 4]
    assert (outbox.replaced, outbox.lost) == (1, 0)


def test_a_state_that_is_being_sent_is_not_replaced_and_is_the_same_at_the_next_try() -> None:
    outbox = Outbox(max_events=10, max_bytes=1000)
    put(outbox, NoticeKind.STATE, "arm", 1)
    first = outbox.waiting(10)
    put(outbox, NoticeKind.STATE, "arm", 2)
    assert outbox.waiting(1) == first
    outbox.confirm()
    assert numbers(outbox) == [2]


def test_a_full_outbox_loses_states_before_anything_that_is_not_repeated() -> None:
    outbox = Outbox(max_events=3, max_bytes=1000)
    put(outbox, NoticeKind.INCIDENT, "arm", 1)
    put(outbox, NoticeKind.STATE, "arm", 2)
    put(outbox, NoticeKind.STATUS, "arm", 3)
    put(outbox, NoticeKind.STATUS, "arm", 4)
    put(outbox, NoticeKind.STATUS, "arm", 5)
    assert numbers(outbox) == [3, 4, 5]
    assert outbox.lost == 2


@given(
    st.lists(
        st.one_of(
            st.tuples(st.sampled_from(KINDS), st.sampled_from("abc"), st.integers(1, 60)),
            st.just(("send",)),
            st.just(("confirm",)),
        ),
        max_size=120,
    ),
    st.integers(1, 8),
    st.integers(20, 200),
    st.integers(1, 5),
)
def test_whatever_happens_it_is_bounded_in_order_and_accounts_for_everything(
    steps: list[tuple[object, ...]], max_events: int, max_bytes: int, batch: int
) -> None:
    outbox = Outbox(max_events=max_events, max_bytes=max_bytes)
    offered = 0
    arrived: list[int] = []
    tried: list[int] = []
    for step in steps:
        if step[0] == "send":
            again = [one.notice.time_ns for one in outbox.waiting(batch)]
            assert again[: len(tried)] == tried[: len(again)]
            tried = again
        elif step == ("confirm",):
            arrived += tried
            tried = []
            outbox.confirm()
        else:
            kind, subject, size = step
            offered += 1
            put(outbox, NoticeKind(str(kind)), str(subject), offered, size=int(str(size)))
        # What is being sent, and the one newest, are kept whatever the bounds are.
        assert len(outbox) <= max(max_events, len(tried) + 1)
        assert outbox.bytes_waiting <= max(max_bytes, 60 * (len(tried) + 1))
    left = numbers(outbox)
    assert arrived + left == sorted(set(arrived + left))
    assert offered == len(arrived) + len(left) + outbox.lost + outbox.replaced
    outbox.confirm()
    assert (len(outbox), outbox.bytes_waiting) == (0, 0)
    assert Counter(arrived).most_common(1)[:1] in ([], [(arrived[0], 1)] if arrived else [])
