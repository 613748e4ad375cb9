"""A stream has one writer: whoever claimed it last."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

import pytest

from twind.flow import shared_streams
from twind.flow.shared_streams import SharedStreams
from twind.model.errors import FencedError, RetryableError

if TYPE_CHECKING:
    from pathlib import Path


def shared(tmp_path: Path, instance: str) -> SharedStreams:
    return SharedStreams(tmp_path / "shared", instance=instance, generation=1)


def test_who_claimed_last_writes_and_nobody_before_does(tmp_path: Path) -> None:
    a, b = shared(tmp_path, "a"), shared(tmp_path, "b")
    first, before = a.claim("hub", "3@170")
    assert (first.epoch, before) == (1, None)
    a.write(first, "state", b"of a", durable=True)
    second, before = b.claim("hub", "3@170")
    assert (second.epoch, before) == (2, first)
    assert b.read(second, "state") == b"of a"
    with pytest.raises(FencedError, match=r"belongs to instance 'b' \(epoch 2\) now; epoch 1 of 'a' writes nothing"):
        a.write(first, "state", b"late")
    assert b.read(second, "state") == b"of a"
    b.write(second, "state", b"of b")
    assert a.read(first, "state") == b"of b"
    assert sorted(path.name for path in a.folder("hub", "3@170").iterdir()) == ["claim.json", "state"]


def test_a_daemon_that_claims_its_own_stream_again_ends_its_own_claim(tmp_path: Path) -> None:
    a = shared(tmp_path, "a")
    first, _ = a.claim("hub", "0")
    again, before = a.claim("hub", "0")
    assert before == first
    with pytest.raises(FencedError):
        a.write(first, "state", b"")
    a.write(again, "state", b"")


def test_streams_know_nothing_of_each_other_whatever_their_names(tmp_path: Path) -> None:
    a, b = shared(tmp_path, "a"), shared(tmp_path, "b")
    names = ["3@170", "3-170", "../3@170", "3/170", "3~40~170", ".", "ä"]
    claims = {name: a.claim("hub", name)[0] for name in names}
    assert {claim.epoch for claim in claims.values()} == {1}
    assert len({a.folder("hub", name) for name in names}) == len(names)
    assert all((tmp_path / "shared") in a.folder("hub", name).resolve().parents for name in names)
    b.claim("hub", "3@170")
    a.write(claims["3-170"], "state", b"")


def test_what_nobody_has_written_is_not_there(tmp_path: Path) -> None:
    a = shared(tmp_path, "a")
    claim, _ = a.claim("hub", "0")
    assert a.read(claim, "state") is None


def test_a_claim_waits_for_a_lock_only_so_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a = shared(tmp_path, "a")
    a.claim("hub", "0")
    monkeypatch.setattr(shared_streams, "_LOCK_S", 0.0)
    handle = os.open(a.folder("hub", "0"), os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with pytest.raises(RetryableError, match="cannot claim '0'"):
            a.claim("hub", "0")
    finally:
        os.close(handle)
    assert a.claim("hub", "0")[0].epoch == 2


def test_a_claim_that_cannot_be_read_is_not_taken_for_none(tmp_path: Path) -> None:
    a = shared(tmp_path, "a")
    a.claim("hub", "0")
    (a.folder("hub", "0") / "claim.json").write_bytes(b"{")
    with pytest.raises(RetryableError, match="holds no claim"):
        a.claim("hub", "0")
