"""One way to take in messages, in a process of its own whose CPU time is what is measured.

`python subscriber.py VARIANT URL PROTOCOL QOS CORE PREFIX ROBOTS`, then lines on standard input: `COUNT` waits for so many
messages and answers with one line of JSON. It says `ready` once it is subscribed.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import statistics
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

_PATIENCE_S = 60.0


class Counter:
    """Counts messages up to what is expected."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.batches: list[int] = []
        self._missing = 0

    def expect(self, count: int) -> None:
        """Wait for so many from now on."""
        self.done.clear()
        self.batches.clear()
        self._missing = count

    def one(self) -> None:
        """Note a message."""
        self._missing -= 1
        if not self._missing:
            self.done.set()

    def many(self, count: int) -> None:
        """Note a batch."""
        self.batches.append(count)
        self._missing -= count
        if self._missing <= 0:
            self.done.set()


class Taker(Protocol):
    """Connects and subscribes on a thread of its own, and goes on until the process ends."""

    def __call__(self, counter: Counter, url: str, protocol: str, qos: int, prefix: str, robots: int, /) -> None:  # noqa: PLR0917
        """Return once it is subscribed."""


def bare(*, parse: bool) -> Taker:
    """Subscribe with paho as its documentation shows it: a callback, and `loop_start`."""

    def take(counter: Counter, url: str, protocol: str, qos: int, prefix: str, _robots: int) -> None:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

        version = MQTTProtocolVersion.MQTTv5 if protocol == "5" else MQTTProtocolVersion.MQTTv311
        client = Client(CallbackAPIVersion.VERSION2, protocol=version)
        subscribed = threading.Event()
        one = counter.one

        def nothing(_client: Any, _userdata: Any, _message: Any) -> None:
            one()

        def loads(_client: Any, _userdata: Any, message: Any) -> None:
            json.loads(message.payload)
            one()

        client.on_message = loads if parse else nothing
        client.on_connect = lambda *_: client.subscribe(f"{prefix}/+/joint_state", qos)
        client.on_subscribe = lambda *_: subscribed.set()
        parts = urlsplit(url)
        client.connect(parts.hostname or "", parts.port or 1883)
        client.loop_start()
        assert subscribed.wait(_PATIENCE_S), "no subscription"

    return take


def _on_a_loop(main: Callable[[threading.Event], Any]) -> None:
    ready = threading.Event()
    threading.Thread(target=lambda: asyncio.run(main(ready)), name="loop", daemon=True).start()
    assert ready.wait(_PATIENCE_S), "not subscribed in time"


def _settings(url: str, protocol: str, qos: int, prefix: str) -> Any:
    from twind_mqtt.settings import MqttSettings

    routes = [{"topic": f"{prefix}/{{entity}}/joint_state", "codec": "joint_state"}]
    document = {"type": "mqtt", "url": url, "protocol": protocol, "qos": qos, "clean_session": True, "routes": routes}
    return MqttSettings.model_validate(document)


def link(counter: Counter, url: str, protocol: str, qos: int, prefix: str, _robots: int) -> None:
    """Subscribe with twind's own connection (paho driven by the event loop), with a callback that does nothing."""
    from twind_mqtt.link import Link

    settings = _settings(url, protocol, qos, prefix)
    one = counter.one

    def nothing(_client: Any, _userdata: Any, _message: Any) -> None:
        one()

    async def main(ready: threading.Event) -> None:
        opened = await Link.open(settings, client_id=f"bench-{prefix}", on_message=nothing)
        opened.subscribe(settings.filters, qos=qos)
        await opened.subscribed(timeout_s=_PATIENCE_S)
        ready.set()
        await opened.ended

    _on_a_loop(main)


def twind(counter: Counter, url: str, protocol: str, qos: int, prefix: str, robots: int, /) -> None:  # noqa: PLR0917  (a Taker)
    """Run twind's source and pump: queue, batches, routes, typed decode, clocks, filters, metrics, acknowledgements."""
    import robots as arms

    from twind.codecs.joint_state import JointStateCodec
    from twind.config.settings import EstimationSettings
    from twind.model.estimates import Verdict
    from twind.runtime.bindings import Bindings
    from twind.runtime.estimators import Estimators
    from twind.runtime.pipeline import Feed
    from twind.runtime.pump import Pump
    from twind.telemetry import Telemetry
    from twind_mqtt import adapter

    settings = _settings(url, protocol, qos, prefix)
    estimation = EstimationSettings()
    topology = arms.topology(robots)
    estimators = Estimators(topology, estimation)
    estimators.warm_up()

    def on_report(report: Any) -> None:
        used = report.verdicts[Verdict.ACCEPTED] + report.verdicts[Verdict.GATED] + report.verdicts[Verdict.RESET]
        assert used == report.messages * arms.JOINTS, f"samples were not used: {report.verdicts}"
        counter.many(report.messages)

    async def main(ready: threading.Event) -> None:
        telemetry = Telemetry(stream=io.StringIO())
        source = adapter.open("bench", settings, instance=prefix, telemetry=telemetry)
        bindings = Bindings(settings.routes, {"joint_state": JointStateCodec()}, topology, estimators)
        feed = Feed(bindings, estimators, on_refused=_not_expected)
        pump = Pump(source, feed, batch_s=estimation.batch_ms / 1e3, telemetry=telemetry, on_report=on_report)
        async with asyncio.TaskGroup() as group:
            group.create_task(source.run())
            group.create_task(pump.run())
            while not source.health().connected:  # noqa: ASYNC110  (it tells nobody)
                await asyncio.sleep(0.05)
            await asyncio.sleep(0.3)  # the subscription is answered
            ready.set()

    _on_a_loop(main)


def _not_expected(_message: Any, refusal: Exception) -> None:
    raise AssertionError(refusal)


VARIANTS: dict[str, Taker] = {
    "nothing": bare(parse=False),
    "json.loads": bare(parse=True),
    "link": link,
    "twind": twind,
}


def main() -> None:
    """Subscribe, then measure whenever told to."""
    variant, url, protocol, qos, core, prefix, robots = sys.argv[1:]
    os.sched_setaffinity(0, {int(core)})
    counter = Counter()
    VARIANTS[variant](counter, url, protocol, int(qos), prefix, int(robots))
    print("ready", flush=True)
    for line in sys.stdin:
        counter.expect(int(line))
        started = time.process_time()
        print("go", flush=True)
        arrived = counter.done.wait(_PATIENCE_S)
        spent = time.process_time() - started
        batch = statistics.median(counter.batches) if counter.batches else 1
        print(json.dumps({"cpu_us": spent / int(line) * 1e6 if arrived else None, "batch": batch}), flush=True)


if __name__ == "__main__":
    main()
