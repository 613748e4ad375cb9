"""What the extension does, without Omniverse: joins a daemon, the stage that is open, and what the window shows.

Everything here is called by the one thread that may touch USD; the follower's own thread only fills its slot.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit, urlunsplit

from .client import Follower, Status, Subscription
from .entities import Entities, EntityState
from .errors import ProtocolError
from .options import Options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .frames import Catalogue, Frame

AGAIN_S = 10.0
"""How long after a daemon sent what cannot be shown it is tried again [s]."""
_RATE_S = 1.0
"""Over how long the rate is counted [s]."""


class Sink(Protocol):
    """Shows a catalogue and its frames in a stage."""

    @property
    def sequence(self) -> int:
        """Number of the update that it shows; -1 before the first."""

    def apply(self, frames: Iterable[Frame]) -> int:
        """Apply frames in order."""

    def attach(self, stage: Any) -> None:
        """Show it over a stage."""

    def detach(self) -> None:
        """Leave nothing of it in the stage."""

    def show_stale(self, *, stale: bool) -> None:
        """Say that what is shown is old, or take that back."""


@dataclass(frozen=True)
class Readout:
    """What the window shows."""

    status: str
    """A word, and after a colon what there is to say about it."""
    rate_hz: float
    """Frames that arrived in the last second."""
    age_s: float
    """Age of the oldest of the newest measurements, now [s]; -1 where there is none."""
    entities: tuple[EntityState, ...]
    missing: int
    """Prims that the daemon moves and the stage does not have."""
    since_s: float = 0.0
    """How long ago the last change arrived [s]."""
    stale: bool = False
    """Whether nothing of it may be taken for the present."""

    def figures(self) -> str:
        """Return rate, age and entities in a line."""
        if not self.entities:
            return ""
        qualities = Counter(map(self.quality, self.entities))
        parts = [f"{self.rate_hz:.1f} Hz", f"oldest {self.age_s * 1e3:.0f} ms" if self.age_s >= 0 else "nothing measured yet"]
        parts += [f"{count} {quality}" for quality, count in qualities.most_common()]
        if self.missing:
            parts.append(f"{self.missing} prims are not in this stage")
        return ", ".join(parts)

    def quality(self, one: EntityState) -> str:
        """Return the quality of an entity, as far as is known now."""
        return "stale" if self.stale and one.quality != "lost" else one.quality

    def age(self, one: EntityState) -> str:
        """Return how old the newest measurement of an entity is now."""
        return "" if one.age_s < 0 else f"{(one.age_s + self.since_s) * 1e3:.0f} ms"


class Viewer:
    """Follows at most one daemon, and shows it in at most one stage."""

    def __init__(self, make_sink: Callable[[Catalogue, Options], Sink], *, clock: Callable[[], float] = time.monotonic) -> None:
        """Prepare.

        Args:
            make_sink: Makes what shows a catalogue.
            clock: Seconds that only go forward.
        """
        self.options = Options()
        self._make_sink = make_sink
        self._clock = clock
        self._follower: Follower | None = None
        self._catalogue: Catalogue | None = None
        self._entities: Entities | None = None
        self._sink: Sink | None = None
        self._shown: Sink | None = None
        """The sink that is attached; not `_sink` while that has no frame yet."""
        self._retired: list[Sink] = []
        self._stage: Any = None
        self._missing = 0
        self._error = ""
        self._again_s = float("inf")
        self._arrived_s = 0.0
        self._counted = (0.0, 0)
        self._rate_hz = 0.0

    def __repr__(self) -> str:
        """Show how it stands."""
        return f"<Viewer {self.readout().status!r}, {'over a stage' if self._shown else 'not shown'}>"

    @property
    def connected(self) -> bool:
        """Whether a daemon is followed, or will be again."""
        return self._follower is not None or self._again_s < float("inf")

    @property
    def stage_url(self) -> str:
        """Where the daemon has the stage to open; empty where it cannot be had."""
        if self._catalogue is None or not self._catalogue.stage_url:
            return ""
        return _base(self.options.address) + self._catalogue.stage_url

    def connect(self, options: Options) -> None:
        """Follow a daemon from now on, and no other."""
        self.disconnect()
        self.options = options
        self._start()

    def disconnect(self) -> None:
        """Follow nobody any more; what was shown goes with the next update."""
        self._stop()
        self._error, self._again_s = "", float("inf")

    def stage_opened(self, stage: Any) -> None:
        """Take the stage that is open now."""
        self.stage_closing()
        self._stage = stage
        self._attach()

    def stage_closing(self) -> None:
        """Leave the stage: it is about to go."""
        for sink in (self._shown, *self._retired):
            if sink is not None:
                sink.detach()
        self._retired.clear()
        self._shown, self._stage = None, None

    def close(self) -> None:
        """Let go of everything at once."""
        self.disconnect()
        self.stage_closing()

    def update(self) -> None:
        """Do what is to be done at one update of the application."""
        # A layer is never removed within the event that made it superfluous: who hears of that event may still hold it.
        for sink in self._retired:
            sink.detach()
        self._retired.clear()
        if self._follower is None:
            if self._clock() >= self._again_s:
                self._start()
            return
        try:
            self._take(self._follower)
        except ProtocolError as error:
            self._stop()
            self._error, self._again_s = str(error), self._clock() + AGAIN_S

    def readout(self) -> Readout:
        """Return what there is to show."""
        follower, now_s = self._follower, self._clock()
        known = self._entities.all if self._entities is not None else ()
        age_s = self._entities.worst_age_s if self._entities is not None else -1.0
        since_s = max(0.0, now_s - self._arrived_s)
        if follower is not None:
            words = (follower.status.value, follower.detail)
            self._count(follower, now_s)
        elif self.connected:
            words = ("waiting", self._error)
        else:
            words = ("failed", self._error) if self._error else ("not connected", "")
        return Readout(
            status=": ".join(word for word in words if word),
            rate_hz=self._rate_hz if follower is not None else 0.0,
            age_s=age_s + since_s if age_s >= 0 else -1.0,
            entities=known,
            missing=self._missing if self._shown is not None else 0,
            since_s=since_s,
            stale=follower is None or follower.status is not Status.LIVE,
        )

    def _start(self) -> None:
        self._again_s = float("inf")
        options = self.options
        subscription = Subscription(options.entities, options.prims, options.max_rate_hz or None)
        try:
            self._follower = Follower(
                options.address,
                subscription=subscription,
                token=options.token(),
                name="Omniverse Kit",
                clock=self._clock,
            )
        except ValueError as error:
            self._error = str(error)
            return
        self._counted, self._rate_hz = (self._clock(), 0), 0.0
        self._follower.start()

    def _stop(self) -> None:
        follower, self._follower = self._follower, None
        if follower is not None:
            follower.stop(wait_s=0.0)  # the thread ends by itself; the application's must not wait for a network
        if self._shown is not None:
            self._retired.append(self._shown)
        self._shown = self._sink = self._entities = self._catalogue = None

    def _take(self, follower: Follower) -> None:
        catalogue, frames = follower.take()
        if catalogue is not None:
            self._sink = self._make_sink(catalogue, self.options)
            self._catalogue, self._entities = catalogue, Entities(catalogue)
        if self._sink is None or self._entities is None:
            return
        self._sink.show_stale(stale=follower.status is not Status.LIVE)
        if frames:
            self._sink.apply(frames)
            self._entities.apply(frames)
            self._arrived_s = self._clock()
            self._attach()

    def _attach(self) -> None:
        """Show the newest sink once it has something to show, so that nothing ever falls back to where it rests."""
        sink = self._sink
        if sink is None or sink is self._shown or self._stage is None or sink.sequence < 0:
            return
        if self._shown is not None:
            self._retired.append(self._shown)
        found = [self._stage.GetPrimAtPath(prim.path) for prim in self._catalogue.prims] if self._catalogue else []
        self._missing = sum(not (prim and prim.IsDefined()) for prim in found)
        sink.attach(self._stage)
        self._shown = sink

    def _count(self, follower: Follower, now_s: float) -> None:
        since_s, before = self._counted
        if now_s - since_s >= _RATE_S:
            frames = follower.tally.frames
            self._rate_hz = (frames - before) / (now_s - since_s)
            self._counted = now_s, frames


def _base(address: str) -> str:
    """Return the HTTP address of a daemon, without a slash at its end."""
    parts = urlsplit(address if "://" in address else f"http://{address}")
    scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
    return urlunsplit((scheme, parts.netloc, parts.path.rstrip("/"), "", ""))
