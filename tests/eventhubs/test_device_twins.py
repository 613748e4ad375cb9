"""The device SDK of IoT Hub has its twin from the sink `mqtt_twins`, through a broker that bridges its topics."""

from __future__ import annotations

import asyncio
import io
import json
from typing import TYPE_CHECKING, Any

from tests.eventhubs.test_devices import device_broker, device_python
from tests.mqtt.conftest import make_authority
from twind.flow.sinks import SinkContext
from twind.telemetry import Telemetry
from twind_mqtt.twin_service import adapter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["device_python", "make_authority"]

_DEVICE = """
import json, queue, sys
from azure.iot.device import IoTHubDeviceClient
host, ca = sys.argv[1:3]
client = IoTHubDeviceClient.create_from_connection_string(
    f"HostName={host};DeviceId=robot_0;SharedAccessKey=dGhlIGtleSBvZiBhIGRldmljZQ==",
    server_verification_cert=open(ca).read(),
)
client.connect()
say = lambda what: print(json.dumps(what), flush=True)
patches = queue.Queue()
client.on_twin_desired_properties_patch_received = patches.put
say(client.get_twin())
client.patch_twin_reported_properties({"firmware": "1.2", "rate_hz": {"value": 50, "ac": 200, "av": 1}})
say(client.get_twin()["reported"])
try:
    client.patch_twin_reported_properties({"a.b": 1})
except Exception as error:
    say(type(error).__name__ + " of " + type(error.__cause__).__name__)
sys.stdin.readline()
while True:
    patch = patches.get(timeout=100)
    if patch["$version"] > 1:
        break
say(patch)
client.shutdown()
"""


def test_the_device_sdk_reads_and_reports_its_twin_and_hears_of_changes(
    run: Callable[..., Any], mosquitto: Any, tmp_path: Path, make_authority: Callable[[str], Any], device_python: Path
) -> None:
    bridge = [
        "connection robot_0",
        f"address 127.0.0.1:{mosquitto.port}",
        "bridge_protocol_version mqttv311",
        "topic twin/GET/# out 1 $iothub/ devices/robot_0/",
        "topic twin/PATCH/properties/reported/# out 1 $iothub/ devices/robot_0/",
        "topic twin/res/# in 1 $iothub/ devices/robot_0/",
        "topic twin/PATCH/properties/desired/# in 1 $iothub/ devices/robot_0/",
    ]

    async def main() -> None:
        with device_broker(tmp_path, make_authority("ours"), *bridge) as (_, host, ca):
            settings = adapter.settings(type="mqtt_twins", url=mosquitto.url, desired={"*": {"rate_hz": 50}})
            telemetry = Telemetry(stream=io.StringIO())
            context = SinkContext("cell-7", "", {}, telemetry, state_dir=tmp_path / "state", robots=("robot_0",))
            sink = adapter.open("twins", settings, context)
            serving = asyncio.create_task(sink.serve())
            device = await asyncio.create_subprocess_exec(
                device_python,
                "-c",
                _DEVICE,
                host,
                str(ca),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            assert device.stdin is not None
            assert device.stdout is not None
            said = device.stdout

            async def heard() -> Any:
                async with asyncio.timeout(100):
                    return json.loads(await said.readline())

            try:
                assert await heard() == {"desired": {"rate_hz": 50, "$version": 1}, "reported": {"$version": 0}}
                reported = {"firmware": "1.2", "rate_hz": {"value": 50, "ac": 200, "av": 1}}
                assert await heard() == reported | {"$version": 1}
                assert await heard() == "ClientError of ServiceError"  # what it makes of 400
                device.stdin.write(b"\n")
                twin = await sink.change_device_twin(
                    "robot_0", {"properties": {"desired": {"rate_hz": None, "mode": "slow"}}}, if_match=None, replace=False
                )
                assert await heard() == {"rate_hz": None, "mode": "slow", "$version": 2}
                assert twin is not None
                await device.wait()
            finally:
                if device.returncode is None:
                    device.kill()
                    await device.wait()
                serving.cancel()
                await asyncio.gather(serving, return_exceptions=True)
                await sink.aclose()
                telemetry.close()
                device._transport.close()  # type: ignore[attr-defined]

    run(main())
