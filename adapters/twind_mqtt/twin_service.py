"""The sink `mqtt_twins`: keeps the device twins of robots and speaks with them as IoT Hub does."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import msgspec

from twind.api import Backoff, PermanentError, RetryableError, TwindError, events
from twind_mqtt import twin_store
from twind_mqtt.device_twin import Answer, BadPatchError, DeviceTwin, merged
from twind_mqtt.line import Line
from twind_mqtt.twin_settings import MqttTwinSettings

if TYPE_CHECKING:
    from paho.mqtt.client import Client, MQTTMessage

    from twind.api import SinkContext
    from twind_mqtt.link import Link

MAX_WAITING = 1000
"""Requests of robots that may wait; beyond it they are not answered, and a robot asks again."""
_REQUEST = re.compile(r"twin/(GET|PATCH/properties/reported)/\?\$rid=([A-Za-z0-9_-]{1,64})$")


@dataclass(frozen=True, slots=True)
class _Request:
    entity: str
    patch: bool
    rid: str
    payload: bytes


class TwinService:
    """One twin for each robot. Belongs to one event loop.

    What a robot reports is answered with 204 once it is on the disk; desired properties are sent at every connection and again
    every `repeat_s`, until the robot has answered their version.
    """

    def __init__(self, name: str, settings: MqttTwinSettings, context: SinkContext) -> None:
        self.name = name
        self.twins: dict[str, DeviceTwin] = {}
        """By robot id; of robots that this daemon does not look after (any more) too."""
        self._settings = settings
        self._robots = tuple(context.robots)
        self._file = context.state_dir / "device-twins" / f"{name}.json"
        self._telemetry = context.telemetry
        self._line = Line(
            settings, client_id=settings.client_id_of(name, instance=context.instance), on_message=self._on_message
        )
        self._requests: deque[_Request] = deque()
        self._news = asyncio.Event()
        before, after = settings.topic_prefix.split("{entity}")
        self._topic = re.compile(re.escape(before) + r"([^/]+)" + re.escape(after))
        self._told_away = False
        self._answers: dict[str, Answer] = {}
        self._asked_s: dict[str, float] = {}
        for kind in (events.DesiredSent, events.DesiredAccepted, events.DesiredRefused, events.DesiredUnanswered):
            self._telemetry.declare(kind, sink=name)

    def __repr__(self) -> str:
        """Show for how many robots it works and what waits."""
        return f"<TwinService {self.name} {len(self._robots)} robots, {len(self._requests)} requests waiting>"

    async def serve(self) -> None:
        """Speak with the robots, for ever; connect again whenever the broker was away. Ends by cancellation.

        Raises:
            PermanentError: The twins cannot be read or kept.
        """
        await self._load()
        backoff = Backoff(base_s=self._settings.reconnect.base_s, cap_s=self._settings.reconnect.cap_s)
        while True:
            try:
                link = await self._line.link()
                await self._subscribe(link)
                backoff.reset()
                self._told_away = False
                self._telemetry.emit(events.SinkConnected(sink=self.name, address=self._settings.url))
                await self._converse(link)
            except TwindError as error:
                self._away(error)
                await self._line.aclose()
            await asyncio.sleep(backoff.next_delay_s())

    async def aclose(self) -> None:
        """Disconnect in good order."""
        await self._line.aclose()

    async def _load(self) -> None:
        self.twins = await asyncio.to_thread(twin_store.load, self._file)
        changed = False
        for robot in self._robots:
            desired: dict[str, Any] = {}
            for pattern, section in self._settings.desired.items():
                if fnmatchcase(robot, pattern):
                    desired = merged(desired, section)
            twin = self.twins.setdefault(robot, DeviceTwin())
            changed |= twin.want(desired)
            self._answers[robot] = twin.answer()
        if changed:
            await self._keep()

    async def _keep(self) -> None:
        await asyncio.to_thread(twin_store.save, self._file, self.twins)

    async def _subscribe(self, link: Link) -> None:
        prefix = self._settings.topic_prefix.replace("{entity}", "+")
        link.subscribe([f"{prefix}twin/GET/#", f"{prefix}twin/PATCH/properties/reported/#"], qos=1)
        problems = [
            problem for problem in (await link.subscribed(timeout_s=self._settings.connect_timeout_s)).values() if problem
        ]
        if problems:
            raise PermanentError("; ".join(problems))

    async def _converse(self, link: Link) -> None:
        """Answer requests and send desired properties until the connection ends.

        Raises:
            RetryableError: It ended.
            PermanentError: The broker refuses what is sent, or the twins cannot be kept.
        """
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        link.ended.add_done_callback(lambda _: self._news.set())
        while not link.ended.done():
            if loop.time() >= due_s:
                await self._send_desired(link)
                due_s = loop.time() + self._settings.repeat_s
            with suppress(TimeoutError):
                async with asyncio.timeout_at(due_s):
                    await self._news.wait()
            self._news.clear()
            await self._answer_all(link)
        raise RetryableError(link.ended.result())

    async def _send_desired(self, link: Link) -> None:
        now_s = asyncio.get_running_loop().time()
        sent = []
        for robot in self._robots:
            twin = self.twins[robot]
            if not twin.desired or self._answers[robot] is not Answer.PENDING:
                continue
            topic = f"{self._prefix(robot)}twin/PATCH/properties/desired/?$version={twin.desired_version}"
            sent.append(link.publish(topic, twin.desired_patch(), retain=False))
            if now_s - self._asked_s.setdefault(robot, now_s) >= self._settings.warn_after_s:
                self._telemetry.emit(events.DesiredUnanswered(sink=self.name, entity=robot, version=twin.desired_version))
        await self._line.confirmed(sent)
        if sent:
            self._telemetry.emit(events.DesiredSent(sink=self.name, count=len(sent)))

    async def _answer_all(self, link: Link) -> None:
        """Merge everything that waits, keep it once, then answer each request."""
        requests, self._requests = list(self._requests), deque()
        answers = [self._answer(request) for request in requests]
        if any(changed for changed, _, _ in answers):
            await self._keep()
        sent = []
        for request, (_, result, payload) in zip(requests, answers, strict=True):
            sent.append(link.publish(f"{self._prefix(request.entity)}twin/res/{result}", payload, retain=False))
        await self._line.confirmed(sent)

    def _answer(self, request: _Request) -> tuple[bool, str, bytes]:
        """Do what is asked; return whether the twin changed, the end of the answer's topic, and its payload."""
        twin = self.twins[request.entity]
        if not request.patch:
            return False, f"200/?$rid={request.rid}", twin.document()
        try:
            twin.report(msgspec.json.decode(request.payload))
        except (BadPatchError, msgspec.DecodeError, RecursionError) as error:
            self._telemetry.emit(events.TwinReportRefused(sink=self.name, entity=request.entity, error=str(error)))
            return False, f"400/?$rid={request.rid}", msgspec.json.encode({"message": str(error)})
        self._note_answer(request.entity, twin)
        return True, f"204/?$rid={request.rid}&$version={twin.reported_version}", b""

    def _note_answer(self, robot: str, twin: DeviceTwin) -> None:
        before, answer = self._answers[robot], twin.answer()
        self._answers[robot] = answer
        if answer is before or answer is Answer.PENDING or not twin.desired:
            return
        self._asked_s.pop(robot, None)
        kind = events.DesiredAccepted if answer is Answer.ACCEPTED else events.DesiredRefused
        self._telemetry.emit(kind(sink=self.name, entity=robot, version=twin.desired_version))

    def _prefix(self, robot: str) -> str:
        return self._settings.topic_prefix.replace("{entity}", robot)

    def _on_message(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        """Take one request. Called by paho; must not raise."""
        with suppress(UnicodeDecodeError):
            prefix = self._topic.match(message.topic)
            request = _REQUEST.fullmatch(message.topic[prefix.end() :]) if prefix else None
            if prefix is None or request is None or prefix[1] not in self._answers:
                return
            if len(self._requests) >= MAX_WAITING:
                error = f"{MAX_WAITING} requests wait already"
                self._telemetry.emit(events.TwinReportRefused(sink=self.name, entity=prefix[1], error=error))
                return
            self._requests.append(_Request(prefix[1], request[1] != "GET", request[2], bytes(message.payload)))
            self._news.set()

    def _away(self, error: TwindError) -> None:
        if not self._told_away:
            self._told_away = True
            self._telemetry.emit(events.SinkDisconnected(sink=self.name, address=self._settings.url, reason=str(error)))


class MqttTwinAdapter:
    """What the entry point `mqtt_twins` of the group `twind.sinks` names."""

    settings = MqttTwinSettings

    def open(self, name: str, settings: MqttTwinSettings, context: SinkContext) -> TwinService:
        """Make the service, not yet connected."""
        return TwinService(name, settings, context)


adapter = MqttTwinAdapter()
