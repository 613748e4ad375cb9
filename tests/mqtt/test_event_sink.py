"""CloudEvents reach the subscribers of a real broker, through its restarts."""

from __future__ import annotations

import asyncio
import contextlib
import io
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from tests.mqtt.listener import listening
from twind.flow.sinks import SinkContext
from twind.model.notices import Notice, NoticeKind
from twind.telemetry import Telemetry
from twind_mqtt.event_sink import adapter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from twind.flow.delivery import Delivery

STATE, STATUS, INCIDENT = NoticeKind.STATE, NoticeKind.STATUS, NoticeKind.INCIDENT


@contextlib.asynccontextmanager
async def telling(url: str, *, state_dir: Path | None = None, generation: int = 1, **options: Any) -> AsyncIterator[Delivery]:
    options = {"retry": {"base_s": 0.05, "cap_s": 0.1}} | options
    telemetry = Telemetry(stream=io.StringIO())
    settings = adapter.settings(type="mqtt", url=url, **options)
    context = SinkContext("cell-7", "", {}, telemetry, generation=generation, state_dir=state_dir)
    sink = adapter.open("events", settings, context)
    task = asyncio.create_task(sink.run())
    try:
        yield sink
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await sink.aclose()
        telemetry.close()


def numbered(kind: NoticeKind, subject: str, number: int) -> Notice:
    return Notice(kind, subject, 1, {"number": number})


def test_events_arrive_as_cloud_events_on_the_topic_of_their_kind_and_subject(run: Callable[..., Any], mosquitto: Any) -> None:
    async def main() -> None:
        async with listening(mosquitto.url, "twind/#") as listener, telling(mosquitto.url, retain=True) as sink:
            sink.offer([numbered(STATE, "arm", 1), numbered(STATUS, "arm", 2), numbered(INCIDENT, "cell/+/x", 3)])
            sink.offer([numbered(INCIDENT, "", 4)])
            await listener.until(lambda heard: len(heard) == 4)
            assert [(one.topic, one.json["data"]["number"]) for one in listener.heard] == [
                ("twind/cell-7/events/entity.state/arm", 1),
                ("twind/cell-7/events/entity.status/arm", 2),
                ("twind/cell-7/events/incident/cell___x", 3),
                ("twind/cell-7/events/incident/daemon", 4),
            ]
            assert {one.content_type for one in listener.heard} == {"application/cloudevents+json"}
            assert "subject" not in listener.heard[3].json
        async with listening(mosquitto.url, "twind/#", client_id="late") as late:
            await late.until(lambda heard: len(heard) == 2)
            assert sorted(one.json["type"] for one in late.heard) == ["io.twind.entity.state", "io.twind.entity.status"]

    run(main())


def test_a_broker_that_dies_costs_no_event(run: Callable[..., Any], mosquitto: Any) -> None:
    async def main() -> None:
        async with telling(mosquitto.url) as sink:
            async with listening(mosquitto.url, "twind/#") as listener:
                sink.offer([numbered(STATUS, "arm", 0)])
                await listener.until(len)
            mosquitto.kill()
            sink.offer([numbered(STATUS, "arm", number) for number in range(1, 50)])
            mosquitto.start()
            # The broker forgot its subscribers with everything else: whoever subscribes now hears what is sent from now on.
            async with listening(mosquitto.url, "twind/#") as listener:
                sink.offer([numbered(STATUS, "arm", 50)])
                await listener.until(lambda heard: heard[-1].json["data"]["number"] == 50 if heard else False)
            assert len(sink.outbox) == 0 or sink.outbox.lost == 0
        assert sink.outbox.lost == 0
        assert len(sink.outbox) == 0

    run(main())


def test_a_broker_that_refuses_publishing_is_told_in_a_sentence_and_nothing_is_lost(
    run: Callable[..., Any], start_mosquitto: Callable[..., Any], tmp_path: Any
) -> None:
    rules = tmp_path / "acl"
    rules.write_text("topic read #\n")
    broker = start_mosquitto(f"acl_file {rules}")

    async def main() -> None:
        async with telling(broker.url, close_s=0) as sink:
            said: list[Any] = []
            refused = asyncio.Event()
            told = sink._telemetry.emit

            def emit(event: Any) -> None:
                told(event)
                said.append(event)
                if type(event).__name__ == "SinkDisconnected":
                    refused.set()

            sink._telemetry.emit = emit  # type: ignore[method-assign]
            sink.offer([numbered(STATUS, "arm", 0)])
            async with asyncio.timeout(30):
                await refused.wait()
            (away,) = [event for event in said if type(event).__name__ == "SinkDisconnected"]
            assert "allow this client to publish" in away.reason
            assert len(sink.outbox) == 1

    run(main())


@pytest.mark.parametrize("option", ["message_size_limit 5000", "max_packet_size 5000"])
def test_an_event_that_is_too_large_for_the_broker_is_told_and_counted_and_holds_nothing_up(
    run: Callable[..., Any], start_mosquitto: Callable[..., Any], option: str
) -> None:
    broker = start_mosquitto(option)

    async def main() -> None:
        async with telling(broker.url) as sink, listening(broker.url, "twind/#") as listener:
            sizes = {3: 6000, 4: 5000, 8: 4500}
            sink.offer([Notice(STATUS, "arm", 1, {"number": number, "x": "x" * sizes.get(number, 0)}) for number in range(10)])
            await listener.until(lambda heard: heard[-1].json["data"]["number"] == 9 if heard else False, within_s=180)
            arrived = dict.fromkeys(one.json["data"]["number"] for one in listener.heard)  # the broker may hang up meanwhile
            assert list(arrived) == [0, 1, 2, 5, 6, 7, 8, 9]
            async with asyncio.timeout(180):
                while len(sink.outbox):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            lost = 'twind_notices_lost_total{reason="oversize",sink="events"} 2.0'
            assert lost in sink._telemetry.render_metrics().decode()

    run(main())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"topic": "a/#"}, "without wildcards"),
        ({"topic": "a/{entity}"}, "only placeholders"),
        ({"topic": "a", "retain": True}, "one topic keeps one message"),
        ({"url": "http://x"}, "must be mqtt://"),
        ({"routes": []}, "routes"),
    ],
)
def test_settings_that_cannot_work_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        adapter.settings(**({"type": "mqtt", "url": "mqtt://broker"} | options))
