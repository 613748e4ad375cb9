"""Faults on demand over HTTP, for tests in other processes and languages: `POST /faults` with what is to happen."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from aiohttp import web

from twind_eventhubs.emulator.amqp.errors import AmqpError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from twind_eventhubs.emulator.server import Emulator


@contextlib.asynccontextmanager
async def serve(emulator: Emulator, *, host: str, port: int) -> AsyncIterator[int]:
    """Serve faults and state while the block runs; gives the port."""
    app = web.Application()
    control = _Control(emulator)
    app.add_routes([web.get("/", control.state), web.post("/faults", control.fault)])
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


class _Control:
    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    async def state(self, _: web.Request) -> web.Response:
        """Say what is in the hubs."""
        hubs = {
            hub.name: {
                ident: {"first": partition.first_sequence, "end": partition.end_sequence, "bytes": partition.size_bytes}
                for ident, partition in hub.partitions.items()
            }
            for hub in self._emulator.namespace.hubs.values()
        }
        return web.json_response({"connections": self._emulator.connections, "hubs": hubs})

    async def fault(self, request: web.Request) -> web.Response:
        """Do what is asked."""
        try:
            ask = await request.json()
            if not isinstance(ask, dict):
                raise TypeError("the body is no JSON object")  # noqa: TRY301
            return web.json_response({"affected": self._do(ask)})
        except (ValueError, KeyError, TypeError, AmqpError) as error:
            return web.json_response({"error": f"{type(error).__name__}: {error}"}, status=400)

    def _do(self, ask: dict[str, Any]) -> int | None:
        emulator = self._emulator
        match ask["fault"]:
            case "disconnect":
                return emulator.disconnect(politely=bool(ask.get("politely", False)))
            case "steal":
                return emulator.steal(str(ask["hub"]), str(ask["partition"]), group=str(ask.get("group", "$Default")))
            case "throttle":
                return emulator.throttle(int(ask["attaches"]))
            case "busy":
                emulator.busy(int(ask["sends"]))
            case "duplicate":
                emulator.duplicate(float(ask["share"]), seed=int(ask.get("seed", 1)))
            case "slow":
                emulator.slow(float(ask["latency_s"]))
            case "stall":
                emulator.stall(stalled=bool(ask.get("stalled", True)))
            case "half_open":
                return emulator.half_open()
            case other:
                raise ValueError(f"no fault {other!r}: disconnect, steal, busy, throttle, duplicate, slow, stall, half_open")
        return None
