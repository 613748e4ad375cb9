"""Several real daemons on one stage."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pxr import Usd

from tests.end_to_end.daemon import Daemon, settings, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CELL = Path(__file__).parents[2] / "stages" / "demo_cell" / "cell.usda"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    """Start a daemon with a folder of its own; all of them are killed at the end."""
    with ExitStack() as stack:
        yield lambda name, configuration: stack.enter_context(Daemon(tmp_path / name, configuration))


def configured(tmp_path: Path, snapshot: str, **more: Any) -> dict[str, Any]:
    stage = {"snapshot": {"path": str(tmp_path / "shared" / snapshot), "rate_hz": 10, "composed": str(tmp_path / "all.usda")}}
    return settings(CELL, None, stage_settings=stage, **more)


def test_a_daemon_whose_place_was_taken_by_a_newer_one_stops_and_says_by_whom(
    start: Callable[..., Daemon], tmp_path: Path
) -> None:
    old = start("old", configured(tmp_path, "live", instance="first"))
    old.wait_ready()
    new = start("new", configured(tmp_path, "live", instance="second"))
    new.wait_ready()
    assert old.ends() == 1
    (fenced,) = old.events("stage_fenced")
    assert (fenced["level"], fenced["instance"], fenced["generation"]) == ("error", "first", 1)
    assert "generation 2 of instance 'second'" in fenced["error"]
    assert 'string instance = "second"' in (tmp_path / "shared" / "live" / "live.usda").read_text()[:400]
    assert new.ready


def test_shards_show_one_stage(start: Callable[..., Daemon], tmp_path: Path) -> None:
    daemons = [
        start(f"shard-{index}", configured(tmp_path, f"{index}", instance=f"shard-{index}", shard={"index": index, "count": 2}))
        for index in range(2)
    ]
    for daemon in daemons:
        daemon.wait_ready()
    stage = Usd.Stage.Open(str(tmp_path / "all.usda"))
    ids = []
    for index, daemon in enumerate(daemons):
        entities = daemon.json("/api/v1/entities")["entities"]
        ids += [one["id"] for one in entities]
        for one in entities:
            assert stage.GetAttributeAtPath(f"{one['prim']}.twind:instance").Get() == f"shard-{index}"
    assert len(ids) == len(set(ids)) > 2
    until(lambda: all(daemon.ready for daemon in daemons), "both stay ready")
