"""Look at a stage with all rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pxr import Usd

from twind.model.errors import StageError
from twind.stage.discover import OPENED, discover_stage
from twind.stage.identity import ENABLED
from twind.stage.lint import joint_rules, openusd, rules, stage_rules, transform_rules, twin_rules
from twind.stage.lint.findings import Finding
from twind.stage.lint.rules import Severity
from twind.stage.lint.subject import Subject
from twind.stage.opening import collected_diagnostics

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_IMPLIED = {
    "metersPerUnit is not authored": rules.UNITS_UNDECLARED,
    OPENED: rules.INSTANCED_ROBOT,
    "it closes a kinematic loop": rules.LOOP,
    "none of its links can move": rules.NOTHING_MOVES,
    f"{ENABLED} is false": rules.LEFT_OUT,
    "the joint is disabled": rules.LEFT_OUT,
    "its rigid body is disabled": rules.LEFT_OUT,
    "it is excluded from the articulation": rules.LEFT_OUT,
}
"""How remarks of discovery begin that are a rule of their own."""
_SAID = (rules.UNITS_UNDECLARED, rules.INSTANCED_ROBOT)
"""Those that look for themselves."""


def lint(root: str) -> list[Finding]:
    """Return what of a stage would trouble a live twin, worst first; the stage may be incomplete.

    Raises:
        StageError: The root layer cannot be read at all.
    """
    try:
        with collected_diagnostics():
            stage = Usd.Stage.Open(root, Usd.Stage.LoadAll)
    except StageError as error:
        raise StageError(f"cannot open the stage {root!r}: {error}") from error
    with collected_diagnostics():
        subject = Subject(stage, discover_stage(stage, root=root, strict=False), root)
        found = [
            finding
            for check in (stage_rules.check, joint_rules.check, transform_rules.check, twin_rules.check, openusd.check)
            for finding in check(subject)
        ]
        found += _remarks(subject, found)
    return sorted(found, key=lambda one: -one.rule.severity)


def _remarks(subject: Subject, found: Sequence[Finding]) -> Iterator[Finding]:
    """Turn discovery's remarks into findings, but for those that a rule has made already."""
    known = {(prim, finding.rule.severity > Severity.NOTE) for finding in found for prim in finding.prims}
    for remark in subject.topology.ignored:
        implied = next((rule for start, rule in _IMPLIED.items() if remark.reason.startswith(start)), None)
        if implied in _SAID or (remark.prim != "/" and _covered(remark.prim, known)):
            continue
        yield Finding(implied or rules.PASSED_OVER, (remark.prim,), remark.reason)


def _covered(prim: str, known: set[tuple[str, bool]]) -> bool:
    """Whether a finding that is more than a note is about this prim, or about the instance that holds it."""
    return any(bad and (prim == path or (path != "/" and prim.startswith(f"{path}/"))) for path, bad in known)
