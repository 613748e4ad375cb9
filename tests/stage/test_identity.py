"""Which prim stands for a robot, and that ids are never ambiguous."""

from __future__ import annotations

import pytest

from twind.model.errors import StageError
from twind.stage.discover import discover, discover_stage

ARM = """
def Xform "arm" ({meta}) {{
    {inside}
    def Scope "links" {{
        def Xform "base" (apiSchemas = ["PhysicsRigidBodyAPI", "PhysicsArticulationRootAPI"]) {{}}
        def Xform "tip" (apiSchemas = ["PhysicsRigidBodyAPI"]) {{}}
    }}
    def PhysicsRevoluteJoint "joint" {{ rel physics:body0 = <{path}/links/base> rel physics:body1 = <{path}/links/tip> }}
}}
"""


def arm(*, meta="", inside="", path="/World/arm"):
    return ARM.format(meta=meta, inside=inside, path=path)


def world(*parts, meta=""):
    return f'def Xform "World" ({meta}) {{ {" ".join(parts)} }}'


@pytest.mark.parametrize(
    ("text", "prim", "name"),
    [
        (world(arm()), "/World/arm", "arm"),
        (world(arm(meta='kind = "component"')), "/World/arm", "arm"),
        (world(arm(meta='apiSchemas = ["IsaacRobotAPI"]'), meta='kind = "component"'), "/World/arm", "arm"),
        (world(arm(inside='string twind:id = "r7"')), "/World/arm", "r7"),
        (
            world(arm(meta='kind = "component"')).replace('"World" ()', '"World" () ').replace("{ ", '{ string twind:id = "cell" ', 1),
            "/World",
            "cell",
        ),
        (arm(path="/arm"), "/arm", "arm"),
    ],
)
def test_robot_prim_is_the_nearest_that_claims_to_be_one(stage_from, text, prim, name):
    (robot,) = discover_stage(stage_from(text)).robots
    assert (robot.prim, robot.id) == (prim, name)


def test_links_without_a_common_ancestor_make_the_articulation_root_the_robot(stage_from):
    text = """
    def Xform "base" (apiSchemas = ["PhysicsRigidBodyAPI", "PhysicsArticulationRootAPI"]) {}
    def Xform "tip" (apiSchemas = ["PhysicsRigidBodyAPI"]) {}
    def PhysicsRevoluteJoint "joint" { rel physics:body0 = </base> rel physics:body1 = </tip> }
    """
    (robot,) = discover_stage(stage_from(text)).robots
    assert (robot.prim, robot.id) == ("/base", "base")


def test_two_articulations_under_one_component_stand_for_themselves(stage_from):
    text = """
    def Xform "station" (kind = "component") {
        def Xform "left" (apiSchemas = ["PhysicsRigidBodyAPI", "PhysicsArticulationRootAPI"]) {}
        def Xform "right" (apiSchemas = ["PhysicsRigidBodyAPI", "PhysicsArticulationRootAPI"]) {}
    }
    """
    assert [robot.prim for robot in discover_stage(stage_from(text)).robots] == ["/station/left", "/station/right"]


def cell(tmp_path, ids=("", "")):
    (tmp_path / "arm.usda").write_text(f'#usda 1.0\n(defaultPrim = "arm" metersPerUnit = 1)\n{arm(meta="kind = \'component\'", path="/arm")}')
    copies = "".join(
        f'def Xform "cell_{at}" {{ def "arm" (references = @./arm.usda@) {{ {f"""string twind:id = "{name}" """ if name else ""} }} }}\n'
        for at, name in enumerate(ids)
    )
    root = tmp_path / "cell.usda"
    root.write_text(f"#usda 1.0\n(metersPerUnit = 1)\n{copies}")
    return str(root)


def test_asset_referenced_twice_is_two_robots_once_they_have_ids(tmp_path):
    topology = discover(cell(tmp_path, ("left", "right")))
    assert [(robot.id, robot.prim) for robot in topology.robots] == [("left", "/cell_0/arm"), ("right", "/cell_1/arm")]
    assert topology.entity_index == {"left": 0, "right": 1}


def test_ambiguous_id_is_refused_naming_both_prims_and_the_cure(tmp_path):
    with pytest.raises(StageError) as refusal:
        discover(cell(tmp_path))
    assert all(part in str(refusal.value) for part in ("'arm'", "/cell_0/arm", "/cell_1/arm", "twind:id"))


def test_object_and_robot_may_not_share_an_id(stage_from):
    text = world(arm(), 'def Xform "part" (apiSchemas = ["PhysicsRigidBodyAPI"]) { string twind:id = "arm" }')
    with pytest.raises(StageError, match="ambiguous"):
        discover_stage(stage_from(text))
