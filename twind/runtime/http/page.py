"""The small status page: one file, nothing from elsewhere, and a policy that lets nothing else run."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def _hashes(html: str, tag: str) -> str:
    """Return the CSP sources (CSP level 3, section 2.3.1) that allow exactly the inline elements of the page."""
    elements = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
    digests = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in elements)
    return " ".join(f"'sha256-{digest}'" for digest in digests)


_HTML = files("twind.runtime.http").joinpath("page.html").read_text(encoding="utf-8")

BODY = _HTML.encode()
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        f"default-src 'none'; script-src {_hashes(_HTML, 'script')}; style-src {_hashes(_HTML, 'style')}; "
        "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}
