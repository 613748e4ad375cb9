"""An MQTT broker in Python, for machines without mosquitto: `python -m twind_mqtt.embedded PORT`. MQTT 3.1.1 only."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import Any


def _configuration(port: int) -> dict[str, Any]:
    return {
        "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }


async def serve(port: int) -> None:
    """Run the broker on a loopback port until the process ends."""
    from amqtt.broker import Broker

    logging.getLogger("amqtt").setLevel(logging.CRITICAL)
    logging.getLogger("transitions").setLevel(logging.CRITICAL)
    broker = Broker(_configuration(port))
    await broker.start()
    sys.stdout.write(f"amqtt running on port {port}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
