"""What the source makes of a hub's events, with the unmodified SDK and the emulator."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from tests.eventhubs.opened import Keeper, Opened
from tests.eventhubs.sdk import emulator
from tests.eventhubs.together import Together
from twind.sources.protocol import ResumableSource
from twind_eventhubs.emulator import device_event, event

if TYPE_CHECKING:
    from collections.abc import Iterable

ENQUEUED_MS = 1_700_000_000_000
scenario = Together()


def from_device(device: str, *bodies: bytes, **options: object) -> list[object]:
    return [device_event(device, body, enqueued_ms=ENQUEUED_MS, **options) for body in bodies]  # type: ignore[arg-type]


def keyed(key: str, bodies: Iterable[bytes]) -> list[object]:
    return [event(body, annotations={"x-opt-partition-key": key}) for body in bodies]


@scenario()
async def an_event_is_a_message_whose_topic_is_the_device_and_whose_arrival_is_when_the_hub_got_it() -> None:
    async with emulator() as running, Opened(running) as opened:
        assert isinstance(opened.source, ResumableSource)
        running.namespace.hub("hub").append(from_device("arm-1", b'{"position": [1]}'))
        (message,) = await opened.take(1)
        assert (message.topic, message.payload) == ("arm-1", b'{"position": [1]}')
        assert message.receive_ns == (ENQUEUED_MS + 1) * 1_000_000 - 1
        assert (message.number, message.part, message.parts) == (0, 0, 1)
        assert message.token
        assert opened.source.health().connected


@scenario()
async def topics_come_from_what_the_settings_name_and_else_from_device_then_property_then_key() -> None:
    made = [
        device_event("arm-1", b"{}", enqueued_ms=ENQUEUED_MS, properties={"topic": "ignored", "kind": "joints"}),
        event(b"{}", properties={"topic": "cell/arm-2", "kind": "joints"}, annotations={"x-opt-partition-key": "k"}),
        event(b"{}", annotations={"x-opt-partition-key": "arm-3"}),
        event(b"{}"),
    ]
    async with emulator() as running:
        running.namespace.hub("hub").append(made)
        async with Opened(running) as opened:
            topics = [message.topic for message in await opened.take(4)]
            assert topics[:3] == ["arm-1", "cell/arm-2", "arm-3"]
            assert topics[3] == "//(without {device_id} or {property.topic} or {partition_key})"
        async with Opened(running, topics=["{device_id}/{property.kind}", "p/{partition}"]) as opened:
            assert [message.topic for message in await opened.take(4)] == ["arm-1/joints", "p/0", "p/0", "p/0"]


@scenario()
async def messages_that_a_gateway_put_into_one_event_come_one_by_one_and_share_its_number() -> None:
    bodies = (b'[{"a": 1}, {"a": [2]}]', b'{"b": 1}\n\n{"b": 2}\r\n', b'{"c":\n 1}', b"[1, 2]", b"TWPK[{}]", b'[{"d": 1}')
    async with emulator() as running, Opened(running) as opened:
        running.namespace.hub("hub").append(from_device("arm-1", *bodies))
        taken = await opened.take(8)
        assert [(message.payload, message.number, message.part, message.parts) for message in taken] == [
            (b'{"a": 1}', 0, 0, 2),
            (b'{"a": [2]}', 0, 1, 2),
            (b'{"b": 1}', 1, 0, 2),
            (b'{"b": 2}', 1, 1, 2),
            (b'{"c":\n 1}', 2, 0, 1),
            (b"[1, 2]", 3, 0, 1),
            (b"TWPK[{}]", 4, 0, 1),
            (b'[{"d": 1}', 5, 0, 1),
        ]


@scenario()
async def what_iot_hub_says_of_a_device_beside_telemetry_is_an_event_of_its_entity() -> None:
    async with emulator() as running:
        hub = running.namespace.hub("hub")
        hub.append(from_device("arm-1", b"{}", source="deviceConnectionStateEvents", properties={"opType": "deviceConnected"}))
        hub.append(from_device("arm-1", b'{"version": 4}', source="twinChangeEvents", properties={"opType": "updateTwin"}))
        hub.append(from_device("arm-1", b"{}", source="deviceLifecycleEvents"))
        hub.append(from_device("arm-1", b"{}", source="deviceMessages"))
        async with Opened(running) as opened:
            assert [message.topic for message in await opened.take(4)] == [
                "$iothub/deviceConnected/arm-1",
                "$iothub/updateTwin/arm-1",
                "$iothub/deviceLifecycleEvents/arm-1",
                "arm-1",
            ]


@scenario((0, 0), (1, 1), (5, 5))
async def reading_begins_where_the_keeper_says(number: int, first: int) -> None:
    async with emulator() as running:
        running.namespace.hub("hub").append(from_device("arm-1", *[b"%d" % value for value in range(8)]))
        async with Opened(running, keeper=Keeper({"0": number})) as opened:
            assert (await opened.take(1))[0].number == first


@scenario()
async def latest_is_fixed_when_a_partition_is_assigned_so_that_a_reconnection_loses_nothing() -> None:
    async with emulator() as running, Opened(running, start="latest") as opened:
        hub = running.namespace.hub("hub")
        await opened.said.wait_for("PartitionAssigned")
        running.stall()
        hub.append(from_device("arm-1", b"while away"))
        running.disconnect()
        running.stall(stalled=False)
        assert (await opened.take(1))[0].payload == b"while away"


@scenario(("earliest", 0), ({"0": 3}, 3), ("2023-11-14T22:13:20Z", 0), ("2100-01-01T00:00:00Z", None))
async def a_partition_that_nobody_knows_begins_where_the_settings_say(start: object, first: int | None) -> None:
    async with emulator() as running:
        running.namespace.hub("hub").append(from_device("arm-1", *[b"%d" % value for value in range(5)]))
        async with Opened(running, start=start) as opened:
            if first is not None:
                assert (await opened.take(1))[0].number == first
            else:
                await opened.until(lambda: opened.metric("twind_partition_lag_events") == 5)
                assert not len(opened.source.intake)


@scenario()
async def events_that_come_again_are_passed_over_and_counted() -> None:
    async with emulator() as running:
        running.duplicate(0.5)
        running.namespace.hub("hub").append(from_device("arm-1", *[b"%d" % value for value in range(200)]))
        async with Opened(running) as opened:
            assert [message.number for message in await opened.take(200)] == list(range(200))
            running.namespace.hub("hub").append(from_device("arm-1", b"last"))
            assert (await opened.take(1))[0].number == 200
            assert opened.metric("twind_partition_events_repeated_total", partition="0") > 50


@scenario()
async def nothing_is_lost_or_doubled_when_the_connection_is_cut_while_events_flow() -> None:
    async with emulator(partitions=2) as running, Opened(running) as opened:
        hub = running.namespace.hub("hub")
        taken = []
        for round_ in range(4):
            for partition in ("0", "1"):
                hub.append(from_device("arm-1", *[b"%d" % value for value in range(300)]), partition=partition)
            taken += await opened.take(150)
            running.disconnect(politely=bool(round_ % 2))
        taken += await opened.take(2400 - len(taken))
        for partition in ("0", "1"):
            numbers = [message.number for message in taken if message.stream.startswith(f"{partition}@")]
            assert numbers == list(range(1200))


@scenario()
async def events_that_the_hub_deleted_before_they_were_read_are_an_error_with_their_number() -> None:
    async with emulator() as running:
        running.namespace.hub("hub").append(from_device("arm-1", *[b"%d" % value for value in range(10)]))
        partition = running.namespace.hub("hub").partition("0")
        partition._head = 6  # as retention does
        async with Opened(running, start={"0": 2}) as opened:
            assert (await opened.take(1))[0].number == 6
            lost = await opened.said.wait_for("MessagesDropped")
            assert (lost.reason, lost.count) == ("retention", 4)


@scenario()
async def a_full_intake_stops_the_reading_and_nothing_is_dropped() -> None:
    async with emulator() as running, Opened(running, max_messages=100, prefetch=50, batch=50) as opened:
        running.namespace.hub("hub").append(from_device("arm-1", *[b"%d" % value for value in range(1000)]))
        await opened.until(lambda: opened.source.intake.full)
        await asyncio.sleep(0.3)
        assert len(opened.source.intake) <= 100 + 128
        assert [message.number for message in await opened.take(1000)] == list(range(1000))
        assert opened.source.intake.dropped_messages == 0


@scenario()
async def after_stop_what_arrived_can_be_taken_and_the_partitions_are_given_up_only_then() -> None:
    keeper = Keeper()
    async with emulator() as running, Opened(running, keeper=keeper) as opened:
        running.namespace.hub("hub").append(from_device("arm-1", *[b"%d" % value for value in range(10)]))
        await opened.until(lambda: len(opened.source.intake) == 10)
        opened.source.stop()
        assert len(await opened.take(10)) == 10
        assert await opened.source.receive(1) == []
        assert keeper.given_up == []
        await opened.source.aclose()
        assert keeper.given_up == [("0", "revoked")]


@scenario()
async def a_partition_that_another_reader_took_is_lost_and_comes_back_with_all_its_events() -> None:
    keeper = Keeper()
    async with emulator() as running, Opened(running, keeper=keeper) as opened:
        hub = running.namespace.hub("hub")
        hub.append(from_device("arm-1", b"before"))
        await opened.take(1)
        running.steal("hub", "0")
        released = await opened.said.wait_for("PartitionReleased")
        assert released.reason == "stolen"
        assert keeper.given_up == [("0", "lost")]
        keeper.numbers["0"] = 1
        hub.append(from_device("arm-1", b"after"))
        assert [message.payload for message in await opened.take(1)] == [b"after"]
        await opened.until(lambda: opened.source.health().connected)


@scenario()
async def a_hub_that_was_made_anew_is_read_from_its_beginning_under_another_name() -> None:
    keeper = Keeper()
    async with emulator(now_s=lambda: time.time() - 100) as first:
        first.namespace.hub("hub").append(from_device("arm-1", b"old"))
        async with Opened(first, keeper=keeper) as opened:
            await opened.take(1)
    old = keeper.streams["0"]
    async with emulator() as second, Opened(second, keeper=keeper) as opened:
        second.namespace.hub("hub").append(from_device("arm-1", b"new"))
        assert (await opened.take(1))[0].payload == b"new"
        assert keeper.streams["0"] != old


@scenario()
async def lag_is_what_waits_in_the_hub() -> None:
    async with emulator() as running, Opened(running, max_messages=10, prefetch=10, batch=10) as opened:
        running.namespace.hub("hub").append(from_device("arm-1", *[b"%d" % value for value in range(100)]))
        await opened.until(lambda: opened.metric("twind_partition_lag_events", partition="0") > 0)
        await opened.take(100)
        await opened.until(lambda: opened.metric("twind_partition_lag_events", partition="0") == 0)
        assert opened.metric("twind_partition_position", partition="0") == 99
        assert opened.metric("twind_partition_events_total", partition="0") == 100


@pytest.mark.parametrize("name", scenario.names)
def test_that(name: str) -> None:
    scenario.check(name)
