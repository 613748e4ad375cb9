"""Where the demo finds its cell and what it writes for the daemon."""

from __future__ import annotations

from pathlib import Path

from twind.model.errors import PermanentError

_CELL = Path("demo_cell", "cell.usda")


def cell_root() -> Path:
    """Return the root layer of the demo cell: in the installed package, or in the checkout that this runs from.

    Raises:
        PermanentError: It is in neither.
    """
    here = Path(__file__).resolve().parent
    for stages in (here / "stages", here.parents[1] / "stages"):
        if (stages / _CELL).is_file():
            return stages / _CELL
    raise PermanentError(f"the demo cell is not installed: there is no {here / 'stages' / _CELL}")


def configuration(*, stage: Path, url: str, protocol: str, listen: str) -> str:
    """Return the demo's configuration file: an ordinary one, to copy from."""
    return f"""\
# The configuration of `twind demo`. Copy it, point it at your stage and your broker: docs/your-own-robot.md
instance: demo
state_dir: state
stage:
  root: {stage}
  rate_hz: 30
  predict_after_ms: 0      # always predict to now: the smooth motion of this cell allows it
  snapshot: {{path: live, rate_hz: 2}}
http: {{listen: "{listen}"}}
sources:
  floor:
    type: mqtt
    url: {url}
    protocol: "{protocol}"
    qos: 1
    routes:
      - {{topic: "cell/{{entity}}/joint_state", codec: joint_state}}
      - {{topic: "cell/{{entity}}/pose", codec: pose}}
log: {{level: warning}}
"""
