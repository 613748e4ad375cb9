"""Keeps device twins in a file, so that versions go on after a restart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from twind.api import PermanentError, replacing
from twind_mqtt.device_twin import DeviceTwin  # noqa: TC001  (msgspec reads the annotations)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_FORMAT = 2
"""1 knew no tags, no metadata, and no other desired properties than configured ones."""


class _File(msgspec.Struct):
    format: int
    twins: dict[str, DeviceTwin]


def load(path: Path) -> dict[str, DeviceTwin]:
    """Return the twins by robot id; none when there is no file yet.

    Raises:
        PermanentError: The file cannot be read, or is of a newer version.
    """
    try:
        kept = msgspec.json.decode(path.read_bytes(), type=_File)
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError) as error:
        raise PermanentError(
            f"cannot read the device twins in {path}: {error}; repair it, or move it away to begin anew"
        ) from error
    if kept.format > _FORMAT:
        raise PermanentError(f"{path} was written by a newer twind (format {kept.format}); move it away to begin anew")
    return kept.twins


def save(path: Path, twins: Mapping[str, DeviceTwin]) -> None:
    """Write the twins; a crash leaves the old file or the new one.

    Raises:
        PermanentError: The file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, durable=True) as temporary:
            temporary.write_bytes(msgspec.json.encode(_File(_FORMAT, dict(twins))))
    except OSError as error:
        raise PermanentError(f"cannot keep the device twins in {path}: {error.strerror}; check `state_dir`") from error
