"""`carb.settings`: one tree of values."""

from __future__ import annotations

from typing import Any


class ISettings:
    __slots__ = ("_values",)

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}

    def get(self, path: str) -> Any:
        return self._values.get(_checked(path))

    def set(self, path: str, value: bool | float | str | list[str]) -> None:  # noqa: FBT001
        self._values[_checked(path)] = value


_THE = ISettings()


def get_settings() -> ISettings:
    return _THE


def _checked(path: str) -> str:
    assert isinstance(path, str)
    assert path.startswith("/")
    return path
