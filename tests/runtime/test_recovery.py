"""Whatever happened to the files of an earlier life, a daemon starts, says so, and makes the best of it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Self

import pytest

from tests.runtime.cell import CELL, CODECS, MS, START
from tests.runtime.test_restart_state import bytes_of
from twind.config.base import RouteSettings
from twind.config.settings import EstimationSettings
from twind.flow.sinks import SinkContext
from twind.flow.snapshot_file import SnapshotFolder
from twind.model.errors import FencedError
from twind.model.messages import RawMessage
from twind.record.recorder import Recorder
from twind.record.settings import McapSettings
from twind.runtime.bindings import Bindings
from twind.runtime.estimators import Estimators
from twind.runtime.generation import next_generation
from twind.runtime.pipeline import Feed
from twind.runtime.restart.recovery import Recovered, Recovery
from twind.runtime.restart.saver import FOLDER, Saver
from twind.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ROUTES = [RouteSettings.model_validate({"topic": f"{name}/{{entity}}", "codec": name}) for name in CODECS]


def message(number: int, *, receive_ns: int | None = None) -> RawMessage:
    stamp = START + number * 5 * MS
    payload = json.dumps({"stamp": stamp, "position": [number * 1e-3, 0.5]}).encode()
    return RawMessage("joint_state/arm", payload, stamp + MS if receive_ns is None else receive_ns, 1, number=number % 60_000)


class Life:
    """One life of a daemon, without its sources: a recorder, banks, snapshots."""

    def __init__(self, folder: Path, telemetry: Telemetry) -> None:
        self.folder = folder
        self.estimators = Estimators(CELL, EstimationSettings())
        self.bindings = Bindings(ROUTES, CODECS, CELL, self.estimators, source="floor")
        settings = McapSettings.model_validate({"type": "mcap", "path": folder / "recordings", "compression": "none"})
        self.recorder = Recorder("recording", settings, SinkContext("cell", "", {"floor": ROUTES}, telemetry), retry_s=0.0)
        self.generation = next_generation(folder)
        self.feed = Feed(self.bindings, self.estimators, on_refused=lambda *_: None)
        self.saver = Saver(
            folder,
            instance="cell",
            generation=self.generation,
            estimators=self.estimators,
            pumps={},
            log=self.recorder,
            gate=asyncio.Lock(),
            interval_s=3600.0,
            telemetry=telemetry,
        )
        self._telemetry = telemetry

    def recover(self) -> Recovered:
        return Recovery(
            self.folder / FOLDER,
            self.estimators,
            {"floor": self.bindings},
            self.recorder,
            rebuild_s=60.0,
            telemetry=self._telemetry,
        ).run()

    async def take(self, *messages: RawMessage) -> None:
        durable = self.recorder.offer_durably("floor", messages)
        self.feed.process(list(messages))
        await durable

    async def __aenter__(self) -> Self:
        self._writing = asyncio.create_task(self.recorder.run(), name="recorder")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writing.cancel()
        await asyncio.gather(self._writing, return_exceptions=True)
        await self.recorder.aclose()


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    with Telemetry() as telemetry:
        yield telemetry


def counted(telemetry: Telemetry, name: str, **labels: str) -> float:
    return telemetry.registry.get_sample_value(f"twind_{name}_total", labels) or 0.0


async def first_life(folder: Path, telemetry: Telemetry) -> dict[str, bytes]:
    """Take sixty messages, with snapshots after twenty and forty; return the state."""
    async with Life(folder, telemetry) as life:
        for begin in (0, 20, 40):
            await life.take(*map(message, range(begin, begin + 20)))
            if begin < 40:
                assert await life.saver.save()
        return bytes_of(life.estimators)


def snapshots(folder: Path) -> list[Path]:
    return sorted((folder / FOLDER).glob("state-*.snapshot"))


async def second_life(folder: Path, telemetry: Telemetry) -> tuple[Recovered, dict[str, bytes]]:
    async with Life(folder, telemetry) as life:
        return await asyncio.to_thread(life.recover), bytes_of(life.estimators)


def test_a_restart_uses_the_newest_snapshot_and_the_recording_beyond_it(
    tmp_path: Path, telemetry: Telemetry, run: Callable[..., Any]
) -> None:
    async def main() -> None:
        state = await first_life(tmp_path, telemetry)
        recovered, again = await second_life(tmp_path, telemetry)
        assert (recovered.messages, recovered.entities) == (20, 1)
        assert again == state
        repeated = [RawMessage(m.topic, m.payload, 0, 1, number=m.number, repeated=True) for m in map(message, range(30, 62))]
        # Those before the snapshot are known by the pump alone, which is not here; those of the recording beyond it are known.
        assert recovered.watermarks["floor"].fresh(repeated) == [*repeated[:10], *repeated[-2:]]

    run(main())
    assert (telemetry.registry.get_sample_value("twind_state_restore_seconds") or 0.0) > 0.0


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda content: content[: len(content) // 2], "unreadable"),
        (lambda _: b"", "unreadable"),
        (lambda content: content[:8] + b"\x63\0\0\0" + content[12:], "newer"),
    ],
)
def test_a_snapshot_that_cannot_be_used_is_set_aside_and_the_one_before_is_used(
    tmp_path: Path, telemetry: Telemetry, run: Callable[..., Any], spoil: Any, reason: str
) -> None:
    async def main() -> None:
        state = await first_life(tmp_path, telemetry)
        newest = snapshots(tmp_path)[-1]
        newest.write_bytes(spoil(newest.read_bytes()))
        recovered, again = await second_life(tmp_path, telemetry)
        assert again == state
        assert recovered.messages == 40
        assert newest.with_name(f"{newest.name}.{reason}").exists()
        assert not newest.exists()

    run(main())
    assert counted(telemetry, "state_snapshots_refused", reason=reason) == 1


def test_without_any_usable_snapshot_the_state_is_rebuilt_from_the_recording(
    tmp_path: Path, telemetry: Telemetry, run: Callable[..., Any]
) -> None:
    async def main() -> None:
        state = await first_life(tmp_path, telemetry)
        for path in snapshots(tmp_path):
            path.write_bytes(b"nothing")
        recovered, again = await second_life(tmp_path, telemetry)
        assert again == state
        assert recovered.messages == 60
        async with Life(tmp_path, telemetry) as life:  # and no second time: what was refused is out of the way
            assert (await asyncio.to_thread(life.recover)).messages == 0

    run(main())
    assert counted(telemetry, "state_snapshots_refused", reason="unreadable") == 2


def test_a_recording_that_was_deleted_is_missed_and_said_to_be(
    tmp_path: Path, telemetry: Telemetry, run: Callable[..., Any]
) -> None:
    async def main() -> None:
        await first_life(tmp_path, telemetry)
        for path in (tmp_path / "recordings").iterdir():
            path.unlink()
        recovered, _ = await second_life(tmp_path, telemetry)
        assert (recovered.messages, recovered.entities) == (0, 1)

    run(main())
    assert counted(telemetry, "recording_tails_missing", sink="recording") == 1


def test_a_full_disk_keeps_the_snapshots_that_there_are_and_is_tried_again(
    tmp_path: Path, telemetry: Telemetry, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    async def main() -> None:
        async with Life(tmp_path, telemetry) as life:
            await life.take(*map(message, range(10)))
            assert await life.saver.save()
            before = [path.read_bytes() for path in snapshots(tmp_path)]
            with monkeypatch.context() as patch:
                patch.setattr("pathlib.Path.write_bytes", full)
                assert not await life.saver.save()
            assert [path.read_bytes() for path in snapshots(tmp_path)] == before
            assert len(list((tmp_path / FOLDER).iterdir())) == len(before)
            assert await life.saver.save()

    run(main())
    assert counted(telemetry, "state_snapshot_failures") == 1


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_a_snapshot_does_not_wait_for_a_recording_that_cannot_be_written(
    tmp_path: Path, telemetry: Telemetry, run: Callable[..., Any], when: str
) -> None:
    async def main() -> None:
        async with Life(tmp_path, telemetry) as life:
            await life.take(*map(message, range(10)))
            life.recorder.trouble = "No space left on device"
            if when == "before":
                life.recorder.held_since_s = 1.0
            else:  # found while it waits for its place in the recording
                life.recorder.mark = lambda: asyncio.get_running_loop().create_future()  # type: ignore[method-assign]
                asyncio.get_running_loop().call_later(0.1, setattr, life.recorder, "held_since_s", 1.0)
            assert not await life.saver.save()
            assert snapshots(tmp_path) == []

    run(main())
    assert counted(telemetry, "state_snapshot_failures") == 1


def test_an_older_generation_writes_no_snapshot_any_more(tmp_path: Path, telemetry: Telemetry, run: Callable[..., Any]) -> None:
    async def main() -> None:
        async with Life(tmp_path, telemetry) as older:
            assert await older.saver.save()
            async with Life(tmp_path, telemetry) as newer:
                assert await newer.saver.save()
                with pytest.raises(FencedError, match="generation 2 was started with the state folder"):
                    await older.saver.save()

    run(main())


@pytest.mark.parametrize("jump_s", [-3600, 3600])
def test_a_wall_clock_that_is_set_disturbs_no_restart(
    tmp_path: Path, telemetry: Telemetry, run: Callable[..., Any], jump_s: int
) -> None:
    async def main() -> None:
        async with Life(tmp_path, telemetry) as life:
            await life.take(*map(message, range(20)))
            assert await life.saver.save()
            set_to = [message(n, receive_ns=START + n * 5 * MS + MS + jump_s * 1000 * MS) for n in range(20, 40)]
            await life.take(*set_to)
            state = bytes_of(life.estimators)
        recovered, again = await second_life(tmp_path, telemetry)
        assert recovered.messages == 20
        assert again == state

    run(main())


def test_only_the_newest_two_are_kept_and_few_that_were_set_aside(tmp_path: Path) -> None:
    folder = SnapshotFolder(tmp_path)
    for number in range(5):
        folder.write(b"%d" % number)
    assert [content for _, content in folder.newest_first()] == [b"4", b"3"]
    for _ in range(6):
        folder.set_aside(folder.write(b"x"), "unreadable")
    assert len(list(tmp_path.glob("*.unreadable"))) == 3
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
