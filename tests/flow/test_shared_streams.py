"""A stream has one writer, whoever claimed it last: through a folder and through a blob container alike."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

import pytest
from azure.core.exceptions import HttpResponseError, ServiceResponseError

from tests.flow.sharing import blobs, place, storage
from twind.flow import shared_folder
from twind.flow.shared_folder import SharedFolder
from twind.flow.shared_streams import CLAIM, LAYER, ROSTER, STATE
from twind.model.errors import FencedError, PermanentError, RetryableError
from twind_eventhubs import shared_blobs

if TYPE_CHECKING:
    from pathlib import Path

    from azure.storage.blob import BlobClient

    from tests.flow.sharing import InBlobs, Place

__all__ = ["blobs", "place", "storage"]


def test_who_claimed_last_writes_and_nobody_before_does(place: Place) -> None:
    a, b = place("a"), place("b")
    first, before = a.claim("hub", "3@170")
    assert (first.epoch, before) == (1, None)
    a.write(first, STATE, b"of a", durable=True)
    second, before = b.claim("hub", "3@170")
    assert (second.epoch, before) == (2, first)
    assert b.read(second, STATE) == b"of a"
    with pytest.raises(FencedError, match=r"belongs to instance 'b' \(epoch 2\) now; epoch 1 of 'a' writes nothing"):
        a.write(first, STATE, b"late")
    assert b.read(second, STATE) == b"of a"
    b.write(second, STATE, b"of b")
    assert a.read(first, STATE) == b"of b"


def test_what_the_last_owner_had_never_written_it_cannot_write_any_more_either(place: Place) -> None:
    a, b = place("a"), place("b")
    first, _ = a.claim("hub", "0")
    second, _ = b.claim("hub", "0")
    for name in (STATE, LAYER, ROSTER):
        with pytest.raises(FencedError):
            a.write(first, name, b"late")
        assert b.read(second, name) is None


def test_a_daemon_that_claims_its_own_stream_again_ends_its_own_claim(place: Place) -> None:
    a = place("a")
    first, _ = a.claim("hub", "0")
    again, before = a.claim("hub", "0")
    assert before == first
    with pytest.raises(FencedError):
        a.write(first, STATE, b"")
    a.write(again, STATE, b"")


def test_streams_know_nothing_of_each_other_whatever_their_names(place: Place) -> None:
    a, b = place("a"), place("b")
    names = ["3@170", "3-170", "../3@170", "3/170", "3~40~170", ".", "ä"]
    claims = {name: a.claim("hub", name)[0] for name in names}
    assert {claim.epoch for claim in claims.values()} == {1}
    assert len({a.folder("hub", name) for name in names}) == len(names)
    assert all(a.layers in a.folder("hub", name).resolve().parents for name in names)
    b.claim("hub", "3@170")
    a.write(claims["3-170"], STATE, b"")


def test_what_nobody_has_written_is_not_there(place: Place) -> None:
    a = place("a")
    claim, _ = a.claim("hub", "0")
    assert a.read(claim, STATE) is None


def test_everybody_sees_whose_streams_are_whose_and_what_they_wrote(place: Place) -> None:
    a, b = place("a"), place("b")
    first, second = a.claim("hub", "0")[0], b.claim("hub", "1")[0]
    b.claim("another", "1")
    a.write(first, ROSTER, b"x")
    a.write(first, STATE, b"y")
    assert b.read_all("hub", ROSTER) == {"0": (first, b"x"), "1": (second, b"")}
    third = b.claim("hub", "0")[0]
    b.write(third, ROSTER, b"z")
    assert a.read_all("hub", ROSTER) == b.read_all("hub", ROSTER) == {"0": (third, b"z"), "1": (second, b"")}
    assert a.read_all("nobody", ROSTER) == {}


def test_a_claim_that_cannot_be_read_is_not_taken_for_none(place: Place) -> None:
    a = place("a")
    a.claim("hub", "0")
    place.spoil("hub", "0", CLAIM, b"{")
    with pytest.raises(RetryableError, match="holds no claim"):
        a.claim("hub", "0")


# The folder.


def test_a_folder_holds_what_was_written_and_nothing_else(tmp_path: Path) -> None:
    a = SharedFolder(tmp_path, instance="a", generation=1)
    claim, _ = a.claim("hub", "0")
    a.write(claim, STATE, b"1")
    a.write(claim, STATE, b"2", durable=True)
    assert sorted(path.name for path in a.folder("hub", "0").iterdir()) == [CLAIM, STATE]


def test_a_claim_waits_for_a_lock_only_so_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a = SharedFolder(tmp_path, instance="a", generation=1)
    a.claim("hub", "0")
    monkeypatch.setattr(shared_folder, "_LOCK_S", 0.0)
    handle = os.open(a.folder("hub", "0"), os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with pytest.raises(RetryableError, match="cannot claim '0'"):
            a.claim("hub", "0")
    finally:
        os.close(handle)
    assert a.claim("hub", "0")[0].epoch == 2


# The container.


def _failing(monkeypatch: pytest.MonkeyPatch, *errors: Exception, after: bool = False) -> list[str]:
    """Let uploads fail, one after the other; `after` they were done, which the sender does not learn."""
    import azure.storage.blob

    real, left, seen = azure.storage.blob.BlobClient.upload_blob, list(errors), []

    def upload(self: BlobClient, *args: object, **kwargs: object) -> object:
        seen.append(str(self.blob_name))
        if left and not after:
            raise left.pop(0)
        answer = real(self, *args, **kwargs)
        if left:
            raise left.pop(0)
        return answer

    monkeypatch.setattr(azure.storage.blob.BlobClient, "upload_blob", upload)
    monkeypatch.setattr(shared_blobs.time, "sleep", lambda _: None)
    return seen


def _throttled() -> HttpResponseError:
    error = HttpResponseError("The server is busy.")
    error.status_code, error.error_code = 503, "ServerBusy"
    return error


def test_a_write_whose_answer_was_lost_is_known_for_our_own(blobs: InBlobs, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = blobs("a"), blobs("b")
    claim, _ = a.claim("hub", "0")
    a.write(claim, STATE, b"1")
    with monkeypatch.context() as patched:
        _failing(patched, ServiceResponseError("connection reset"), after=True)
        a.write(claim, STATE, b"2")
        _failing(patched, ServiceResponseError("connection reset"), after=True)
        claim, before = a.claim("hub", "0")
    assert before is not None
    assert (claim.epoch, before.epoch) == (2, 1)
    a.write(claim, STATE, b"3")
    assert b.read(claim, STATE) == b"3"


def test_a_claim_counts_on_where_the_claim_before_was_deleted(blobs: InBlobs) -> None:
    a, b = blobs("a"), blobs("b")
    first, _ = a.claim("hub", "0")
    with blobs.container() as container:
        container.delete_blob("streams/hub/0/claim.json")
    second, before = b.claim("hub", "0")
    assert (second.epoch, before) == (2, None)
    with pytest.raises(FencedError):
        a.write(first, STATE, b"late")


def test_two_that_claim_at_the_same_moment_do_not_both_have_it(blobs: InBlobs, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = blobs("a"), blobs("b")
    taken = []
    real = shared_blobs.SharedBlobs._mark

    def mark(self: shared_blobs.SharedBlobs, blob: str, claim: object) -> str:
        if self is a and not taken:
            taken.append(b.claim("hub", "0")[0])  # between a's claim and its marks
        return real(self, blob, claim)  # type: ignore[arg-type]

    monkeypatch.setattr(shared_blobs.SharedBlobs, "_mark", mark)
    with pytest.raises(RetryableError, match="others claim it at the same time"):
        a.claim("hub", "0")
    b.write(taken[0], STATE, b"of b")
    assert taken[0].epoch == 2


def test_a_busy_storage_is_asked_again_and_only_so_often(blobs: InBlobs, monkeypatch: pytest.MonkeyPatch) -> None:
    a = blobs("a")
    claim, _ = a.claim("hub", "0")
    _failing(monkeypatch, _throttled(), _throttled())
    a.write(claim, STATE, b"1")
    assert a.read(claim, STATE) == b"1"
    sent = _failing(monkeypatch, *[_throttled() for _ in range(100)])
    with pytest.raises(OSError, match="the storage account is busy"):
        a.write(claim, STATE, b"2")
    assert len(sent) == 5
    assert a.read(claim, STATE) == b"1"
    count = 'twind_shared_store_failures_total{reason="throttled"}'
    assert f"{count} 7.0" in blobs.telemetry.render_metrics().decode()


def test_a_missing_container_and_a_wrong_key_are_said_and_not_tried_again(blobs: InBlobs) -> None:
    whole = blobs.settings
    blobs.settings = whole.model_copy(update={"container": "nobody-made-it"})
    lost = blobs("a")
    with pytest.raises(PermanentError, match=r"there is no blob container \S+/nobody-made-it: create it"):
        lost.claim("hub", "0")
    with pytest.raises(PermanentError, match="there is no blob container"):
        lost.read_all("hub", ROSTER)
    with pytest.raises(OSError, match="there is no blob container"):
        lost.follow(LAYER)
    with pytest.raises(PermanentError, match="there is no blob container"):
        lost.probe()
    assert whole.connection_string is not None
    wrong = whole.connection_string.get_secret_value().replace("AccountKey=Eby8", "AccountKey=Abcd")
    blobs.settings = type(whole).model_validate({"type": "blob", "container": whole.container, "connection_string": wrong})
    with pytest.raises(PermanentError, match=r"the storage account refuses us at .*: check"):
        blobs("a").claim("hub", "0")


def test_layers_of_others_are_copied_when_they_change_and_only_then(blobs: InBlobs) -> None:
    a, b = blobs("a"), blobs("b")
    claim, _ = a.claim("hub", "0@1")
    assert b.follow(LAYER) == []
    a.write(claim, LAYER, b"first")
    (path,) = b.follow(LAYER)
    assert (path, path.read_bytes()) == (b.folder("hub", "0@1") / LAYER, b"first")
    assert b.follow(LAYER) == []
    assert a.follow(LAYER) == []
    assert (a.folder("hub", "0@1") / LAYER).read_bytes() == b"first"
    a.write(claim, LAYER, b"second")
    assert b.follow(LAYER) == [path]
    assert path.read_bytes() == b"second"


def test_a_probe_says_that_it_can_be_written_and_leaves_nothing_behind(place: Place) -> None:
    shared = place("a")
    assert "can be written" in shared.probe()
    assert "can be written" in shared.probe()
    assert shared.read_all("floor", STATE) == {}
    if isinstance(shared, SharedFolder):
        assert list(shared.layers.iterdir()) == []
