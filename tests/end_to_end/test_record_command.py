"""`twind record` that is killed under load: started again, it goes on, and no message is missing or there twice."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from tests.end_to_end.daemon import Daemon, settings, until
from tests.end_to_end.robots import Player
from tests.end_to_end.test_outages import swaying
from twind.demo.places import cell_root
from twind.sources.recording import Recording

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_a_recorder_that_is_killed_under_load_records_everything_once(
    tmp_path: Path, start_mosquitto: Callable[..., Any]
) -> None:
    broker = start_mosquitto()
    sink = {"recording": {"type": "mcap", "path": "recordings", "compression": "none"}}
    configuration = settings(cell_root(), broker.url, sinks=sink)
    folder = tmp_path / "recorder"

    def recorded() -> list[bytes]:
        found: list[bytes] = []
        for path in sorted((folder / "recordings").glob("*.mcap")):
            with Recording(path) as recording:
                found += [message.payload for block in recording.blocks for message in recording.messages(block)]
        return found

    def grows_from(size: int) -> bool:
        return sum(path.stat().st_size for path in (folder / "recordings").glob("*.mcap")) > size

    with ExitStack() as stack:
        recorder = stack.enter_context(Daemon(folder, configuration, command="record"))
        recorder.event("source_connected")
        with Player(broker.url, "arm_a", swaying(600.0, 400.0)) as player:
            for kilobytes in (50, 150, 250):
                until(lambda: grows_from(kilobytes * 1000), "the recording grows")  # noqa: B023
                recorder.process.kill()
                recorder.process.wait()
                recorder = stack.enter_context(Daemon(folder, configuration, command="record"))
            player.finish()
        recorder.event("source_connected")
        until(lambda: len(recorded()) >= len(player.sent), "everything published is recorded")
        assert recorder.stop() == 0
    assert recorded() == player.sent
