from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from twind.config.base import RouteSettings
from twind.flow.sinks import SinkContext
from twind.model.messages import RawMessage
from twind.record.recorder import Recorder
from twind.record.settings import McapSettings
from twind.sources.recording import Recording
from twind.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

T0 = 1_700_000_000_000_000_000
ROUTES = (
    RouteSettings.model_validate({"topic": "cell/{entity}/joint_state", "codec": "joint_state"}),
    RouteSettings.model_validate({"topic": "cell/{entity}/pose", "codec": "pose"}),
)


class Bench:
    """Makes recorders in a folder, and reads what they wrote."""

    def __init__(self, folder: Path, telemetry: Telemetry) -> None:
        self.folder = folder
        self.telemetry = telemetry

    def recorder(self, **settings: Any) -> Recorder:
        options = {"type": "mcap", "path": self.folder, "sync": False, **settings}
        context = SinkContext("cell-7", "cell.usda", {"floor": ROUTES}, self.telemetry)
        return Recorder("recording", McapSettings.model_validate(options), context, retry_s=0.0)

    @property
    def files(self) -> list[Path]:
        return sorted(self.folder.glob("*.mcap"))

    def read(self) -> list[tuple[str, bytes, int]]:
        """Topic, payload and receive stamp of everything recorded, file by file."""
        found = []
        for path in self.files:
            with Recording(path) as recording:
                for block in recording.blocks:
                    found += [(one.topic, one.payload, one.receive_ns) for one in recording.messages(block)]
        return found

    def counted(self, reason: str) -> float | None:
        labels = {"sink": "recording", "reason": reason}
        return self.telemetry.registry.get_sample_value("twind_recording_messages_lost_total", labels)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Telemetry() as telemetry:
        yield Bench(tmp_path / "recordings", telemetry)


@pytest.fixture
def messages() -> Callable[..., list[RawMessage]]:
    """Make messages 1 ms apart."""

    def make(count: int, *, first: int = 0, topic: str = "cell/arm/joint_state", size: int = 0) -> list[RawMessage]:
        numbers = range(first, first + count)
        return [RawMessage(topic, f'{{"position": [{n}]}}'.encode().ljust(size), T0 + n * 1_000_000) for n in numbers]

    return make
