"""The unmodified azure-eventhub against the emulator."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

import pytest
from azure.core.credentials import AccessToken
from azure.eventhub import EventData, EventHubConsumerClient, EventHubProducerClient
from azure.eventhub.aio import EventHubProducerClient as AsyncProducer
from azure.eventhub.exceptions import AuthenticationError, ConnectError, ConnectionLostError, EventHubError

from tests.eventhubs.sdk import RULE, emulator, eventually, producer, reading
from tests.eventhubs.together import Together
from twind_eventhubs.emulator import device_event
from twind_eventhubs.emulator.cbs import Grants

if TYPE_CHECKING:
    from twind_eventhubs.emulator import EmulatorThread


scenario = Together()


def texts(events: list[EventData]) -> list[str]:
    return [event.body_as_str() for event in events]


@scenario()
async def a_batch_of_1000_a_large_event_and_a_device_event_arrive_whole_and_in_order() -> None:
    large = bytes(range(256)) * 3_000  # 768 kB: many frames
    async with emulator(partitions=3) as running, producer(running) as client:
        batch = await client.create_batch(partition_key="robot-7")
        for number in range(1000):
            one = EventData(f"{number}")
            one.properties = {"line": number, "cell": "weld"}
            one.message_id = f"m-{number}"
            batch.add(one)
        await client.send_batch(batch)
        await client.send_event(EventData(large), partition_id="2")
        running.namespace.hub("hub").append(
            [device_event("pump-1", b'{"t": 1}', enqueued_ms=1_700_000_000_123, properties={"line": "7"})], partition="2"
        )
        async with reading(running) as got:
            await got.take(1002)
        keyed = next(events for events in got.by_partition.values() if len(events) >= 1000)
        events = [event for event in keyed if event.partition_key == b"robot-7"]
        assert texts(events) == [str(number) for number in range(1000)]
        assert [event.sequence_number for event in events] == list(range(1000))
        offsets = [int(event.offset or -1) for event in events]
        assert offsets == sorted(set(offsets))
        assert events[41].properties == {b"line": 41, b"cell": b"weld"}
        assert events[41].message_id == "m-41"
        assert abs(events[0].enqueued_time.timestamp() - time.time()) < 60  # type: ignore[union-attr]
        big, device = got.by_partition["2"][-2:]
        assert b"".join(big.body) == large  # type: ignore[arg-type]
        assert device.system_properties[b"iothub-connection-device-id"] == b"pump-1"
        assert device.system_properties[b"iothub-enqueuedtime"] == 1_700_000_000_123
        assert device.system_properties[b"iothub-message-source"] == b"Telemetry"
        assert device.content_type == "application/json"
        properties = await client.get_partition_properties("2")
        assert properties["last_enqueued_sequence_number"] == device.sequence_number
        assert properties["last_enqueued_offset"] == device.offset
        assert (await client.get_eventhub_properties())["partition_ids"] == ["0", "1", "2"]


@scenario()
async def reading_begins_where_it_is_told() -> None:
    now = [time.time() - 100]
    async with emulator(now_s=lambda: now[0]) as running:
        hub = running.namespace.hub("hub")
        for number in range(6):
            hub.append([device_event("d", b"%d" % number, enqueued_ms=0)])
            now[0] += 1.0
        third = hub.partitions["0"].read(3)
        assert third is not None
        import datetime as dt

        at_third = dt.datetime.fromtimestamp(third.enqueued_ms / 1000, dt.UTC)
        now[0] = time.time()  # the token that the SDK signs is of today
        cases: list[tuple[Any, bool, list[str]]] = [
            ("-1", False, ["0", "1", "2", "3", "4", "5"]),
            (3, True, ["3", "4", "5"]),
            (3, False, ["4", "5"]),
            (str(third.offset), True, ["3", "4", "5"]),
            (str(third.offset), False, ["4", "5"]),
            (at_third, True, ["3", "4", "5"]),
            (at_third, False, ["4", "5"]),
            ("@latest", False, []),
        ]

        async def check(position: Any, inclusive: bool, expected: list[str]) -> None:  # noqa: FBT001
            group = "other" if inclusive else "$Default"
            async with reading(
                running, group=group, partition_id="0", starting_position=position, starting_position_inclusive=inclusive
            ) as got:
                await got.take(len(expected) + 1)
            assert texts(got.events) == [*expected, "new"]

        checks = [asyncio.create_task(check(*case)) for case in cases]
        await eventually(lambda: len(hub.readers.of("$Default", "0")) + len(hub.readers.of("other", "0")) == len(cases))
        hub.append([device_event("d", b"new", enqueued_ms=0)])
        await asyncio.gather(*checks)


@scenario()
async def a_higher_epoch_takes_a_partition_and_a_lower_one_does_not_get_it_back() -> None:
    async with emulator() as running:
        hub = running.namespace.hub("hub")
        async with reading(running, partition_id="0", owner_level=1) as first:
            hub.append([device_event("d", b"a", enqueued_ms=0)])
            await first.take(1)
            async with reading(running, partition_id="0", owner_level=2) as second:
                await second.take(1)
                await first.until(lambda: first.errors)
                hub.append([device_event("d", b"b", enqueued_ms=0)])
                assert texts(await second.take(2)) == ["a", "b"]
        assert texts(first.events) == ["a"]
        assert isinstance(first.errors[0], ConnectionLostError)
        assert "amqp:link:stolen" in str(first.errors[0])
        assert second.errors == []


@scenario()
async def a_wrong_key_and_a_hub_that_is_not_there_are_refused_with_the_sdks_own_errors() -> None:
    async with emulator() as running:
        wrong = running.connection_string.replace("SharedAccessKey=", "SharedAccessKey=not-")
        async with AsyncProducer.from_connection_string(wrong, eventhub_name="hub", retry_total=0) as client:
            with pytest.raises(AuthenticationError, match="invalid signature"):
                await client.get_eventhub_properties()
            with pytest.raises(AuthenticationError, match="invalid signature"):
                await client.send_event(EventData("x"))
        right = running.connection_string
        async with AsyncProducer.from_connection_string(right, eventhub_name="gone", retry_total=0) as client:
            with pytest.raises(ConnectError, match="404"):
                await client.get_eventhub_properties()


def test_the_blocking_clients_work_too_and_the_fixture_takes_faults(eventhubs_emulator: EmulatorThread) -> None:
    connection = eventhubs_emulator.connection_string
    with EventHubProducerClient.from_connection_string(connection, eventhub_name="hub") as sender:
        sender.send_batch([EventData("a"), EventData("b")], partition_id="1")
    client = EventHubConsumerClient.from_connection_string(connection, consumer_group="other", eventhub_name="hub")
    got: list[str] = []

    def on_event(_: Any, event: EventData | None) -> None:
        if event is not None:
            got.append(event.body_as_str())
        if len(got) == 4:
            client.close()

    eventhubs_emulator.do(lambda running: running.duplicate(1.0))
    client.receive(on_event, starting_position="-1", partition_id="1")
    assert got == ["a", "a", "b", "b"]


class Signer:
    """A credential whose clock is the test's."""

    token_type = b"servicebus.windows.net:sastoken"

    def __init__(self, now: list[float]) -> None:
        self._now = now

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        expires = int(self._now[0]) + 3600
        resource = quote_plus(scopes[0])
        digest = hmac.new(RULE.key.encode(), f"{resource}\n{expires}".encode(), hashlib.sha256).digest()
        signature = quote_plus(base64.b64encode(digest))
        return AccessToken(f"SharedAccessSignature sr={resource}&sig={signature}&se={expires}&skn={RULE.name}", expires)

    async def close(self) -> None:
        pass


