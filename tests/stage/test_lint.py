"""`twind stage --lint`: every rule finds what it is for, where it is, and nothing else in a good stage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from twind.cli.main import main
from twind.stage.lint.reference import render
from twind.stage.lint.rules import RULES, Severity
from twind.stage.lint.run import lint

if TYPE_CHECKING:
    from twind.stage.lint.findings import Finding

ROOT = Path(__file__).parents[2]
HEAD = """\
#usda 1.0
(
    defaultPrim = "World"
    kilogramsPerUnit = 1
    metersPerUnit = 1
    timeCodesPerSecond = 1
    upAxis = "Z"
)
"""
ARM = """\
def Xform "World"
{
    def Xform "arm" (
        kind = "component"
    )
    {
        def Xform "base" (
            prepend apiSchemas = ["PhysicsRigidBodyAPI", "PhysicsArticulationRootAPI"]
        )
        {
            def Xform "link" (
                prepend apiSchemas = ["PhysicsRigidBodyAPI"]
            )
            {
                double3 xformOp:translate = (0, 0, 1)
                quatd xformOp:orient = (1, 0, 0, 0)
                uniform token[] xformOpOrder = ["xformOp:translate", "xformOp:orient"]

                def Xform "tip" (
                    prepend apiSchemas = ["PhysicsRigidBodyAPI"]
                )
                {
                    double3 xformOp:translate = (0, 0, 1)
                    quatd xformOp:orient = (1, 0, 0, 0)
                    uniform token[] xformOpOrder = ["xformOp:translate", "xformOp:orient"]
                }
            }
        }

        def PhysicsFixedJoint "root_joint"
        {
            rel physics:body1 = </World/arm/base>
        }

        def PhysicsRevoluteJoint "pan" (
            prepend apiSchemas = ["PhysicsJointStateAPI:angular"]
        )
        {
            rel physics:body0 = </World/arm/base>
            rel physics:body1 = </World/arm/base/link>
            point3f physics:localPos0 = (0, 0, 1)
            float physics:lowerLimit = -90
            float physics:upperLimit = 90
            float state:angular:physics:position = 0
        }

        def PhysicsRevoluteJoint "tilt" (
            prepend apiSchemas = ["PhysicsJointStateAPI:angular"]
        )
        {
            rel physics:body0 = </World/arm/base/link>
            rel physics:body1 = </World/arm/base/link/tip>
            point3f physics:localPos0 = (0, 0, 1)
        }
    }
}
"""
PAN, TILT, LINK = "/World/arm/pan", "/World/arm/tilt", "/World/arm/base/link"
STATE = "            float state:angular:physics:position = 0\n"
BODY0 = "rel physics:body0 = </World/arm/base>"
APIS = f'prepend apiSchemas = ["PhysicsJointStateAPI:angular"]\n        )\n        {{\n            {BODY0}'
CRATE = """
def Xform "{name}" (
    prepend apiSchemas = ["PhysicsRigidBodyAPI"]
    {more}
)
{{
    {body}
}}
"""


def _mimic(leader: str) -> str:
    return APIS.replace('["', '["NewtonMimicAPI", "') + f"\n            rel newton:mimicJoint = <{leader}>"


def _crate(name: str = "crate", *, more: str = "", body: str = "") -> str:
    return CRATE.format(name=name, more=more, body=body)


@pytest.fixture
def findings(tmp_path: Path) -> _Lint:
    """Lint a stage given as text."""
    return _Lint(tmp_path)


class _Lint:
    def __init__(self, folder: Path) -> None:
        self._path = folder / "stage.usda"

    def __call__(self, text: str) -> list[Finding]:
        self._path.write_text(text)
        return lint(str(self._path))


def test_a_good_stage_has_no_findings(findings: _Lint) -> None:
    assert findings(HEAD + ARM) == []


@pytest.mark.parametrize(
    ("old", "new", "rule", "prims", "said"),
    [
        ("    metersPerUnit = 1\n", "", "units-undeclared", ["/"], "not authored"),
        ("    metersPerUnit = 1\n", "    metersPerUnit = 0.01\n", "units-not-metres", ["/"], "0.01"),
        ('    upAxis = "Z"\n', "", "up-axis-undeclared", ["/"], "not authored"),
        ('upAxis = "Z"', 'upAxis = "Y"', "up-axis-not-z", ["/"], "Y"),
        ("kilogramsPerUnit = 1\n", "kilogramsPerUnit = 0.001\n", "kilograms-per-unit", ["/"], "0.001"),
        ("    timeCodesPerSecond = 1\n", "", "time-codes-per-second", ["/"], "24, USD's default"),
        ('    defaultPrim = "World"\n', "", "default-prim", ["/"], "not authored"),
        ('defaultPrim = "World"', 'defaultPrim = "Wrold"', "default-prim", ["/"], "names no prim"),
        ("    upAxis", "    subLayers = [@./gone.usda@]\n    upAxis", "missing-asset", ["/"], "gone.usda"),
        (', "PhysicsArticulationRootAPI"', "", "no-articulation-root", ["/World/arm/root_joint", PAN, TILT], "3 joints"),
        ("</World/arm/base>\n            rel physics:body1 = </World/arm/base/link>",
         "</World/arm/bass>\n            rel physics:body1 = </World/arm/base/link>", "joint-target", [PAN], "/World/arm/bass"),
        ("lowerLimit = -90", "lowerLimit = 91", "limits-inverted", [PAN], "91 is above the upper limit 90"),
        ("lowerLimit = -90", "lowerLimit = 10", "rest-outside-limits", [PAN], "rests at 0 deg, and may be at 10 to 90 deg"),
        ("localPos0 = (0, 0, 1)\n            float", "localPos0 = (0, 0.01, 1)\n            float", "joint-frames", [PAN],
         "10 mm"),
        (APIS, APIS.replace("JointStateAPI", "DriveAPI"), "joint-state", [PAN], "1 joints of arm"),
        (STATE, STATE.replace("= 0", "= 20"), "joint-state-agrees", [PAN], "20 deg is authored"),
        (APIS, _mimic("/World/arm/nod"), "mimic-leader", [PAN], "/World/arm/nod, which is not in the stage"),
        (APIS, _mimic("/World/arm/root_joint"), "mimic-leader", [PAN], "no moving joint of the same robot"),
        (STATE, STATE + '            custom string ros:joint:name = "shoulder"\n', "ros-joint-name", [PAN], "'shoulder'"),
        (STATE, STATE + '            custom string twind:name = "tilt"\n', "joint-names", [PAN, TILT], "called 'tilt'"),
        (STATE, STATE + "            custom float twind:positionStdd = 1\n", "unknown-attribute", [PAN],
         "did you mean twind:positionStd?"),
        (STATE, STATE + "            custom float stiffness = 1\n", "vendor-prefix", [PAN], "stiffness"),
        (STATE, STATE + "            custom float twind:wraps = -1\n", "passed-over", [PAN], "twind:wraps is -1"),
        ("quatd xformOp:orient = (1, 0, 0, 0)", "quatf xformOp:orient = (1, 0, 0, 0)", "single-precision",
         [LINK, f"{LINK}/tip"], "quatf"),
        ("quatd xformOp:orient = (1, 0, 0, 0)", "quath xformOp:orient = (1, 0, 0, 0)", "half-precision",
         [LINK, f"{LINK}/tip"], "half"),
        ("quatd xformOp:orient = (1, 0, 0, 0)", "double3 xformOp:rotateXYZ = (0, 0, 0)", "transform-ops",
         [LINK, f"{LINK}/tip"], "translate, rotateXYZ"),
        ("double3 xformOp:translate = (0, 0, 1)\n                quatd",
         "double3 xformOp:translate.timeSamples = {0: (0, 0, 1), 1: (0, 0, 2)}\n                quatd", "time-samples",
         [LINK], "time samples"),
        ('kind = "component"', 'kind = "component"\n    customData = {}', "", [], ""),
    ],
)  # fmt: skip
def test_a_fault_is_found_where_it_is(  # noqa: PLR0917  (a table)
    findings: _Lint, old: str, new: str, rule: str, prims: list[str], said: str
) -> None:
    text = (HEAD + ARM).replace(old, new)
    if rule == "transform-ops":
        text = text.replace('"xformOp:orient"]', '"xformOp:rotateXYZ"]')
    found = {finding.rule.name: finding for finding in findings(text)}
    if not rule:
        assert found == {}
        return
    assert rule in found, found
    assert list(found[rule].prims) == prims
    assert said in found[rule].what


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ('float3 xformOp:scale = (2, 2, 2)\n    uniform token[] xformOpOrder = ["xformOp:scale"]', "scaled-link"),
        ('float3 xformOp:scale = (-1, 1, 1)\n    uniform token[] xformOpOrder = ["xformOp:scale"]', "sheared-link"),
        ("custom double twind:time = 5", "live-state"),
        ('custom string twind:route:pose:topic = "a/#"', "route-hint"),
    ],
)  # fmt: skip
def test_a_fault_of_an_object_is_found(findings: _Lint, body: str, rule: str) -> None:
    found = {finding.rule.name: finding for finding in findings(HEAD + ARM + _crate(body=body))}
    assert list(found[rule].prims) == ["/crate"]


def test_entities_of_one_id_are_an_error_and_do_not_end_the_search(findings: _Lint) -> None:
    body = 'custom string twind:id = "arm"'
    found = [finding for finding in findings(HEAD + ARM + _crate(body=body)) if finding.rule.severity is Severity.ERROR]
    assert [(finding.rule.name, finding.prims) for finding in found] == [("duplicate-id", ("/World/arm", "/crate"))]


def test_objects_inside_an_instance_are_one_error(findings: _Lint) -> None:
    box = 'def Xform "box" (prepend apiSchemas = ["PhysicsRigidBodyAPI"])\n{\n}\n'
    instance = f'class "Boxes"\n{{\n{box}{box.replace("box", "lid")}}}\n'
    instance += 'def Xform "copy" (\n    instanceable = true\n    references = </Boxes>\n)\n{\n}\n'
    found = [finding for finding in findings(HEAD + ARM + instance) if finding.rule.severity > Severity.NOTE]
    assert [(finding.rule.name, finding.prims, finding.what) for finding in found] == [
        ("instanced-body", ("/copy",), "2 rigid bodies are inside this instance")
    ]


def test_robot_inside_an_instance_is_a_note(findings: _Lint) -> None:
    instance = 'def Xform "copy" (\n    instanceable = true\n    references = </World>\n)\n{\n    string twind:id = "copy"\n}\n'
    found = [finding for finding in findings(HEAD + ARM + instance) if "/copy" in finding.prims]
    assert [(finding.rule.name, finding.what) for finding in found] == [
        ("instanced-robot", "3 rigid bodies are inside this instance")
    ]
    assert found[0].rule.severity is Severity.NOTE


def test_an_animated_parent_is_found(findings: _Lint) -> None:
    lift = "double3 xformOp:translate.timeSamples = {0: (0, 0, 0), 1: (0, 0, 2)}"
    order = 'uniform token[] xformOpOrder = ["xformOp:translate"]'
    text = (HEAD + ARM).replace('def Xform "World"\n{', f'def Xform "World"\n{{\n    {lift}\n    {order}\n')
    assert [(finding.rule.name, finding.prims) for finding in findings(text)] == [("animated-parent", ("/World",))]


def test_what_hangs_behind_a_payload_and_at_an_absolute_path_is_found(tmp_path: Path) -> None:
    asset = tmp_path / "arm.usda"
    asset.write_text(HEAD + ARM)
    (tmp_path / "cell.usda").write_text(f'{HEAD}def "World" (\n    payload = @{asset}@\n)\n{{\n}}\n')
    found = {finding.rule.name: finding for finding in lint(str(tmp_path / "cell.usda"))}
    assert set(found) == {"links-in-payload", "absolute-path"}
    assert found["links-in-payload"].what == "6 links and joints of arm are behind a payload"
    assert str(asset) in found["absolute-path"].what


def test_a_robot_of_which_nothing_moves_is_found(findings: _Lint) -> None:
    text = (HEAD + ARM).replace("PhysicsRevoluteJoint", "PhysicsFixedJoint")
    assert "nothing-moves" in {finding.rule.name for finding in findings(text)}


def test_an_empty_stage_has_nothing_to_follow(findings: _Lint) -> None:
    assert "no-entity" in {finding.rule.name for finding in findings(HEAD + 'def Xform "World"\n{\n}\n')}


def test_the_demo_cell_has_notes_only() -> None:
    assert {finding.rule.severity for finding in lint(str(ROOT / "stages/demo_cell/cell.usda"))} <= {Severity.NOTE}


@pytest.mark.parametrize(("metres", "code"), [("1", 0), ("0.01", 0), ("", 1)])
def test_the_exit_code_is_1_for_errors_only(tmp_path: Path, metres: str, code: int) -> None:
    text = HEAD + ARM if metres else HEAD
    (tmp_path / "stage.usda").write_text(text.replace("metersPerUnit = 1", f"metersPerUnit = {metres or 1}"))
    done = CliRunner().invoke(main, ["stage", str(tmp_path / "stage.usda"), "--lint", "--json"])
    assert done.exit_code == code
    told = json.loads(done.stdout)
    assert told["errors"] == sum(finding["severity"] == "error" for finding in told["findings"])
    assert all(finding["meaning"] and finding["cure"] for finding in told["findings"])


def test_the_report_says_where_what_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "stage.usda").write_text((HEAD + ARM).replace("lowerLimit = -90", "lowerLimit = 91"))
    done = CliRunner().invoke(main, ["stage", str(tmp_path / "stage.usda"), "--lint"])
    assert done.exit_code == 1
    assert "error: limits-inverted (OpenUSD PhysicsJointChecker)" in done.output
    assert f"  {PAN}: the lower limit 91 is above the upper limit 90" in done.output
    assert "  cure:  Author physics:lowerLimit below physics:upperLimit." in done.output


def test_a_report_on_many_robots_stays_short(tmp_path: Path) -> None:
    crates = [_crate(f"crate_{at}", body='custom string twind:route:pose:topic = "a/#"') for at in range(20)]
    (tmp_path / "stage.usda").write_text(HEAD + ARM + "".join(crates))
    lines = CliRunner().invoke(main, ["stage", str(tmp_path / "stage.usda"), "--lint"]).output.splitlines()
    assert sum("the topic 'a/#'" in line for line in lines) == 8
    assert "  and 12 more like these" in lines


def test_the_page_is_current() -> None:
    assert (ROOT / "docs/reference/lint.md").read_text(encoding="utf-8") == render(), "run `make docs`"


def test_rules_have_names_of_their_own() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)
