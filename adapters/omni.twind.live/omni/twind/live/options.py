"""What can be set about the extension: the settings under `/exts/omni.twind.live/`."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

PREFIX = "/exts/omni.twind.live/"


@dataclass(frozen=True)
class Options:
    """Read once for every connection."""

    address: str = "http://127.0.0.1:8080"
    """Where the daemon listens."""
    token_file: str = ""
    """File with the bearer token, where the daemon wants one. Not the token itself: settings are logged and saved."""
    connect_at_start: bool = False
    """Whether to connect when the extension starts."""
    open_stage: bool = False
    """Whether to open the daemon's own stage where nothing else is open; otherwise the stage that is open is taken."""
    entities: tuple[str, ...] = ()
    """Entity ids to follow; with `prims` empty too: everything."""
    prims: tuple[str, ...] = ()
    """Prim paths to follow; everything at and below them."""
    max_rate_hz: float = 0.0
    """Most frames in a second; 0: as many as there are."""
    fabric: bool = False
    """Whether prims are moved through Fabric (usdrt) instead of USD."""
    window: bool = True
    """Whether the window is shown."""

    @classmethod
    def read(cls, get: Callable[[str], Any]) -> Options:
        """Read them all.

        Args:
            get: Returns the setting with a path, None where there is none.

        Raises:
            ValueError: One is not of its kind; the message names it.
        """
        given = {one.name: get(PREFIX + one.name) for one in fields(cls)}
        return cls(**{name: _typed(name, value, getattr(cls, name)) for name, value in given.items() if value is not None})

    def token(self) -> str:
        """Return the bearer token, empty where there is none.

        Raises:
            ValueError: Its file cannot be read.
        """
        if not self.token_file:
            return ""
        try:
            return Path(self.token_file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not text"
            raise ValueError(f"the token cannot be read from {self.token_file}: {reason}") from error


def _typed(name: str, value: Any, default: Any) -> Any:
    if isinstance(default, bool):
        if isinstance(value, (bool, int)):
            return bool(value)
    elif isinstance(default, float):
        if isinstance(value, (int, float)) and value >= 0:
            return float(value)
    elif isinstance(default, tuple):
        if isinstance(value, (list, tuple)) and all(isinstance(one, str) for one in value):
            return tuple(one for one in value if one)
    elif isinstance(value, str):
        return value.strip()
    raise ValueError(f"{PREFIX}{name} is {value!r}, which it cannot be")
