"""What a configuration names must exist in the stage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twind.config.against import check_against
from twind.model.topology import Link, RigidObject, Robot, Topology

if TYPE_CHECKING:
    from collections.abc import Callable

    from twind.config.load import Loaded

TOPOLOGY = Topology(
    root="cell.usda",
    robots=(Robot(id="arm_1", prim="/arm_1", links=(Link(name="base", prim="/arm_1/base"),), joints=()),),
    objects=(RigidObject(id="crate", prim="/crate"),),
)
STAGE = "stage: {root: cell.usda}\n"


def _said(loaded: Loaded) -> list[str]:
    return [f"{p.line}:{p.column}: {p.path}: {p.message}" for p in check_against(loaded.settings, TOPOLOGY, loaded.marks)]


def test_unknown_entities_are_reported_where_they_are_named(load_texts: Callable[..., Loaded]) -> None:
    text = STAGE + """\
sources:
  floor:
    type: fake
    routes:
      - {topic: "a", codec: pose, entity: crate}
      - {topic: "b", codec: pose, entity: arm1}
      - {topic: "c", codec: pose, entity: "${env:E}"}
estimation:
  overrides:
    arm_1: {joints: {jerk_noise: 10}}
    crat: {}
    crate: {joints: {}}
"""  # fmt: skip
    assert _said(load_texts(text, environment={"E": "hunter2"})) == [
        "7:43: sources.floor.routes.1.entity: the stage has no entity 'arm1'; did you mean 'arm_1'?",
        "8:43: sources.floor.routes.2.entity: the stage has no entity '********'; known here: arm_1, crate",
        "12:5: estimation.overrides.crat: the stage has no entity 'crat'; did you mean 'crate'?",
        "13:13: estimation.overrides.crate.joints: 'crate' is an object and has no joints; write `poses`",
    ]
