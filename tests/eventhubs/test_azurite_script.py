"""Where azurite cannot be installed one sentence says so, at once the second time, and nothing fails but the script."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

_SCRIPT = Path(__file__).parents[2] / ".ci" / "azurite"
_TOOLS = ("sh", "dirname", "find", "id", "mkdir", "rm", "touch", "timeout")


@pytest.mark.parametrize(
    ("npm", "said"),
    [
        (None, "azurite needs npm"),
        ("exit 1", "azurite could not be installed"),
        ("exit 0", "azurite does not run on this node"),
    ],
)
def test_a_machine_that_cannot_have_azurite_is_told_in_a_sentence(tmp_path: Path, npm: str | None, said: str) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in _TOOLS:
        (tools / tool).symlink_to(shutil.which(tool) or tool)
    tried = tmp_path / "tried"
    if npm is not None:
        (tools / "npm").write_text(f"#!/bin/sh\necho >> {tried}\n{npm}\n")
        (tools / "npm").chmod(0o755)

    def install() -> subprocess.CompletedProcess[str]:
        environment = {"PATH": str(tools), "TWIND_NO_SYSTEM_PACKAGES": "1"}
        command = [str(_SCRIPT), str(tmp_path / "azurite")]
        return subprocess.run(command, check=False, capture_output=True, text=True, env=environment, timeout=120)

    first, again = install(), install()
    assert (first.returncode, first.stderr) == (1, "")
    assert first.stdout.splitlines()[-1] == f"{said}: the tests that need it are skipped."
    assert (again.returncode, again.stderr) == (1, "")
    assert again.stdout.startswith("azurite could not be installed a moment ago")
    assert not tried.exists() or tried.read_text() == "\n"