def test_the_sdk_renews_its_token_and_a_link_lives_on_beyond_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    import datetime as dt

    from azure.eventhub.aio import EventHubConsumerClient as AsyncConsumer

    from tests.eventhubs.sdk import Reading

    now = [time.time()]
    for module in ("cbs", "aio._cbs_async"):  # the SDK's clock
        monkeypatch.setattr(f"azure.eventhub._pyamqp.{module}.utc_now", lambda: dt.datetime.fromtimestamp(now[0], dt.UTC))
    signer = Signer(now)
    accepted: list[str] = []
    put = Grants.put

    def put_and_note(grants: Grants, token: str, **about: Any) -> None:
        put(grants, token, **about)
        accepted.append(about["audience"])

    monkeypatch.setattr(Grants, "put", put_and_note)

    async def scenario() -> None:
        async with emulator(now_s=lambda: now[0]) as running:
            hub = running.namespace.hub("hub")
            client = AsyncConsumer(
                f"127.0.0.1:{running.port}",
                "hub",
                "$Default",
                signer,  # type: ignore[arg-type]
                use_tls=False,
            )
            async with client:
                got = Reading(client, {"partition_id": "0"})
                hub.append([device_event("d", b"before", enqueued_ms=0)])
                await got.take(1)
                link = hub.readers.of("$Default", "0")
                before = len(accepted)
                now[0] += 3400
                # Signed is not enough: the clock goes on below, and a token that is still under way then comes too late.
                await eventually(lambda: len(accepted) > before)
                for _ in range(3):  # the answer is written: before the next event, so the SDK has it when it has that
                    await asyncio.sleep(0)
                hub.append([device_event("d", b"renewed", enqueued_ms=0)])
                await got.take(2)
                now[0] += 400  # the first token would have expired
                running.tick()
                hub.append([device_event("d", b"after", enqueued_ms=0)])
                await got.take(3)
                assert hub.readers.of("$Default", "0") == link
                assert got.errors == []
                now[0] += 7200  # and so has the second, but the SDK had no time to renew it
                running.tick()
                assert hub.readers.of("$Default", "0") == []
                await got.close()

    asyncio.run(scenario())


