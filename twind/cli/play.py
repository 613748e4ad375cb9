"""Plays recordings in real time: into a daemon of this process, or to a broker."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pathlib import Path

    from twind.cli.recordings import Window
    from twind.config.load import Loaded


def play_into_daemon(paths: tuple[Path, ...], loaded: Loaded, *, speed: float) -> int:
    """Run the daemon with the recordings in the place of all its sources; it stays up at the end. Return its exit code."""
    from twind.runtime.app import run
    from twind.sources.replay import ReplaySettings

    routes = tuple(route for source in loaded.settings.sources.values() for route in source.routes)
    source = ReplaySettings(type="replay", paths=paths, speed=speed, routes=routes)
    settings = loaded.settings.model_copy(update={"sources": {"replay": source}, "sinks": {}})
    return run(replace(loaded, settings=settings))


def play_to_broker(window: Window, url: str, *, speed: float, qos: int) -> None:
    """Publish every message to its own topic when it is due.

    Raises:
        MissingExtraError: The MQTT adapter is not installed.
        RetryableError: The broker did not accept, or did not take everything.
        PermanentError: A recording cannot be read.
    """
    from contextlib import ExitStack

    from twind.model.errors import MissingExtraError
    from twind.sources.recording import Recording, in_order

    try:
        from twind_mqtt.publisher import connect
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"publishing needs packages that are not installed ({error}): pip install 'twind[mqtt]'"
        ) from error
    with ExitStack() as stack:
        recordings = [stack.enter_context(Recording(path)) for path in window.paths]
        publisher = stack.enter_context(connect(url))
        began_s, first_ns = time.monotonic(), None
        for messages in in_order(recordings, from_ns=window.from_ns, to_ns=window.to_ns):
            for message in messages:
                first_ns = message.receive_ns if first_ns is None else first_ns
                wait_s = began_s + (message.receive_ns - first_ns) * 1e-9 / speed - time.monotonic()
                if wait_s > 0:
                    time.sleep(wait_s)
                publisher.publish(message.topic, message.payload, qos)
        published = publisher.published
    click.echo(f"{published} messages published to {url}")
