"""`twind stage ROOT --lint`: what would trouble a live twin, for people and for machines."""

from __future__ import annotations

import json
from itertools import groupby
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from twind.stage.lint.findings import Finding

_LISTED = 3
"""So many prims of one finding are listed; JSON has them all."""
_SHOWN = 8
"""So many findings of one rule are shown; JSON has them all."""


def lint_stage(root: str, *, as_machine: bool) -> int:
    """Look at a stage and print what was found; return the exit code: 1 when there are errors."""
    from twind.stage.lint.rules import Severity
    from twind.stage.lint.run import lint

    found = lint(root)
    failed = any(finding.rule.severity is Severity.ERROR for finding in found)
    if as_machine:
        click.echo(json.dumps(_as_json(root, found), indent=2))
    else:
        for line in _report(root, found):
            click.echo(line)
    return 1 if failed else 0


def _report(root: str, found: Sequence[Finding]) -> Iterator[str]:
    """Write one paragraph per rule: what was found where, then what it means and what cures it."""
    yield f"stage {root}"
    for rule, group in groupby(sorted(found, key=lambda one: (-one.rule.severity, one.rule.name)), lambda one: one.rule):
        findings = list(group)
        yield ""
        yield f"{rule.severity.name.lower()}: {rule.name} ({rule.origin})"
        for finding in findings[:_SHOWN]:
            shown = ", ".join(finding.prims[:_LISTED])
            more = f" and {len(finding.prims) - _LISTED} more" if len(finding.prims) > _LISTED else ""
            yield f"  {shown}{more}: {finding.what}"
        if len(findings) > _SHOWN:
            yield f"  and {len(findings) - _SHOWN} more like these"
        yield f"  means: {rule.meaning}"
        yield f"  cure:  {rule.cure}"
    yield ""
    counts = _counts(found)
    yield ", ".join(f"{number} {name}{'' if number == 1 else 's'}" for name, number in counts.items())


def _counts(found: Sequence[Finding]) -> dict[str, int]:
    from twind.stage.lint.rules import Severity

    return {one.name.lower(): sum(finding.rule.severity is one for finding in found) for one in reversed(Severity)}


def _as_json(root: str, found: Sequence[Finding]) -> dict[str, Any]:
    return {
        "root": root,
        **{f"{name}s": number for name, number in _counts(found).items()},
        "findings": [
            {
                "rule": finding.rule.name,
                "origin": finding.rule.origin,
                "severity": finding.rule.severity.name.lower(),
                "prims": list(finding.prims),
                "what": finding.what,
                "meaning": finding.rule.meaning,
                "cure": finding.rule.cure,
            }
            for finding in found
        ],
    }
