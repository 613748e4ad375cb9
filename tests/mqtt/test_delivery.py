"""Messages arrive, in order, and are acknowledged only when said so."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from twind.api import AcknowledgingSource, LossySource
from twind_mqtt.publisher import connect

if TYPE_CHECKING:
    from twind_mqtt.publisher import Publisher

BOTH = pytest.mark.parametrize("protocol", ["5", "3.1.1"])
TOPIC = "cell/arm/joint_state"


@BOTH
@pytest.mark.parametrize("qos", [0, 1])
def test_messages_arrive_in_order_with_topic_payload_stamp_and_token(
    run: Any, mosquitto: Any, open_source: Any, protocol: str, qos: int
) -> None:
    async def main() -> None:
        async with open_source(mosquitto.url, protocol=protocol, qos=qos) as opened:
            before_ns = time.time_ns()
            with connect(mosquitto.url, protocol) as publisher:
                for n in range(300):
                    publisher.publish(f"cell/arm{n % 3}/joint_state", b"%d" % n, qos)
            messages = await opened.take(300)
            assert [message.payload for message in messages] == [b"%d" % n for n in range(300)]
            assert [message.topic for message in messages[:3]] == [f"cell/arm{n}/joint_state" for n in range(3)]
            stamps = [message.receive_ns for message in messages]
            assert stamps == sorted(stamps)
            assert before_ns <= stamps[0] <= stamps[-1] <= time.time_ns()
            assert [message.token for message in messages] == (list(range(1, 301)) if qos else [0] * 300)
            assert opened.source.health().connected

    run(main())


def test_the_guarantee_is_a_type(run: Any, mosquitto: Any, open_source: Any) -> None:
    async def main() -> None:
        async with open_source(mosquitto.url, qos=0) as opened:
            assert isinstance(opened.source, LossySource)
            assert not isinstance(opened.source, AcknowledgingSource)
        async with open_source(mosquitto.url, qos=1) as opened:
            assert isinstance(opened.source, AcknowledgingSource)

    run(main())


@BOTH
def test_what_was_not_acknowledged_is_delivered_again_to_the_next_source(
    run: Any, mosquitto: Any, open_source: Any, start_source: Any, protocol: str
) -> None:
    async def main() -> None:
        first = start_source(mosquitto.url, protocol=protocol)
        await first.subscribed()
        with connect(mosquitto.url, protocol) as publisher:
            for n in range(100):
                publisher.publish(TOPIC, b"%d" % n, 1)
        assert len(await first.take(100)) == 100
        first.source.acknowledge(40)
        await asyncio.sleep(0)  # acknowledgements leave at the end of the turn
        await first.crash()
        async with open_source(mosquitto.url, protocol=protocol) as second:
            assert second.said.named("SourceConnected")[0].session_present
            again = await second.take(60)
            assert [message.payload for message in again] == [b"%d" % n for n in range(40, 100)]
            second.source.acknowledge(60)
        async with open_source(mosquitto.url, protocol=protocol) as third:
            with connect(mosquitto.url, protocol) as publisher:
                publisher.publish(TOPIC, b"new", 1)
            assert [message.payload for message in await third.take(1)] == [b"new"]

    run(main())


def test_acknowledgements_go_out_in_order_of_arrival_and_only_when_called_for(
    run: Any, until: Any, mosquitto: Any, open_source: Any
) -> None:
    async def main() -> None:
        async with open_source(mosquitto.url) as opened:
            with connect(mosquitto.url) as publisher:
                for n in range(50):
                    publisher.publish(TOPIC, b"%d" % n, 1)
            await opened.take(50)
            await _ping(opened, until)
            assert _acknowledged(mosquitto) == []
            for count in (1, 0, 9, 40):
                opened.source.acknowledge(count)
            await _ping(opened, until)
            ids = _acknowledged(mosquitto)
            assert ids == _delivered(mosquitto)
            assert len(ids) == 50
            with pytest.raises(ValueError, match="only 0 are waiting"):
                opened.source.acknowledge(1)

    run(main())


def test_messages_of_qos_0_count_in_order_but_are_not_acknowledged(
    run: Any, until: Any, mosquitto: Any, open_source: Any
) -> None:
    async def main() -> None:
        async with open_source(mosquitto.url) as opened:
            with connect(mosquitto.url) as publisher:
                for n in range(40):
                    publisher.publish(TOPIC, b"%d" % n, n % 2)
            messages = await opened.take(40)
            assert [bool(message.token) for message in messages] == [bool(n % 2) for n in range(40)]
            opened.source.acknowledge(21)  # 11 of QoS 0 and 10 of QoS 1
            await _ping(opened, until)
            assert _acknowledged(mosquitto) == _delivered(mosquitto)[:10]

    run(main())


def test_a_full_intake_holds_the_broker_up_and_loses_nothing(run: Any, until: Any, mosquitto: Any, open_source: Any) -> None:
    total = 50_000

    async def main(protocol: str) -> None:
        async with open_source(mosquitto.url, protocol=protocol, max_messages=1000, client_id=f"c{protocol}") as opened:
            with connect(mosquitto.url) as publisher:
                await asyncio.to_thread(_publish, publisher, total, 1)
            intake = opened.source.intake
            await until(lambda: intake.full)
            assert 1000 <= len(intake) <= 1001
            await asyncio.sleep(0.2)  # nothing more may come, however long it takes
            assert 1000 <= len(intake) <= 1001
            seen = []
            async with asyncio.timeout(120):
                while len(seen) < total:
                    batch = await opened.source.receive(700)
                    seen += [int(message.payload) for message in batch]
                    opened.source.acknowledge(len(batch))
                    assert len(intake) <= 1001
            assert seen == list(range(total))
            assert not opened.said.named("MessagesDropped")

    run(main("5"))
    run(main("3.1.1"))


def test_a_flood_at_qos_0_drops_the_oldest_and_counts_them(run: Any, until: Any, mosquitto: Any, open_source: Any) -> None:
    total = 20_000

    async def main() -> None:
        async with open_source(mosquitto.url, qos=0, max_messages=500) as opened:
            with connect(mosquitto.url) as publisher:
                await asyncio.to_thread(_publish, publisher, total, 0)
                publisher.publish("cell/arm/last", b"-1", 0)
            intake = opened.source.intake
            await until(lambda: intake.put_messages == total + 1)
            kept = [int(message.payload) for message in await opened.take(500)]
            assert kept == [*range(total - 499, total), -1]
            opened.source.stop()
            assert await opened.source.receive(10) == []
            told = opened.said.named("MessagesDropped")
            assert sum(event.count for event in told) + len(kept) == total + 1
            assert {(event.source, event.reason) for event in told} == {("floor", "queue_full")}

    run(main())


def test_a_paused_source_keeps_its_connection_alive(run: Any, until: Any, mosquitto: Any, open_source: Any) -> None:
    async def main() -> None:
        async with open_source(mosquitto.url, max_messages=10, keepalive_s=5) as opened:
            link = opened.source._link
            with connect(mosquitto.url) as publisher:
                for n in range(100):
                    publisher.publish(TOPIC, b"%d" % n, 1)
            await until(lambda: opened.source.intake.full)
            # The broker cuts off at 1.5 times the keep-alive; a fake clock would have to reach into the broker.
            await asyncio.sleep(9)
            messages = []
            while len(messages) < 100:
                messages += (batch := await opened.source.receive(10))
                opened.source.acknowledge(len(batch))
            assert [int(message.payload) for message in messages] == list(range(100))
            assert opened.source._link is link

    run(main())


def test_a_stopped_source_hands_over_the_rest_and_acknowledges_it_before_it_says_goodbye(
    run: Any, until: Any, mosquitto: Any, start_source: Any, open_source: Any
) -> None:
    async def main() -> None:
        opened = start_source(mosquitto.url)
        await opened.subscribed()
        with connect(mosquitto.url) as publisher:
            for n in range(100):
                publisher.publish(TOPIC, b"%d" % n, 1)
        await opened.take(30)
        await until(lambda: opened.source.intake.put_messages == 100)
        opened.source.stop()
        await opened.running
        with connect(mosquitto.url) as publisher:
            publisher.publish(TOPIC, b"too late", 1)
        rest = await opened.take(70)
        assert int(rest[-1].payload) == 99
        assert await opened.source.receive(1) == []
        opened.source.acknowledge(100)
        await opened.source.aclose()
        await opened.source.aclose()
        async with open_source(mosquitto.url) as later:
            assert [message.payload for message in await later.take(1)] == [b"too late"]

    run(main())


def _publish(publisher: Publisher, total: int, qos: int) -> None:
    for n in range(total):
        publisher.publish(TOPIC, b"%d" % n, qos)


async def _ping(opened: Any, until: Any) -> None:
    """Wait until the broker has handled what was sent before: it answers in order."""
    opened.source._link.publish("other/ping", b"", retain=False)
    await until(lambda: not opened.source._link._paho._out_messages)


def _acknowledged(mosquitto: Any) -> list[str]:
    """Packet identifiers of the PUBACKs that the broker got from the source."""
    start = "Received PUBACK from twind-cell-7-floor (Mid: "
    return [line.split(start)[1].split(",")[0].rstrip(")") for line in mosquitto.log.splitlines() if start in line]


def _delivered(mosquitto: Any) -> list[str]:
    """Packet identifiers of the QoS 1 messages that the broker sent to the source."""
    start = "Sending PUBLISH to twind-cell-7-floor (d0, q1, r0, m"
    return [line.split(start)[1].split(",")[0] for line in mosquitto.log.splitlines() if start in line]
