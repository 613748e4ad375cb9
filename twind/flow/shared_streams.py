"""What daemons that share streams know of each: whose it is, and what its owner left for the next one.

Who begins a stream claims it, which ends every older claim; a write passes only with the newest, whatever the writer knows.

    SOURCE/STREAM/claim.json    the newest claim
    SOURCE/STREAM/...           what its owner writes, each replaced as a whole
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from pathlib import Path

    from twind.config.base import HandOverSettings
    from twind.telemetry import Telemetry

CLAIM = "claim.json"
STATE = "state.snapshot"
"""What an owner leaves for the next one."""
LAYER = "live.usda"
"""What it shows of the stream."""
ROSTER = "entities.json"
"""Whom it hears on the stream."""
NAMES = (STATE, LAYER, ROSTER)
"""All that is ever written about a stream."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to write about one stream, until somebody claims it anew."""

    source: str
    stream: str
    epoch: int
    """Counts the claims of this stream, from 1."""
    instance: str
    generation: int
    """Which start of that daemon it is."""
    session: str
    """Tells two claims apart that counted alike, where what is shared was lost in between."""


class SharedStreams(Protocol):
    """The claims of one daemon, and what is written under them. Blocks: to be used off the event loop, on any thread."""

    layers: Path
    """The folder below which the layers of all streams are seen on this machine."""

    def folder(self, source: str, stream: str) -> Path:
        """Return where below `layers` those of a stream are."""

    def claim(self, source: str, stream: str) -> tuple[Claim, Claim | None]:
        """Make a stream ours; return the claim, and the one that it ends.

        Raises:
            RetryableError: What is shared cannot be written now.
            PermanentError: It cannot be written before somebody cures it.
        """

    def read(self, claim: Claim, name: str) -> bytes | None:
        """Return what an owner of a claim's stream wrote last under a name, None where there is nothing.

        Raises:
            RetryableError: It cannot be read.
            PermanentError: It cannot be read before somebody cures it.
        """

    def read_all(self, source: str, name: str) -> dict[str, tuple[Claim, bytes]]:
        """Return the newest claim of each stream of a source, and what an owner wrote last under a name, empty for nothing.

        Raises:
            RetryableError: They cannot be read.
            PermanentError: They cannot be read before somebody cures it.
        """

    def write(self, claim: Claim, name: str, data: bytes, *, durable: bool = False) -> None:
        """Replace what stands under one of `NAMES` as a whole, if the claim is still the newest.

        Raises:
            FencedError: It is not: nothing was written.
            OSError: It cannot be written.
        """

    def follow(self, name: str) -> list[Path]:
        """Bring what other daemons wrote under a name below `layers`; return the files that are new or were replaced.

        Raises:
            OSError: That cannot be done.
        """

    def probe(self) -> str:
        """Find out whether it can be written; say what was found. Leaves nothing behind.

        Raises:
            RetryableError: It cannot be used now.
            PermanentError: It cannot be used before somebody cures it.
        """

    def close(self) -> None:
        """Disconnect; nothing is read or written after that."""


@dataclass(frozen=True, slots=True)
class SharingContext:
    """Who shares."""

    instance: str
    generation: int
    layers: Path
    """Where layers of others can be kept."""
    telemetry: Telemetry


S = TypeVar("S", bound="HandOverSettings")


class SharingAdapter(Protocol[S]):
    """What an entry point of the group `twind.hand_overs` names: where daemons leave for each other what they know."""

    @property
    def settings(self) -> type[S]:
        """Its settings; their field `type` is a Literal that holds the entry point's name."""

    def open(self, settings: S, context: SharingContext) -> SharedStreams:
        """Make it; nothing is connected before it is used."""


def folder_name(text: str) -> str:
    """Return a name for a folder: the text, with what file systems or asset paths might take amiss as its number."""
    return "".join(char if char.isascii() and (char.isalnum() or char in "_-") else f"~{ord(char):x}~" for char in text)
