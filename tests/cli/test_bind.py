"""`twind bind`: an asset becomes a twin in one command, and nothing of the user's is lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result
from pxr import Sdf, Usd

from twind.cli.main import main
from twind.config.load import load
from twind.config.registry import Registry
from twind.stage.discover import discover
from twind.stage.live import LiveStage

if TYPE_CHECKING:
    from collections.abc import Callable

ARM = """\
    def Xform "{name}" (kind = "component")
    {{
        def Xform "base" (prepend apiSchemas = ["PhysicsRigidBodyAPI", "PhysicsArticulationRootAPI"])
        {{
            def Xform "link" (prepend apiSchemas = ["PhysicsRigidBodyAPI"])
            {{
                double3 xformOp:translate = (0, 0, 1)
                uniform token[] xformOpOrder = ["xformOp:translate"]
            }}
        }}
        def PhysicsFixedJoint "root_joint"
        {{
            rel physics:body1 = <../base>
        }}
        def PhysicsRevoluteJoint "{joint}" (displayName = "shoulder-pan")
        {{
            rel physics:body0 = <../base>
            rel physics:body1 = <../base/link>
            point3f physics:localPos0 = (0, 0, 1)
        }}
    }}
"""
HEAD = """\
#usda 1.0
(
    defaultPrim = "World"
    metersPerUnit = 1
    upAxis = "Z"
)
def Xform "World"
{
"""
CRATE = """\
    def Xform "crate" (prepend apiSchemas = ["PhysicsRigidBodyAPI"])
    {
    }
"""


def _nested(name: str, inside: str) -> str:
    return f'    def Xform "{name}"\n    {{\n{inside}    }}\n'


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder that has an asset of one arm and one crate in a folder of its own."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets/cell.usda").write_text(HEAD + ARM.format(name="arm", joint="pan") + CRATE + "}\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _bind(*arguments: str, answers: str | None = None, code: int = 0) -> Result:
    done = CliRunner().invoke(main, ["bind", *arguments], input=answers)
    assert done.exit_code == code, done.output
    return done


def _attribute(layer: Path, prim: str, name: str) -> Any:
    opened = Sdf.Layer.OpenAsAnonymous(str(layer))
    spec = opened.GetAttributeAtPath(f"{prim}.{name}")
    return None if spec is None else spec.default


def test_one_command_makes_a_layer_and_a_configuration_that_check_accepts(here: Path) -> None:
    asset = (here / "assets/cell.usda").read_bytes()
    _bind("assets/cell.usda", "--config", "twind.yaml")
    checked = CliRunner().invoke(main, ["check", "twind.yaml"])
    assert checked.exit_code == 0, checked.output
    assert "stage: 1 robot, 1 object: arm, crate" in checked.output
    loaded = load([here / "twind.yaml"], Registry.installed()).settings
    routes = [(route.topic.text, route.codec, route.entity) for route in loaded.sources["floor"].routes]
    assert routes == [("cell/{entity}/joint_state", "joint_state", None), ("cell/{entity}/pose", "pose", None)]
    live = LiveStage.open(loaded.stage.root, instance=loaded.instance)
    assert live.read_back("arm").quality == "lost"
    live.close()
    assert (here / "assets/cell.usda").read_bytes() == asset


def test_the_layer_composes_over_the_asset_wherever_both_are_moved(here: Path) -> None:
    _bind("assets/cell.usda", "-o", "cell.usda", "--entity", "/World/arm=arm-1")
    moved = here.rename(here.with_name("elsewhere"))
    stage = Usd.Stage.Open(str(moved / "cell.usda"))
    assert stage.GetDefaultPrim().GetPath() == "/World"
    assert stage.GetMetadata("upAxis") == "Z"
    assert [robot.id for robot in discover(str(moved / "cell.usda")).robots] == ["arm-1"]


def test_arguments_reach_entities_joints_and_topics(here: Path) -> None:
    given = ["--entity", "/World/arm=arm-1", "--joint", "arm-1/pan:velocity=true,position_std=0.05"]
    _bind("assets/cell.usda", *given, "--topic", "plant/{entity}/joint_state", "--topic", "crate=vicon/box", "--codec",
          "joint_state", "--codec", "pose", "--config", "twind.yaml")  # fmt: skip
    joint = discover("cell.bindings.usda").robots[0].joints[1]
    assert joint.hints.use_velocity is True
    assert joint.hints.position_std == pytest.approx(0.05 * 3.141592653589793 / 180, rel=1e-6)
    routes = load([here / "twind.yaml"], Registry.installed()).settings.sources["floor"].routes
    assert [(route.topic.text, route.codec, route.entity) for route in routes] == [
        ("plant/{entity}/joint_state", "joint_state", None),
        ("vicon/box", "pose", "crate"),
    ]


def test_running_again_changes_nothing(here: Path) -> None:
    _bind("assets/cell.usda", "--config", "twind.yaml")
    files = [here / "cell.bindings.usda", here / "twind.yaml"]
    files[0].write_text(files[0].read_text() + "# a comment of mine\n")
    before = [(path.read_bytes(), path.stat().st_mtime_ns) for path in files]
    done = _bind("assets/cell.usda", "--config", "twind.yaml")
    assert done.output.count("unchanged:") == 2
    assert [(path.read_bytes(), path.stat().st_mtime_ns) for path in files] == before


def test_running_again_keeps_what_was_edited_by_hand(here: Path) -> None:
    _bind("assets/cell.usda", "--config", "twind.yaml")
    layer, config = here / "cell.bindings.usda", here / "twind.yaml"
    layer.write_text(
        layer.read_text().replace('"cell/{entity}/pose"', '"vicon/{entity}"').replace('twind:id = "arm"', 'twind:id = "mine"')
    )
    config.write_text(
        config.read_text().replace("qos: 1", "qos: 0") + "      - {topic: other/crate, codec: imu, entity: crate}\n# mine\n"
    )
    _bind("cell.bindings.usda", "--joint", "mine/*:velocity=true", "--config", "twind.yaml")
    assert _attribute(layer, "/World/arm", "twind:id") == "mine"
    assert _attribute(layer, "/World/crate", "twind:route:pose:topic") == "vicon/{entity}"
    assert _attribute(layer, "/World/arm/pan", "twind:useVelocity") is True
    text = config.read_text()
    assert "# mine" in text
    settings = load([config], Registry.installed()).settings
    assert settings.sources["floor"].qos == 0  # type: ignore[attr-defined]
    assert [route.topic.text for route in settings.sources["floor"].routes] == [
        "cell/{entity}/joint_state",
        "vicon/{entity}",
        "other/crate",
    ]


def test_a_topic_replaces_the_one_of_its_kind_and_no_other(here: Path) -> None:
    _bind("assets/cell.usda")
    _bind("assets/cell.usda", "--topic", "a/{entity}/joint_state", "--topic", "b/{entity}/joint_state")
    done = json.loads(_bind("assets/cell.usda", "--topic", "c/{entity}/joint_state", "--json").output)
    assert {entity["id"]: [route["topic"] for route in entity["routes"]] for entity in done["entities"]} == {
        "arm": ["c/{entity}/joint_state"],
        "crate": ["cell/{entity}/pose"],
    }
    assert _attribute(here / "cell.bindings.usda", "/World/arm", "twind:route:joints_2:topic") is None


def test_topics_that_would_overlap_become_routes_of_their_own(here: Path, loaded_routes: Callable[[Path], Any]) -> None:
    Path("assets/cell.usda").write_text(HEAD + "".join(ARM.format(name=name, joint="pan") for name in ("a", "b", "c")) + "}\n")
    _bind("assets/cell.usda", "--topic", "a=cell/x/joint_state", "--config", "t.yaml")
    assert [(route.topic.text, route.entity) for route in loaded_routes(here / "t.yaml")] == [
        ("cell/x/joint_state", "a"),
        ("cell/b/joint_state", "b"),
        ("cell/c/joint_state", "c"),
    ]


def test_one_topic_for_two_streams_is_refused_and_nothing_is_written(here: Path) -> None:
    given = ["--topic", "arm=a/b", "--topic", "crate=a/b", "--codec", "joint_state", "--codec", "pose"]
    assert "give one of them another topic" in _bind("assets/cell.usda", *given, "--config", "t.yaml", code=1).output
    assert [path.name for path in here.iterdir()] == ["assets"]


def test_entities_of_one_name_are_told_apart(here: Path) -> None:
    arms = [_nested(name, ARM.format(name="arm", joint="pan")) for name in ("left", "right")]
    Path("two.usda").write_text(HEAD + "".join(arms) + "}\n")
    done = json.loads(_bind("two.usda", "--json").output)
    assert [(one["id"], one["was"], one["ambiguous"]) for one in done["entities"]] == [
        ("left-arm", "arm", True),
        ("right-arm", "arm", True),
    ]
    assert [robot.id for robot in discover(str(here / "two.bindings.usda")).robots] == ["left-arm", "right-arm"]


def test_ids_that_are_given_twice_are_refused_and_nothing_is_written(here: Path) -> None:
    done = _bind("assets/cell.usda", "--entity", "arm=crate", code=1)
    assert "the id 'crate' is ambiguous" in done.output
    assert [path.name for path in here.iterdir()] == ["assets"]


def test_a_robot_can_be_set_free_and_an_entity_left_out(here: Path) -> None:
    done = json.loads(_bind("assets/cell.usda", "--floating", "arm", "--ignore", "crate", "--json").output)
    robot = discover(str(here / "cell.bindings.usda")).robots[0]
    assert robot.floating
    assert [route["codec"] for route in done["entities"][0]["routes"]] == ["joint_state", "pose"]
    assert _attribute(here / "cell.bindings.usda", "/World/crate", "twind:enabled") is False


@pytest.mark.parametrize("name", ["/World/arm", "arm-1"])
def test_a_robot_that_is_renamed_and_set_free_has_its_pose_measured(here: Path, name: str) -> None:
    given = ["assets/cell.usda", "--entity", "arm=arm-1", "--floating", name, "--json"]
    first, again = (json.loads(_bind(*given).output) for _ in range(2))
    assert [route["topic"] for route in first["entities"][0]["routes"]] == ["cell/{entity}/joint_state", "cell/{entity}/pose"]
    assert first["entities"][0]["routes"] == again["entities"][0]["routes"]
    assert not again["layer"]["changed"]
    assert discover(str(here / "cell.bindings.usda")).robots[0].floating


def test_a_robot_that_is_set_free_may_have_a_topic_for_its_pose(here: Path) -> None:
    given = ["--floating", "arm", "--topic", "arm=slam/pose", "--topic", "arm=drive/joint_state"]
    done = json.loads(_bind("assets/cell.usda", *given, "--json").output)
    assert {route["topic"] for route in done["entities"][0]["routes"]} == {"slam/pose", "drive/joint_state"}
    assert discover(str(here / "cell.bindings.usda")).robots[0].floating


def test_names_that_the_converter_had_to_encode_are_restored(here: Path) -> None:
    Path("assets/cell.usda").write_text(HEAD + ARM.format(name="arm", joint="tn__shoulderpan_pgS") + "}\n")
    _bind("assets/cell.usda")
    assert discover(str(here / "cell.bindings.usda")).robots[0].joints[1].name == "shoulder-pan"


def test_files_that_it_did_not_write_are_left_alone(here: Path) -> None:
    Path("mine.usda").write_text("#usda 1.0\n")
    Path("twind.yaml").write_text("stage: {root: x}\n")
    assert "was not written by `twind bind`" in _bind("assets/cell.usda", "-o", "mine.usda", code=1).output
    assert "is part of the asset" in _bind("assets/cell.usda", "-o", "assets/cell.usda", code=1).output
    assert "has no lines that `twind bind` may replace" in _bind("assets/cell.usda", "--config", "twind.yaml", code=1).output
    assert Path("mine.usda").read_text() == "#usda 1.0\n"
    assert Path("twind.yaml").read_text() == "stage: {root: x}\n"
    assert not (here / "cell.bindings.usda").exists()


def test_a_layer_of_another_asset_is_left_alone(here: Path) -> None:
    _bind("assets/cell.usda")
    (here / "cell.usda").write_text((here / "assets/cell.usda").read_text())
    assert "binds another asset" in _bind("cell.usda", code=1).output


def test_a_dry_run_writes_nothing(here: Path) -> None:
    done = _bind("assets/cell.usda", "--config", "twind.yaml", "--dry-run")
    assert done.output.count("would write") == 2
    assert [path.name for path in here.iterdir()] == ["assets"]


def test_answers_on_a_terminal_do_what_options_do(here: Path) -> None:
    answers = "arm-1\nbox\nplant/{entity}/joints\njoint_state\n\n\ntwind.yaml\nmqtt://broker\ny\n"
    done = _bind("assets/cell.usda", "--ask", answers=answers)
    assert "robot arm  /World/arm" in done.output
    settings = load([here / "twind.yaml"], Registry.installed()).settings
    assert settings.sources["floor"].url == "mqtt://broker"  # type: ignore[attr-defined]
    assert [entity.id for entity in discover(settings.stage.root).entities] == ["arm-1", "box"]


def test_an_answer_of_no_writes_nothing(here: Path) -> None:
    _bind("assets/cell.usda", "--ask", answers="\n\n\n\n\n\n-\nn\n", code=1)
    assert [path.name for path in here.iterdir()] == ["assets"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--entity", "arms=x"], "did you mean 'arm'?"),
        (["--entity", "/World=x"], "could be /World/arm or /World/crate"),
        (["--joint", "arm/pam:velocity=true"], "did you mean 'pan'?"),
        (["--joint", "arm/pan:speed=true"], "no setting 'speed'"),
        (["--joint", "arm/pan:wraps=round"], "which is not a positive number"),
        (["--joint", "crate/x:velocity=true"], "is an object and has no joints"),
        (["--topic", "a/{entity}/things"], "needs a --codec"),
        (["--topic", "a/b", "--codec", "jiont_state"], "did you mean 'joint_state'?"),
        (["--topic", "a/#", "--codec", "pose"], "have no name to route by"),
        (["--topic", "arm=a", "--codec", "pose"], "has no pose that pose could carry"),
        (["--topic", "a", "--topic", "b", "--codec", "pose"], "give each topic its codec"),
        (["--floating", "crate"], "no fixed joint holds crate"),
    ],
)
def test_arguments_that_fit_nothing_are_wrong_usage(here: Path, arguments: list[str], said: str) -> None:
    assert said in " ".join(_bind("assets/cell.usda", *arguments, code=2).output.split())
    assert [path.name for path in here.iterdir()] == ["assets"]


@pytest.mark.usefixtures("here")
def test_a_joint_whose_name_another_one_has_is_asked_for_by_its_longer_name() -> None:
    hand = """\
        def Xform "hand" (prepend apiSchemas = ["PhysicsRigidBodyAPI"])
        {
        }
        def "wrist"
        {
            def PhysicsRevoluteJoint "pan"
            {
                rel physics:body0 = </World/arm/base/link>
                rel physics:body1 = </World/arm/hand>
            }
        }
    }
