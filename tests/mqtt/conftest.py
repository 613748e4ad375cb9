"""Sources, what they said, and certificates."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from twind_mqtt import adapter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from twind.api import RawMessage


class Said:
    """A telemetry that remembers."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self._news = asyncio.Event()

    def emit(self, event: Any) -> None:
        self.events.append(event)
        self._news.set()

    def named(self, name: str) -> list[Any]:
        return [event for event in self.events if type(event).__name__ == name]

    async def wait_for(self, name: str, *, count: int = 1, within_s: float = 30.0) -> Any:
        """Wait until an event was emitted `count` times in all, and return the last."""
        async with asyncio.timeout(within_s):
            while len(self.named(name)) < count:
                self._news.clear()
                await self._news.wait()
        return self.named(name)[-1]


class Opened:
    """A source that runs."""

    def __init__(self, url: str, **options: Any) -> None:
        self.said = Said()
        options.setdefault("routes", [{"topic": "cell/{entity}/{what}", "codec": "joint_state"}])
        options.setdefault("reconnect", {"base_s": 0.05, "cap_s": 0.2})
        self.settings = adapter.settings(type="mqtt", url=url, **options)
        self.source: Any = adapter.open("floor", self.settings, instance="cell-7", telemetry=self.said)  # type: ignore[arg-type]
        self.running = asyncio.create_task(self.source.run(), name="run")

    async def subscribed(self, *, times: int = 1) -> None:
        """Wait until connected and until the broker answered the subscriptions."""
        await self.said.wait_for("SourceConnected", count=times)
        await asyncio.wait({self.source._link.granted}, timeout=30)

    async def take(self, count: int, *, within_s: float = 60.0) -> list[RawMessage]:
        """Receive exactly so many messages."""
        taken: list[RawMessage] = []
        async with asyncio.timeout(within_s):
            while len(taken) < count:
                taken += await self.source.receive(min(500, count - len(taken)))
        return taken

    async def close(self) -> None:
        await self.source.aclose()
        await self.running

    async def crash(self) -> None:
        """End as a killed daemon would: no goodbye."""
        self.running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.running
        if self.source._link is not None:
            self.source._link.abort("crash")


@contextlib.asynccontextmanager
async def opened(url: str, **options: Any) -> AsyncIterator[Opened]:
    """Run a source and wait for its subscriptions."""
    source = Opened(url, **options)
    try:
        await source.subscribed()
        yield source
    finally:
        await source.close()


@pytest.fixture
def open_source() -> Any:
    """`async with open_source(url, **settings) as source`."""
    return opened


@pytest.fixture
def until() -> Any:
    """`await until(condition)`: look again and again until it holds; fail after a while."""

    async def look(condition: Callable[[], Any], *, within_s: float = 60.0) -> None:
        async with asyncio.timeout(within_s):
            while not condition():  # noqa: ASYNC110  (what is waited for has no event of its own)
                await asyncio.sleep(0.01)

    return look


@pytest.fixture
def start_source() -> type[Opened]:
    """A source that may not find its broker."""
    return Opened


@dataclass(frozen=True)
class Authority:
    """A certificate authority of the test's own."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    name: str

    @property
    def file(self) -> Path:
        return self.folder / f"{self.name}.pem"

    def issue(self, name: str, *, host: str | None = None) -> tuple[Path, Path]:
        """Return the files of a new certificate and of its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(name, self.certificate.subject, key.public_key())
        if host is not None:
            try:
                alternatives: list[x509.GeneralName] = [x509.IPAddress(ipaddress.ip_address(host))]
            except ValueError:
                alternatives = [x509.DNSName(host)]
            if host == "localhost":
                alternatives.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False
        )
        return _write(self.folder / name, builder.sign(self.key, hashes.SHA256()), key)


@pytest.fixture
def make_authority(tmp_path: Path) -> Any:
    """Make a certificate authority by name."""

    def make(name: str) -> Authority:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = (
            _builder(name, subject, key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(_sign_only(), critical=True)
            .sign(key, hashes.SHA256())
        )
        _write(tmp_path / name, certificate, key)
        return Authority(tmp_path, key, certificate, name)

    return make


def _sign_only() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _builder(name: str, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
    )


def _write(stem: Path, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> tuple[Path, Path]:
    files = stem.with_suffix(".pem"), stem.with_suffix(".key")
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files
