"""The codeless schemas: known to pxr here, usable by other tools, and in agreement with the attributes that twind reads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pxr import Sdf, Usd, UsdPhysics

from twind.stage import hints, identity, structure
from twind.stage.schema_plugin import ENTITY_API, JOINT_API, ROUTE_API, folder

ELSEWHERE = """
from pxr import Usd, UsdPhysics
stage = Usd.Stage.CreateInMemory()
prim = stage.DefinePrim("/arm", "Xform")
assert prim.ApplyAPI("TwindEntityAPI") and prim.HasAPI("TwindEntityAPI")
assert prim.GetAttribute("twind:id").Set("arm_1")
assert prim.ApplyAPI("TwindRouteAPI", "joints")
assert prim.GetAttribute("twind:route:joints:codec").Get() == "joint_state"
joint = UsdPhysics.RevoluteJoint.Define(stage, "/arm/joint").GetPrim()
assert joint.ApplyAPI("TwindJointAPI") and joint.HasAPI("TwindJointAPI")
assert not prim.CanApplyAPI("TwindJointAPI")
"""


def test_schemas_are_known_as_soon_as_the_room_is_imported() -> None:
    stage = Usd.Stage.CreateInMemory()
    prim = stage.DefinePrim("/arm", "Xform")
    assert prim.ApplyAPI(ENTITY_API)
    assert prim.HasAPI(ENTITY_API)
    assert prim.ApplyAPI(ROUTE_API, "joints")
    assert UsdPhysics.RevoluteJoint.Define(stage, "/arm/joint").GetPrim().ApplyAPI(JOINT_API)
    assert prim.GetAttribute("twind:enabled").Get() is True


@pytest.mark.parametrize("known_twice", [False, True])
def test_other_tools_find_the_schemas_by_plugin_path(known_twice: bool) -> None:  # noqa: FBT001
    code = f"import twind.stage.discover\n{ELSEWHERE}" if known_twice else ELSEWHERE
    environment = {**os.environ, "PXR_PLUGINPATH_NAME": str(folder())}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_program_prints_the_folder_for_the_plugin_path() -> None:
    done = subprocess.run([sys.executable, "-m", "twind", "stage", "--schema-path"], capture_output=True, text=True, check=True)
    assert (Path(done.stdout.strip()) / "plugInfo.json").is_file()


def test_every_attribute_that_twind_reads_or_writes_is_in_its_schema() -> None:
    registry = Usd.SchemaRegistry()
    entity = set(registry.FindAppliedAPIPrimDefinition(ENTITY_API).GetPropertyNames())
    joint = set(registry.FindAppliedAPIPrimDefinition(JOINT_API).GetPropertyNames())
    assert entity == {
        identity.ID,
        identity.ENABLED,
        structure.TIME,
        structure.SEQ,
        structure.AGE,
        structure.QUALITY,
    }
    assert joint == {
        identity.NAME,
        hints.POSITION_STD,
        hints.JERK_NOISE,
        hints.STAMP_STD,
        hints.WRAPS,
        hints.USE_EFFORT,
        hints.USE_VELOCITY,
        hints.VELOCITY_STD,
    }


def test_generated_schema_has_the_attributes_and_types_of_its_source() -> None:
    place = folder()
    assert place is not None
    source = Sdf.Layer.OpenAsAnonymous(str(place / "schema.usda"))
    generated = Sdf.Layer.OpenAsAnonymous(str(place / "generatedSchema.usda"))
    for prim in (prim for prim in source.rootPrims if prim.specifier == Sdf.SpecifierClass):
        prefix = prim.customData.get("propertyNamespacePrefix")
        names = {f"{prefix}:__INSTANCE_NAME__:{one.name}" if prefix else one.name: one for one in prim.attributes}
        made = {one.name: one for one in generated.GetPrimAtPath(prim.path).attributes}
        assert names.keys() == made.keys()
        for name, one in names.items():
            assert (one.typeName, one.default, one.variability) == (
                made[name].typeName,
                made[name].default,
                made[name].variability,
            )
