"""`twind check`, `twind config print` and `twind stage`, on a stage of one crate."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from twind.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

GOOD = """\
instance: cell-7
stage: {root: cell.usda}
sources:
  floor:
    type: fake
    routes: [{topic: "cell/{entity}/pose", codec: pose}]
"""


def _twind(cell: Path, command: list[str], *texts: str) -> Result:
    paths = []
    for index, text in enumerate(texts):
        path = cell / f"{index}.yaml"
        path.write_text(text)
        paths.append(str(path))
    return CliRunner().invoke(main, [*command, *paths])


def test_a_good_configuration_is_summed_up(cell: Path) -> None:
    done = _twind(cell, ["check"], GOOD)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == "configuration: ok\nstage: 0 robots, 1 object: crate\nsource floor: fake, 1 route\n"


def test_problems_are_printed_where_they_stand_and_exit_with_78(cell: Path) -> None:
    done = _twind(cell, ["check"], GOOD + "log: {level: loud}\nshutdown_s: 0\n")
    assert done.exit_code == 78
    assert [line.removeprefix(f"{cell}/").split(" ")[0] for line in done.stderr.splitlines()] == [
        "0.yaml:7:14:",
        "0.yaml:8:13:",
    ]


def test_entities_that_the_stage_lacks_are_problems(cell: Path) -> None:
    done = _twind(cell, ["check"], GOOD + "estimation: {overrides: {crat: {}}}\n")
    assert done.exit_code == 78
    assert "7:26: estimation.overrides.crat: the stage has no entity 'crat'; did you mean 'crate'?" in done.stderr


def test_a_stage_that_cannot_be_opened_is_a_problem_of_its_setting(cell: Path) -> None:
    done = _twind(cell, ["check"], GOOD.replace("cell.usda", "none.usda"))
    assert done.exit_code == 78
    assert f"{cell}/0.yaml:2:15: stage.root: " in done.stderr


def test_connect_says_what_became_of_each_source(cell: Path) -> None:
    up = _twind(cell, ["check", "--connect"], GOOD)
    down = _twind(cell, ["check", "--connect"], GOOD, "sources: {floor: {down: true}}\n")
    assert (up.exit_code, up.stdout.splitlines()[-1]) == (0, "source floor: fake, 1 route; ok: floor is up")
    assert down.exit_code == 1
    assert down.stdout.splitlines()[-1] == (
        "source floor: fake, 1 route; FAILED: floor of cell-7 is down: switch it on"
    )  # fmt: skip


def test_machines_get_the_same_as_json(cell: Path) -> None:
    good = json.loads(_twind(cell, ["check", "--connect", "--json"], GOOD).stdout)
    assert good == {
        "ok": True,
        "problems": [],
        "stage": {"robots": [], "objects": ["crate"]},
        "sources": {
            "floor": {
                "type": "fake",
                "routes": [{"topic": "cell/{entity}/pose", "codec": "pose"}],
                "probe": {"ok": True, "message": "floor is up"},
            }
        },
        "notes": [],
    }
    bad = _twind(cell, ["check", "--json"], "stage: {}\n")
    assert (bad.exit_code, bad.stderr) == (78, "")
    assert json.loads(bad.stdout)["problems"] == [
        {"file": f"{cell}/0.yaml", "line": 1, "column": 1, "path": "stage.root", "message": "'root' is required and missing"}
    ]


def test_kernels_that_cannot_be_kept_are_worth_a_note(cell: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/dev/null/kernels")
    done = _twind(cell, ["check"], GOOD)
    assert done.exit_code == 0
    assert done.stdout.splitlines()[-1].startswith("note: compiled kernels cannot be kept")


def test_kernels_that_others_may_have_written_are_worth_a_note(
    cell: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = tmp_path / "kernels" / "estimation_1"
    room.mkdir(parents=True)
    (room / "one.nbi").touch()
    room.chmod(0o777)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(room.parent))
    done = _twind(cell, ["check"], GOOD)
    assert done.exit_code == 0
    said = f"note: compiled kernels cannot be kept: everybody may write to the folder '{room}'; "
    assert done.stdout.splitlines()[-1].startswith(said)


@pytest.mark.parametrize("command", [["check"], ["run"], ["config", "print"]])
def test_a_missing_file_is_a_problem_like_any_other(cell: Path, command: list[str]) -> None:
    done = CliRunner().invoke(main, [*command, str(cell / "none.yaml")])
    assert (done.exit_code, done.stderr) == (78, f"{cell}/none.yaml:1:1: cannot be read: No such file or directory\n")


def test_the_settings_in_effect_are_printed(cell: Path) -> None:
    done = _twind(cell, ["config", "print"], GOOD, "instance: cell-8\nhttp: {token: hunter2}\n")
    assert done.exit_code == 0
    assert "instance: cell-8\n" in done.stdout
    assert "token: '********'\n" in done.stdout


def test_the_schema_and_the_reference_are_printed(cell: Path) -> None:
    assert cell.is_dir()
    assert "FakeSettings" in json.loads(CliRunner().invoke(main, ["config", "schema"]).stdout)["$defs"]
    assert CliRunner().invoke(main, ["config", "reference"]).stdout.startswith("# Configuration\n")


def test_a_stage_is_printed_for_people_and_for_machines(cell: Path) -> None:
    text = CliRunner().invoke(main, ["stage", str(cell / "cell.usda")])
    machine = CliRunner().invoke(main, ["stage", "--json", str(cell / "cell.usda")])
    assert (text.exit_code, machine.exit_code) == (0, 0)
    assert "crate" in text.stdout
    assert json.loads(machine.stdout)["objects"][0]["id"] == "crate"


def test_a_stage_that_cannot_be_opened_is_one_error_line(cell: Path) -> None:
    done = CliRunner().invoke(main, ["stage", str(cell / "none.usda")])
    assert done.exit_code == 1
    assert done.stderr.startswith("error: ")


def test_run_hands_the_settings_to_the_daemon_and_its_exit_code_back(cell: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def run(loaded: object) -> int:
        seen.append(loaded)
        return 3

    monkeypatch.setattr("twind.runtime.app.run", run)
    assert _twind(cell, ["run"], GOOD).exit_code == 3
    assert seen[0].settings.instance == "cell-7"  # type: ignore[attr-defined]


def test_connect_also_says_whether_daemons_can_hand_over(cell: Path) -> None:
    shared = cell / "shared"
    hand_over = f"restart: {{hand_over: {{type: folder, path: {shared}}}}}\n"
    snapshot = f"stage: {{snapshot: {{path: {cell / 'live'}, composed: {shared / 'all.usda'}}}}}\n"
    up = _twind(cell, ["check", "--connect"], GOOD, snapshot, hand_over)
    assert (up.exit_code, up.stdout.splitlines()[-1]) == (0, f"hand-over: folder; ok: {shared} can be written and locked")
    assert list(shared.iterdir()) == []
    machine = json.loads(_twind(cell, ["check", "--connect", "--json"], GOOD, snapshot, hand_over).stdout)
    assert machine["hand_over"] == {"probe": {"ok": True, "message": f"{shared} can be written and locked"}}
    (shared / ".probe").mkdir()
    down = _twind(cell, ["check", "--connect"], GOOD, snapshot, hand_over)
    assert (down.exit_code, down.stdout.splitlines()[-1]) == (
        1,
        f"hand-over: folder; FAILED: cannot use {shared}: Is a directory",
    )
