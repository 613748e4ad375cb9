"""What the source says, and does, when a hub cannot be read: a clear sentence, a metric, and another try."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import time
import urllib.parse
from typing import Any

import pytest

from tests.eventhubs.opened import Keeper, Opened
from tests.eventhubs.sdk import RULE, emulator
from tests.eventhubs.together import Together
from twind.model.errors import PermanentError
from twind_eventhubs.emulator import device_event, event
from twind_eventhubs.plugin import adapter

scenario = Together()


def telemetry(*bodies: bytes) -> list[Any]:
    return [device_event("arm-1", body, enqueued_ms=int(time.time() * 1000)) for body in bodies]


def signature(running: Any, *, expires_s: float) -> str:
    """Return a connection string with a token in place of a key."""
    host = f"127.0.0.1:{running.port}"
    resource, expiry = urllib.parse.quote_plus(f"sb://{host}/hub"), str(int(expires_s))
    digest = hmac.new(RULE.key.encode(), f"{resource}\n{expiry}".encode(), hashlib.sha256).digest()
    signed = urllib.parse.quote_plus(base64.b64encode(digest))
    token = f"SharedAccessSignature sr={resource}&sig={signed}&se={expiry}&skn={RULE.name}"
    return f"Endpoint=sb://{host};SharedAccessSignature={token};UseDevelopmentEmulator=true"


async def recovers(opened: Opened, running: Any) -> None:
    """Prove that it reads on."""
    running.namespace.hub("hub").append(telemetry(b"{}"))
    await opened.take(1)
    await opened.until(lambda: opened.source.health().connected)


@scenario()
async def a_wrong_key_is_said_with_the_policys_name_and_never_with_the_key() -> None:
    async with emulator() as running:
        wrong = running.connection_string.replace(RULE.key, "not the key")
        async with Opened(running, connection_string=wrong) as opened:
            detail = await opened.away("policy")
            assert "'policy' in `connection_string`" in detail
            assert "not the key" not in detail
            refused = await opened.said.wait_for("SourceRefused")
            assert refused.reason in detail
            assert opened.metric("twind_source_refusals_total", source="hub") == 1
            assert opened.running is not None
            assert not opened.running.done()
        with pytest.raises(PermanentError, match="'policy' in `connection_string`"):
            await adapter.probe("hub", opened.settings, instance="cell-7")


@scenario()
async def a_token_that_has_expired_is_told_from_a_wrong_one() -> None:
    async with (
        emulator() as running,
        Opened(running, connection_string=signature(running, expires_s=time.time() - 60)) as opened,
    ):
        assert "has expired" in await opened.away("expired")


@scenario()
async def a_token_that_expires_while_it_is_used_is_said_too() -> None:
    now = [time.time()]
    async with emulator(now_s=lambda: now[0]) as running:
        connection_string = signature(running, expires_s=time.time() + 3600)
        async with Opened(running, connection_string=connection_string) as opened:
            await recovers(opened, running)
            now[0] += 7200
            running.tick()
            assert "has expired" in await opened.away("expired")
            now[0] -= 7200
            await recovers(opened, running)


@scenario()
async def a_hub_that_is_not_there_is_named() -> None:
    async with emulator() as running, Opened(running, event_hub="nobody") as opened:
        assert "there is no hub at sb://127.0.0.1" in await opened.away("there is no hub")
        with pytest.raises(PermanentError, match="there is no hub"):
            await adapter.probe("hub", opened.settings, instance="cell-7")


@scenario()
async def a_hub_that_is_deleted_while_it_is_read_is_named_and_read_again_when_it_is_back() -> None:
    async with emulator() as running, Opened(running) as opened:
        await recovers(opened, running)
        hub = running.namespace.hubs.pop("hub")
        running.disconnect()
        assert "there is no" in await opened.away("there is no")
        running.namespace.hubs["hub"] = hub
        await recovers(opened, running)


@scenario()
async def a_consumer_group_that_is_not_there_is_named() -> None:
    async with emulator() as running, Opened(running, consumer_group="nobody") as opened:
        assert "there is no consumer group 'nobody'" in await opened.away("consumer group")
        refused = await opened.said.wait_for("SourceRefused")
        assert "consumer group 'nobody'" in refused.reason
        with pytest.raises(PermanentError, match="there is no consumer group 'nobody'"):
            await adapter.probe("hub", opened.settings, instance="cell-7")


@scenario()
async def a_hub_that_nobody_answers_for_is_away_until_it_is_there() -> None:
    async with emulator() as running:
        port = running.port
    async with Opened(running) as opened:
        assert "Connect call failed" in await opened.away("127.0.0.1")
        disconnected = await opened.said.wait_for("SourceDisconnected")
        assert disconnected.address == f"sb://127.0.0.1:{port}/hub"
        async with emulator(port=port) as back:
            await recovers(opened, back)


@scenario()
async def a_partition_that_stands_still_is_said_and_the_connection_made_anew() -> None:
    async with emulator() as running, Opened(running, stall_s=3.0) as opened:
        await recovers(opened, running)
        assert running.half_open() > 0
        running.namespace.hub("hub").append(telemetry(b"{}", b"{}"))
        await opened.said.wait_for("PartitionStalled", events_waiting=2)
        assert opened.metric("twind_partition_stalls_total", source="hub") >= 1
        await opened.take(2)
        await opened.until(lambda: opened.source.health().connected)


@scenario()
async def a_slow_hub_is_waited_for() -> None:
    async with emulator() as running, Opened(running) as opened:
        await recovers(opened, running)
        running.slow(0.3)
        running.namespace.hub("hub").append(telemetry(*[b"{}"] * 20))
        await opened.take(20)
        running.slow(0)
        await recovers(opened, running)


@scenario()
async def a_hub_that_is_too_busy_to_be_read_is_said_and_read_again_when_it_is_not() -> None:
    async with emulator() as running, Opened(running) as opened:
        await opened.until(lambda: opened.source.health().connected)
        running.throttle(10**6)
        running.namespace.hub("hub").append(telemetry(*[b"{}"] * 20))
        assert "the hub is busy, or there is more than its throughput units allow" in await opened.away("busy")
        assert opened.metric("twind_partition_failures_total", source="hub") >= 1
        running.throttle(0)
        assert [message.number for message in await opened.take(20)] == list(range(20))
        await recovers(opened, running)


@scenario()
async def events_made_to_break_a_reader_end_as_messages_that_nothing_can_use() -> None:
    bodies = [b"[" * 1000, b'{"a":' * 2000, b"", b"\x00\xff\xfe", b'"' + b"x" * 300_000 + b'"']
    annotations: list[dict[str, Any]] = [
        {"iothub-message-source": 7},
        {"iothub-enqueuedtime": "yesterday"},
        {"iothub-enqueuedtime": 2**62},
        {"iothub-enqueuedtime": -1},
    ]
    async with emulator() as running, Opened(running) as opened:
        hub = running.namespace.hub("hub")
        hub.append(telemetry(*bodies))
        hub.append([event(b"{}", annotations=of_one) for of_one in annotations])
        hub.append(telemetry(b"{}"))
        taken = await opened.take(10)
        assert [message.payload for message in taken[:5]] == bodies
        assert [message.topic for message in taken[5:7]] == [
            "(an event that cannot be read: AttributeError)",
            "(an event that cannot be read: TypeError)",
        ]
        assert all(abs(message.receive_ns - time.time_ns()) < 3600e9 for message in taken)
        assert (taken[-1].topic, taken[-1].number) == ("arm-1", 9)
        assert opened.said.named("PartitionFailed") == []


@scenario()
async def a_reader_with_a_higher_epoch_is_yielded_to_with_growing_patience() -> None:
    keeper = Keeper()
    async with emulator() as running, Opened(running, keeper=keeper) as opened, Opened(running, epoch=5) as other:
        await recovers(other, running)
        detail = await opened.away("another reader of the consumer group '$Default'")
        assert "partition 0" in detail
        assert other.source.health().connected


@scenario()
async def a_clock_that_was_set_is_told_by_what_arrives() -> None:
    ahead = [0.0]
    async with emulator(now_s=lambda: time.time() + ahead[0]) as running, Opened(running) as opened:
        hub = running.namespace.hub("hub")
        ahead[0] = 600.0

        async def send() -> None:
            while True:
                hub.append([device_event("arm-1", b"{}", enqueued_ms=int((time.time() + 600) * 1000))])
                await asyncio.sleep(0.1)

        sending = asyncio.create_task(send())
        try:
            told = await opened.said.wait_for("ClocksDisagree")
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
        assert -601 < told.seconds < -590
        assert opened.metric("twind_hub_clocks_disagree_total", source="hub") >= 1


@scenario()
async def twind_check_says_what_there_is_and_disturbs_no_daemon_that_reads() -> None:
    async with emulator(partitions=3) as running, Opened(running) as opened:
        await recovers(opened, running)
        said = await adapter.probe("hub", opened.settings, instance="cell-7")
        assert "3 partitions, consumer group '$Default'" in said
        assert opened.said.named("PartitionReleased") == []


@pytest.mark.parametrize("name", scenario.names)
def test_that(name: str) -> None:
    scenario.check(name)
