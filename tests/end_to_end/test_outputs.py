"""What other tools get from a running daemon: found by its status, fetched with plain GETs, opened by any OpenUSD."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from pxr import Usd, UsdGeom

from tests.end_to_end.daemon import Daemon, settings
from tests.usd_2511 import seen_by, seen_here

if TYPE_CHECKING:
    from collections.abc import Callable

CELL = Path(__file__).parents[2] / "stages" / "demo_cell" / "cell.usda"


def test_a_tool_that_knows_only_the_listener_gets_the_whole_stage(
    start_daemon: Callable[[Any], Daemon], tmp_path: Path, usd_2511: Path
) -> None:
    daemon = start_daemon(settings(CELL, None))
    daemon.wait_ready()
    stage = daemon.json("/api/v1/status")["stage"]
    folder = stage["url"].removesuffix("twin.usda")
    index = daemon.json(folder)
    for name in index["files"]:
        status, body = daemon.get(f"{folder}{quote(name)}")
        assert status == 200
        (tmp_path / "fetched" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "fetched" / name).write_bytes(body)
    fetched = tmp_path / "fetched" / index["twin"]
    assert seen_by(usd_2511, fetched) == seen_here(fetched)
    twin, transforms = Usd.Stage.Open(str(fetched)), UsdGeom.XformCache()
    assert not twin.GetCompositionErrors()
    looked = 0
    for head in daemon.json("/api/v1/entities")["entities"]:
        for prim, pose in daemon.entity(head["id"]).get("links", {}).items():
            found = transforms.GetLocalToWorldTransform(twin.GetPrimAtPath(prim)).ExtractTranslation()
            assert tuple(found) == pytest.approx(pose["position"], abs=1e-5)
            looked += 1
    assert looked > 10
    snapshot = daemon.folder / stage["snapshot"]
    assert seen_here(snapshot)["prims"] == seen_here(fetched)["prims"]
