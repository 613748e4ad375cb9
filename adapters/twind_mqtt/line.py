"""A connection for somebody who sends: made when it is needed, and again when it was lost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from twind.api import RetryableError
from twind_mqtt.link import Link

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from paho.mqtt.client import Client, MQTTMessage

    from twind_mqtt.settings import MqttConnection


class Line:
    """One broker, one client id, at most one link at a time. Belongs to one event loop."""

    def __init__(
        self,
        settings: MqttConnection,
        *,
        client_id: str,
        on_message: Callable[[Client, Any, MQTTMessage], None] = lambda *_: None,
    ) -> None:
        self._settings = settings
        self._client_id = client_id
        self._on_message = on_message
        self._link: Link | None = None

    async def link(self) -> Link:
        """Return the link that is up, or make one.

        Raises:
            RetryableError: The broker cannot be reached now.
            PermanentError: It refuses this client.
        """
        if self._link is None or self._link.ended.done():
            self._link = None
            self._link = await Link.open(self._settings, client_id=self._client_id, on_message=self._on_message)
        return self._link

    async def confirmed(self, published: Sequence[asyncio.Future[bool]]) -> list[bool]:
        """Wait until the broker has taken everything that was published; return of each whether it did.

        Raises:
            RetryableError: The connection was lost first.
            PermanentError: The broker refused something.
        """
        try:
            return await asyncio.gather(*published)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                self.abort()  # what is on its way is sent again by a later start, or never
                raise
            raise RetryableError(self._end()) from None

    def _end(self) -> str:
        return self._link.ended.result() if self._link is not None and self._link.ended.done() else "the connection was lost"

    def abort(self) -> None:
        """Close without a word."""
        if self._link is not None:
            self._link.abort("given up")

    async def aclose(self) -> None:
        """Disconnect in good order."""
        link, self._link = self._link, None
        if link is not None:
            await link.aclose()
