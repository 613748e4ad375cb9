"""What daemons share of their streams, in a blob container.

A blob can be replaced on the condition that its ETag is still the one that the writer knows, and on nothing else. So a claim
not only replaces the stream's `claim.json`: it then puts its epoch on every blob that the last owner could write, which
changes their ETags. What the last owner sends after that, whenever it wakes, is refused by the storage.

    PREFIX SOURCE/STREAM/claim.json     the newest claim
    PREFIX SOURCE/STREAM/NAME           what its owner writes; metadata: epoch and session of the claim it belongs to
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from azure.core import MatchConditions
from azure.core.exceptions import AzureError, ResourceExistsError, ResourceModifiedError, ResourceNotFoundError

from twind.api import (
    CLAIM,
    LAYER,
    NAMES,
    Backoff,
    Claim,
    FencedError,
    RetryableError,
    TwindError,
    events,
    folder_name,
    replacing,
)
from twind_eventhubs.blob_reasons import PASSING, kind_of, why

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from azure.storage.blob import BlobClient, ContainerClient

    from twind.api import SharingContext

T = TypeVar("T")
_TRIES, _WITHIN_S = 5, 12.0
"""How often a request is sent, at most, and for how long it is sent again [s]."""
_RACES = 20
"""How often somebody else may write between looking at a blob and marking it; owners write a few times a second."""
_REFUSED = (ResourceModifiedError, ResourceExistsError)
"""A condition does not hold."""


class SharedBlobs:
    """`SharedStreams` in a container.

    Args:
        container: The SDK's client, which repeats nothing by itself.
        prefix: What names of blobs begin with.
        context: Who shares, and where layers of others are copied to.
    """

    def __init__(self, container: ContainerClient, *, prefix: str, context: SharingContext) -> None:
        self.layers = context.layers
        self._container = container
        self._prefix = prefix
        self._context = context
        self._etags: dict[tuple[str, str], str] = {}
        """Of what may be written, by session of the claim and name."""
        self._locks: dict[tuple[str, str], threading.Lock] = defaultdict(threading.Lock)
        self._copied: dict[str, str] = {}
        """ETags of what lies in `layers`, by the blob's name."""
        self._known: dict[str, tuple[str, bytes]] = {}
        """What was read of small blobs, with its ETag, by the blob's name."""

    def __repr__(self) -> str:
        return f"<SharedBlobs of {self._context.instance} in {self._container.container_name}/{self._prefix}>"

    def folder(self, source: str, stream: str) -> Path:
        """Return where the layers of a stream are copied to."""
        return self.layers / folder_name(source) / folder_name(stream)

    def probe(self) -> str:
        """Write a blob, and remove it; say so.

        Raises:
            RetryableError: That cannot be done now.
            PermanentError: The container is not there, or refuses us.
        """
        blob = self._blob(f"{self._prefix}probe")
        self._try(lambda: blob.upload_blob(b"", overwrite=True))
        with suppress(AzureError):  # another one probes, or nothing may be removed, which nobody needs
            blob.delete_blob()
        return f"container {self._where} can be written"

    def close(self) -> None:
        """Disconnect."""
        self._container.close()
        close = getattr(getattr(self._container, "credential", None), "close", None)
        if close is not None:
            close()

    # Claims.

    def claim(self, source: str, stream: str) -> tuple[Claim, Claim | None]:
        """Make a stream ours; return the claim, and the one that it ends.

        Raises:
            RetryableError: The container cannot be used now, or somebody else claims the stream at this moment.
            PermanentError: It is not there, or refuses us.
        """
        path = self._path(source, stream)
        for _ in range(_RACES):
            before, etag = self._newest(path)
            # Where somebody deleted the claim alone, the other blobs still say how far claims have counted.
            epochs = [before.epoch] if before is not None else [self._mark_of(path + name)[1] for name in NAMES]
            claim = Claim(
                source, stream, max(epochs) + 1, self._context.instance, self._context.generation, secrets.token_hex(8)
            )
            try:
                self._put(path + CLAIM, msgspec.json.encode(claim), etag=etag)
            except _REFUSED:
                if self._newest(path)[0] != claim:  # else it was ours, and its answer was lost
                    continue
            for name in NAMES:
                self._etags[claim.session, name] = self._mark(path + name, claim)
            return claim, before
        raise RetryableError(f"cannot claim {stream!r} in {self._where}: others claim it at the same time")

    def _mark(self, blob: str, claim: Claim) -> str:
        """Put a claim's epoch on a blob, empty where there is none; return its ETag.

        Raises:
            RetryableError: A newer claim was faster.
        """
        mark = {"epoch": str(claim.epoch), "session": claim.session}
        for _ in range(_RACES):
            etag, epoch, session = self._mark_of(blob)
            if session == claim.session:
                return etag or ""
            if epoch >= claim.epoch:
                break
            try:
                if etag is None:
                    return self._put(blob, b"", etag=None, mark=mark)
                client, match = self._blob(blob), MatchConditions.IfNotModified
                answer: Any = self._try(
                    lambda client=client, etag=etag, match=match: client.set_blob_metadata(  # type: ignore[misc]
                        mark, etag=etag, match_condition=match
                    )
                )
                return str(answer["etag"])
            except (*_REFUSED, ResourceNotFoundError):
                continue  # its owner wrote meanwhile
        raise RetryableError(f"cannot claim {claim.stream!r} in {self._where}: others claim it at the same time")

    def _mark_of(self, blob: str) -> tuple[str | None, int, str]:
        """Return ETag, epoch and session of a blob; None, 0 and nothing where it is not there."""
        try:
            found = self._try(self._blob(blob).get_blob_properties)
        except ResourceNotFoundError as error:
            if kind_of(error) != "missing_blob":
                raise why(error, self._where) from error
            return None, 0, ""
        mark = {name.lower(): value for name, value in (found.metadata or {}).items()}
        epoch = mark.get("epoch", "0")
        return str(found.etag), int(epoch) if epoch.isdecimal() else 0, mark.get("session", "")

    def _newest(self, path: str) -> tuple[Claim | None, str | None]:
        content, etag = self._get(path + CLAIM)
        if content is None:
            return None, None
        try:
            return msgspec.json.decode(content, type=Claim), etag
        except msgspec.DecodeError as error:
            raise RetryableError(f"{path + CLAIM} in {self._where} holds no claim: {error}") from error

    # What is written and read.

    def write(self, claim: Claim, name: str, data: bytes, *, durable: bool = False) -> None:
        """Replace a blob as a whole, if the claim is still the newest. It is always durable.

        Raises:
            FencedError: It is not: nothing was written.
            OSError: The container cannot be used.
        """
        del durable
        blob = self._path(claim.source, claim.stream) + name
        try:
            with self._locks[claim.session, name]:  # what was given up waiting for is written before what comes after it
                etag = self._write(claim, name, blob, data)
        except FencedError:
            raise
        except TwindError as error:
            raise OSError(str(error)) from error
        if name == LAYER:
            folder = self.folder(claim.source, claim.stream)
            folder.mkdir(parents=True, exist_ok=True)
            with replacing(folder / name) as temporary:
                temporary.write_bytes(data)
            self._copied[blob] = etag

    def _write(self, claim: Claim, name: str, blob: str, data: bytes) -> str:
        mark = {"epoch": str(claim.epoch), "session": claim.session}
        etag = self._etags.get((claim.session, name), '"none"')
        for _ in range(_RACES):
            try:
                self._etags[claim.session, name] = etag = self._put(blob, data, etag=etag, mark=mark)
            except (*_REFUSED, ResourceNotFoundError):
                found, _, session = self._mark_of(blob)
                if session != claim.session or found is None:
                    break
                etag = found  # what we wrote before, of which no answer came
            else:
                return etag
        newest = self._newest(self._path(claim.source, claim.stream))[0]
        whose = "nobody" if newest is None else f"instance {newest.instance!r} (epoch {newest.epoch})"
        raise FencedError(
            f"{claim.source} {claim.stream} belongs to {whose} now; epoch {claim.epoch} of {claim.instance!r} writes"
            " nothing about it any more"
        )

    def read(self, claim: Claim, name: str) -> bytes | None:
        """Return what an owner wrote last under a name, None where there is nothing.

        Raises:
            RetryableError: It cannot be read now.
            PermanentError: The container is not there, or refuses us.
        """
        return self._get(self._path(claim.source, claim.stream) + name)[0] or None

    def read_all(self, source: str, name: str) -> dict[str, tuple[Claim, bytes]]:
        """Return the newest claim of each stream, and what an owner wrote last under a name; one request where nothing changed.

        Raises:
            RetryableError: They cannot be read now.
            PermanentError: The container is not there, or refuses us.
        """
        found: dict[str, dict[str, bytes]] = defaultdict(dict)
        begin = f"{self._prefix}{folder_name(source)}/"
        for blob, etag in self._list(begin).items():
            folder, _, last = blob.rpartition("/")
            if last not in (CLAIM, name):
                continue
            known = self._known.get(blob)
            if known is None or known[0] != etag:
                content, now = self._get(blob)
                if content is None:
                    continue
                self._known[blob] = known = (now or "", content)
            found[folder][last] = known[1]
        claims = {folder: parts for folder, parts in found.items() if CLAIM in parts}
        return {
            claim.stream: (claim, parts.get(name, b""))
            for parts in claims.values()
            for claim in [msgspec.json.decode(parts[CLAIM], type=Claim)]
        }

    def follow(self, name: str) -> list[Path]:
        """Copy what others wrote under a name below `layers`; return the files that are new or were replaced.

        Raises:
            OSError: That cannot be done.
        """
        copied: list[Path] = []
        try:
            for blob, etag in self._list(self._prefix).items():
                source, _, rest = blob.removeprefix(self._prefix).partition("/")
                stream, _, last = rest.partition("/")
                if last != name or self._copied.get(blob) == etag:
                    continue
                content, now = self._get(blob)
                self._copied[blob] = now or ""
                if not content:
                    continue
                path = self.layers / source / stream / name
                path.parent.mkdir(parents=True, exist_ok=True)
                with replacing(path) as temporary:
                    temporary.write_bytes(content)
                copied.append(path)
        except TwindError as error:
            raise OSError(str(error)) from error
        return copied

    # Requests.

    @property
    def _where(self) -> str:
        return f"{self._container.account_name}/{self._container.container_name}"

    def _path(self, source: str, stream: str) -> str:
        return f"{self._prefix}{folder_name(source)}/{folder_name(stream)}/"

    def _blob(self, name: str) -> BlobClient:
        return self._container.get_blob_client(name)

    def _list(self, begin: str) -> dict[str, str]:
        return self._try(lambda: self._listed(begin))

    def _listed(self, begin: str) -> dict[str, str]:
        # Lists give ETags without the quotation marks that they have elsewhere.
        return {one.name: f'"{str(one.etag).strip(chr(34))}"' for one in self._container.list_blobs(name_starts_with=begin)}

    def _get(self, blob: str) -> tuple[bytes | None, str | None]:
        def get() -> tuple[bytes, str]:
            stream = self._blob(blob).download_blob()
            return stream.readall(), str(stream.properties.etag)

        try:
            return self._try(get)
        except ResourceNotFoundError as error:
            if kind_of(error) != "missing_blob":
                raise why(error, self._where) from error
            return None, None

    def _put(self, blob: str, data: bytes, *, etag: str | None, mark: dict[str, str] | None = None) -> str:
        """Replace the blob that has an ETag, or make one that is not there; return its new ETag."""
        condition = MatchConditions.IfMissing if etag is None else MatchConditions.IfNotModified
        options: dict[str, Any] = {} if etag is None else {"etag": etag}
        answer: Any = self._try(
            lambda: self._blob(blob).upload_blob(data, overwrite=True, metadata=mark, match_condition=condition, **options)
        )
        return str(answer["etag"])

    def _try(self, request: Callable[[], T]) -> T:
        """Send a request, again where that may help.

        Raises:
            ResourceNotFoundError: What it is about is not there.
            ResourceModifiedError: Its condition does not hold; perhaps because its first try passed.
            ResourceExistsError: Likewise.
            RetryableError: It cannot be done now.
            PermanentError: It cannot be done before somebody cures it.
        """
        backoff, end_s = Backoff(base_s=0.2, cap_s=3.0), time.monotonic() + _WITHIN_S
        for left in range(_TRIES - 1, -1, -1):
            try:
                return request()
            except (ResourceNotFoundError, *_REFUSED) as error:
                if kind_of(error) in {"missing_blob", "condition"}:
                    raise
                failure: AzureError = error
            except AzureError as error:
                failure = error
            reason = kind_of(failure)
            wait_s = max(backoff.next_delay_s(), _asked_to_wait_s(failure))
            again = reason in PASSING and left > 0 and time.monotonic() + wait_s < end_s
            self._context.telemetry.emit(
                events.SharedStoreFailed(reason=reason, again=again, error=str(why(failure, self._where)))
            )
            if not again:
                raise why(failure, self._where) from failure
            time.sleep(wait_s)
        raise AssertionError  # the last try returns or raises


def _asked_to_wait_s(error: AzureError) -> float:
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    given = str(headers.get("Retry-After", ""))
    return float(given) if given.isdecimal() else 0.0
