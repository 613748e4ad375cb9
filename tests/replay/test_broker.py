"""Recording from a real broker, and playing back to one."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from twind.cli.main import main
from twind.codecs.joint_state import JointStateCodec
from twind.config.load import load
from twind.config.registry import Present, Registry
from twind.record.plugin import McapAdapter
from twind.runtime.record_only import RecordOnly
from twind.sources.recording import Recording
from twind.telemetry import Telemetry
from twind.testing.recordings import joint_state, write_recording

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T0 = 1_700_000_000_000_000_000
COUNT = 400


def test_what_is_played_to_a_broker_is_what_is_recorded_from_it(
    mosquitto: Any, tmp_path: Path, run: Callable[..., Any]
) -> None:
    mqtt = pytest.importorskip("twind_mqtt")
    payloads = [joint_state(T0 + index, 0.1 * index) for index in range(COUNT)]
    messages = [(T0 + index * 1_000_000, "cell/arm/joint_state", payload) for index, payload in enumerate(payloads)]
    write_recording(tmp_path / "a.mcap", messages)
    route = {"topic": "cell/{entity}/joint_state", "codec": "joint_state"}
    config = {
        "stage": {"root": "none.usda"},
        "sources": {"floor": {"type": "mqtt", "url": mosquitto.url, "qos": 1, "routes": [route]}},
        "sinks": {"recording": {"type": "mcap", "path": "recorded"}},
    }
    (tmp_path / "twind.yaml").write_text(json.dumps(config))
    registry = Registry(
        sources={"mqtt": Present(mqtt.adapter)},
        codecs={"joint_state": Present(JointStateCodec)},
        sinks={"mcap": Present(McapAdapter())},
    )
    loaded = load([tmp_path / "twind.yaml"], registry)

    async def record(telemetry: Telemetry) -> None:
        recording = RecordOnly(loaded, telemetry=telemetry)
        task = asyncio.create_task(recording.run())
        connected = ("twind_source_connects_total", {"source": "floor"})
        async with asyncio.timeout(60):
            while not telemetry.registry.get_sample_value(*connected):  # noqa: ASYNC110  (only the metric tells)
                await asyncio.sleep(0.01)
            done = await asyncio.to_thread(_play, tmp_path / "a.mcap", mosquitto.url)
            assert f"{COUNT} messages published to {mosquitto.url}" in done
            while recording.received < COUNT:  # noqa: ASYNC110  (likewise)
                await asyncio.sleep(0.01)
        recording.stop("everything has arrived")
        assert await task == 0

    with Telemetry() as telemetry:
        run(record(telemetry))
    (path,) = (tmp_path / "recorded").iterdir()
    with Recording(path) as recording:
        assert recording.complete
        found = [message for block in recording.blocks for message in recording.messages(block)]
    assert [message.payload for message in found] == payloads
    assert {message.topic for message in found} == {"cell/arm/joint_state"}


def _play(path: Path, url: str) -> str:
    done = CliRunner().invoke(main, ["replay", str(path), "--speed", "10", "--to-broker", url, "--qos", "1"])
    assert done.exit_code == 0, done.output
    return done.stdout
