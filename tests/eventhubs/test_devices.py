"""Microsoft's own device SDK, a real broker, the emulator and the daemon: a device's message moves its robot in the stage."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.end_to_end.daemon import Daemon, until
from tests.mqtt.conftest import make_authority
from twind.stage.synthetic import serial_robots
from twind_eventhubs.emulator import mqtt
from twind_eventhubs.emulator.iothub import to_event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["make_authority"]

_ROOT = Path(__file__).resolve().parents[2]
_MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin")

_DEVICE = """
import json, sys, time
from azure.iot.device import IoTHubDeviceClient, Message
host, ca, stage_value = sys.argv[1], sys.argv[2], float(sys.argv[3])
client = IoTHubDeviceClient.create_from_connection_string(
    f"HostName={host};DeviceId=robot_0;SharedAccessKey=dGhlIGtleSBvZiBhIGRldmljZQ==",
    server_verification_cert=open(ca).read(),
)
client.connect()
message = Message(json.dumps({"stamp": time.time_ns(), "position": [stage_value] * 7}))
message.content_type, message.content_encoding, message.message_id = "application/json", "utf-8", "m-1"
message.custom_properties["line"] = "7"
client.send_message(message)
client.shutdown()
print("sent")
"""


@pytest.fixture
def device_python() -> Path:
    """The interpreter of an environment with azure-iot-device; TWIND_IOT_DEVICE may name one."""
    given = os.environ.get("TWIND_IOT_DEVICE")
    folder = _ROOT / ".venv-iot-device"
    if given is None and subprocess.run([_ROOT / ".ci" / "iot-device", folder], check=False, timeout=300).returncode:
        pytest.skip("azure-iot-device is not here and cannot be installed; point TWIND_IOT_DEVICE at a Python that has it")
    return Path(given) if given is not None else folder / "bin" / "python"


class Broker:
    """mosquitto with TLS where the device SDK insists on it, and another listener for the bridge."""

    def __init__(self, folder: Path, certificate: Path, key: Path, host: str, *more: str) -> None:
        folder.mkdir()
        lines = [
            "allow_anonymous true",
            "persistence false",
            "log_dest stderr",
            "log_type all",
            f"listener 8883 {host}",
            f"certfile {certificate}",
            f"keyfile {key}",
            f"listener 1883 {host}",
            *more,
        ]
        if os.geteuid() == 0:
            lines.insert(0, "user root")
        (folder / "m.conf").write_text("\n".join(lines) + "\n")
        self.log = folder / "m.log"
        with self.log.open("wb") as output:
            self.process = subprocess.Popen([_MOSQUITTO or "", "-c", folder / "m.conf"], stdout=output, stderr=output)
        self.url = f"mqtt://{host}:1883"

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def device_broker(folder: Path, ours: Any, *more: str) -> Iterator[tuple[Broker, str, Path]]:
    """Run a broker on a loopback address of its own, because the device SDK knows no other port than 8883."""
    if _MOSQUITTO is None:
        pytest.skip("mosquitto is not installed here")
    chosen = random.Random()  # noqa: S311
    for attempt in range(5):
        host = str(ipaddress.IPv4Address((127 << 24) + chosen.randrange(1 << 16, 1 << 24)))
        certificate, key = ours.issue(f"broker-{attempt}", host=host)
        started = Broker(folder / f"broker-{attempt}", certificate, key, host, *more)
        try:
            until(
                lambda one=started: one.process.poll() is not None or b" running" in one.log.read_bytes(), "the broker's word"
            )
            if started.process.poll() is None:
                yield started, host, ours.file
                return
        finally:
            started.close()
    pytest.fail("mosquitto does not start")


@pytest.fixture
def broker(tmp_path: Path, make_authority: Callable[[str], Any]) -> Iterator[tuple[Broker, str, Path]]:
    with device_broker(tmp_path, make_authority("ours")) as started:
        yield started


def test_a_message_of_the_device_sdk_moves_the_robot_with_its_device_id(
    tmp_path: Path, broker: tuple[Broker, str, Path], device_python: Path
) -> None:
    running, host, ca = broker
    stage = serial_robots(1, joints=7)
    stage.GetRootLayer().Export(str(tmp_path / "robots.usda"))
    log = tmp_path / "emulator.log"
    command = [sys.executable, "-m", "twind", "emulate", "eventhubs", "--port", "0", "--iothub-mqtt", running.url]
    with log.open("wb") as output:
        emulator = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env=os.environ | {"PYTHONUNBUFFERED": "1"}
        )
    try:
        said = until(
            lambda: (text := log.read_text()).count("connection string: ") and text.endswith("\n") and text, "the address"
        )
        connection_string = said.split("connection string: ")[1].splitlines()[0]
        source = {
            "type": "eventhubs",
            "connection_string": connection_string,
            "event_hub": "hub",
            "routes": [{"topic": "{entity}", "codec": "joint_state"}],
        }
        configuration = {
            "stage": {"root": str(tmp_path / "robots.usda")},
            "http": {"listen": "127.0.0.1:0"},
            "sources": {"hub": source},
            "log": {"format": "json"},
        }
        with Daemon(tmp_path / "daemon", configuration) as daemon:
            daemon.wait_ready()
            sent = subprocess.run(
                [device_python, "-c", _DEVICE, host, ca, "0.25"], capture_output=True, text=True, timeout=120, check=False
            )
            assert sent.stdout == "sent\n", sent.stderr
            positions = until(
                lambda: [joint["position"] for joint in daemon.entity("robot_0")["joints"].values() if joint["position"]],
                "the robot's joints",
            )
            assert positions == pytest.approx([0.25] * 7)
    finally:
        emulator.terminate()
        emulator.wait()


def test_a_devices_topic_becomes_the_properties_that_iot_hub_gives_an_event() -> None:
    topic = "devices/pump-1/messages/events/%24.mid=m-1&%24.ct=application%2Fjson&%24.ce=utf-8&line=7&note=a%20b"
    found = to_event(topic, b"{}", enqueued_ms=5)
    assert found is not None
    device, event = found
    assert device == "pump-1"
    annotations = {str(name): value for name, value in event.annotations.items()}
    assert annotations["iothub-connection-device-id"] == "pump-1"
    assert annotations["iothub-message-source"] == "Telemetry"
    encoded = event.encoded()
    for text in (b"m-1", b"application/json", b"line", b"7", b"a b"):
        assert text in encoded
    assert b"$.mid" not in encoded
    of_module = to_event("devices/gate/modules/camera/messages/events/", b"{}", enqueued_ms=5)
    assert of_module is not None
    assert {str(name): value for name, value in of_module[1].annotations.items()}["iothub-connection-module-id"] == "camera"
    assert to_event("devices/pump-1/messages/devicebound/x", b"", enqueued_ms=5) is None


def test_the_listener_takes_messages_apart_wherever_they_are_cut() -> None:
    topic = b"devices/a/messages/events/"
    with_qos = b"\x32" + bytes([2 + len(topic) + 2 + 3]) + len(topic).to_bytes(2, "big") + topic + b"\x00\x07abc"
    without = b"\x30" + bytes([2 + len(topic) + 1]) + len(topic).to_bytes(2, "big") + topic + b"x"
    stream = b"\x20\x02\x00\x00" + b"\x90\x03\x00\x01\x01" + with_qos + b"\xd0\x00" + without
    for step in (1, 2, 3, 7, len(stream)):
        listener = mqtt.Listener()
        found = [message for at in range(0, len(stream), step) for message in listener.receive(stream[at : at + step])]
        assert [(message.payload, message.acknowledgement) for message in found] == [(b"abc", b"\x40\x02\x00\x07"), (b"x", b"")]
        assert listener.subscribed
    with pytest.raises(mqtt.MqttError, match="refused the connection with code 5"):
        mqtt.Listener().receive(b"\x20\x02\x00\x05")
    with pytest.raises(mqtt.MqttError, match="refused the subscription"):
        mqtt.Listener().receive(b"\x90\x03\x00\x01\x80")
