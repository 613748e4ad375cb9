"""Builds responses: JSON for machines, text for people, and the headers that every response carries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Mapping

_ENCODER = msgspec.json.Encoder()  # NaN and infinity become null

HEADERS: Mapping[str, str] = {
    "Server": "twind",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""On every response; one that sets its own value keeps it."""

CLOSED_POLICY = "default-src 'none'; frame-ancestors 'none'"
"""Content-Security-Policy of everything but the page."""


def encoded(document: object) -> bytes:
    """Encode a document as JSON."""
    return _ENCODER.encode(document)


def as_json(document: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Answer with a document."""
    return web.Response(body=encoded(document), status=status, headers=headers, content_type="application/json")


def as_text(text: str, *, status: int = 200) -> web.Response:
    """Answer a person at a shell."""
    return web.Response(text=text, status=status, content_type="text/plain")


def error(status: int, message: str, *, headers: Mapping[str, str] | None = None, **more: object) -> web.Response:
    """Say what was wrong with a request."""
    return as_json({"error": message, **more}, status=status, headers=headers)


def not_started() -> web.Response:
    """Refuse what is not there before start-up is done."""
    return error(503, "start-up is not finished", headers={"Retry-After": "1"})


def prefers_json(request: web.Request) -> bool:
    """Whether the client asks for JSON by name; `*/*` gets text."""
    return "application/json" in request.headers.get("Accept", "")
