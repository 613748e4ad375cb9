"""A client of Foxglove's protocol sees frames, joints and diagnostics; decoded by the schemas that the server announces."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import json
import struct
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import ClientSession, WSMsgType
from pydantic import ValidationError

pytest.importorskip("foxglove", reason="Foxglove's SDK is not installed (extra foxglove)")
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from twind.flow.sinks import NoticeSink, SinkContext
from twind.model.errors import RetryableError
from twind.model.notices import Notice, NoticeKind
from twind.telemetry import Telemetry
from twind_foxglove import adapter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from twind_foxglove.sink import FoxgloveSink

STAMP_NS = 1_700_000_000_250_000_000


def robot(position: float, stamp_ns: int | None = STAMP_NS) -> Notice:
    joint = {"position": position, "velocity": 0.5, "position_std": 0.001, "unit": "rad", "status": "ok"}
    document = {
        "id": "arm",
        "prim": "/Cell/arm",
        "status": "ok",
        "stamp_ns": stamp_ns,
        "joints": {"shoulder": joint, "elbow": joint | {"effort": 2.0}},
        "links": {"/Cell/arm/base": {"position": [1.0, 2.0, 3.0], "orientation": [0.5, 0.5, -0.5, 0.5]}},
    }
    return Notice(NoticeKind.STATE, "arm", STAMP_NS, document)


def part() -> Notice:
    pose = {"position": [4.0, 5.0, 6.0], "orientation": [1.0, 0.0, 0.0, 0.0], "position_std": 0.0, "rotation_std": 0.0}
    return Notice(NoticeKind.STATE, "part", STAMP_NS, {"id": "part", "prim": "/Cell/part", "stamp_ns": None, "pose": pose})


@contextlib.asynccontextmanager
async def serving(**options: Any) -> AsyncIterator[FoxgloveSink]:
    telemetry = Telemetry(stream=io.StringIO())
    settings = adapter.settings(type="foxglove", **({"listen": "127.0.0.1:0"} | options))
    sink = adapter.open("viewers", settings, SinkContext("cell-7", "", {}, telemetry))
    assert isinstance(sink, NoticeSink)
    task = asyncio.create_task(sink.run())
    try:
        async with asyncio.timeout(60):
            while not sink.url:
                assert not task.done(), task
                await asyncio.sleep(0.01)
        yield sink
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await sink.aclose()
        telemetry.close()


class Client:
    """What Foxglove does: learn of channels, subscribe, decode."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self.channels: dict[str, dict[str, Any]] = {}
        self._subscribed: dict[int, str] = {}

    async def until(self, topic: str, *, subscribed: bool = True) -> Any:
        """Wait for a message on a topic, or for the topic itself."""
        async with asyncio.timeout(60):
            while subscribed or topic not in self.channels:
                message = await self._socket.receive()
                if message.type == WSMsgType.TEXT:
                    said = json.loads(message.data)
                    for channel in said.get("channels", []) if said["op"] == "advertise" else []:
                        self.channels[channel["topic"]] = channel
                elif message.type == WSMsgType.BINARY and message.data[0] == 1:
                    subscription, _ = struct.unpack_from("<IQ", message.data, 1)
                    if self._subscribed[subscription] == topic:
                        return self._decode(topic, message.data[13:])
        return None

    async def subscribe(self, *topics: str) -> None:
        for topic in topics:
            await self.until(topic, subscribed=False)
            number = len(self._subscribed)
            self._subscribed[number] = topic
            subscription = {"id": number, "channelId": self.channels[topic]["id"]}
            await self._socket.send_json({"op": "subscribe", "subscriptions": [subscription]})

    def _decode(self, topic: str, payload: bytes) -> Any:
        channel = self.channels[topic]
        assert channel["encoding"] == "protobuf"
        files = descriptor_pb2.FileDescriptorSet.FromString(base64.b64decode(channel["schema"]))
        pool = descriptor_pool.DescriptorPool()
        for file in files.file:
            pool.Add(file)
        kind = message_factory.GetMessageClass(pool.FindMessageTypeByName(channel["schemaName"]))
        return kind.FromString(payload)


