"""A tool that has `twin.usda` open and reloads what changed on disk: another process, with whatever OpenUSD it has."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from pathlib import Path


class Viewer:
    """Starts it, and asks it to look again."""

    def __init__(self, python: Path, twin: Path) -> None:
        self._process = subprocess.Popen([python, __file__, twin], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Self:
        assert self._read() == {"open": True}
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()

    def reload(self, attribute: str) -> dict[str, Any]:
        """Return an attribute after a reload, and what the notices of that spoke of."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{attribute}\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found


def main() -> None:
    from pxr import Sdf, Tf, Usd

    stage = Usd.Stage.Open(sys.argv[1])
    seen: dict[str, Any] = {}

    def note(notice: Any, _: Any) -> None:
        seen["notices"] += 1
        seen["resynced"] += map(str, notice.GetResyncedPaths())
        seen["changed"] += len(notice.GetChangedInfoOnlyPaths())

    key = Tf.Notice.Register(Usd.Notice.ObjectsChanged, note, stage)
    print(json.dumps({"open": True}), flush=True)  # noqa: T201
    for line in sys.stdin:
        seen = {"notices": 0, "resynced": [], "changed": 0}
        Sdf.Layer.ReloadLayers([layer for layer in stage.GetUsedLayers() if not layer.anonymous])
        seen["value"] = stage.GetAttributeAtPath(line.strip()).Get()
        print(json.dumps(seen), flush=True)  # noqa: T201
    del key


if __name__ == "__main__":
    main()
