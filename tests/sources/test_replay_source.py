"""A recording that is played arrives as it did when it was recorded."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from twind.model.errors import PermanentError
from twind.sources.protocol import AcknowledgingSource, LossySource
from twind.sources.replay import ReplaySettings, ReplaySource, adapter
from twind.telemetry import Telemetry
from twind.testing.recordings import joint_state, write_recording

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

T0 = 1_700_000_000_000_000_000
MS = 1_000_000


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    with Telemetry() as telemetry:
        yield telemetry


def _recording(folder: Path, count: int, *, name: str = "a.mcap", first: int = 0) -> Path:
    stamps = [T0 + (first + index) * 2 * MS for index in range(count)]
    return write_recording(folder / name, [(stamp, "cell/arm/joint_state", joint_state(stamp, 0.5)) for stamp in stamps])


def _source(telemetry: Telemetry, *paths: Path, **options: Any) -> ReplaySource:
    routes = [{"topic": "cell/{entity}/joint_state", "codec": "joint_state"}]
    settings = ReplaySettings.model_validate({"type": "replay", "paths": paths, "routes": routes, **options})
    return adapter.open("past", settings, instance="cell-7", telemetry=telemetry)


async def _take(source: ReplaySource, count: int) -> list[Any]:
    task = asyncio.create_task(source.run())
    taken: list[Any] = []
    async with asyncio.timeout(60):
        while len(taken) < count:
            taken += await source.receive(100)
    source.stop()
    await task
    await source.aclose()
    return taken


def test_messages_arrive_with_the_distances_that_they_had(
    tmp_path: Path, telemetry: Telemetry, run: Callable[..., Any]
) -> None:
    source = _source(telemetry, _recording(tmp_path, 50), speed=2.0)
    taken = run(_take(source, 50))
    assert {after.receive_ns - before.receive_ns for before, after in pairwise(taken)} == {1 * MS}
    assert [message.payload for message in taken] == [joint_state(T0 + index * 2 * MS, 0.5) for index in range(50)]
    assert taken[0].receive_ns > T0
    assert isinstance(source, LossySource)
    assert not isinstance(source, AcknowledgingSource)


def test_a_full_intake_makes_it_wait_and_loses_nothing(tmp_path: Path, telemetry: Telemetry, run: Callable[..., Any]) -> None:
    source = _source(telemetry, _recording(tmp_path, 500), speed=1000, max_messages=10)
    taken = run(_take(source, 500))
    assert len(taken) == 500
    assert source.intake.dropped_messages == 0


def test_folders_are_played_file_by_file_and_again_when_asked_to(
    tmp_path: Path, telemetry: Telemetry, run: Callable[..., Any]
) -> None:
    _recording(tmp_path, 10, name="b.mcap", first=10)
    _recording(tmp_path, 10)
    taken = run(_take(_source(telemetry, tmp_path, speed=1000, repeat=True), 45))
    order = [int(message.payload.split(b":")[1].split(b",")[0]) for message in taken[:40]]
    assert order == [T0 + index * 2 * MS for index in range(20)] * 2


def test_at_the_end_it_says_so_and_stays(tmp_path: Path, telemetry: Telemetry, run: Callable[..., Any]) -> None:
    source = _source(telemetry, _recording(tmp_path, 3))

    async def main() -> None:
        task = asyncio.create_task(source.run())
        async with asyncio.timeout(60):
            while source.health().detail != "the recording is over":  # noqa: ASYNC110  (health is asked, not waited for)
                await asyncio.sleep(0.001)
        assert not task.done()
        assert source.health().connected
        source.stop()
        await task

    run(main())


def test_a_probe_says_what_there_is(tmp_path: Path, telemetry: Telemetry, run: Callable[..., Any]) -> None:
    source = _source(telemetry, _recording(tmp_path, 501))
    assert run(adapter.probe("past", source._settings, instance="cell-7")) == "1 files, 1.0 s"
    missing = source._settings.model_copy(update={"paths": (tmp_path / "none.mcap",)})
    with pytest.raises(PermanentError, match="cannot read"):
        run(adapter.probe("past", missing, instance="cell-7"))
