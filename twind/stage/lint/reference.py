"""Writes the reference page of the lint rules: `python -m twind.stage.lint.reference`."""

from __future__ import annotations

import sys

from twind.stage.lint.openusd import VALIDATORS
from twind.stage.lint.rules import RULES

_HEAD = """# Lint rules

Generated from the code by `make docs`; do not edit.

`twind stage ROOT --lint` looks at a stage with these rules and prints what it finds, what that means for a live twin and
what cures it; `--json` for machines. The exit code is 1 when there are errors. An *error* cannot be followed or is shown
wrongly, with a *warning* something is not as it seems, a *note* is worth knowing. Rules of OpenUSD, REP-158 (draft of March
2026) and SimReady Foundation (2026.8) are here as far as they matter to a live twin, under the names that they have there;
for all of them use [their own checkers](../conformance.md).

| rule | severity | from | what it means | cure |
|---|---|---|---|---|
"""


def render() -> str:
    """Return the page."""
    rows = [
        f"| `{rule.name}` | {rule.severity.name.lower()} | {rule.origin} | {rule.meaning} | {rule.cure} |" for rule in RULES
    ]
    validators = ", ".join(f"`{name}`" for name in VALIDATORS)
    return f"{_HEAD}{chr(10).join(rows)}\n\nOf OpenUSD's validation framework these are run: {validators}.\n"


if __name__ == "__main__":
    sys.stdout.write(render())
