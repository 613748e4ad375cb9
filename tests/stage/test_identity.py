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
