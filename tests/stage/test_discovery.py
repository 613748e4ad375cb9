"""Discovery on stages built in memory: flat and nested links, units, up axes, loops, several articulations."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from twind.model.errors import StageError
from twind.model.topology import JointKind
from twind.stage.discover import discover, discover_stage
from twind.stage.synthetic import serial_robots

if TYPE_CHECKING:
    from collections.abc import Callable

BODY = 'apiSchemas = ["PhysicsRigidBodyAPI"]'
ROOT = 'apiSchemas = ["PhysicsRigidBodyAPI", "PhysicsArticulationRootAPI"]'
AT = 'double3 xformOp:translate = {} uniform token[] xformOpOrder = ["xformOp:translate"]'


def body(name: str, at: Any = (0, 0, 0), *, schemas: str = BODY, inside: str = "") -> str:
    return f'def Xform "{name}" ({schemas}) {{ {AT.format(at)} {inside} }}'


def group(name: str, at: Any, *, inside: str = "") -> str:
    return body(name, at, schemas="", inside=inside)


def joint(kind: str, name: str, body0: str, body1: str, inside: str = "", *, meta: str = "") -> str:
    first = f"rel physics:body0 = <{body0}>" if body0 else ""
    second = f"rel physics:body1 = <{body1}>" if body1 else ""
    return f'def Physics{kind}Joint "{name}" ({meta}) {{ {first} {second} {inside} }}'


FLAT = f"""
def Xform "World" {{
    def Xform "arm" (kind = "component") {{
        double3 xformOp:translate = (1, 2, 0)
        uniform token[] xformOpOrder = ["xformOp:translate"]
        {body("base", schemas=ROOT)}
        {body("upper", (0, 0, 0.5))}
        {body("fore", (0, 0, 1))}
        def Scope "joints" {{
            {joint("Fixed", "root_joint", "", "/World/arm/base")}
            {
    joint(
        "Revolute",
        "elbow",
        "/World/arm/upper",
        "/World/arm/fore",
        "point3f physics:localPos0 = (0, 0, 0.5) uniform token physics:axis = 'Y' float physics:lowerLimit = -90",
    )
}
            {
    joint(
        "Revolute",
        "shoulder",
        "/World/arm/base",
        "/World/arm/upper",
        "point3f physics:localPos0 = (0, 0, 0.5) uniform token physics:axis = 'Z'",
    )
}
        }}
    }}
    {body("box", (3, 0, 1))}
}}
"""


def reasons(topology: Any, prim: str) -> list[str]:
    return [one.reason for one in topology.ignored if one.prim == prim]


def test_flat_links_are_found_through_their_joints_and_ordered_from_the_base(stage_from: Callable[..., Any]) -> None:
    topology = discover_stage(stage_from(FLAT))
    (robot,) = topology.robots
    assert (robot.id, robot.prim, robot.floating) == ("arm", "/World/arm", False)
    assert [link.name for link in robot.links] == ["base", "upper", "fore"]
    assert [(joint.name, joint.parent, joint.child) for joint in robot.joints] == [
        ("root_joint", -1, 0),
        ("shoulder", 0, 1),
        ("elbow", 1, 2),
    ]
    assert [link.mount.frame for link in robot.links] == [-1, -1, -1]
    (box,) = topology.objects
    assert (box.id, box.rest.position) == ("box", (3, 0, 1))


def test_base_of_a_placed_robot_stays_where_it_is_authored(stage_from: Callable[..., Any], forward: Callable[..., Any]) -> None:
    topology = discover_stage(stage_from(FLAT))
    np.testing.assert_allclose(forward(topology)[0][:3, 3], (1, 2, 0), atol=1e-9)
    assert any("stays where it is authored" in reason for reason in reasons(topology, "/World/arm/joints/root_joint"))


def test_revolute_joint_without_limits_is_continuous_and_one_limit_is_enough_to_bound_it(
    stage_from: Callable[..., Any],
) -> None:
    (robot,) = discover_stage(stage_from(FLAT)).robots
    _, shoulder, elbow = robot.joints
    assert (shoulder.kind, shoulder.lower, shoulder.upper) == (JointKind.CONTINUOUS, -math.inf, math.inf)
    assert (elbow.kind, elbow.upper, elbow.axis) == (JointKind.REVOLUTE, math.inf, 1)
    assert elbow.lower == pytest.approx(-math.pi / 2)


def two_links(joint_text: str, *, second_at: Any = (0, 0, 1), scale: str = "", base: str = ROOT) -> str:
    own = f'float3 xformOp:scale = {scale} uniform token[] xformOpOrder = ["xformOp:scale"]' if scale else ""
    return f"""
    def Xform "robot" (kind = "component") {{ {own}
        {body("a", schemas=base)}
        {body("b", second_at)}
        {joint_text}
    }}
    """


@pytest.mark.parametrize("up_axis", ["Y", "Z"])
def test_stage_in_centimetres_is_read_in_metres_whatever_is_up(
    stage_from: Callable[..., Any], forward: Callable[..., Any], matrix: Callable[..., Any], up_axis: str
) -> None:
    text = two_links(
        joint(
            "Prismatic",
            "slide",
            "/robot/a",
            "/robot/b",
            'uniform token physics:axis = "X" point3f physics:localPos0 = (0, 0, 100) '
            "float physics:lowerLimit = -25 float physics:upperLimit = 50",
        ),
        second_at=(10, 0, 100),
    )
    topology = discover_stage(stage_from(text, up_axis=up_axis, meters_per_unit=0.01))
    (robot,) = topology.robots
    (slide,) = robot.joints
    assert (topology.meters_per_unit, topology.up_axis) == (0.01, up_axis)
    assert (slide.lower, slide.upper, slide.rest) == pytest.approx((-0.25, 0.5, 0.1))
    assert slide.parent_frame.position == pytest.approx((0, 0, 1))
    assert robot.links[1].mount.units_per_metre == pytest.approx(100)
    assert robot.floating
    np.testing.assert_allclose(forward(topology)[1], matrix(robot.links[1].rest), atol=1e-9)


def test_scale_above_the_links_applies_to_joint_frames_and_to_local_units(
    stage_from: Callable[..., Any], forward: Callable[..., Any], matrix: Callable[..., Any]
) -> None:
    text = two_links(
        joint("Revolute", "hinge", "/robot/a", "/robot/b", "point3f physics:localPos0 = (0, 0, 1)"), scale="(0.1, 0.1, 0.1)"
    )
    topology = discover_stage(stage_from(text))
    (robot,) = topology.robots
    assert robot.joints[0].parent_frame.position == pytest.approx((0, 0, 0.1))
    assert robot.links[1].mount.units_per_metre == pytest.approx(10)
    np.testing.assert_allclose(forward(topology)[1], matrix(robot.links[1].rest), atol=1e-7)
    assert topology.ignored == ()


def test_uneven_scale_above_links_is_noted(stage_from: Callable[..., Any]) -> None:
    text = two_links(joint("Revolute", "hinge", "/robot/a", "/robot/b"), scale="(1, 1, 2)", second_at=(0, 0, 0))
    topology = discover_stage(stage_from(text))
    assert any("uneven" in reason for reason in reasons(topology, "/robot/b"))


def test_joint_target_below_a_body_belongs_to_that_body(
    stage_from: Callable[..., Any], forward: Callable[..., Any], matrix: Callable[..., Any]
) -> None:
    text = f"""
    def Xform "robot" (kind = "component") {{
        {body("a", schemas=ROOT, inside=group("flange", (0, 0, 1)))}
        {body("b", (0, 0, 1.5))}
        {joint("Revolute", "hinge", "/robot/a/flange", "/robot/b", "point3f physics:localPos0 = (0, 0, 0.5)")}
    }}
    """
    topology = discover_stage(stage_from(text))
    (robot,) = topology.robots
    assert robot.joints[0].parent_frame.position == pytest.approx((0, 0, 1.5))
    np.testing.assert_allclose(forward(topology)[1], matrix(robot.links[1].rest), atol=1e-9)


def test_static_prim_in_place_of_a_body_is_the_world_at_its_own_pose(
    stage_from: Callable[..., Any], forward: Callable[..., Any], matrix: Callable[..., Any]
) -> None:
    text = f"""
    {group("rail", (5, 0, 0))}
    def Xform "robot" (kind = "component") {{
        {body("cart", (5, 0, 0.2), schemas=ROOT)}
        {joint("Prismatic", "z", "/rail", "/robot/cart", "uniform token physics:axis = 'Z' float physics:upperLimit = 1")}
    }}
    """
    topology = discover_stage(stage_from(text))
    (robot,) = topology.robots
    assert not robot.floating
    assert robot.joints[0].parent == -1
    assert robot.joints[0].rest == pytest.approx(0.2)
    np.testing.assert_allclose(forward(topology)[0], matrix(robot.links[0].rest), atol=1e-9)


@pytest.mark.parametrize("kind", ["Revolute", "Prismatic"])
@pytest.mark.parametrize("axis", ["X", "Y", "Z"])
def test_joint_that_points_towards_the_base_moves_the_child_the_other_way(
    stage_from: Callable[..., Any], forward: Callable[..., Any], kind: str, axis: str
) -> None:
    frames = "point3f physics:localPos0 = (0.1, 0.2, 0.3) quatf physics:localRot1 = (0.5, 0.5, 0.5, 0.5)"
    axis_text = f' uniform token physics:axis = "{axis}"'
    along = discover_stage(stage_from(two_links(joint(kind, "j", "/robot/b", "/robot/a", frames + axis_text))))
    (robot,) = along.robots
    assert robot.links[robot.base].name == "a"
    base, child = forward(along, {"robot/j": 0.4})
    # body0 is b here: its frame times the motion must be a's frame, straight from the definition of the joint
    text = two_links(joint(kind, "j", "/robot/b", "/robot/a", frames + axis_text)).replace(ROOT, BODY)
    text = text.replace(f'def Xform "b" ({BODY})', f'def Xform "b" ({ROOT})')
    (other,) = (reverse := discover_stage(stage_from(text))).robots
    assert other.links[other.base].name == "b"
    b, a = forward(reverse, {"robot/j": 0.4})
    np.testing.assert_allclose(np.linalg.inv(base) @ child, np.linalg.inv(a) @ b, atol=1e-7)


def test_rest_comes_from_the_link_poses_and_from_an_authored_state_before_them(stage_from: Callable[..., Any]) -> None:
    hinge = "point3f physics:localPos0 = (0, 0, 0)"
    turned = two_links(joint("Revolute", "hinge", "/robot/a", "/robot/b", hinge), second_at=(0, 0, 0)).replace(
        'def Xform "b" (apiSchemas = ["PhysicsRigidBodyAPI"]) { double3 xformOp:translate = (0, 0, 0) '
        'uniform token[] xformOpOrder = ["xformOp:translate"]',
        'def Xform "b" (apiSchemas = ["PhysicsRigidBodyAPI"]) { '
        "quatd xformOp:orient = (0.9659258262890683, 0.25881904510252074, 0, 0) "
        'uniform token[] xformOpOrder = ["xformOp:orient"]',
    )
    (robot,) = discover_stage(stage_from(turned)).robots
    assert robot.joints[0].rest == pytest.approx(math.radians(30))
    stated = turned.replace(hinge, hinge + " float state:angular:physics:position = 390")
    topology = discover_stage(stage_from(stated))
    assert topology.robots[0].joints[0].rest == pytest.approx(math.radians(390))
    assert reasons(topology, "/robot/hinge") == []
    wrong = discover_stage(stage_from(turned.replace(hinge, hinge + " float state:angular:physics:position = 10")))
    assert wrong.robots[0].joints[0].rest == pytest.approx(math.radians(10))
    assert "not where the links stand" in reasons(wrong, "/robot/hinge")[0]


def test_poses_that_miss_their_joint_are_noted(stage_from: Callable[..., Any]) -> None:
    topology = discover_stage(stage_from(two_links(joint("Revolute", "hinge", "/robot/a", "/robot/b"))))
    assert "1e+03 mm" in reasons(topology, "/robot/hinge")[0]


def test_loop_is_cut_and_the_cut_joint_named(stage_from: Callable[..., Any]) -> None:
    text = f"""
    def Xform "four_bar" (kind = "component") {{
        {body("a", schemas=ROOT)} {body("b")} {body("c")}
        {joint("Revolute", "ab", "/four_bar/a", "/four_bar/b")}
        {joint("Revolute", "ac", "/four_bar/a", "/four_bar/c")}
        {joint("Revolute", "bc", "/four_bar/b", "/four_bar/c")}
    }}
    """
    topology = discover_stage(stage_from(text))
    (robot,) = topology.robots
    assert [one.name for one in robot.joints] == ["ab", "ac"]
    assert "loop" in reasons(topology, "/four_bar/bc")[0]


def test_author_of_the_asset_decides_where_a_loop_is_cut(stage_from: Callable[..., Any]) -> None:
    text = f"""
    def Xform "four_bar" (kind = "component") {{
        {body("a", schemas=ROOT)} {body("b")} {body("c")}
        {joint("Revolute", "ab", "/four_bar/a", "/four_bar/b", "bool physics:excludeFromArticulation = 1")}
        {joint("Revolute", "ac", "/four_bar/a", "/four_bar/c")}
        {joint("Revolute", "bc", "/four_bar/b", "/four_bar/c")}
    }}
    """
    topology = discover_stage(stage_from(text))
    (robot,) = topology.robots
    assert [one.name for one in robot.joints] == ["ac", "bc"]
    assert "excludeFromArticulation" in reasons(topology, "/four_bar/ab")[0]


@pytest.mark.parametrize(
    ("text", "prim", "reason"),
    [
        (joint("Distance", "j", "/robot/a", "/robot/b"), "/robot/j", "not followed"),
        (joint("", "j", "/robot/a", "/robot/b"), "/robot/j", "six axes are free"),
        (joint("Revolute", "j", "/robot/a", "/robot/b", "bool physics:jointEnabled = 0"), "/robot/j", "disabled"),
        (joint("Revolute", "j", "/robot/a", "/robot/gone"), "/robot/j", "not in the stage"),
        (joint("Revolute", "j", "/robot/a", "/robot/a"), "/robot/j", "the same"),
        (joint("Revolute", "j", "", "/robot"), "/robot/j", "stand still"),
    ],
)
def test_joint_that_cannot_be_followed_is_ignored_with_its_reason(
    stage_from: Callable[..., Any], text: str, prim: str, reason: str
) -> None:
    topology = discover_stage(stage_from(two_links(text)))
    assert topology.robots[0].joints == ()
    assert [one.id for one in topology.objects] == ["b"]
    assert reason in reasons(topology, prim)[0]


def test_joint_outside_every_articulation_is_ignored_and_its_bodies_are_objects(stage_from: Callable[..., Any]) -> None:
    topology = discover_stage(stage_from(two_links(joint("Revolute", "door", "/robot/a", "/robot/b"), base=BODY)))
    assert topology.robots == ()
    assert [one.id for one in topology.objects] == ["a", "b"]
    assert "PhysicsArticulationRootAPI" in reasons(topology, "/robot/door")[0]


def test_reversed_limits_are_taken_as_absent_and_noted(stage_from: Callable[..., Any]) -> None:
    text = joint("Revolute", "j", "/robot/a", "/robot/b", "float physics:lowerLimit = 10 float physics:upperLimit = -10")
    topology = discover_stage(stage_from(two_links(text, second_at=(0, 0, 0))))
    assert topology.robots[0].joints[0].lower == -math.inf
    assert "above its upper limit" in reasons(topology, "/robot/j")[0]


def test_velocity_limit_is_the_lowest_declared_and_a_huge_one_is_none(stage_from: Callable[..., Any]) -> None:
    text = joint(
        "Revolute", "j", "/robot/a", "/robot/b", "float newton:velocityLimit = 180 float physxJoint:maxJointVelocity = 90"
    )
    (robot,) = discover_stage(stage_from(two_links(text, second_at=(0, 0, 0)))).robots
    assert robot.joints[0].velocity_limit == pytest.approx(math.pi / 2)
    huge = joint("Revolute", "j", "/robot/a", "/robot/b", "float physxJoint:maxJointVelocity = 1000000")
    assert discover_stage(stage_from(two_links(huge))).robots[0].joints[0].velocity_limit == math.inf


def test_disabled_rigid_body_stands_still(stage_from: Callable[..., Any]) -> None:
    text = two_links(joint("Revolute", "j", "/robot/b", "/robot/a"), second_at=(0, 0, 0)).replace(
        f'def Xform "b" ({BODY}) {{', f'def Xform "b" ({BODY}) {{ bool physics:rigidBodyEnabled = 0'
    )
    topology = discover_stage(stage_from(text))
    assert not topology.robots[0].floating
    assert topology.objects == ()


def test_articulation_root_on_a_joint_or_above_the_links_finds_the_same_robot(stage_from: Callable[..., Any]) -> None:
    api = 'apiSchemas = ["PhysicsArticulationRootAPI"]'
    on_joint = two_links(
        joint("Fixed", "root", "", "/robot/a", meta=api) + joint("Revolute", "j", "/robot/a", "/robot/b"), base=BODY
    )
    above = on_joint.replace(api, "").replace('(kind = "component")', f'(kind = "component" {api})')
    for text in (on_joint, above):
        (robot,) = discover_stage(stage_from(text)).robots
        assert (robot.id, robot.floating, [one.name for one in robot.joints]) == ("robot", False, ["root", "j"])


def test_second_root_in_a_connected_articulation_is_part_of_the_first_robot(stage_from: Callable[..., Any]) -> None:
    text = two_links(joint("Fixed", "weld", "/robot/a", "/robot/b"), second_at=(0, 0, 0)).replace(
        f'def Xform "b" ({BODY})', f'def Xform "b" ({ROOT})'
    )
    topology = discover_stage(stage_from(text))
    assert len(topology.robots) == 1
    assert "part of that robot" in reasons(topology, "/robot/b")[0]


def test_articulation_root_without_bodies_is_ignored(stage_from: Callable[..., Any]) -> None:
    topology = discover_stage(stage_from('def Xform "empty" (apiSchemas = ["PhysicsArticulationRootAPI"]) {}'))
    assert "no rigid body" in reasons(topology, "/empty")[0]


def test_robot_inside_an_instance_is_found_and_the_instance_named_that_the_live_layer_opens(
    stage_from: Callable[..., Any],
) -> None:
    text = f"""
    class "asset" {{ {two_links(joint("Revolute", "j", "/asset/robot/a", "/asset/robot/b"))} }}
    def Xform "copy" (instanceable = true references = </asset>) {{}}
    """
    topology = discover_stage(stage_from(text))
    assert [link.prim for link in topology.robots[0].links] == ["/copy/robot/a", "/copy/robot/b"]
    assert "opens this instance (instanceable = false)" in reasons(topology, "/copy")[0]


def test_object_inside_an_instance_is_ignored_with_the_cure(stage_from: Callable[..., Any]) -> None:
    text = f"""
    class "asset" {{ {body("box")} }}
    def Xform "copy" (instanceable = true references = </asset>) {{}}
    """
    topology = discover_stage(stage_from(text))
    assert topology.entities == ()
    assert "instanceable = false" in reasons(topology, "/copy/box")[0]


def test_object_below_a_moving_link_is_ignored_because_the_link_carries_it(stage_from: Callable[..., Any]) -> None:
    text = f"""
    def Xform "robot" (kind = "component") {{
        {body("a", schemas=ROOT, inside=body("b", (0, 0, 1), inside=body("tool", (0, 0, 1))))}
        {joint("Revolute", "j", "/robot/a", "/robot/a/b", "point3f physics:localPos0 = (0, 0, 1)")}
    }}
    """
    topology = discover_stage(stage_from(text))
    assert topology.objects == ()
    assert "carries it along" in reasons(topology, "/robot/a/b/tool")[0]
    reset = text.replace(
        '(0, 0, 1) uniform token[] xformOpOrder = ["xformOp:translate"]  } }',
        '(0, 0, 1) uniform token[] xformOpOrder = ["!resetXformStack!", "xformOp:translate"]  } }',
        1,
    )
    assert [one.id for one in discover_stage(stage_from(reset)).objects] == ["tool"]


def test_mount_of_a_nested_link_is_the_nearest_moving_ancestor(stage_from: Callable[..., Any]) -> None:
    text = f"""
    def Xform "robot" (kind = "component") {{
        {body("a", schemas=ROOT, inside=group("group", (0, 0, 2), inside=body("b", (0, 0, 1))))}
        {joint("Revolute", "j", "/robot/a", "/robot/a/group/b", "point3f physics:localPos0 = (0, 0, 3)")}
    }}
    """
    (floating,) = discover_stage(stage_from(text)).robots
    assert (floating.links[1].mount.frame, floating.links[1].mount.pose.position) == (0, (0, 0, 2))
    fixed_text = text.replace("def PhysicsRevoluteJoint", joint("Fixed", "root", "", "/robot/a") + " def PhysicsRevoluteJoint")
    (fixed,) = discover_stage(stage_from(fixed_text)).robots
    assert fixed.links[1].mount.frame == -1


def test_stage_without_physics_has_no_entities(stage_from: Callable[..., Any]) -> None:
    assert discover_stage(stage_from('def Xform "World" {}')).entities == ()


def test_unauthored_unit_is_noted() -> None:
    from pxr import Sdf, Usd

    layer = Sdf.Layer.CreateAnonymous("x.usda")
    topology = discover_stage(Usd.Stage.Open(layer))
    assert topology.meters_per_unit == 0.01
    assert "metersPerUnit is not authored" in reasons(topology, "/")[0]


def test_joint_names_that_collide_get_as_much_path_as_tells_them_apart(stage_from: Callable[..., Any]) -> None:
    text = f"""
    def Xform "robot" (kind = "component") {{
        {body("a", schemas=ROOT)} {body("b")} {body("c")}
        def Scope "left" {{ {joint("Revolute", "finger", "/robot/a", "/robot/b")} }}
        def Scope "right" {{ {joint("Revolute", "finger", "/robot/a", "/robot/c")} }}
    }}
    """
    topology = discover_stage(stage_from(text))
    assert [one.name for one in topology.robots[0].joints] == ["left/finger", "right/finger"]
    assert "left/finger" in reasons(topology, "/robot/left/finger")[0]


def test_joint_may_be_renamed_by_an_attribute(stage_from: Callable[..., Any]) -> None:
    for attribute in ("string twind:name", "custom string isaac:NameOverride"):
        text = two_links(joint("Revolute", "j", "/robot/a", "/robot/b", f'{attribute} = "axis_1"'), second_at=(0, 0, 0))
        (robot,) = discover_stage(stage_from(text)).robots
        assert robot.joints[0].name == "axis_1"


def test_id_that_could_not_be_a_topic_level_is_refused(stage_from: Callable[..., Any]) -> None:
    text = two_links("").replace('(kind = "component") {', '(kind = "component") { custom string twind:id = "cell/robot"')
    with pytest.raises(StageError, match="must not hold"):
        discover_stage(stage_from(text))


DOOR = f"""
    def Xform "cabinet" (kind = "component") {{
        %s
        {body("frame")} {body("door", (0, 0, 1))}
        {joint("Revolute", "hinge", "/cabinet/frame", "/cabinet/door", "point3f physics:localPos0 = (0, 0, 1)")}
        {joint("Fixed", "wall", "", "/cabinet/frame")}
    }}
