"""Notices reach the far side at least once and in order, however often it goes away; what is lost is counted."""

from __future__ import annotations

import asyncio
import io
import json
from typing import TYPE_CHECKING, Any

from prometheus_client.parser import text_string_to_metric_families

from twind.config.base import DeliverySettings
from twind.flow.cloud_events import CloudEvents
from twind.flow.delivery import Delivery
from twind.flow.sinks import NoticeSink, SinkContext
from twind.model.errors import PermanentError, RetryableError
from twind.model.notices import Notice, NoticeKind
from twind.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from twind.flow.outbox import Outgoing


class Far:
    """A far side that can be away, take only part, or refuse."""

    def __init__(self) -> None:
        self.address = "far://side"
        self.max_event_bytes = 5000
        self.took: list[dict[str, Any]] = []
        self.failures: list[Exception] = []
        self.hangs = False
        self.closed = False
        self._news = asyncio.Event()

    async def send(self, batch: Sequence[Outgoing]) -> Sequence[tuple[Outgoing, str]]:
        if self.hangs:
            await asyncio.Event().wait()
        failure = self.failures.pop(0) if self.failures else None
        taken = batch if failure is None else batch[: len(batch) // 2]
        self.took += [json.loads(one.payload) for one in taken]
        self._news.set()
        if failure is not None:
            raise failure
        return ()

    async def aclose(self) -> None:
        self.closed = True

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not condition():
                self._news.clear()
                await self._news.wait()


def delivery(far: Far, telemetry: Telemetry, **options: Any) -> Delivery:
    options = {"type": "far", "retry": {"base_s": 0.001, "cap_s": 0.002}} | options
    return Delivery("graph", DeliverySettings(**options), far, SinkContext("cell 7", "", {}, telemetry, generation=3))


def status(number: int, subject: str = "arm", **data: object) -> Notice:
    return Notice(NoticeKind.STATUS, subject, 1_700_000_000_000_000_000 + number, {"number": number, **data})


def counted(telemetry: Telemetry, name: str) -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families(telemetry.render_metrics().decode())
    samples = [sample for family in families for sample in family.samples if sample.name == name]
    return {
        tuple(sample.labels[name] for name in ("sink", "reason") if name in sample.labels): sample.value
        for sample in samples
        if sample.value
    }


def test_everything_arrives_in_order_though_the_far_side_fails_again_and_again(run: Callable[..., Any]) -> None:
    async def main() -> None:
        far, telemetry = Far(), Telemetry(stream=io.StringIO())
        sink = delivery(far, telemetry, max_batch=4)
        assert isinstance(sink, NoticeSink)
        far.failures = [RetryableError("away"), PermanentError("not allowed"), RetryableError("away", retry_after_s=0.001)] * 5
        sink.offer([status(number) for number in range(100)])
        task = asyncio.create_task(sink.run())
        await far.until(lambda: bool(far.took) and far.took[-1]["data"]["number"] == 99 and not far.failures)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await sink.aclose()
        first = list(dict.fromkeys(event["id"] for event in far.took))
        assert first == [f"3-{number}" for number in range(1, 101)]
        assert len(far.took) > 100  # some came twice, with the id that they had
        assert {event["id"]: event["data"]["number"] for event in far.took} == {f"3-{n + 1}": n for n in range(100)}
        assert counted(telemetry, "twind_notices_sent_total") == {("graph",): 100}
        assert counted(telemetry, "twind_notices_lost_total") == {}
        assert counted(telemetry, "twind_sink_disconnects_total")[("graph",)] >= 1
        telemetry.close()

    run(main())


def test_what_is_too_large_or_too_much_or_too_late_is_counted_with_its_reason(run: Callable[..., Any]) -> None:
    async def main() -> None:
        said = io.StringIO()
        far, telemetry = Far(), Telemetry(stream=said)
        sink = delivery(far, telemetry, max_events=10, close_s=0.05)
        far.hangs = True
        sink.offer([status(0, text="x" * 6000)])
        sink.offer([status(number) for number in range(25)])
        await sink.aclose()
        assert counted(telemetry, "twind_notices_lost_total") == {
            ("graph", "oversize"): 1,
            ("graph", "queue_full"): 15,
            ("graph", "shutdown"): 10,
        }
        assert far.closed
        telemetry.close()
        assert "status of 'arm'" in said.getvalue().replace("entity.", "")

    run(main())


def test_a_stopping_daemon_still_sends_what_waits(run: Callable[..., Any]) -> None:
    async def main() -> None:
        far, telemetry = Far(), Telemetry(stream=io.StringIO())
        sink = delivery(far, telemetry, max_batch=2)
        sink.offer([status(number) for number in range(5)])
        await sink.aclose()
        assert [event["data"]["number"] for event in far.took] == [0, 1, 2, 3, 4]
        telemetry.close()

    run(main())


def test_an_event_is_a_cloud_event_whose_sequence_orders_as_text_across_restarts() -> None:
    sequences = []
    for generation in (2, 10):
        events = CloudEvents("cell 7/a", generation)
        for number in range(3):
            event = json.loads(events.encode(status(number, std=float("inf"))).payload)
            sequences.append(event["sequence"])
    assert event == {
        "specversion": "1.0",
        "id": "10-3",
        "source": "/twind/cell%207%2Fa",
        "type": "io.twind.entity.status",
        "subject": "arm",
        "time": "2023-11-14T22:13:20.000000Z",
        "datacontenttype": "application/json",
        "dataschema": "urn:twind:entity.status:1",
        "sequence": sequences[-1],
        "partitionkey": "arm",
        "data": {"number": 2, "std": None},
    }
    assert sequences == sorted(sequences)


def test_nothing_is_told_before_it_is_certain_whose_it_is_and_then_only_what_is_ours(run: Callable[..., Any]) -> None:
    async def main() -> None:
        far, telemetry = Far(), Telemetry(stream=io.StringIO())
        asked: list[str] = []
        enough = asyncio.Event()
        answers: dict[str, bool | None] = {"arm": None, "agv": None}

        def tells(entity: str) -> bool | None:
            asked.append(entity)
            if len(asked) > 10:
                enough.set()
            return answers[entity]

        settings = DeliverySettings.model_validate({"type": "far"})
        sink = Delivery("graph", settings, far, SinkContext("cell 7", "", {}, telemetry, tells=tells))
        sink.offer([status(1, "arm"), Notice(NoticeKind.INCIDENT, "agv", 1, {}), status(2, "agv")])
        task = asyncio.create_task(sink.run())
        await enough.wait()
        assert far.took == []
        answers |= {"arm": False, "agv": True}
        await far.until(lambda: len(far.took) == 2)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await sink.aclose()
        assert [event["subject"] for event in far.took] == ["agv", "agv"]
        assert counted(telemetry, "twind_notices_lost_total") == {("graph", "other_daemon"): 1}
        telemetry.close()

    run(main())


def test_what_is_certain_passes_what_is_not_and_each_subject_keeps_its_order(run: Callable[..., Any]) -> None:
    async def main() -> None:
        far, telemetry = Far(), Telemetry(stream=io.StringIO())
        answers: dict[str, bool | None] = {"arm": None, "agv": True, "": True}
        settings = DeliverySettings.model_validate({"type": "far", "max_batch": 2})
        sink = Delivery("graph", settings, far, SinkContext("cell 7", "", {}, telemetry, tells=lambda one: answers[one]))
        incident = Notice(NoticeKind.INCIDENT, "", 1, {"number": 9})
        sink.offer([*[status(number, "arm") for number in range(5)], status(5, "agv"), incident, status(6, "agv")])
        task = asyncio.create_task(sink.run())
        await far.until(lambda: len(far.took) == 3)
        assert [event["data"]["number"] for event in far.took] == [5, 9, 6]
        answers["arm"] = True
        await far.until(lambda: len(far.took) == 8)
        assert [event["data"]["number"] for event in far.took[3:]] == [0, 1, 2, 3, 4]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await sink.aclose()
        telemetry.close()

    run(main())


def test_a_sink_whose_events_are_all_anothers_has_connected_to_nothing(run: Callable[..., Any]) -> None:
    async def main() -> None:
        far, telemetry = Far(), Telemetry(stream=io.StringIO())
        settings = DeliverySettings.model_validate({"type": "far"})
        sink = Delivery("graph", settings, far, SinkContext("cell 7", "", {}, telemetry, tells=lambda _: False))
        sink.offer([status(1)])
        await sink.aclose()
        assert counted(telemetry, "twind_notices_lost_total") == {("graph", "other_daemon"): 1}
        assert (sink.connected, far.took) == (False, [])
        telemetry.close()

    run(main())