@contextlib.asynccontextmanager
async def connected(url: str) -> AsyncIterator[Client]:
    async with ClientSession() as session, session.ws_connect(url, protocols=("foxglove.sdk.v1",)) as socket:
        yield Client(socket)


def test_frames_joints_and_diagnostics_are_seen_in_si_units(run: Callable[..., Any]) -> None:
    async def main() -> None:
        async with serving() as sink:
            sink.offer([robot(0.25), part()])
            async with connected(sink.url) as client:
                await client.subscribe("/arm/joint_states", "/diagnostics")
                # What stands still was told before this client came, and is seen all the same.
                states = await client.until("/arm/joint_states")
                joints = {joint.name: joint for joint in states.joints}
                assert (joints["shoulder"].position, joints["shoulder"].velocity) == (0.25, 0.5)
                assert (joints["elbow"].effort, joints["shoulder"].HasField("effort")) == (2.0, False)
                assert states.timestamp.ToNanoseconds() == STAMP_NS

                await client.subscribe("/tf")
                seen = {}
                while len(seen) < 2:
                    for frame in (await client.until("/tf")).transforms:
                        seen[frame.child_frame_id] = frame
                base = seen["/Cell/arm/base"]
                assert base.parent_frame_id == "world"
                assert (base.translation.x, base.translation.y, base.translation.z) == (1.0, 2.0, 3.0)
                assert (base.rotation.w, base.rotation.x, base.rotation.y, base.rotation.z) == (0.5, 0.5, -0.5, 0.5)
                assert seen["/Cell/part"].translation.z == 6.0

                sink.offer([Notice(NoticeKind.STATUS, "arm", STAMP_NS, {"status": "stale", "was": "ok"})])
                log = await client.until("/diagnostics")
                assert (log.message, log.name, log.level) == ("arm is stale, was ok", "arm", 3)
                fault = {"event": "source_frozen", "level": "warning", "entity": "arm", "joints": 6}
                sink.offer([Notice(NoticeKind.INCIDENT, "arm", STAMP_NS, fault)])
                assert (await client.until("/diagnostics")).message == "source frozen: entity=arm joints=6"

    run(main())


def test_joints_without_a_sample_are_not_shown_as_if_they_were_measured(run: Callable[..., Any]) -> None:
    async def main() -> None:
        async with serving() as sink:
            sink.offer([robot(0.0, stamp_ns=None)])
            async with connected(sink.url) as client:
                await client.subscribe("/tf", "/arm/joint_states")
                await client.until("/tf")
                sink.offer([robot(0.5)])
                assert (await client.until("/arm/joint_states")).joints[0].position == 0.5

    run(main())


def test_an_address_that_is_taken_is_said_with_the_address(run: Callable[..., Any]) -> None:
    async def main() -> None:
        async with serving() as sink:
            address = sink.url.removeprefix("ws://")
            telemetry = Telemetry(stream=io.StringIO())
            second = adapter.open(
                "second", adapter.settings(type="foxglove", listen=address), SinkContext("cell-8", "", {}, telemetry)
            )
            with pytest.raises(RetryableError, match=f"cannot serve Foxglove on {address}"):
                await second.run()
            await second.aclose()
            telemetry.close()

    run(main())


@pytest.mark.parametrize(
    ("options", "words"),
    [({"listen": "0.0.0.0:8765"}, "auth: none"), ({"listen": "nowhere"}, "ADDRESS:PORT"), ({"state_hz": 0}, "greater than 0")],
)
def test_settings_that_are_unsafe_or_senseless_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        adapter.settings(**({"type": "foxglove"} | options))


def test_an_open_address_may_be_written_out() -> None:
    assert adapter.settings(type="foxglove", listen="0.0.0.0:8765", auth="none").auth == "none"
