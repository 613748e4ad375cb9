from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pytest

from twind.config.base import SourceSettings
from twind.config.registry import Present, Registry
from twind.model.errors import PermanentError

if TYPE_CHECKING:
    from pathlib import Path

STAGE = """\
#usda 1.0
(
    defaultPrim = "World"
    metersPerUnit = 1
    upAxis = "Z"
)

def Xform "World"
{
    def Xform "crate" (prepend apiSchemas = ["PhysicsRigidBodyAPI"])
    {
    }
}
"""


class FakeSettings(SourceSettings):
    """A source for tests."""

    type: Literal["fake"]
    """Name of the adapter."""
    down: bool = False
    """Whether it cannot be reached."""


class FakeAdapter:
    settings = FakeSettings

    async def probe(self, name: str, settings: FakeSettings, *, instance: str) -> str:
        if settings.down:
            raise PermanentError(f"{name} of {instance} is down: switch it on")
        return f"{name} is up"


class Poses:
    kind = "pose"


@pytest.fixture
def cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a stage of one crate; the one installed source is `fake`."""
    registry = Registry(sources={"fake": Present(FakeAdapter())}, codecs={"pose": Present(Poses)})
    monkeypatch.setattr(Registry, "installed", classmethod(lambda _: registry))
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    (tmp_path / "cell.usda").write_text(STAGE)
    return tmp_path
