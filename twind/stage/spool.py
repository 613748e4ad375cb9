"""Rows of numbers on their way to becoming columns, in bounded memory."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

import numpy as np

from twind.model.errors import StageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_BLOCK_BYTES = 8 << 20
_MAX_BLOCK_ROWS = 65536


class Spool:
    """Takes rows one by one and gives columns back.

    Whole blocks of rows go to disk, turned, so that a column is read in one go per block. The file has no name; it is gone when
    this is closed, or when the process dies.
    """

    def __init__(self, folder: Path) -> None:
        """Make the file.

        Raises:
            StageError: The folder cannot be written to.
        """
        self.rows = 0
        """Rows taken so far."""
        self._folder = folder
        self._block: Floats = np.empty((0, 0))
        self._filled = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115  (closed by `close`)
        except OSError as error:
            raise StageError(f"cannot write to {folder}: {error.strerror}") from error

    def append(self, row: Floats) -> None:
        """Take a row; all rows are as wide as the first.

        Raises:
            StageError: The disk is full.
        """
        if not self._block.size:
            rows = min(max(1, _BLOCK_BYTES // row.nbytes), _MAX_BLOCK_ROWS)
            self._block = np.empty((rows, len(row)))
        self._block[self._filled] = row
        self._filled += 1
        self.rows += 1
        if self._filled == len(self._block):
            self._write()

    def _write(self) -> None:
        data = memoryview(self._block[: self._filled].T.tobytes())
        try:
            while data:
                data = data[self._file.write(data) :]
        except OSError as error:
            raise StageError(f"cannot write to {self._folder}: {error.strerror}") from error
        self._filled = 0

    def columns(self, begin: int, end: int) -> Iterator[Floats]:
        """Yield some neighbouring columns, (rows, end - begin) of a block at a time.

        Raises:
            StageError: The disk is full.
        """
        if self._filled:
            self._write()
        step, width = self._block.shape
        for first in range(0, self.rows, step):
            rows = min(step, self.rows - first)
            offset = 8 * (first * width + begin * rows)
            data = os.pread(self._file.fileno(), 8 * rows * (end - begin), offset)
            yield np.frombuffer(data, np.float64).reshape(end - begin, rows).T

    def close(self) -> None:
        """Let everything go; closing twice is fine."""
        self._file.close()
