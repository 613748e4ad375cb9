"""CloudEvents reach the readers of a hub, in order for each subject, whatever becomes of the connection."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from tests.eventhubs.opened import PATIENCE_S, Said
from tests.eventhubs.sdk import RULE, Reading, emulator, reading
from tests.eventhubs.together import Together
from twind.flow.sinks import SinkContext
from twind.model.notices import Notice, NoticeKind
from twind_eventhubs.emulator import Emulator, HubSettings, Rule
from twind_eventhubs.event_sink import adapter, partition_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

scenario = Together()


@contextlib.asynccontextmanager
async def telling(running: Any, **options: Any) -> AsyncIterator[tuple[Any, Said]]:
    options = {
        "connection_string": running.connection_string,
        "event_hub": "hub",
        "retry": {"base_s": 0.05, "cap_s": 0.2},
    } | options
    said = Said()
    sink = adapter.open(
        "events", adapter.settings(type="eventhubs", **options), SinkContext("cell-7", "", {}, said, generation=1)
    )
    task = asyncio.create_task(sink.run())
    try:
        yield sink, said
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await sink.aclose()
        said.close()


def numbered(subject: str, number: int, *, size: int = 0) -> Notice:
    return Notice(NoticeKind.STATUS, subject, 1, {"number": number, "padding": "x" * size})


async def sent(sink: Any) -> None:
    """Wait until the hub has confirmed everything."""
    async with asyncio.timeout(PATIENCE_S):
        while len(sink.outbox):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def numbers(got: Reading, subject: str, count: int) -> list[int]:
    """Return the numbers of a subject in the order in which each was seen first."""

    def found() -> list[int]:
        events = [event.body_as_json() for event in got.events]
        return list(dict.fromkeys(event["data"]["number"] for event in events if event["subject"] == subject))

    await got.until(lambda: len(found()) >= count, within_s=PATIENCE_S)
    return found()


@scenario()
async def events_of_a_subject_arrive_in_order_in_one_partition_as_cloud_events() -> None:
    async with emulator(partitions=4) as running, telling(running) as (sink, said), reading(running) as got:
        robots = [f"robot_{number}" for number in range(12)]
        for number in range(30):
            sink.offer([numbered(robot, number) for robot in robots])
        for robot in robots:
            assert await numbers(got, robot, 30) == list(range(30))
        assert len(got.events) == 360
        assert len(got.by_partition) == 4
        for partition, events in got.by_partition.items():
            assert {partition_of(event.body_as_json()["subject"], "0123") for event in events} == {partition}
        first = got.events[0]
        assert first.content_type == "application/cloudevents+json"
        assert first.body_as_json()["specversion"] == "1.0"
        assert first.body_as_json()["source"] == "/twind/cell-7"
        assert len({event.body_as_json()["id"] for event in got.events}) == 360
        assert (await said.wait_for("SinkConnected")).address == f"sb://127.0.0.1:{running.port}/hub"


@scenario()
async def a_connection_that_is_cut_costs_nothing_and_changes_no_order() -> None:
    async with emulator(partitions=2) as running, telling(running) as (sink, _), reading(running) as got:
        for number in range(60):
            sink.offer([numbered(robot, number) for robot in ("a", "b", "c")])
            if number % 20 == 10:
                running.disconnect(politely=number == 30)
            await asyncio.sleep(0.01)
        for robot in ("a", "b", "c"):
            assert await numbers(got, robot, 60) == list(range(60))
        await sent(sink)
        assert sink.outbox.lost == 0


@scenario()
async def a_hub_that_is_gone_for_a_while_gets_everything_afterwards() -> None:
    async with emulator() as running:
        port, connection_string = running.port, running.connection_string
    async with telling(running, connection_string=connection_string) as (sink, said):
        sink.offer([numbered("arm", number) for number in range(10)])
        away = await said.wait_for("SinkDisconnected")
        assert "cannot send to sb://127.0.0.1" in away.reason
        async with emulator(port=port) as back, reading(back) as got:
            assert await numbers(got, "arm", 10) == list(range(10))


@scenario()
async def a_busy_hub_is_told_once_and_tried_again() -> None:
    async with emulator() as running, telling(running) as (sink, said), reading(running) as got:
        running.busy(10**6)
        sink.offer([numbered("arm", number) for number in range(5)])
        away = await said.wait_for("SinkDisconnected")
        assert "the hub is busy, or there is more than its throughput units allow" in away.reason
        running.busy(0)
        assert await numbers(got, "arm", 5) == list(range(5))
        await sent(sink)
        assert len(said.named("SinkDisconnected")) == 1


@scenario()
async def a_connection_that_is_silent_is_given_up_and_another_made() -> None:
    async with emulator() as running, telling(running, connect_timeout_s=3.0) as (sink, said), reading(running) as got:
        sink.offer([numbered("arm", 0)])
        assert await numbers(got, "arm", 1) == [0]
        await sent(sink)
        running.half_open()
        sink.offer([numbered("arm", 1)])
        assert "no answer from" in (await said.wait_for("SinkDisconnected")).reason
        async with reading(running) as again:
            assert await numbers(again, "arm", 2) == [0, 1]


@scenario()
async def a_wrong_key_is_said_without_the_key() -> None:
    async with emulator() as running:
        wrong = running.connection_string.replace(RULE.key, "not the key")
        async with telling(running, connection_string=wrong, close_s=0) as (sink, said):
            sink.offer([numbered("arm", 0)])
            away = await said.wait_for("SinkDisconnected")
            assert "refuses the key of the policy 'policy'" in away.reason
            assert "cure it" in away.reason
            assert "not the key" not in away.reason
            assert len(sink.outbox) == 1


@scenario()
async def a_policy_that_may_only_listen_is_asked_about() -> None:
    rule = Rule("reader", "secret", send=False)
    async with (
        Emulator([HubSettings("hub", partitions=1)], rules=(rule,)) as running,
        telling(running, close_s=0) as (sink, said),
    ):
        sink.offer([numbered("arm", 0)])
        assert "does the policy 'reader' have the Send claim?" in (await said.wait_for("SinkDisconnected")).reason


@scenario()
async def a_hub_that_is_not_there_is_named() -> None:
    async with emulator() as running, telling(running, event_hub="nobody", close_s=0) as (sink, said):
        sink.offer([numbered("arm", 0)])
        assert "there is no hub at sb://127.0.0.1" in (await said.wait_for("SinkDisconnected")).reason


@scenario()
async def batches_hold_what_the_hub_takes_at_a_time() -> None:
    async with emulator(max_message_bytes=100_000) as running, telling(running) as (sink, _), reading(running) as got:
        sink.offer([numbered("arm", number, size=30_000) for number in range(20)])
        assert await numbers(got, "arm", 20) == list(range(20))


@scenario()
async def an_event_that_the_hub_takes_in_no_batch_is_told_and_counted_and_holds_nothing_up() -> None:
    async with (
        emulator(max_message_bytes=50_000, partitions=2) as running,
        telling(running) as (sink, said),
        reading(running) as got,
    ):
        sizes = {3: 60_000, 4: 60_000, 9: 49_999}
        for number in range(10):
            sink.offer([numbered(robot, number, size=sizes.get(number, 0)) for robot in ("arm", "box")])
        for robot in ("arm", "box"):
            assert await numbers(got, robot, 7) == [0, 1, 2, 5, 6, 7, 8]
        await sent(sink)
        lost = said.named("NoticesLost")
        assert len(lost) == 6
        assert {event.reason for event in lost} == {"oversize"}
        assert "takes 50000 at most" in lost[0].error
        assert "entity.status of" in lost[0].error
        assert sum(event.count for event in said.named("NoticesSent")) == 14
        assert said.named("SinkDisconnected") == []


@scenario()
async def what_waits_at_a_stop_is_sent_before_the_end() -> None:
    async with emulator() as running:
        async with telling(running, close_s=60.0) as (sink, said):
            sink.offer([numbered("arm", number) for number in range(5)])
        assert said.named("NoticesLost") == []
        async with reading(running) as got:
            assert await numbers(got, "arm", 5) == list(range(5))


@pytest.mark.parametrize("name", scenario.names)
def test_that(name: str) -> None:
    scenario.check(name)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "give `connection_string` or `namespace`"),
        ({"namespace": "a b", "event_hub": "hub"}, "must be a host name"),
        ({"namespace": "floor"}, "`event_hub` is missing"),
        ({"namespace": "floor", "event_hub": "hub", "max_event_bytes": 2_000_000}, "less than or equal"),
        ({"namespace": "floor", "event_hub": "hub", "routes": []}, "routes"),
    ],
)
def test_settings_that_cannot_work_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        adapter.settings(**({"type": "eventhubs"} | options))


def test_a_subject_keeps_its_partition_from_start_to_start() -> None:
    partitions = [str(number) for number in range(8)]
    assert [partition_of(subject, partitions) for subject in ("arm_a", "arm_b", "")] == ["1", "3", "0"]
