"""Robots speak IoT Hub's twin protocol with the sink `mqtt_twins` over a real broker."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from tests.mqtt.listener import listening
from twind.flow.sinks import ServiceSink, SinkContext
from twind.model.errors import PermanentError
from twind.telemetry import Telemetry
from twind_mqtt.twin_service import TwinService, adapter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

ROBOTS = ("arm-1", "arm-2", "agv")
DESIRED = {"*": {"rate_hz": 10, "log": {"level": "info"}}, "arm-*": {"rate_hz": 100}, "arm-2": {"log": None}}


def service(url: str, folder: Path, said: io.StringIO, **options: Any) -> TwinService:
    options = {"desired": DESIRED, "reconnect": {"base_s": 0.05, "cap_s": 0.1}} | options
    settings = adapter.settings(type="mqtt_twins", url=url, **options)
    context = SinkContext("cell-7", "", {}, Telemetry(stream=said), state_dir=folder, robots=ROBOTS)
    return adapter.open("twins", settings, context)


@contextlib.asynccontextmanager
async def serving(url: str, folder: Path, **options: Any) -> AsyncIterator[io.StringIO]:
    said = io.StringIO()
    sink = service(url, folder, said, **options)
    assert isinstance(sink, ServiceSink)
    task = asyncio.create_task(sink.serve())
    try:
        yield said
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await sink.aclose()
        sink._telemetry.close()


def on(topic: str) -> Callable[[list[Any]], Any]:
    """Return the payload of the newest message on a topic, once there is one."""
    return lambda heard: next((one for one in reversed(heard) if one.topic == topic), None)


def test_a_robot_gets_its_desired_properties_and_answers_them(run: Callable[..., Any], mosquitto: Any, tmp_path: Path) -> None:
    async def main() -> None:
        async with listening(mosquitto.url, "devices/#") as robot:
            async with serving(mosquitto.url, tmp_path, repeat_s=0.05) as said:
                first = "devices/arm-1/twin/PATCH/properties/desired/?$version=1"
                wanted = (await robot.until(on(first))).json
                assert wanted == {"rate_hz": 100, "log": {"level": "info"}, "$version": 1}
                await robot.until(lambda heard: sum(one.topic == first for one in heard) >= 3)  # again, until it answers
                answer = {"rate_hz": {"value": 100, "ac": 200, "av": 1}, "log": {"level": "info"}}
                await robot.say("devices/arm-1/twin/PATCH/properties/reported/?$rid=7", json.dumps(answer).encode())
                await robot.until(on("devices/arm-1/twin/res/204/?$rid=7&$version=1"))
                heard = len(robot.heard)
                await robot.until(lambda all_of_it: sum("agv" in one.topic for one in all_of_it[heard:]) >= 2)
                assert not any(one.topic == first for one in robot.heard[heard:])
                assert (await robot.until(on(first.replace("arm-1", "arm-2")))).json == {"rate_hz": 100, "$version": 1}
            assert "desired_accepted" in said.getvalue()

            # What was kept is there after a restart; what the robot shall be anew has a new version.
            async with serving(mosquitto.url, tmp_path, desired={"arm-1": {"rate_hz": 50}}) as said:
                await robot.until(on("devices/arm-1/twin/PATCH/properties/desired/?$version=2"))
                await robot.say("devices/arm-1/twin/GET/?$rid=get-1")
                twin = (await robot.until(on("devices/arm-1/twin/res/200/?$rid=get-1"))).json
                assert twin == {"desired": {"rate_hz": 50, "$version": 2}, "reported": answer | {"$version": 1}}
                refusal = json.dumps({"rate_hz": {"value": 100, "ac": 409, "av": 2}}).encode()
                await robot.say("devices/arm-1/twin/PATCH/properties/reported/?$rid=8", refusal)
                await robot.until(on("devices/arm-1/twin/res/204/?$rid=8&$version=2"))
            assert "desired_refused" in said.getvalue()

    run(main())


def test_what_cannot_be_kept_is_answered_with_the_reason_and_strangers_not_at_all(
    run: Callable[..., Any], mosquitto: Any, tmp_path: Path
) -> None:
    async def main() -> None:
        async with listening(mosquitto.url, "devices/+/twin/res/#") as robot, serving(mosquitto.url, tmp_path):
            reported = "devices/{}/twin/PATCH/properties/reported/?$rid={}"
            async with listening(mosquitto.url, "devices/agv/twin/PATCH/properties/desired/#", client_id="up") as up:
                await up.until(len)  # it serves
            await robot.say(reported.format("nobody", 1), b"{}")
            await robot.say("devices/agv/twin/GET/?$rid=", b"")
            await robot.say("devices/agv/twin/GET/?$rid=a/b", b"")
            for rid, payload in enumerate((b"{", b"[1]", b'{"$a":1}', b'{"a":' * 100_000), start=2):
                await robot.say(reported.format("agv", rid), payload)
            await robot.say(reported.format("agv", 6), b'{"battery":0.5}')
            await robot.until(on("devices/agv/twin/res/204/?$rid=6&$version=1"))
            assert [one.topic.partition("res/")[2] for one in robot.heard] == [
                *[f"400/?$rid={rid}" for rid in range(2, 6)],
                "204/?$rid=6&$version=1",
            ]
            assert all(one.json["message"] for one in robot.heard[:4])

    run(main())


def test_a_robot_that_asks_too_much_is_told_so_and_others_are_not_held_up(
    run: Callable[..., Any], mosquitto: Any, tmp_path: Path
) -> None:
    async def main() -> None:
        async with listening(mosquitto.url, "devices/+/twin/res/#") as robot, serving(mosquitto.url, tmp_path):
            async with listening(mosquitto.url, "devices/agv/twin/PATCH/properties/desired/#", client_id="up") as up:
                await up.until(len)  # it serves
            asked = [robot.link.publish(f"devices/agv/twin/GET/?$rid={rid}", b"", retain=False) for rid in range(200)]
            asked.append(robot.link.publish("devices/arm-1/twin/GET/?$rid=other", b"", retain=False))
            await asyncio.gather(*asked)
            await robot.until(on("devices/arm-1/twin/res/200/?$rid=other"), within_s=180)
            answers = [one.topic.split("/")[4] for one in robot.heard if "agv" in one.topic]
            assert answers.count("200") >= 20
            assert set(answers) <= {"200", "429"}

    run(main())


def test_a_broker_that_dies_is_found_again_and_robots_hear_from_it(
    run: Callable[..., Any], mosquitto: Any, tmp_path: Path
) -> None:
    async def main() -> None:
        async with serving(mosquitto.url, tmp_path, repeat_s=60) as said:
            for _ in range(2):
                async with listening(mosquitto.url, "devices/agv/twin/#") as robot:
                    await robot.say("devices/agv/twin/GET/?$rid=1")
                    with contextlib.suppress(TimeoutError):  # the service may not have been back when it asked
                        await robot.until(on("devices/agv/twin/res/200/?$rid=1"), within_s=1)
                    while not any("res/200" in one.topic for one in robot.heard):
                        await robot.say("devices/agv/twin/GET/?$rid=1")
                        with contextlib.suppress(TimeoutError):
                            await robot.until(on("devices/agv/twin/res/200/?$rid=1"), within_s=1)
                    answer = on("devices/agv/twin/res/200/?$rid=1")(robot.heard).json
                    assert answer["desired"] == {"rate_hz": 10, "log": {"level": "info"}, "$version": 1}
                mosquitto.kill()
                mosquitto.start()
        assert said.getvalue().count('"event":"sink_connected"') >= 2
        assert '"event":"sink_disconnected"' in said.getvalue()

    run(main())


def test_a_file_of_twins_that_cannot_be_read_is_said_and_left_alone(run: Callable[..., Any], tmp_path: Path) -> None:
    file = tmp_path / "device-twins" / "twins.json"
    file.parent.mkdir()
    for text, words in (('{"format":1,"twins":', "repair it"), ('{"format":3,"twins":{}}', "newer twind")):
        file.write_text(text)
        said = io.StringIO()
        sink = service("mqtt://localhost:1", tmp_path, said)
        with pytest.raises(PermanentError, match=words):
            run(sink.serve())
        assert file.read_text() == text
        sink._telemetry.close()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"topic_prefix": "devices/"}, "must hold"),
        ({"topic_prefix": "devices/x{entity}/"}, "level of its own"),
        ({"topic_prefix": "devices/{entity}"}, "end with"),
        ({"desired": {"*": {"$x": 1}}}, "must not hold"),
    ],
)
def test_settings_that_cannot_work_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        adapter.settings(**({"type": "mqtt_twins", "url": "mqtt://broker"} | options))
