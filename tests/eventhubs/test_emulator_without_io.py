"""The parts of the emulator: the log, keys, epochs, signatures, limits, and a connection that is told nonsense."""

from __future__ import annotations

import pytest
from azure.eventhub._pyamqp.utils import generate_sas_token
from hypothesis import given, settings
from hypothesis import strategies as st

from twind_eventhubs.emulator import HubSettings, Retention, Rule, event
from twind_eventhubs.emulator.amqp import performatives as p
from twind_eventhubs.emulator.amqp.connection import Connection
from twind_eventhubs.emulator.amqp.errors import AmqpError
from twind_eventhubs.emulator.amqp.frames import HEADER_AMQP, HEADER_SASL, frame
from twind_eventhubs.emulator.amqp.values import UInt
from twind_eventhubs.emulator.namespace import Namespace
from twind_eventhubs.emulator.partition import Partition
from twind_eventhubs.emulator.partition_key import hash_of, partition_of
from twind_eventhubs.emulator.readers import Reader, Readers
from twind_eventhubs.emulator.sas import verify
from twind_eventhubs.emulator.selector import parse
from twind_eventhubs.emulator.throughput import Throughput

RULE = Rule("policy", "key")


@pytest.mark.parametrize(("key", "hashed"), [("7", -15263), ("7149583486996073602", 12977), ("FWfAT", -22341)])
def test_keys_hash_as_in_microsofts_sdks(key: str, hashed: int) -> None:
    assert hash_of(key) == hashed


@given(st.text(st.characters(max_codepoint=127), min_size=1))
def test_any_key_hashes_as_in_the_python_sdk(key: str) -> None:
    from azure.eventhub._buffered_producer._partition_resolver import generate_hash_code

    assert hash_of(key) == generate_hash_code(key)
    assert 0 <= partition_of(key, 7) < 7


@settings(max_examples=50)
@given(st.lists(st.integers(1, 400), max_size=60))
def test_a_partition_keeps_the_newest_within_its_bounds_and_never_numbers_twice(sizes: list[int]) -> None:
    partition = Partition("0", retention=Retention(events=10, size_bytes=3_000), now_ms=lambda: 5)
    for size in sizes:
        partition.append([event(b"x" * size)])
        assert len(partition) <= 10
        assert partition.size_bytes <= 3_000
        kept = [partition.read(sequence) for sequence in range(partition.first_sequence, partition.end_sequence)]
        assert [one.sequence for one in kept if one] == list(range(partition.first_sequence, partition.end_sequence))
    assert partition.end_sequence == len(sizes)
    assert partition.read(partition.end_sequence) is None


def test_events_that_are_too_old_go_and_time_never_runs_backwards() -> None:
    now = [1_000]
    partition = Partition("0", retention=Retention(age_s=10), now_ms=lambda: now[0])
    partition.append([event(b"a")])
    now[0] = 500
    partition.append([event(b"b")])
    times = [one.enqueued_ms for one in (partition.read(0), partition.read(1)) if one]
    assert times == [1_000, 1_000]
    now[0] = 11_001
    partition.expire()
    assert len(partition) == 0
    assert partition.first_sequence == 2


def test_of_epochs_the_higher_wins_and_of_equals_the_later() -> None:
    readers, ended = Readers(), []

    def reader(epoch: int | None, name: str) -> Reader:
        return Reader("$Default", "0", epoch, lambda error: ended.append((name, error.condition)))

    for number in range(5):
        readers.admit(reader(None, f"shared-{number}"))
    with pytest.raises(AmqpError, match="maximum number of allowed receivers"):
        readers.admit(reader(None, "sixth"))
    readers.admit(reader(1, "first"))
    assert len(ended) == 5
    readers.admit(reader(1, "second"))
    assert ended[-1] == ("first", "amqp:link:stolen")
    for epoch in (0, None):
        with pytest.raises(AmqpError, match="amqp:link:stolen"):
            readers.admit(reader(epoch, "weak"))
    assert len(readers.of("$Default", "0")) == 1


def test_a_signature_is_good_for_its_resource_its_key_and_its_time() -> None:
    token = generate_sas_token("sb://host/hub", "policy", "key", expiry=1_000).encode().decode()

    def check(
        token: str, *, audience: str = "sb://host/hub/ConsumerGroups/$Default", now_s: float = 999, key: str = "key"
    ) -> None:
        verify(token, audience=audience, rules=(Rule("policy", key),), now_s=now_s)

    check(token)
    check(token, audience="sb://HOST/HUB")
    for wrong in (
        {"key": "other"},
        {"now_s": 1_000},
        {"audience": "sb://host/hub2"},
        {"audience": "sb://elsewhere/hub"},
        {"token": token.replace("se=1000", "se=2000")},
        {"token": token.replace("hub", "all")},
        {"token": token.replace("&skn=policy", "")},
        {"token": "SharedAccessSignature " + "&=" * 50},
    ):
        with pytest.raises(AmqpError, match="amqp:unauthorized-access"):
            check(**{"token": token, **wrong})  # type: ignore[arg-type]
    assert "key" not in repr(Rule("policy", "hidden-key")).replace("policy", "")


@pytest.mark.parametrize("wrong", ["", "x > 1", "amqp.annotation.x-opt-offset = '1'", "amqp.annotation.x-opt-offset > 'soon'"])
def test_a_selector_that_is_not_understood_is_refused(wrong: str) -> None:
    with pytest.raises(AmqpError):
        parse(wrong)


