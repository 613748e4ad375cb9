"""The sink `mqtt_twins`: keeps the device twins of robots and speaks with them as IoT Hub does."""

from __future__ import annotations

import asyncio
import copy
import re
from collections import Counter, deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from twind.api import Backoff, PermanentError, RetryableError, TwindError, events
from twind_mqtt.device_twin import Answer, DeviceTwin
from twind_mqtt.line import Line
from twind_mqtt.twin_limits import BadPatchError
from twind_mqtt.twin_register import TwinRegister, now
from twind_mqtt.twin_settings import MqttTwinSettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from paho.mqtt.client import Client, MQTTMessage

    from twind.api import SinkContext
    from twind_mqtt.link import Link

MAX_WAITING = 1000
"""Requests of all robots, and changes for them, that may wait."""
MAX_WAITING_OF_ONE = 20
"""Requests of one robot that may wait. Beyond either the answer is 429, and beyond as many of those there is none."""
_REQUEST = re.compile(r"twin/(GET|PATCH/properties/reported)/\?\$rid=([A-Za-z0-9_-]{1,64})$")

_DESIRED = "twin/PATCH/properties/desired/?$version="


@dataclass(frozen=True, slots=True)
class _Request:
    entity: str
    patch: bool
    rid: str
    payload: bytes
    too_many: bool
    """Whether it is one too many, and is only told so."""


