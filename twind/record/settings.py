"""Settings of the sink `mcap`."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  (pydantic reads the annotations)
from typing import Annotated, Literal

from pydantic import Field, model_validator

from twind.config.base import SettingsModel


class McapSettings(SettingsModel):
    """Records what every source receives, as it arrived, into MCAP files (Foxglove and `twind replay` open them)."""

    type: Literal["mcap"]
    """Name of the adapter."""
    path: Path
    """Folder of the recording's segments, `INSTANCE-NAME-NUMBER-TIME.mcap`."""
    max_segment_bytes: Annotated[int, Field(ge=65_536)] = 268_435_456
    """Size at which a segment is closed and the next begun [bytes]."""
    max_segment_s: Annotated[float, Field(gt=0)] = 3600.0
    """Span of receive stamps after which a segment is closed and the next begun [s]."""
    max_total_bytes: Annotated[int, Field(ge=131_072)] = 10_737_418_240
    """Quota of all segments together [bytes]: the oldest are deleted, whole, before a new one is begun. Twice
    `max_segment_bytes` at least."""
    compression: Literal["zstd", "lz4", "none"] = "zstd"
    """Compression of chunks. `zstd` makes JSON three times smaller for 2 us of CPU a message, `lz4` two times for 1 us; both
    work in the recorder's thread, without holding up anything else."""
    chunk_bytes: Annotated[int, Field(ge=1024, le=16_777_216)] = 262_144
    """Payload bytes after which a chunk is compressed and written [bytes]. Smaller chunks lose less when a file is cut;
    larger ones compress better."""
    flush_s: Annotated[float, Field(gt=0, le=60)] = 1.0
    """How long a message may wait until it stands in the file [s]: what a power cut can take."""
    sync: bool = True
    """Force each flush to the disk (fdatasync). Off: the operating system decides when, half a minute later as a rule."""
    message_encoding: Literal["codec", "json"] = "codec"
    """What channels state as the encoding of their messages: the route's codec, or `json`, with which Foxglove's panels decode
    and plot JSON payloads. The schema's name is the codec either way, and `twind replay` reads both."""
    max_pending_messages: Annotated[int, Field(ge=1)] = 100_000
    """Messages that may wait for the disk; more are lost, counted and logged as an error."""
    max_pending_bytes: Annotated[int, Field(ge=65_536)] = 67_108_864
    """Payload bytes that may wait for the disk [bytes]."""

    @model_validator(mode="after")
    def _quota_holds_two_segments(self) -> McapSettings:
        if self.max_total_bytes < 2 * self.max_segment_bytes:
            msg = (
                f"max_total_bytes ({self.max_total_bytes}) must be at least twice max_segment_bytes "
                f"({self.max_segment_bytes}): one segment is written while the one before it is kept"
            )
            raise ValueError(msg)
        return self