@scenario()
async def connections_that_are_cut_under_load_lose_no_event_that_was_acknowledged() -> None:
    acknowledged: list[str] = []

    async def send(client: AsyncProducer) -> None:
        for number in range(60):
            while True:
                try:
                    await client.send_event(EventData(f"{number}"))
                    break
                except EventHubError:
                    continue
            acknowledged.append(f"{number}")

    async with (
        emulator() as running,
        producer(running, retry_backoff_factor=0.05) as client,
        reading(running, client_options={"retry_backoff_factor": 0.05}) as got,
    ):
        sending = asyncio.create_task(send(client))
        await got.take(20)
        assert running.disconnect() >= 2
        await sending
        await got.until(lambda: {*texts(got.events)} >= {*acknowledged})
    assert len(acknowledged) == 60
    numbers = [event.sequence_number for event in got.events]
    assert sorted({*numbers}) == list(range(max(numbers) + 1))  # type: ignore[type-var,operator]


@scenario()
async def the_sdk_tries_again_when_the_server_is_busy() -> None:
    async with emulator() as running, producer(running, retry_backoff_factor=0.05) as client:
        running.busy(1)
        await client.send_event(EventData("x"))
        assert len(running.namespace.hub("hub").partitions["0"]) == 1
        running.busy(100)
        with pytest.raises(EventHubError, match="server-busy"):
            await client.send_event(EventData("y"))


@scenario()
async def a_server_that_is_slow_stalls_or_closes_is_survived_and_a_stolen_partition_is_said_to_be_stolen() -> None:
    async with emulator() as running, reading(running, partition_id="0", client_options={"retry_backoff_factor": 0.05}) as got:
        hub = running.namespace.hub("hub")
        running.slow(0.1)
        hub.append([device_event("d", b"slow", enqueued_ms=0)])
        await got.take(1)
        running.slow(0)
        running.stall()
        hub.append([device_event("d", b"stalled", enqueued_ms=0)])
        await asyncio.sleep(0.3)  # that nothing comes
        assert texts(got.events) == ["slow"]
        running.stall(stalled=False)
        await got.take(2)
        assert running.disconnect(politely=True) == 1
        hub.append([device_event("d", b"closed", enqueued_ms=0)])
        await got.take(3)
        assert texts(got.events) == ["slow", "stalled", "closed"]
        await eventually(lambda: len(hub.readers.of("$Default", "0")) == 1)
        assert running.steal("hub", "0") == 1
        await got.until(lambda: got.errors)
        assert "amqp:link:stolen" in str(got.errors[-1])


@pytest.mark.parametrize("name", scenario.names)
def test_that(name: str) -> None:
    scenario.check(name)
