"""Files that are replaced as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from twind.flow.replacing import replacing

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("locked", [False, True])
@pytest.mark.parametrize("durable", [False, True])
def test_a_file_takes_the_old_one_s_place_with_its_permissions_and_through_links(
    tmp_path: Path, *, locked: bool, durable: bool
) -> None:
    file, link = tmp_path / "there.txt", tmp_path / "link.txt"
    file.write_text("old")
    file.chmod(0o640)
    link.symlink_to(file)
    with replacing(link, locked=locked, durable=durable) as temporary:
        temporary.write_text("new")
        assert link.read_text() == "old"
    assert (file.read_text(), file.stat().st_mode & 0o777, link.is_symlink()) == ("new", 0o640, True)
    assert sorted(tmp_path.iterdir()) == [link, file]


def test_a_new_file_has_the_permissions_of_any_other(tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    with replacing(tmp_path / "new") as temporary:
        temporary.write_text("x")
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "other").stat().st_mode


@pytest.mark.parametrize("locked", [False, True])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path, *, locked: bool) -> None:
    file = tmp_path / "there.txt"
    file.write_text("old")
    with pytest.raises(ZeroDivisionError), replacing(file, locked=locked) as temporary:
        temporary.write_bytes(b"ne" * (1 // 0))
    assert [one.name for one in tmp_path.iterdir()] == ["there.txt"]
    assert file.read_text() == "old"


def test_what_a_killed_process_left_is_overwritten_where_the_file_is_locked(tmp_path: Path) -> None:
    with replacing(tmp_path / "live.usda", locked=True) as temporary:
        left = temporary.name
    (tmp_path / left).write_text("half a layer, longer than the new one")
    with replacing(tmp_path / "live.usda", locked=True) as temporary:
        temporary.write_text("new")
    assert [one.name for one in tmp_path.iterdir()] == ["live.usda"]
    assert (tmp_path / "live.usda").read_text() == "new"
