"""Whom a connection to a hub trusts: read once, off the event loop, and said when it cannot be."""

from __future__ import annotations

import asyncio
import ssl
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.eventhubs.opened import Opened
from tests.eventhubs.sdk import emulator
from twind.api import PermanentError
from twind_eventhubs.emulator import event
from twind_eventhubs.plugin import adapter

if TYPE_CHECKING:
    from pathlib import Path


def test_authorities_are_read_once_and_never_by_the_event_loop_however_often_the_hub_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    readers: list[threading.Thread] = []
    load = ssl.SSLContext.load_verify_locations

    def noted(context: ssl.SSLContext, *args: Any, **options: Any) -> None:
        readers.append(threading.current_thread())
        load(context, *args, **options)

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", noted)

    async def main() -> int:
        async with emulator(partitions=2) as running, Opened(running, watch_s=0.05) as opened:
            hub = running.namespace.hub("hub")
            for number in range(3):  # the hub is asked for the end of each partition meanwhile, with a connection for each
                for partition in "01":
                    hub.append([event(b"{}", annotations={"x-opt-partition-key": "k"})], partition=partition)
                await opened.until(lambda: figures(opened) == [number, number])  # noqa: B023  (called before the next turn)
            await opened.take(6)
            return len(opened.said.named("SourceDisconnected"))

    def figures(opened: Opened) -> list[int | None]:
        reading = opened.source._reading
        return [] if reading is None else [one.end for one in reading.partitions.values()]

    anew = asyncio.run(main())  # none but on a machine so slow that an answer took too long
    assert 1 <= len(readers) <= 1 + anew
    assert threading.main_thread() not in readers


@pytest.mark.parametrize(
    "held",
    [
        pytest.param(None, id="missing"),
        pytest.param("no certificate at all", id="no-certificate"),
    ],
)
def test_a_file_of_authorities_that_cannot_be_read_is_said_by_its_setting_and_name(tmp_path: Path, held: str | None) -> None:
    path = tmp_path / "authorities.pem"
    if held is not None:
        path.write_text(held)

    async def main() -> str:
        async with emulator() as running, Opened(running, ca=path) as opened:
            with pytest.raises(PermanentError, match=r"`ca`: .*authorities\.pem cannot be read"):
                await adapter.probe("hub", opened.settings, instance="cell-7")
            return await opened.away("authorities.pem")

    assert "`ca`" in asyncio.run(main())
