"""Places on disk that settings name: what relative paths are relative to, and whether a folder can be written."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twind.config.base import SettingsModel

if TYPE_CHECKING:
    from twind.config.marks import Marks, SettingPath
    from twind.config.settings import Settings


def anchor(settings: Settings, marks: Marks) -> Settings:
    """Return the settings with every relative path that a file names made relative to that file.

    Applies to all fields of type `Path`, adapters' included, and to `stage.root` unless it is a URL. Defaults are named by
    no file and stay relative to the working directory.
    """
    anchored: Settings = _anchored(settings, marks, ())
    root = anchored.stage.root
    if "://" in root:
        return anchored
    beside = _beside(Path(root), marks, ("stage", "root"))
    return anchored.model_copy(update={"stage": anchored.stage.model_copy(update={"root": str(beside)})})


def _anchored(value: Any, marks: Marks, at: SettingPath) -> Any:
    match value:
        case SettingsModel():
            below = {name: _anchored(getattr(value, name), marks, (*at, name)) for name in value.model_fields_set}
            return value.model_copy(update=below)
        case dict():
            return {key: _anchored(item, marks, (*at, key)) for key, item in value.items()}
        case tuple():
            return tuple(_anchored(item, marks, (*at, index)) for index, item in enumerate(value))
        case Path():
            return _beside(value, marks, at)
    return value


def _beside(path: Path, marks: Marks, at: SettingPath) -> Path:
    node = marks.node(at)
    return path if node is None else Path(node.mark.file).parent / path


def cannot_hold_files(folder: Path) -> str | None:
    """Say why files cannot be written to a folder, or why the folder cannot be made; None when they can."""
    try:
        if folder.is_dir():
            return None if os.access(folder, os.W_OK | os.X_OK) else f"the folder '{folder}' is not writable"
        if folder.exists():
            return f"'{folder}' is not a folder"
        parent = next(parent for parent in folder.absolute().parents if parent.exists())
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the path
        return f"the folder '{folder}' cannot be used: {getattr(error, 'strerror', None) or error}"
    if not parent.is_dir():
        return f"the folder '{folder}' cannot be made: '{parent}' is not a folder"
    if not os.access(parent, os.W_OK | os.X_OK):
        return f"the folder '{folder}' does not exist and cannot be made: '{parent}' is not writable"
    return None
