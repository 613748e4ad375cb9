"""A process that tells events without end, to be killed: `python -m tests.mqtt.teller URL STATE_DIR GENERATION`."""

from __future__ import annotations

import asyncio
import sys
from itertools import count
from pathlib import Path

from twind.flow.sinks import SinkContext
from twind.model.notices import Notice, NoticeKind
from twind.telemetry import Telemetry
from twind_mqtt.event_sink import adapter

SUBJECTS = ("arm", "box", "cell")


async def main(url: str, state_dir: Path, generation: int) -> None:
    """Offer a change of status, an incident and a state of each subject at every turn; say so once the first are written."""
    with Telemetry() as telemetry:
        settings = adapter.settings(type="mqtt", url=url, max_batch=7, retry={"base_s": 0.01, "cap_s": 0.02})
        context = SinkContext("cell-7", "", {}, telemetry, generation=generation, state_dir=state_dir)
        sink = adapter.open("events", settings, context)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(sink.run())
            for number in count():
                for subject in SUBJECTS:
                    sink.offer([Notice(kind, subject, number, {"number": number}) for kind in NoticeKind])
                await asyncio.sleep(0.002)
                if number == 5:
                    while not sink.outbox.is_written:  # noqa: ASYNC110
                        await asyncio.sleep(0.001)
                    sys.stdout.write("told\n")
                    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
