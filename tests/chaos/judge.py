"""Says of a daemon's recording and state whether everything is there, once, and as if nothing had ever gone wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from twind.config.load import load
from twind.config.registry import Registry
from twind.flow.snapshot_file import SnapshotFolder, decode
from twind.runtime.bindings import bindings_of
from twind.runtime.estimators import Estimators
from twind.runtime.pipeline import Feed
from twind.runtime.replay.routing import RecordedRoutes
from twind.runtime.replay.run import ReplayOptions, replay_to_folder
from twind.runtime.restart.state import capture, from_parts
from twind.sources.recording import Recording, recorded_files
from twind.stage.discover import discover
from twind.testing.recordings import write_recording

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from twind.runtime.restart.state import State

Arrays = dict[str, tuple[list[list[str]], bytes]]


@dataclass(frozen=True)
class Recorded:
    """One message of a recording."""

    topic: str
    payload: bytes
    receive_ns: int


class Judge:
    """Looks at what is left when everything has ended.

    Args:
        configuration: The daemon's `twind.yaml`; paths in it are relative to its folder.
        registry: What it was started with.
    """

    def __init__(self, configuration: Path, *, registry: Registry | None = None) -> None:
        self.folder = configuration.parent
        self._loaded = load([configuration], registry or Registry.installed())
        self._topology = discover(self._loaded.settings.stage.root)
        self.recorded = list(_recorded(self._files()))

    def _files(self) -> list[Path]:
        sink: Any = self._loaded.settings.sinks["recording"]
        return recorded_files([self.folder / sink.path])

    def missing(self, sent: Iterable[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
        """Return what was sent, and acknowledged by the broker, and is not in the recording."""
        there = {(one.topic, one.payload) for one in self.recorded}
        return [message for message in sent if message not in there]

    def twice(self) -> int:
        """Return how many messages the recording holds that it held already."""
        return len(self.recorded) - len({(one.topic, one.payload) for one in self.recorded})

    def out_of_order(self, sent: Iterable[tuple[str, bytes]]) -> list[str]:
        """Return the topics whose messages were not recorded in the order in which they were sent."""
        was: dict[str, list[bytes]] = {}
        for topic, payload in sent:
            was.setdefault(topic, []).append(payload)
        found: dict[str, list[bytes]] = {topic: [] for topic in was}
        for one in self.recorded:
            if one.topic in found:
                found[one.topic].append(one.payload)
        return [topic for topic in was if found[topic] != was[topic]]

    def messages_counted(self) -> dict[str, int]:
        """Return how many messages of each topic the last snapshot says were used."""
        state = self._snapshot()
        table = state.tables["streams"]
        counts = table.arrays["messages"].tolist()
        return {key[1]: count for key, count in zip(table.keys, counts, strict=True)}

    def differences(self) -> list[str]:
        """Return in which arrays the last snapshot is not, bit by bit, what one uninterrupted run over the recording gives."""
        found, expected = self.state(), self._arrays(self._uninterrupted())
        return [name for name in expected | found if found.get(name) != expected.get(name)]

    def state(self) -> Arrays:
        """Return keys and bytes of every array of the last snapshot."""
        return self._arrays(self._snapshot())

    def replays_alike(self) -> bool:
        """Say whether replaying the recording gives the same files as a recording that was made in one piece."""
        whole = self.folder / "in-one-piece.mcap"
        distinct = dict.fromkeys((one.receive_ns, one.topic, one.payload) for one in self.recorded)
        write_recording(whole, distinct)
        return self.replayed() == self._replay([whole], self.folder / "replayed-in-one-piece")

    def replayed(self) -> tuple[bytes, ...]:
        """Return `joints.csv` and `bodies.csv` of the whole recording."""
        return self._replay(self._files(), self.folder / "replayed-as-it-is")

    def _replay(self, files: list[Path], out: Path) -> tuple[bytes, ...]:
        replay_to_folder(files, self._loaded, self._topology, out, options=ReplayOptions())
        return tuple((out / name).read_bytes() for name in ("joints.csv", "bodies.csv"))

    def _snapshot(self) -> State:
        _, content = next(SnapshotFolder(self.folder / self._loaded.settings.state_dir / "state").newest_first())
        header, parts = decode(content)
        return from_parts(header["state"], parts, Estimators(self._topology, self._loaded.settings.estimation))

    def _arrays(self, state: State) -> Arrays:
        banks = Estimators(self._topology, self._loaded.settings.estimation)
        own = {"joints": banks.joints.kept, "bodies": banks.poses.kept}
        found = {}
        for name, table in state.tables.items():
            for array, values in table.arrays.items():
                copied = np.ascontiguousarray(values).copy()
                if array in own.get(name, {}):
                    for of_bank in own[name][array].own:  # what a bank sets for itself is no state, and never put back
                        copied[of_bank] = 0
                found[f"{name}.{array}"] = ([list(key) for key in table.keys], copied.tobytes())
        return found

    def _uninterrupted(self) -> State:
        settings = self._loaded.settings
        estimators = Estimators(self._topology, settings.estimation)
        routes = RecordedRoutes(
            {
                name: bindings_of(name, source, self._loaded.registry, self._topology, estimators)
                for name, source in settings.sources.items()
            }
        )
        feed = Feed(routes, estimators, on_refused=lambda *_: None)
        for path in self._files():
            with Recording(path) as recording:
                for block in recording.blocks:
                    feed.process(recording.messages(block, routes.key))
        return capture(estimators)


def _recorded(files: Iterable[Path]) -> Iterable[Recorded]:
    for path in files:
        with Recording(path) as recording:
            for block in recording.blocks:
                for message in recording.messages(block):
                    yield Recorded(message.topic, message.payload, message.receive_ns)
