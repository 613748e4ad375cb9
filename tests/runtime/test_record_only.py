"""`twind record`: everything received is in the files; what is acknowledged is on the disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import pytest

from twind.config.base import SourceSettings
from twind.config.load import load
from twind.config.registry import Present, Registry
from twind.flow.queues import Intake
from twind.model.errors import PermanentError
from twind.model.messages import RawMessage
from twind.record.plugin import McapAdapter
from twind.runtime.record_only import RecordOnly
from twind.runtime.sinks import open_recorders
from twind.sources.protocol import SourceHealth
from twind.sources.recording import Recording
from twind.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from twind.config.load import Loaded

T0 = 1_700_000_000_000_000_000
COUNT = 1300


class FakeSettings(SourceSettings):
    type: Literal["fake"]


class FakeSource:
    """Has received everything at once."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.intake = Intake(max_messages=10_000, max_bytes=10**8)
        self.acknowledged = 0
        self.recorded_when_acknowledged: list[tuple[int, int]] = []
        self._folder = folder
        for index in range(COUNT):
            self.intake.put(RawMessage("cell/crate/pose", b"%d" % index, T0 + index, token=index + 1))

    async def run(self) -> None:
        """Nothing more arrives."""
        self.intake.close()

    async def receive(self, max_messages: int) -> list[RawMessage]:
        return await self.intake.take(max_messages)

    def acknowledge(self, count: int) -> None:
        self.acknowledged += count
        self.recorded_when_acknowledged.append((len(payloads(self._folder)), self.acknowledged))

    def health(self) -> SourceHealth:
        return SourceHealth(connected=True, since_monotonic_s=0.0)

    def stop(self) -> None:
        self.intake.close()

    async def aclose(self) -> None:
        self.stop()


class FakeAdapter:
    settings = FakeSettings

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.opened: list[FakeSource] = []
        self.instances: list[str] = []

    def open(self, name: str, settings: FakeSettings, *, instance: str, telemetry: Telemetry) -> FakeSource:
        del settings, telemetry
        self.instances.append(instance)
        self.opened.append(FakeSource(name, self.folder))
        return self.opened[-1]


class PoseCodec:
    kind = "pose"


def payloads(folder: Path) -> list[bytes]:
    found = []
    for path in sorted(folder.glob("*.mcap")):
        with Recording(path) as recording:
            found += [message.payload for block in recording.blocks for message in recording.messages(block)]
    return found


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    with Telemetry() as telemetry:
        yield telemetry


def _loaded(folder: Path, adapter: FakeAdapter, text: str) -> Loaded:
    path = folder / "twind.yaml"
    path.write_text("stage: {root: none.usda}\n" + text)
    registry = Registry(
        sources={"fake": Present(adapter)}, codecs={"pose": Present(PoseCodec)}, sinks={"mcap": Present(McapAdapter())}
    )
    return load([path], registry)


SOURCE = 'sources: {floor: {type: fake, routes: [{topic: "cell/{entity}/pose", codec: pose}]}}\n'
SINK = "sinks: {recording: {type: mcap, path: recordings}}\n"


def test_everything_is_recorded_and_acknowledged_only_when_it_is_on_the_disk(
    tmp_path: Path, telemetry: Telemetry, run: Callable[..., Any]
) -> None:
    adapter = FakeAdapter(tmp_path / "recordings")
    recording = RecordOnly(_loaded(tmp_path, adapter, SOURCE + SINK), telemetry=telemetry)
    assert run(recording.run(duration_s=0.2)) == 0
    (source,) = adapter.opened
    assert recording.received == source.acknowledged == COUNT
    assert payloads(tmp_path / "recordings") == [b"%d" % index for index in range(COUNT)]
    assert source.recorded_when_acknowledged
    assert all(recorded >= acknowledged for recorded, acknowledged in source.recorded_when_acknowledged)


@pytest.mark.parametrize(("text", "missing"), [(SOURCE, "sink of type mcap"), (SINK, "source to record from")])
def test_a_configuration_without_source_or_sink_is_refused(
    tmp_path: Path, telemetry: Telemetry, run: Callable[..., Any], text: str, missing: str
) -> None:
    loaded = _loaded(tmp_path, FakeAdapter(tmp_path), text)

    async def main() -> None:
        RecordOnly(loaded, telemetry=telemetry)

    with pytest.raises(PermanentError, match=f"the configuration has no {missing}"):
        run(main())


def test_it_is_another_client_than_the_daemon_with_the_same_configuration(
    tmp_path: Path, telemetry: Telemetry, run: Callable[..., Any]
) -> None:
    adapter = FakeAdapter(tmp_path / "recordings")
    run(RecordOnly(_loaded(tmp_path, adapter, "instance: cell-7\n" + SOURCE + SINK), telemetry=telemetry).run(duration_s=0.1))
    assert adapter.instances == ["cell-7-recorder"]


def test_its_files_are_apart_from_those_of_the_daemon_with_the_same_configuration(
    tmp_path: Path, telemetry: Telemetry, run: Callable[..., Any]
) -> None:
    loaded = _loaded(tmp_path, FakeAdapter(tmp_path / "recordings"), "instance: cell-7\n" + SOURCE + SINK)

    async def stems() -> list[str]:
        daemons, own = open_recorders(loaded, telemetry), RecordOnly(loaded, telemetry=telemetry)._recorders
        for recorder in (*daemons, *own):
            await recorder.aclose()
        return [recorder._segments._stem for recorder in (*daemons, *own)]  # type: ignore[attr-defined]

    daemons, own = run(stems())
    assert (daemons, own) == ("cell-7-recording", "cell-7-recorder-recording")
