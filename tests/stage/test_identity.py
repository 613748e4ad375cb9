"""Which prim stands for a robot, and that ids are never ambiguous."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from twind.model.errors import StageError
from twind.stage.discover import discover, discover_stage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ARM = """
def Xform "arm" ({meta}) {{
    {inside}
    def Scope "links" {{
        def Xform "base" (apiSchemas = ["PhysicsRigidBodyAPI", "PhysicsArticulationRootAPI"]) {{}}
        def Xform "tip" (apiSchemas = ["PhysicsRigidBodyAPI"]) {{}}
    }}
    def PhysicsRevoluteJoint "joint" {{
        rel physics:body0 = <{path}/links/base>
        rel physics:body1 = <{path}/links/tip>
    }}
}}
"""


def arm(*, meta: str = "", inside: str = "", path: str = "/World/arm") -> str:
    return ARM.format(meta=meta, inside=inside, path=path)


def world(*parts: str, meta: str = "") -> str:
    return f'def Xform "World" ({meta}) {{ {" ".join(parts)} }}'


@pytest.mark.parametrize(
    ("text", "prim", "name"),
    [
        (world(arm()), "/World/arm", "arm"),
        (world(arm(meta='kind = "component"')), "/World/arm", "arm"),
        (world(arm(meta='apiSchemas = ["IsaacRobotAPI"]'), meta='kind = "component"'), "/World/arm", "arm"),
        (world(arm(inside='string twind:id = "r7"')), "/World/arm", "r7"),
        (world('string twind:id = "cell"', arm(meta='kind = "component"')), "/World", "cell"),
        (arm(path="/arm"), "/arm", "arm"),
    ],
)
def test_robot_prim_is_the_nearest_that_claims_to_be_one(
    stage_from: Callable[..., Any], text: str, prim: str, name: str
) -> None:
    (robot,) = discover_stage(stage_from(text)).robots
    assert (robot.prim, robot.id) == (prim, name)


def test_links_without_a_common_ancestor_make_the_articulation_root_the_robot(stage_from: Callable[..., Any]) -> None:
    text = """
    def Xform "base" (apiSchemas = ["PhysicsRigidBodyAPI", "PhysicsArticulationRootAPI"]) {}
    def Xform "tip" (apiSchemas = ["PhysicsRigidBodyAPI"]) {}
    def PhysicsRevoluteJoint "joint" { rel physics:body0 = </base> rel physics:body1 = </tip> }
    """
    (robot,) = discover_stage(stage_from(text)).robots
    assert (robot.prim, robot.id) == ("/base", "base")


def test_two_articulations_under_one_component_stand_for_themselves(stage_from: Callable[..., Any]) -> None:
    text = """
    def Xform "station" (kind = "component") {
        def Xform "left" (apiSchemas = ["PhysicsRigidBodyAPI", "PhysicsArticulationRootAPI"]) {}
        def Xform "right" (apiSchemas = ["PhysicsRigidBodyAPI", "PhysicsArticulationRootAPI"]) {}
    }
    """
    assert [robot.prim for robot in discover_stage(stage_from(text)).robots] == ["/station/left", "/station/right"]


def cell(tmp_path: Path, ids: Any = ("", "")) -> str:
    asset = arm(meta='kind = "component"', path="/arm")
    (tmp_path / "arm.usda").write_text('#usda 1.0\n(\n    defaultPrim = "arm"\n    metersPerUnit = 1\n)\n' + asset)
    copies = ""
    for at, name in enumerate(ids):
        own = f'string twind:id = "{name}"' if name else ""
        copies += f'def Xform "cell_{at}" {{\n def "arm" (references = @./arm.usda@) {{\n{own}\n}}\n}}\n'
    root = tmp_path / "cell.usda"
    root.write_text(f"#usda 1.0\n(\n    metersPerUnit = 1\n)\n{copies}")
    return str(root)


def test_asset_referenced_twice_is_two_robots_once_they_have_ids(tmp_path: Path) -> None:
    topology = discover(cell(tmp_path, ("left", "right")))
    assert [(robot.id, robot.prim) for robot in topology.robots] == [("left", "/cell_0/arm"), ("right", "/cell_1/arm")]
    assert topology.entity_index == {"left": 0, "right": 1}


def test_ambiguous_id_is_refused_naming_both_prims_and_the_cure(tmp_path: Path) -> None:
    with pytest.raises(StageError) as refusal:
        discover(cell(tmp_path))
    assert all(part in str(refusal.value) for part in ("'arm'", "/cell_0/arm", "/cell_1/arm", "twind:id"))


def test_object_and_robot_may_not_share_an_id(stage_from: Callable[..., Any]) -> None:
    text = world(arm(), 'def Xform "part" (apiSchemas = ["PhysicsRigidBodyAPI"]) { string twind:id = "arm" }')
    with pytest.raises(StageError, match="ambiguous"):
        discover_stage(stage_from(text))


def test_every_ambiguous_id_is_named_at_once_and_discovery_without_ids_still_works(stage_from: Callable[..., Any]) -> None:
    parts = "".join(
        f'def Xform "{group}" {{ {" ".join(part(name) for name in ("bolt", "nut"))} }}' for group in ("left", "right", "top")
    )
    stage = stage_from(world(parts))
    with pytest.raises(StageError) as refused:
        discover_stage(stage)
    assert "'bolt' is ambiguous: /World/left/bolt, /World/right/bolt and /World/top/bolt all have it" in str(refused.value)
    assert "'nut' is ambiguous" in str(refused.value)
    assert len(discover_stage(stage, strict=False).objects) == 6


def part(name: str, inside: str = "") -> str:
    return f'def Xform "{name}" (apiSchemas = ["PhysicsRigidBodyAPI"]) {{ {inside} }}'


def test_list_of_ambiguous_ids_is_bounded(stage_from: Callable[..., Any]) -> None:
    parts = "".join(f'def Xform "g{group}" {{ {" ".join(part(f"part_{name}") for name in range(12))} }}' for group in range(13))
    with pytest.raises(StageError, match="and 2 more ids") as refused:
        discover_stage(stage_from(world(parts)))
    assert "and 3 more all have it" in str(refused.value)


def test_entity_schema_marks_the_prim_that_stands_for_a_robot(stage_from: Callable[..., Any]) -> None:
    text = world(arm(meta='kind = "component"')).replace(
        'def Xform "World" ()', 'def Xform "World" (apiSchemas = ["TwindEntityAPI"])'
    )
    assert discover_stage(stage_from(text)).robots[0].prim == "/World"


def test_entity_that_is_not_enabled_is_not_followed_and_its_links_are_no_objects(stage_from: Callable[..., Any]) -> None:
    off = "uniform bool twind:enabled = 0"
    topology = discover_stage(stage_from(world(arm(meta='kind = "component"', inside=off), part("box", off))))
    assert topology.entities == ()
    assert {one.prim for one in topology.ignored if "twind:enabled is false" in one.reason} == {"/World/arm", "/World/box"}


def test_id_on_a_prim_that_is_no_entity_is_noted(stage_from: Callable[..., Any]) -> None:
    topology = discover_stage(stage_from(world('def Xform "table" { string twind:id = "table_1" }')))
    assert any(one.prim == "/World/table" and "neither" in one.reason for one in topology.ignored)


def test_body_that_is_fixed_to_the_world_is_no_object_unless_it_has_an_id(stage_from: Callable[..., Any]) -> None:
    def fixed(inside: str) -> Any:
        welds = (
            "def PhysicsFixedJoint 'w1' { rel physics:body0 = </World/table> } "
            "def PhysicsFixedJoint 'w2' { rel physics:body0 = </World/lamp> rel physics:body1 = </World/table> }"
        )
        return discover_stage(stage_from(world(part("table"), part("lamp", inside), part("cup"), welds)))

    assert [one.id for one in fixed("").objects] == ["cup"]
    assert [one.id for one in fixed('string twind:id = "lamp"').objects] == ["lamp", "cup"]


def test_prim_that_is_not_active_is_no_end_of_a_joint(stage_from: Callable[..., Any]) -> None:
    stage = stage_from(world(arm()))
    stage.GetPrimAtPath("/World/arm/links/tip").SetActive(False)
    topology = discover_stage(stage)
    assert topology.robots[0].joints == ()
    assert any("not active" in one.reason for one in topology.ignored)


def test_robots_within_one_component_stand_for_themselves_by_what_is_above_each(stage_from: Callable[..., Any]) -> None:
    arms = "".join(
        f'def Xform "{name}" {{ {part("base")} {part("tip")} '
        f'def PhysicsFixedJoint "root_joint" (apiSchemas = ["PhysicsArticulationRootAPI"]) '
        f"{{ rel physics:body1 = </World/{name}/base> }} "
        f'def PhysicsRevoluteJoint "j" {{ rel physics:body0 = </World/{name}/base> '
        f"rel physics:body1 = </World/{name}/tip> }} }}"
        for name in ("left", "right")
    )
    topology = discover_stage(stage_from(world(arms, meta='kind = "component"')))
    assert [(one.id, one.prim) for one in topology.robots] == [("left", "/World/left"), ("right", "/World/right")]
