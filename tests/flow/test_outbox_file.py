"""What waits is on the disk too: for the next start, whatever became of the file."""

from __future__ import annotations

import asyncio
import io
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from tests.flow.test_delivery import Far, counted, status
from twind.config.base import DeliverySettings
from twind.flow.delivery import Delivery
from twind.flow.outbox import Outgoing
from twind.flow.outbox_file import OutboxFile
from twind.flow.sinks import SinkContext
from twind.model.errors import RetryableError
from twind.model.notices import Notice, NoticeKind
from twind.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Start:
    """One start of a sink that keeps its outbox in a folder."""

    def __init__(self, folder: Path, generation: int, *, away: bool, **options: Any) -> None:
        self.far, self.said = Far(), io.StringIO()
        self.far.hangs = away
        self.telemetry = Telemetry(stream=self.said)
        settings = DeliverySettings(
            type="far", close_s=0.01 if away else 30, retry={"base_s": 0.001, "cap_s": 0.002}, **options
        )  # type: ignore[arg-type]
        context = SinkContext("cell 7", "", {}, self.telemetry, generation=generation, state_dir=folder)
        self.sink = Delivery("graph", settings, self.far, context)
        self.task = asyncio.create_task(self.sink.run())

    async def written(self) -> None:
        async with asyncio.timeout(180):
            while not (self.sink.outbox.is_written and self.sink._is_open):  # noqa: ASYNC110
                await asyncio.sleep(0.001)

    async def empty(self) -> None:
        async with asyncio.timeout(180):
            while len(self.sink.outbox):  # noqa: ASYNC110
                await asyncio.sleep(0.001)

    async def end(self) -> str:
        """End in good order; return what was logged."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.sink.aclose()
        self.telemetry.close()
        return self.said.getvalue()


def state(number: int) -> Notice:
    return Notice(NoticeKind.STATE, "arm", 1_700_000_000_000_000_000 + number, {"number": number})


def test_a_stop_keeps_everything_and_the_next_start_sends_it_first_with_the_same_ids(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    async def main() -> None:
        start = Start(tmp_path, 1, away=True)
        start.sink.offer([status(number) for number in range(5)])
        start.sink.offer([state(5)])
        assert '"event":"notices_kept"' in await start.end()
        assert counted(start.telemetry, "twind_notices_lost_total") == {}

        start = Start(tmp_path, 2, away=False)
        start.sink.offer([status(6)])
        await start.far.until(lambda: len(start.far.took) == 7)
        assert [event["id"] for event in start.far.took] == [*[f"1-{number}" for number in range(1, 7)], "2-1"]
        assert [event["data"]["number"] for event in start.far.took] == list(range(7))
        assert '"event":"notices_restored"' in await start.end()

        start = Start(tmp_path, 3, away=False)
        await start.written()
        assert "notices" not in await start.end()
        assert start.far.took == []

    run(main())


def test_a_restored_state_makes_way_for_a_newer_one_and_bounds_hold_for_what_is_restored(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    async def main() -> None:
        start = Start(tmp_path, 1, away=True)
        start.sink.offer([status(number) for number in range(9)])
        start.sink.offer([state(9)])
        await start.end()
        start = Start(tmp_path, 2, away=True, max_events=4, max_batch=1)
        start.sink.offer([state(10)])
        await start.written()
        assert start.sink.outbox.replaced == 1
        await start.end()
        assert counted(start.telemetry, "twind_notices_lost_total") == {("graph", "queue_full"): 6}
        start = Start(tmp_path, 3, away=False)
        await start.far.until(lambda: len(start.far.took) == 4)
        assert [event["data"]["number"] for event in start.far.took] == [5, 6, 7, 8]
        await start.end()

    run(main())


@pytest.mark.parametrize("damage", ["garbage", "newer"])
def test_a_file_that_cannot_be_used_is_set_aside_and_told(run: Callable[..., Any], tmp_path: Path, damage: str) -> None:
    file = tmp_path / "outbox" / "graph.db"
    file.parent.mkdir()
    if damage == "garbage":
        file.write_bytes(b"x" * 10_000)
    else:
        with sqlite3.connect(file) as database:
            database.execute("PRAGMA user_version = 9")
        database.close()

    async def main() -> None:
        start = Start(tmp_path, 1, away=False)
        start.sink.offer([status(0)])
        await start.far.until(lambda: len(start.far.took) == 1)
        await start.written()
        assert '"event":"outbox_set_aside"' in await start.end()

    run(main())
    assert (tmp_path / "outbox" / "graph.db.unusable-1").exists()


def test_a_disk_that_takes_nothing_is_told_once_and_events_are_sent_all_the_same(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "outbox").write_text("no folder")

    async def main() -> None:
        start = Start(tmp_path, 1, away=False)
        start.sink.offer([status(number) for number in range(3)])
        await start.far.until(lambda: len(start.far.took) == 3)
        await start.empty()
        (tmp_path / "outbox").unlink()  # well again
        start.far.hangs = True
        start.sink.offer([status(3)])
        await start.written()
        start.far.hangs = False
        said = await start.end()
        assert said.count('"event":"outbox_unwritten"') == 1

    run(main())
    file = OutboxFile(tmp_path / "outbox" / "graph.db")
    assert [one.sequence[-2:] for one in file.open()] in ([], ["04"])
    file.close()


def test_two_processes_do_not_share_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twind.flow.outbox_file._BUSY_S", 0.01)
    first, second = OutboxFile(tmp_path / "a.db"), OutboxFile(tmp_path / "a.db")
    assert first.open() == []
    first.change([Outgoing(status(0), b"{}", "1")], [])
    with pytest.raises(RetryableError, match="locked"):
        second.open()
    first.close()
    assert [one.sequence for one in second.open()] == ["1"]
    second.close()
