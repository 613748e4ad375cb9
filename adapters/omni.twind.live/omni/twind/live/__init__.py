"""The far side of twind's live stream. Nothing but the standard library and, where a stage is written, `pxr`."""
