"""`twind dead-letters`: what it prints of refused messages, and which it has tried again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from twind.cli.main import main
from twind.flow.dead_letters import DeadLetter, DeadLetterFiles

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def config(cell: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a configuration whose daemon has refused five messages."""
    monkeypatch.chdir(cell)
    path = cell / "twind.yaml"
    path.write_text("stage: {root: cell.usda}\nsources: {floor: {type: fake, routes: [{topic: 'a/{entity}', codec: pose}]}}\n")
    letters = [
        DeadLetter(1_700_000_000_000_000_000 + number, "floor", topic, reason, "said why", 2, b"{}")
        for number, (topic, reason) in enumerate(
            [("a/x", "unknown_entity"), ("a/x", "unknown_entity"), ("a/y", "unknown_entity"), ("a/x", "undecodable")]
        )
    ]
    letters.append(DeadLetter(5, "hub", "a/x", "oversize", "", 100_000, b"{"))
    assert DeadLetterFiles(cell / "state" / "dead-letters", max_files=8, max_bytes=2**26).append(letters) == (5, "")
    return path


def call(*arguments: object) -> str:
    done = CliRunner().invoke(main, ["dead-letters", *map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_the_list_groups_what_was_refused_for_the_same_reason(config: Path) -> None:
    lines = call("list", config).splitlines()
    assert [line.split()[:4] for line in lines[:-1]] == [
        ["1", "undecodable", "floor:", "a/x"],
        ["2", "unknown_entity", "floor:", "a/x"],
        ["1", "unknown_entity", "floor:", "a/y"],
        ["1", "oversize", "hub:", "a/x"],
    ]
    assert "(last 2023-11-14 22:13:20 UTC)  said why" in lines[1]
    assert lines[-1] == "5 dead letters in state/dead-letters"


def test_the_list_for_machines_has_every_letter(config: Path) -> None:
    letters = [
        json.loads(line) for line in call("list", config, "--json", "--source", "floor", "--topic", "a/[xz]").splitlines()
    ]
    assert [(one["topic"], one["reason"], one["payload"]) for one in letters] == [
        ("a/x", "unknown_entity", "e30="), ("a/x", "unknown_entity", "e30="), ("a/x", "undecodable", "e30=")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "counts"),
    [
        ((), {"retried": 4, "cut": 1, "others": 0}),
        (("--reason", "unknown_entity"), {"retried": 3, "cut": 0, "others": 2}),
        (("--reason", "unknown_entity", "--topic", "a/y"), {"retried": 1, "cut": 0, "others": 4}),
        (("--source", "hub"), {"retried": 0, "cut": 1, "others": 4}),
    ],
)
def test_what_fits_is_to_be_tried_again_and_everything_else_stays(
    config: Path, options: tuple[str, ...], counts: dict[str, int]
) -> None:
    assert json.loads(call("retry", config, "--json", *options)) == counts
    assert call("list", config).splitlines()[-1].startswith(f"{5 - counts['retried']} dead letters")
    files: list[Any] = list((config.parent / "state" / "dead-letters" / "retry").iterdir())
    assert len(files) == min(counts["retried"], 1)


def test_a_person_is_told_in_a_sentence(config: Path) -> None:
    assert call("retry", config) == "4 to be tried again, 1 cut off and left, 0 others left\n"
    assert call("retry", config) == "0 to be tried again, 1 cut off and left, 0 others left\n"
