"""Reads a live layer from standard input and writes the scene of a stage under it to standard output."""

from __future__ import annotations

import sys

from twind.model.errors import StageError
from twind.stage.scene.export import scene_glb


def main() -> int:
    """Export the stage that the first argument names."""
    try:
        data = scene_glb(sys.argv[1], sys.stdin.buffer.read())
    except StageError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.buffer.write(data)
    return 0


if __name__ == "__main__":
    sys.exit(main())
