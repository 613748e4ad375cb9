"""Source and sink without a key: over TLS, with a token of this process's own identity."""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import ssl
import time
import warnings
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self

import pytest

from tests.eventhubs.certificates import certificate
from tests.eventhubs.opened import Opened
from tests.eventhubs.sdk import emulator
from tests.eventhubs.test_event_sink import numbered, telling

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

HOUR_S = 3600


class Identity:
    """Stands for `DefaultAzureCredential`; its tokens are JSON web tokens that nobody signed."""

    lasts_s = HOUR_S
    made: list[Identity] = []  # noqa: RUF012  (of all of them, as a test sees none of them being made)

    def __init__(self, **options: Any) -> None:
        self.options, self.scopes, self.closed = options, set[str](), False
        self.made.append(self)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        self.closed = True

    async def get_token(self, *scopes: str, **_: Any) -> Any:
        self.scopes |= set(scopes)
        expires_s = int(time.time()) + self.lasts_s
        parts = [{"alg": "none"}, {"exp": expires_s}, {}]
        token = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
        return SimpleNamespace(token=token, expires_on=int(time.time()) + HOUR_S)


@pytest.fixture
def identities(monkeypatch: pytest.MonkeyPatch) -> list[Identity]:
    monkeypatch.setattr("azure.identity.aio.DefaultAzureCredential", Identity)
    monkeypatch.setattr(Identity, "made", [])
    return Identity.made


@pytest.fixture
def tls(tmp_path: Path) -> tuple[ssl.SSLContext, Path]:
    pem = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context, pem


def run(main: Coroutine[Any, Any, None]) -> None:
    with warnings.catch_warnings():
        # The SDK leaves its socket to the garbage collector where it is cancelled, or fails, while it connects.
        warnings.simplefilter("ignore", ResourceWarning)
        asyncio.run(main)
        gc.collect()


def options(running: Any, pem: Path) -> dict[str, Any]:
    return {
        "connection_string": None,
        "namespace": "floor",
        "client_id": "00000000-0000-0000-0000-000000000007",
        "event_hub": "hub",
        "endpoint": f"sb://localhost:{running.port}",
        "ca": pem,
    }


def test_what_the_sink_sends_the_source_reads_and_neither_has_a_key(
    identities: list[Identity], tls: tuple[ssl.SSLContext, Path]
) -> None:
    context, pem = tls

    async def main() -> None:
        async with (
            emulator(tls=context) as running,
            Opened(running, **options(running, pem), topics=["{partition}"]) as opened,
            telling(running, **options(running, pem)) as (sink, _),
        ):
            sink.offer([numbered("arm", number) for number in range(3)])
            assert [json.loads(message.payload)["data"]["number"] for message in await opened.take(3)] == [0, 1, 2]
            assert opened.source.health().connected

    run(main())
    assert len(identities) >= 2
    for identity in identities:
        assert identity.options == {"managed_identity_client_id": "00000000-0000-0000-0000-000000000007"}
        assert identity.scopes == {"https://eventhubs.azure.net//.default"}
        assert identity.closed


def test_an_identity_whose_tokens_are_over_is_said(
    identities: list[Identity], tls: tuple[ssl.SSLContext, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    context, pem = tls
    monkeypatch.setattr(Identity, "lasts_s", -60)

    async def main() -> None:
        async with emulator(tls=context) as running, Opened(running, **options(running, pem)) as opened:
            assert "the token for sb://floor.servicebus.windows.net/hub has expired" in await opened.away("expired")

    run(main())
    assert identities


def test_a_certificate_that_nobody_vouches_for_is_said(identities: list[Identity], tls: tuple[ssl.SSLContext, Path]) -> None:
    context, pem = tls

    async def main() -> None:
        async with emulator(tls=context) as running, Opened(running, **options(running, pem) | {"ca": None}) as opened:
            detail = await opened.away("cert")
            assert "certificate" in detail

    run(main())
    assert identities
