"""The MQTT source: paho-mqtt 2 driven by the asyncio loop.

    source     reconnects, hands over messages, acknowledges them in order
    link       one MQTT connection: paho over a channel
    client     paho, set up the way a link needs it
    keepalive  when to ask for a sign of life, when to give up
    channel    a non-blocking socket with a buffer each way
    dial       from host name to connected (TLS) socket
    reasons    why it failed, and what to do about it
    settings   what can be configured
    plugin     what the entry point names

Beside the source, for the demo and the tests: `broker` starts a broker (`embedded` is one), `publisher` publishes.
"""

from twind_mqtt.plugin import MqttAdapter, adapter
from twind_mqtt.settings import MqttSettings

__all__ = ["MqttAdapter", "MqttSettings", "adapter"]
