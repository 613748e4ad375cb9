"""What the entry point `mqtt` names. Paho is imported when a source is opened: a configuration needs the settings alone."""

from __future__ import annotations

import secrets
from importlib.util import find_spec
from typing import TYPE_CHECKING

from twind.api import PermanentError
from twind_mqtt.settings import MqttSettings

if TYPE_CHECKING:
    from twind.api import AcknowledgingSource, LossySource, SourceAdapter, Telemetry

if find_spec("paho") is None:  # said when the adapter is loaded, not when the daemon first wants to connect
    raise ModuleNotFoundError("No module named 'paho'", name="paho")  # noqa: EM101  (Python's own words)


class MqttAdapter:
    """Opens and probes MQTT sources."""

    settings = MqttSettings

    def open(
        self, name: str, settings: MqttSettings, *, instance: str, telemetry: Telemetry
    ) -> LossySource | AcknowledgingSource:
        """Make a source, not yet connected: an `AcknowledgingMqttSource` for QoS 1."""
        from twind_mqtt.source import AcknowledgingMqttSource, LossyMqttSource

        if self.acknowledges(settings):
            return AcknowledgingMqttSource(name, settings, instance=instance, telemetry=telemetry)
        return LossyMqttSource(name, settings, instance=instance, telemetry=telemetry)

    def acknowledges(self, settings: MqttSettings) -> bool:
        """Whether a source with these settings acknowledges what was processed."""
        return settings.qos == 1

    async def probe(self, name: str, settings: MqttSettings, *, instance: str) -> str:
        """Connect under a throw-away client id, subscribe, disconnect, and say what was found.

        Raises:
            RetryableError: The broker cannot be reached now.
            PermanentError: It refuses the client or a subscription, or its certificate is not trusted.
        """
        from twind_mqtt.link import Link

        # A clean session under another name leaves that of a running daemon alone.
        probing = settings.model_copy(update={"clean_session": True})
        client_id = f"{settings.client_id_of(name, instance=instance)}-check-{secrets.token_hex(4)}"
        link = await Link.open(probing, client_id=client_id, on_message=lambda *_: None)
        try:
            link.subscribe(settings.filters, qos=settings.qos)
            answers = await link.subscribed(timeout_s=settings.connect_timeout_s)
        finally:
            await link.aclose()
        problems = [f"subscription to {topic!r}: {problem}" for topic, problem in answers.items() if problem]
        if problems:
            raise PermanentError("; ".join(problems))
        granted = "1 subscription" if len(answers) == 1 else f"{len(answers)} subscriptions"
        return f"connected to {settings.url} with MQTT {settings.protocol}; {granted} granted with QoS {settings.qos}"


adapter: SourceAdapter[MqttSettings] = MqttAdapter()
