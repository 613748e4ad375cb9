"""`twind emulate eventhubs`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from twind_eventhubs.emulator.hub import HubSettings
from twind_eventhubs.emulator.sas import Rule

if TYPE_CHECKING:
    from twind_eventhubs.emulator.server import Emulator


class _Hub(click.ParamType[HubSettings]):
    name = "hub"

    def convert(self, value: str | HubSettings, param: click.Parameter | None, ctx: click.Context | None) -> HubSettings:
        """Read NAME[:PARTITIONS[:GROUP,GROUP]]."""
        if isinstance(value, HubSettings):
            return value
        name, _, rest = value.partition(":")
        partitions, _, groups = rest.partition(":")
        if not name or "/" in name or (partitions and not (partitions.isdecimal() and 1 <= int(partitions) <= 1024)):
            self.fail(f"{value!r} is not NAME[:PARTITIONS[:GROUP,GROUP]] with 1 to 1024 partitions", param, ctx)
        return HubSettings(name, int(partitions or 4), tuple(group for group in groups.split(",") if group))


class _Rule(click.ParamType[Rule]):
    name = "rule"

    def convert(self, value: str | Rule, param: click.Parameter | None, ctx: click.Context | None) -> Rule:
        """Read NAME=KEY."""
        if isinstance(value, Rule):
            return value
        name, _, key = value.partition("=")
        if not name or not key:
            self.fail("a key is given as NAME=KEY", param, ctx)
        return Rule(name, key)


@click.command
@click.option(
    "--hub",
    "hubs",
    type=_Hub(),
    multiple=True,
    default=["hub"],
    show_default=True,
    metavar="NAME[:PARTITIONS[:GROUP,...]]",
    help="A hub; may be repeated. 4 partitions unless said otherwise; $Default is always there.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=5672, show_default=True, help="TCP port; 0 takes a free one.")
@click.option(
    "--key",
    "rules",
    type=_Rule(),
    multiple=True,
    metavar="NAME=KEY",
    envvar="TWIND_EMULATOR_KEY",
    help="A policy whose signatures are good; may be repeated. Default: one with a random key, which is printed.",
)
@click.option("--tls-cert", type=click.Path(exists=True, dir_okay=False), help="Certificate chain (PEM): speak TLS.")
@click.option("--tls-key", type=click.Path(exists=True, dir_okay=False), help="Its key (PEM), unless it is in the same file.")
@click.option("--throughput-units", type=click.IntRange(0), default=0, help="Limit what goes in and out. Default: no limits.")
@click.option(
    "--iothub-mqtt",
    metavar="URL",
    help="Stand in for an IoT Hub: what devices publish at this MQTT broker (mqtt://HOST:PORT) becomes events of a hub.",
)
@click.option("--control", type=click.IntRange(0, 65535), help="Take faults over HTTP on this port; 0 takes a free one.")
def eventhubs(
    *,
    hubs: tuple[HubSettings, ...],
    host: str,
    port: int,
    rules: tuple[Rule, ...],
    tls_cert: str | None,
    tls_key: str | None,
    throughput_units: int,
    control: int | None,
    iothub_mqtt: str | None,
) -> None:
    """Run an emulator of Azure Event Hubs, in memory, until Ctrl-C.

    The unmodified SDKs send to it and receive from it. Prints the connection string, with the key.
    """
    import asyncio
    import secrets
    import ssl

    from twind_eventhubs.emulator.server import Emulator

    tls = None
    if tls_cert is not None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            tls.load_cert_chain(tls_cert, tls_key)
        except OSError as error:
            raise click.ClickException(f"the certificate {tls_cert} cannot be used: {error}") from error
    emulator = Emulator(
        hubs,
        rules=rules or (Rule("RootManageSharedAccessKey", secrets.token_urlsafe(24)),),
        host=host,
        port=port,
        tls=tls,
        throughput_units=throughput_units,
    )
    try:
        asyncio.run(_run(emulator, host=host, control=control, iothub_mqtt=iothub_mqtt))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--iothub-mqtt") from error
    except OSError as error:
        raise click.ClickException(f"cannot listen on {host}:{port}: {error}") from error


async def _run(emulator: Emulator, *, host: str, control: int | None, iothub_mqtt: str | None) -> None:
    """Serve until SIGINT or SIGTERM."""
    import asyncio
    import contextlib
    import signal
    from urllib.parse import urlsplit

    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(emulator)
        if control is not None:
            from twind_eventhubs.emulator.control import serve

            taken = await stack.enter_async_context(serve(emulator, host=host, port=control))
            click.echo(f"control: http://{host}:{taken}/")
        if iothub_mqtt is not None:
            from twind_eventhubs.emulator.iothub import Bridge

            hub = next(iter(emulator.namespace.hubs.values())).name
            bridge = await stack.enter_async_context(Bridge(emulator, hub, iothub_mqtt))
            await bridge.subscribed.wait()
            click.echo(f"devices: those at {urlsplit(iothub_mqtt).hostname}, into {hub}")
        click.echo(f"hubs: {', '.join(hub.name for hub in emulator.namespace.hubs.values())}")
        click.echo(f"connection string: {emulator.connection_string}")
        await ended.wait()
