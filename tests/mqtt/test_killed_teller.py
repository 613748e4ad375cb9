"""What an outbox has on the disk reaches the far side, however often the process is killed."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import time
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.mqtt.listener import listening
from tests.mqtt.teller import SUBJECTS
from tests.mqtt.test_event_sink import telling
from twind.flow.outbox_file import OutboxFile
from twind.model.notices import Notice, NoticeKind

if TYPE_CHECKING:
    from collections.abc import Callable

KILLS = int(os.environ.get("TWIND_KILLS", "6"))
NOBODY = "mqtt://127.0.0.1:1"
_ROOT = Path(__file__).resolve().parents[2]


def told_until_killed(url: str, folder: Path, generation: int, *, after_s: float) -> list[str]:
    """Start a teller, kill it some time after its first events are on the disk, and return the sequences in its file."""
    command = [sys.executable, "-m", "tests.mqtt.teller", url, str(folder), str(generation)]
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as teller:
        assert teller.stdout is not None
        assert teller.stdout.readline() == b"told\n"
        time.sleep(after_s)
        teller.kill()
    # A copy, as opening it is what the next start does.
    copy = folder / "copy" / "events.db"
    copy.parent.mkdir(exist_ok=True)
    for ending in ("", "-wal"):
        found = folder / "outbox" / f"events.db{ending}"
        if found.exists():
            copy.with_name(copy.name + ending).write_bytes(found.read_bytes())
    file = OutboxFile(copy)
    kept = [one.sequence for one in file.open()]
    file.close()
    assert not file.set_aside
    return kept


def test_every_event_that_was_written_arrives_in_order_and_the_same_after_every_kill(
    run: Callable[..., Any], mosquitto: Any, tmp_path: Path
) -> None:
    chosen = random.Random(5)  # noqa: S311

    async def main() -> None:
        promised: set[str] = set()
        async with listening(mosquitto.url, "twind/#") as consumer:
            for generation in range(1, KILLS + 1):
                is_away = generation % 3 != 0
                kept = await asyncio.to_thread(
                    told_until_killed,
                    NOBODY if is_away else mosquitto.url,
                    tmp_path,
                    generation,
                    after_s=chosen.uniform(0.0, 0.1),
                )
                assert kept or not is_away
                assert not is_away or promised - arrived(consumer) <= set(kept)  # an outage takes nothing away
                promised |= set(kept)
            assert len(promised) > KILLS
            async with telling(mosquitto.url, state_dir=tmp_path, generation=KILLS + 1) as sink:
                sink.offer([Notice(NoticeKind.INCIDENT, "cell", 0, {})])  # the last one killed may have left nothing
                await consumer.until(lambda _: promised <= arrived(consumer), within_s=180)
                async with asyncio.timeout(180):
                    while len(sink.outbox):  # noqa: ASYNC110
                        await asyncio.sleep(0.01)
                assert (sink.outbox.lost, sink.connected) == (0, True)
        by_sequence: dict[str, set[bytes]] = {}
        for one in consumer.heard:
            by_sequence.setdefault(one.json["sequence"], set()).add(one.payload)
        assert all(len(payloads) == 1 for payloads in by_sequence.values())
        first = {one.json["sequence"]: one.json for one in reversed(consumer.heard)}
        assert len({event["id"] for event in first.values()}) == len(first)
        seen: dict[str, None] = dict.fromkeys(one.json["sequence"] for one in consumer.heard)
        for subject, events in groupby(sorted(seen, key=lambda key: first[key]["subject"]), lambda key: first[key]["subject"]):
            assert subject in SUBJECTS
            sequences = list(events)
            assert sequences == sorted(sequences)

    def arrived(consumer: Any) -> set[str]:
        return {one.json["sequence"] for one in consumer.heard}

    run(main())
    # What arrived is not there any more.
    file = OutboxFile(tmp_path / "outbox" / "events.db")
    assert file.open() == []
    file.close()
