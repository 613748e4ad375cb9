"""Several daemons show one stage: who owns what, and one root layer for viewers."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from pxr import Sdf, Usd

from tests.usd_2511 import seen_by, seen_here
from twind.cli.main import main
from twind.config.settings import ShardSettings
from twind.model.errors import StageError
from twind.runtime.shards import owner, owns
from twind.stage.live import LiveStage
from twind.stage.shared_root import join_shards
from twind.stage.snapshot import LIVE, Snapshot
from twind.stage.structure import LiveOptions
from twind.stage.synthetic import serial_robots

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from twind.model.state import Update


@pytest.fixture
def root(tmp_path: Path) -> str:
    path = tmp_path / "assets" / "plant.usda"
    path.parent.mkdir()
    stage = serial_robots(5, joints=2, objects=3)
    stage.GetRootLayer().Export(str(path))
    return str(path)


def shard_of(root: str, shard: ShardSettings, instance: str, generation: int = 1) -> LiveStage:
    return LiveStage.open(root, instance=instance, options=LiveOptions(generation=generation), owns=partial(owns, shard))


def test_entities_are_dealt_out_once_each_and_by_patterns() -> None:
    ids = [f"robot_{number}" for number in range(200)]
    for count in (1, 2, 3, 7):
        owners = [[index for index in range(count) if owns(ShardSettings(index=index, count=count), one)] for one in ids]
        assert all(len(owner) == 1 for owner in owners)
        assert len({owner[0] for owner in owners}) == count
    left = ShardSettings(entities=("robot_1?", "robot_2"))
    assert [one for one in ids if owns(left, one)] == ["robot_2", *[f"robot_1{digit}" for digit in range(10)]]


def test_entities_whose_ids_differ_in_one_digit_are_spread_over_the_shards() -> None:
    for ids in ([f"cell-{cell}-arm" for cell in range(8)], [f"agv{number}" for number in range(16)]):
        for count in (2, 3, 4):
            assert len({owner(one, count) for one in ids}) == count
    shares = [sum(owner(f"robot_{number}", 8) == index for number in range(8000)) for index in range(8)]
    assert max(shares) - min(shares) < 200  # 1,000 each, six standard deviations of 30 and the same below


def test_one_more_shard_takes_only_its_own_share_and_moves_nothing_else() -> None:
    ids = [f"robot_{number}" for number in range(2000)]
    moved = [one for one in ids if owner(one, 5) != owner(one, 4)]
    assert {owner(one, 5) for one in moved} == {4}
    assert 300 < len(moved) < 500


def test_a_shard_writes_nothing_about_entities_of_others(root: str, update_at: Callable[..., Update]) -> None:
    live = shard_of(root, ShardSettings(entities=("robot_1", "part_*")), "left")
    assert [one.id for one in live.topology.entities] == ["robot_1", "part_0", "part_1", "part_2"]
    assert live.topology.elsewhere == ("robot_0", "robot_2", "robot_3", "robot_4")
    live.write(update_at(live.topology, {"robot_1/joint_1": 0.4}))
    assert live.read_back("robot_1").positions["joint_1"] == pytest.approx(0.4)
    assert all(f'over "{other}"' not in live.layer_text() for other in live.topology.elsewhere)
    live.close()


def test_the_composed_stage_shows_every_entity_as_its_own_shard_does(
    root: str, tmp_path: Path, update_at: Callable[..., Update]
) -> None:
    composed = tmp_path / "live" / "plant.usda"
    lives = []
    for index in range(3):
        live = shard_of(root, ShardSettings(index=index, count=3), f"twind-{index}", generation=index + 4)
        lives.append(live)
        live.write(update_at(live.topology, {f"robot_{n}/joint_1": 0.1 * n for n in range(5)}))
        Snapshot(live, tmp_path / "live" / live.instance)
        assert join_shards(live.stage.GetRootLayer(), tmp_path / "live" / live.instance / LIVE, composed)
        assert not join_shards(live.stage.GetRootLayer(), tmp_path / "live" / live.instance / LIVE, composed)
    stage = Usd.Stage.Open(str(composed))
    for live in lives:
        assert live.topology.entities
        for one in live.topology.entities:
            for attribute in live.stage.GetPrimAtPath(one.prim).GetAttributes():
                assert stage.GetAttributeAtPath(attribute.GetPath()).Get() == attribute.Get()
            assert stage.GetAttributeAtPath(f"{one.prim}.twind:instance").Get() == live.instance
        live.close()
    assert Sdf.Layer.FindOrOpen(str(composed)).subLayerPaths == [
        *(f"./twind-{index}/live.usda" for index in range(3)),
        "../assets/plant.usda",
    ]


def test_openusd_25_11_sees_the_same_composed_stage(
    root: str, tmp_path: Path, update_at: Callable[..., Update], usd_2511: Path
) -> None:
    composed = tmp_path / "plant.usda"
    for index in range(2):
        options = LiveOptions(generation=1, stale_color=(1.0, 0.5, 0.0), physics_off=True)
        owner = partial(owns, ShardSettings(index=index, count=2))
        live = LiveStage.open(root, instance=f"twind-{index}", options=options, owns=owner)
        live.write(update_at(live.topology, {f"robot_{n}/joint_2": 0.3 * n for n in range(5)}))
        Snapshot(live, tmp_path / live.instance)
        join_shards(live.stage.GetRootLayer(), tmp_path / live.instance / LIVE, composed)
        live.close()
    seen = seen_by(usd_2511, composed, times=[])
    assert seen["errors"] == 0
    assert seen == seen_here(composed, times=[])


def test_a_file_that_is_no_composed_stage_is_left_as_it_is(root: str, tmp_path: Path) -> None:
    live = shard_of(root, ShardSettings(), "one")
    (tmp_path / "mine.usda").write_text("#usda 1.0\n")
    with pytest.raises(StageError, match="stays as it is"):
        join_shards(live.stage.GetRootLayer(), tmp_path / LIVE, tmp_path / "mine.usda")
    assert (tmp_path / "mine.usda").read_text() == "#usda 1.0\n"
    live.close()


def test_shards_are_composed_from_the_command_line(root: str, tmp_path: Path) -> None:
    live = shard_of(root, ShardSettings(entities=("robot_0",)), "one")
    Snapshot(live, tmp_path / "one")
    live.close()
    arguments = ["stage", "compose", root, str(tmp_path / "all.usda"), str(tmp_path / "one"), str(tmp_path / "two")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert "not there yet" in result.output
    stage = Usd.Stage.Open(str(tmp_path / "one" / "twin.usda"))
    assert stage.GetAttributeAtPath("/World/robot_0.twind:instance").Get() == "one"
    refused = CliRunner().invoke(main, ["stage", "compose", root, root, str(tmp_path / "one")])
    assert refused.exit_code != 0