@pytest.mark.parametrize("what", ["offset", "sequence-number"])
def test_a_position_beyond_the_newest_event_is_refused(what: str) -> None:
    partition = Partition("0", retention=Retention(), now_ms=lambda: 5)
    assert parse(f"amqp.annotation.x-opt-{what} > '-1'").sequence_in(partition) == 0
    with pytest.raises(AmqpError, match="argument-error"):
        parse(f"amqp.annotation.x-opt-{what} > '0'").sequence_in(partition)
    partition.append([event(b"a")])
    assert parse(f"amqp.annotation.x-opt-{what} > '0'").sequence_in(partition) == 1
    with pytest.raises(AmqpError, match="argument-error"):
        parse(f"amqp.annotation.x-opt-{what} >= '1'").sequence_in(partition)


def test_throughput_units_limit_what_comes_in_and_what_goes_out() -> None:
    now = [0.0]
    limits = Throughput(1, now=lambda: now[0])
    limits.let_in(events=1_000, size_bytes=10)
    with pytest.raises(AmqpError, match="server-busy"):
        limits.let_in(events=1, size_bytes=10)
    now[0] = 0.5
    limits.let_in(events=1, size_bytes=10)
    limits.left(2_000_000)
    assert not limits.may_leave()
    now[0] = 1.0
    assert limits.may_leave()


def connection() -> Connection:
    namespace = Namespace([HubSettings("hub")], rules=(RULE,))
    return Connection(namespace.access(), on_news=lambda: None, now=lambda: 0.0, max_message_bytes=1_000)


PERFORMATIVES = st.one_of(
    st.builds(p.Open, container_id=st.text(max_size=3)),
    st.builds(
        p.Begin,
        next_outgoing_id=st.integers(0, 9).map(UInt),
        incoming_window=st.just(UInt(9)),
        outgoing_window=st.just(UInt(9)),
    ),
    st.builds(
        p.Attach,
        name=st.text(max_size=2),
        handle=st.integers(0, 3).map(UInt),
        role=st.booleans(),
        source=st.sampled_from([None, p.source("$cbs"), p.source("hub/ConsumerGroups/$Default/Partitions/0")]),
        target=st.sampled_from([None, p.target("$cbs"), p.target("hub"), p.target("$management")]),
    ),
    st.builds(
        p.Flow,
        incoming_window=st.integers(0, 2**32 - 1).map(UInt),
        next_outgoing_id=st.just(UInt(0)),
        outgoing_window=st.just(UInt(9)),
        handle=st.none() | st.integers(0, 3).map(UInt),
        link_credit=st.none() | st.integers(0, 2**32 - 1).map(UInt),
        drain=st.booleans(),
        echo=st.booleans(),
    ),
    st.builds(p.Transfer, handle=st.integers(0, 3).map(UInt), more=st.booleans(), aborted=st.booleans()),
    st.builds(p.Detach, handle=st.integers(0, 3).map(UInt), closed=st.booleans()),
    st.builds(p.End),
    st.builds(p.Close),
)


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(0, 2), PERFORMATIVES, st.binary(max_size=20)), max_size=25), st.binary(max_size=60))
def test_a_connection_bears_any_frames_in_any_order_and_any_bytes_after_them(
    script: list[tuple[int, p.Performative, bytes]], garbage: bytes
) -> None:
    peer = connection()
    peer.receive(HEADER_AMQP + frame(p.write(p.Open(container_id="c"))))
    for channel, performative, payload in script:
        peer.receive(frame(p.write(performative) + payload, channel=channel))
        peer.take()
        peer.tick()
    peer.receive(garbage)
    peer.take()
    peer.lost()
    assert peer.held_bytes == 0


@given(st.sampled_from([b"", HEADER_AMQP, HEADER_SASL]), st.binary(max_size=100))
def test_a_connection_answers_any_bytes_with_its_header_or_not_at_all_and_is_deaf_once_it_ended(
    header: bytes, data: bytes
) -> None:
    peer = connection()
    peer.receive(header + data)
    assert peer.take().startswith(header or (b"AMQP" if data.startswith(b"AMQP") and len(data) >= 8 else b""))
    assert peer.held_bytes == 0
    if len(header + data) >= 8 and not (header + data).startswith(b"AMQP"):
        assert peer.closed or int.from_bytes(data[:4], "big") > len(data)
    if peer.closed:
        peer.receive(HEADER_AMQP + frame(p.write(p.Open(container_id="c"))))
        assert peer.take() == b""


def test_a_message_that_never_ends_costs_no_more_than_is_allowed() -> None:
    peer = connection()
    peer.receive(HEADER_AMQP + frame(p.write(p.Open(container_id="c"))))
    begin = p.Begin(next_outgoing_id=UInt(0), incoming_window=UInt(9), outgoing_window=UInt(9))
    attach = p.Attach(name="l", handle=UInt(0), role=p.SENDER, target=p.target("$cbs"), source=p.source("x"))
    peer.receive(frame(p.write(begin)) + frame(p.write(attach)))
    part = frame(p.write(p.Transfer(handle=UInt(0), delivery_id=UInt(0), more=True)) + b"x" * 400)
    peer.receive(part * 2)
    assert peer.held_bytes == 800
    peer.take()
    peer.receive(part * 1_000)
    assert b"amqp:link:message-size-exceeded" in peer.take()
    assert peer.held_bytes == 0
