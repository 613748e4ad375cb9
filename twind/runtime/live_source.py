"""Reads a live layer from where a daemon shows it: its snapshot folder, or its listener."""

from __future__ import annotations

from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from twind.model.errors import PermanentError

if TYPE_CHECKING:
    from urllib.parse import SplitResult

_LIVE, _HTTP_LIVE = "live.usda", "/stage/live.usda"
_MAX_BYTES = 1 << 30
"""A live layer is a hundredth of this for a plant; more is something else."""
_TIMEOUT_S = 30.0


def read_live(place: str, *, token_file: Path | None = None) -> bytes:
    """Return a live layer as `.usda`.

    Args:
        place: A snapshot folder or the `live.usda` in one, or the URL of a daemon's listener.
        token_file: Holds the listener's bearer token.

    Raises:
        PermanentError: It cannot be had.
    """
    url = urlsplit(place)
    try:
        if url.scheme in {"http", "https"}:
            token = None if token_file is None else token_file.read_text(encoding="utf-8").strip()
            return _fetch(url, token)
        path = Path(place)
        return (path / _LIVE if path.is_dir() else path).read_bytes()
    except (OSError, HTTPException, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise PermanentError(f"cannot read the live layer from {_shown(url, place)}: {reason}") from error


def _fetch(url: SplitResult, token: str | None) -> bytes:
    """Get it without following redirects: the token is for this host alone."""
    if url.hostname is None:
        raise ValueError(f"{url.geturl()!r} names no host")
    kind = HTTPSConnection if url.scheme == "https" else HTTPConnection
    connection = kind(url.hostname, url.port, timeout=_TIMEOUT_S)
    try:
        prefix = url.path.removesuffix(_LIVE).rstrip("/").removesuffix("/stage")  # behind a proxy there may be more
        connection.request(
            "GET", f"{prefix}{_HTTP_LIVE}", headers={} if token is None else {"Authorization": f"Bearer {token}"}
        )
        response = connection.getresponse()
        if response.status != 200:  # noqa: PLR2004  (OK)
            hint = "; name its token with --token-file" if response.status == 401 else ""  # noqa: PLR2004  (unauthorized)
            raise ValueError(f"it answers {response.status} {response.reason}{hint}")
        data = response.read(_MAX_BYTES + 1)
    finally:
        connection.close()
    if len(data) > _MAX_BYTES:
        raise ValueError(f"it is larger than {_MAX_BYTES} bytes")
    return data


def _shown(url: SplitResult, place: str) -> str:
    """Return the place without a password that may be in its URL."""
    return f"{url.scheme}://{url.hostname}" if "@" in url.netloc else place