"""
    arm = ARM.format(name="arm", joint="pan").removesuffix("    }\n") + hand
    Path("arm.usda").write_text(HEAD + arm + "}\n")
    said = " ".join(_bind("arm.usda", "--joint", "arm/pan:velocity=true", code=2).output.split())
    assert "no joint 'pan', but arm/pan, wrist/pan" in said
    _bind("arm.usda", "--joint", "arm/wrist/pan:velocity=true")


def test_a_stage_of_nothing_is_wrong_usage(here: Path) -> None:
    Path("empty.usda").write_text(HEAD + "}\n")
    assert "declares no robots and no objects" in _bind("empty.usda", code=2).output
    assert not (here / "empty.bindings.usda").exists()


def test_units_that_the_asset_has_changed_since_are_noted(here: Path) -> None:
    _bind("assets/cell.usda")
    asset = here / "assets/cell.usda"
    asset.write_text(asset.read_text().replace("metersPerUnit = 1", "metersPerUnit = 0.01"))
    assert "note: metersPerUnit is not what the asset says" in _bind("assets/cell.usda").output


@pytest.mark.parametrize("word", ["on", "1e3", "a: b", "été ${env:HOME}", "x'y\"z"])
def test_any_id_survives_the_way_through_the_configuration(here: Path, word: str, loaded_routes: Callable[[Path], Any]) -> None:
    _bind("assets/cell.usda", "--entity", f"arm={word}", "--topic", "arm=a/b", "--codec", "joint_state", "--config", "t.yaml")
    assert loaded_routes(here / "t.yaml")[0].entity == word


@pytest.fixture
def loaded_routes() -> Callable[[Path], Any]:
    """Load a configuration and return the routes of `floor`."""
    return lambda path: load([path], Registry.installed()).settings.sources["floor"].routes