"""


def test_mechanism_without_articulation_is_a_robot_once_a_prim_above_it_has_an_id(stage_from: Callable[..., Any]) -> None:
    plain = discover_stage(stage_from(DOOR % ""))
    assert plain.robots == ()
    assert "twind:id" in reasons(plain, "/cabinet/hinge")[0]
    (cabinet,) = discover_stage(stage_from(DOOR % 'string twind:id = "cabinet_3"')).robots
    assert (cabinet.id, cabinet.prim, cabinet.floating) == ("cabinet_3", "/cabinet", False)
    assert [one.name for one in cabinet.joints] == ["wall", "hinge"]


def test_display_name_of_a_joint_is_another_name_for_it(stage_from: Callable[..., Any]) -> None:
    stage = stage_from(two_links(joint("Revolute", "knee_1", "/robot/a", "/robot/b")))
    assert discover_stage(stage).robots[0].joints[0].label == ""
    stage.GetPrimAtPath("/robot/knee_1").SetDisplayName("left-knee")
    (knee,) = discover_stage(stage).robots[0].joints
    assert (knee.name, knee.label) == ("knee_1", "left-knee")


def test_loop_is_cut_at_a_joint_without_a_motor(stage_from: Callable[..., Any]) -> None:
    text = f"""
    def Xform "four_bar" (kind = "component") {{
        {body("a", schemas=ROOT)} {body("b")} {body("c")}
        {joint("Revolute", "ab", "/four_bar/a", "/four_bar/b")}
        {joint("Revolute", "ac", "/four_bar/a", "/four_bar/c")}
        {joint("Revolute", "bc", "/four_bar/b", "/four_bar/c")}
    }}
    """
    stage = stage_from(text)
    assert [one.name for one in discover_stage(stage).robots[0].joints] == ["ab", "ac"]
    stage.GetPrimAtPath("/four_bar/bc").AddAppliedSchema("PhysicsDriveAPI:angular")
    topology = discover_stage(stage)
    assert [one.name for one in topology.robots[0].joints] == ["ab", "bc"]
    assert "loop" in reasons(topology, "/four_bar/ac")[0]


def test_joint_type_of_another_vendor_is_noted(stage_from: Callable[..., Any]) -> None:
    topology = discover_stage(stage_from('def PhysxPhysicsGearJoint "gear" {}'))
    assert "PhysxPhysicsGearJoint" in reasons(topology, "/gear")[0]


def test_frame_that_is_not_finite_makes_its_joint_ignored(stage_from: Callable[..., Any]) -> None:
    text = two_links(joint("Revolute", "j", "/robot/a", "/robot/b", "point3f physics:localPos0 = (0, nan, 0)"))
    topology = discover_stage(stage_from(text))
    assert topology.robots[0].joints == ()
    assert "not finite" in reasons(topology, "/robot/j")[0]


def test_geometry_that_is_instanced_below_a_link_does_not_hinder_it(stage_from: Callable[..., Any]) -> None:
    text = """def Xform "shape" { def Sphere "ball" {} }""" + two_links(joint("Revolute", "j", "/robot/a", "/robot/b")).replace(
        "{ double3", '{ def Xform "visual" (instanceable = true references = </shape>) {} double3'
    )
    topology = discover_stage(stage_from(text))
    assert [one.name for one in topology.robots[0].joints] == ["j"]


def test_articulation_in_which_nothing_can_move_is_ignored_and_leaves_the_prim_above_to_the_others(
    stage_from: Callable[..., Any],
) -> None:
    text = f"""
    def Xform "robot" (kind = "component") {{
        {body("cover", schemas=ROOT)} {body("a", schemas=ROOT)} {body("b")}
        {joint("Fixed", "glue", "", "/robot/cover")} {joint("Revolute", "j", "/robot/a", "/robot/b")}
    }}
    """
    topology = discover_stage(stage_from(text))
    assert [(one.id, one.prim) for one in topology.robots] == [("robot", "/robot")]
    assert topology.objects == ()
    assert "none of its links can move" in reasons(topology, "/robot/cover")[0]


def test_prototype_of_a_point_instancer_is_no_object(stage_from: Callable[..., Any]) -> None:
    topology = discover_stage(stage_from(f'def PointInstancer "screws" {{ {body("screw")} }} {body("box")}'))
    assert [one.id for one in topology.objects] == ["box"]
    assert "point instancer" in reasons(topology, "/screws/screw")[0]


def test_same_robot_referenced_many_times_below_payloads_has_ids_and_places_of_its_own(tmp_path: Any) -> None:
    contents, asset, root = tmp_path / "contents.usda", tmp_path / "asset.usda", tmp_path / "root.usda"
    serial_robots(1, joints=2).Export(str(contents))
    head = '#usda 1.0\n(\n metersPerUnit = 1\n upAxis = "Z"\n defaultPrim = "arm"\n)\n'
    asset.write_text(
        f'{head}def Xform "arm" (\n payload = @./contents.usda@</World/robot_0>\n variants = {{ string size = "big" }}\n'
        ' prepend variantSets = "size"\n)\n{\n variantSet "size" = {\n  "big" {\n  }\n  "off" (active = false) {\n  }\n }\n}\n'
    )
    cells = "".join(
        f'def Xform "cell_{at}" {{\n double3 xformOp:translate = ({at}, 0, 0)\n'
        f' uniform token[] xformOpOrder = ["xformOp:translate"]\n'
        f' def "arm" (\n references = @./asset.usda@\n active = {"false" if at == 3 else "true"}\n )\n {{\n'
        f'  string twind:id = "arm_{at}"\n }}\n}}\n'
        for at in range(4)
    )
    root.write_text(head.replace(' defaultPrim = "arm"\n', "") + cells)
    topology = discover(str(root))
    assert [one.id for one in topology.robots] == ["arm_0", "arm_1", "arm_2"]
    assert [one.links[0].rest.position[0] for one in topology.robots] == [0, 1, 2]
