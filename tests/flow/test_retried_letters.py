"""Dead letters that are to be tried again: which move, which stay, and what a kill in between costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from twind.flow.dead_letters import RETRY, DeadLetter, DeadLetterFiles, RetryFolder, read_letters, retry_letters

if TYPE_CHECKING:
    from pathlib import Path


def letter(number: int, *, topic: str = "cell/arm", cut: bool = False) -> DeadLetter:
    payload = f"payload {number}".encode()
    return DeadLetter(number, "floor", topic, "unknown_entity", "", len(payload) + cut, payload)


def keep(folder: Path, *letters: DeadLetter) -> None:
    assert DeadLetterFiles(folder, max_files=8, max_bytes=64 * 2**20).append(letters) == (len(letters), "")


def to_retry(folder: Path) -> list[DeadLetter]:
    retries = RetryFolder(folder / RETRY)
    return [one for path in retries.waiting() for one in retries.read(path)]


def test_what_is_wanted_moves_and_the_rest_stays(tmp_path: Path) -> None:
    letters = [letter(0), letter(1, topic="cell/other"), letter(2, cut=True), letter(3)]
    keep(tmp_path, *letters)
    counts = retry_letters(tmp_path, lambda one: one.topic == "cell/arm")
    assert counts == {"retried": 2, "cut": 1, "others": 1}
    assert to_retry(tmp_path) == [letters[0], letters[3]]
    assert list(read_letters(tmp_path)) == [letters[1], letters[2]]


def test_a_folder_that_is_not_there_has_no_letters(tmp_path: Path) -> None:
    assert retry_letters(tmp_path / "none", lambda _: True) == {"retried": 0, "cut": 0, "others": 0}
    assert list(read_letters(tmp_path / "none")) == []


def test_lines_that_are_no_letters_are_passed_over(tmp_path: Path) -> None:
    keep(tmp_path, letter(0))
    (file,) = tmp_path.glob("dead-letters-*.jsonl")
    with file.open("ab") as tail:
        tail.write(b'{"receive_ns": 1}\n[]\nnothing\n\xff\n')
    assert list(read_letters(tmp_path)) == [letter(0)]
    assert retry_letters(tmp_path, lambda _: True)["retried"] == 1


def test_letters_that_a_killed_call_had_taken_are_found_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(tmp_path, letter(0), letter(1))

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(RetryFolder, "add", killed)
        with pytest.raises(KeyboardInterrupt):
            retry_letters(tmp_path, lambda _: True)
    keep(tmp_path, letter(2))  # the daemon goes on meanwhile
    assert retry_letters(tmp_path, lambda _: True)["retried"] == 3
    assert sorted(one.receive_ns for one in to_retry(tmp_path)) == [0, 1, 2]
    assert list(read_letters(tmp_path)) == []
    assert retry_letters(tmp_path, lambda _: True)["retried"] == 0
