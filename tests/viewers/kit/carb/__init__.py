"""As much of Kit's `carb` as the extension calls, with the signatures of Kit 107 to 110; anything else is an error.

The signatures come from NVIDIA's published references of the Python modules and from how NVIDIA's own samples call them.
"""

from __future__ import annotations

logged: list[tuple[str, str]] = []
"""(level, message), for tests."""


def log_info(message: str) -> None:
    logged.append(("info", message))


def log_warn(message: str) -> None:
    logged.append(("warn", message))


def log_error(message: str) -> None:
    logged.append(("error", message))