class TwinService:
    """One twin for each robot. Belongs to one event loop.

    What a robot reports is answered with 204 once it is on the disk; desired properties are sent at every connection and again
    every `repeat_s`, until the robot has answered their version.
    """

    def __init__(self, name: str, settings: MqttTwinSettings, context: SinkContext) -> None:
        self.name = name
        file = (context.state_dir or Path()) / "device-twins" / f"{name}.json"
        self.register = TwinRegister(file, context.robots)
        self._settings = settings
        self._robots = frozenset(context.robots)
        self._telemetry = context.telemetry
        self._line = Line(
            settings, client_id=settings.client_id_of(name, instance=context.instance), on_message=self._on_message
        )
        self._requests: deque[_Request] = deque()
        self._waiting_of: Counter[str] = Counter()
        self._patches: deque[tuple[str, int, bytes]] = deque(maxlen=MAX_WAITING)
        """Changes of desired properties that are to be sent at once: robot, version, patch. One that is lost is repeated."""
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

    # The service's side.

    def device_twins(self) -> Sequence[Mapping[str, object]]:
        """Return of every robot its id and what became of its desired properties."""
        return [
            {
                "deviceId": robot,
                "etag": twin.etag,
                "desiredVersion": twin.desired_version,
                "reportedVersion": twin.reported_version,
                "answer": twin.answer(),
            }
            for robot in self.register.robots
            if (twin := self.register.shown(robot)) is not None
        ]

    def device_twin(self, robot: str) -> Mapping[str, object] | None:
        """Return the twin of a robot, or None."""
        twin = self.register.shown(robot)
        return None if twin is None else twin.service_document(robot)

    async def change_device_twin(
        self, robot: str, document: Mapping[str, object], *, if_match: str | None, replace: bool
    ) -> Mapping[str, object] | None:
        """Change a twin as who administers the robot asks, and let the robot know."""
        if self.register.shown(robot) is None:
            return None
        twin, patch = await self.register.change(robot, document, if_match=if_match, replace=replace)
        self._telemetry.emit(events.TwinChanged(sink=self.name, entity=robot, version=twin.version))
        if patch is not None:
            self._answers[robot] = twin.answer()
            self._asked_s.pop(robot, None)
            self._patches.append((robot, twin.desired_version, msgspec.json.encode(patch)))
            self._news.set()
        return twin.service_document(robot)

    # The robots' side.

    async def serve(self) -> None:
        """Speak with the robots, for ever; connect again whenever the broker was away. Ends by cancellation.

        Raises:
            PermanentError: The twins cannot be read or kept.
        """
        await self.register.load(self._settings.desired)
        self._answers = self.register.answers()
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
            await self._send_patches(link)
            await self._answer_all(link)
        raise RetryableError(link.ended.result())

    async def _send_patches(self, link: Link) -> None:
        """Send what was changed at run time, as the changes that they were."""
        while self._patches:
            robot, version, patch = self._patches[0]
            sent = link.publish(f"{self._prefix(robot)}{_DESIRED}{version}", patch, retain=False)
            await self._line.confirmed([sent])
            self._patches.popleft()
            self._telemetry.emit(events.DesiredSent(sink=self.name, count=1))

    async def _send_desired(self, link: Link) -> None:
        """Send desired properties as a whole to every robot that has not answered them."""
        now_s = asyncio.get_running_loop().time()
        sent = []
        for robot in self.register.robots:
            twin = self.register.twins[robot]
            if not twin.desired or self._answers[robot] is not Answer.PENDING:
                continue
            topic = f"{self._prefix(robot)}{_DESIRED}{twin.desired_version}"
            sent.append(link.publish(topic, twin.desired_patch(), retain=False))
            if now_s - self._asked_s.setdefault(robot, now_s) >= self._settings.warn_after_s:
                self._telemetry.emit(events.DesiredUnanswered(sink=self.name, entity=robot, version=twin.desired_version))
        await self._line.confirmed(sent)
        if sent:
            self._telemetry.emit(events.DesiredSent(sink=self.name, count=len(sent)))

    async def _answer_all(self, link: Link) -> None:
        """Merge everything that waits, keep it once, then answer each request."""
        requests, self._requests = list(self._requests), deque()
        self._waiting_of.clear()
        async with self.register.changing() as changed:
            answers = [self._answer(request, changed) for request in requests]
        for robot in changed:
            self._note_answer(robot, self.register.twins[robot])
        sent = []
        for request, (result, payload) in zip(requests, answers, strict=True):
            sent.append(link.publish(f"{self._prefix(request.entity)}twin/res/{result}", payload, retain=False))
        await self._line.confirmed(sent)

    def _answer(self, request: _Request, changed: dict[str, DeviceTwin]) -> tuple[str, bytes]:
        """Do what is asked, on copies; return the end of the answer's topic, and its payload."""
        twin = changed.get(request.entity, self.register.twins[request.entity])
        if request.too_many:
            return f"429/?$rid={request.rid}", msgspec.json.encode({"message": "too many requests wait; ask again later"})
        if not request.patch:
            if twin.removed:  # it knows now
                twin = changed[request.entity] = copy.copy(twin)
                twin.removed = {}
            return f"200/?$rid={request.rid}", twin.device_document()
        twin = copy.copy(twin)
        try:
            twin.report(msgspec.json.decode(request.payload), now=now())
        except (BadPatchError, msgspec.DecodeError, RecursionError, UnicodeError) as error:
            self._telemetry.emit(events.TwinReportRefused(sink=self.name, entity=request.entity, error=str(error)))
            return f"400/?$rid={request.rid}", msgspec.json.encode({"message": str(error)})
        if twin.answer() is Answer.ACCEPTED:
            twin.removed = {}
        changed[request.entity] = twin
        return f"204/?$rid={request.rid}&$version={twin.reported_version}", b""

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
            robot, waiting = prefix[1], len(self._requests)
            too_many = waiting >= MAX_WAITING or self._waiting_of[robot] >= MAX_WAITING_OF_ONE
            if too_many:
                self._telemetry.emit(events.TwinReportRefused(sink=self.name, entity=robot, error="too many requests wait"))
                if waiting >= 2 * MAX_WAITING or self._waiting_of[robot] >= 2 * MAX_WAITING_OF_ONE:
                    return
            self._waiting_of[robot] += 1
            payload = b"" if too_many else bytes(message.payload)
            self._requests.append(_Request(robot, request[1] != "GET", request[2], payload, too_many))
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
