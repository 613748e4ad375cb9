"""Daemons that share a hub: they join, are stopped, killed and frozen under load; then everything is counted.

python -m tests.chaos.sharing [--rounds N] [--seed N] [--by folder|blob]
"""

from __future__ import annotations

import argparse
import asyncio
import io
import random
import signal
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pxr import Usd

from tests.chaos.hub import HUB, Hub
from tests.end_to_end.daemon import Daemon, until
from tests.end_to_end.robots import joint_state
from tests.eventhubs.azurite import azurite, create_container
from twind.config.settings import EstimationSettings
from twind.flow.shared_folder import SharedFolder
from twind.flow.shared_streams import LAYER, STATE, SharingContext
from twind.flow.snapshot_file import decode
from twind.runtime.estimators import Estimators
from twind.runtime.restart.state import from_parts, restore
from twind.stage.discover import discover_stage
from twind.stage.fence import Holder, read_holder
from twind.stage.synthetic import serial_robots
from twind.telemetry import Telemetry
from twind_eventhubs.hand_over import BlobHandOverSettings, adapter

if TYPE_CHECKING:
    from collections.abc import Callable

    from twind.flow.shared_streams import Claim, SharedStreams

PARTITIONS, ROBOTS, JOINTS, RATE_HZ = 8, 24, 2, 10.0
BALANCE_S, OWNERSHIP_S = 1.0, 6.0
LOOK_EVERY_S = 0.2
"""A look reads what eight partitions have, and takes time from the daemons that are looked at."""
CONTAINER, SOURCE = "sharing", "plant"
BAR_S = OWNERSHIP_S + 2.0
"""How long a robot may be without a daemon: until the SDK gives its partition to another, and two seconds [s]."""


def payload(stamp_ns: int) -> bytes:
    """Return what every robot says at an instant."""
    turn = (stamp_ns // 1_000_000) % 100_000 * 1e-5
    return joint_state(stamp_ns, ["joint_1", "joint_2"], [turn, -turn])


class Group:
    """Daemons over one hub, one storage and one folder. Everything ends with the block."""

    def __init__(self, folder: Path, *, by: str = "folder", balance_s: float = BALANCE_S) -> None:
        self.folder = folder
        self._balance_s = balance_s
        self.by = by
        """How streams are handed over: `folder` or `blob`."""
        self.root = folder / "plant.usda"
        stage = serial_robots(ROBOTS, joints=JOINTS)
        stage.GetRootLayer().Export(str(self.root))
        self.topology = discover_stage(stage)
        self.robots = [robot.id for robot in self.topology.robots]
        self.daemons: dict[str, Daemon] = {}
        self.problems: list[str] = []
        self._resources = ExitStack()
        self._claims: dict[str, Claim] = {}
        self._shown: dict[str, int] = {}

    def __enter__(self) -> Self:
        self.storage = self._resources.enter_context(azurite())
        asyncio.run(create_container(self.storage, CONTAINER))
        self.hub = self._resources.enter_context(Hub(partitions=PARTITIONS))
        self.telemetry = self._resources.enter_context(closing(Telemetry(stream=io.StringIO())))
        self.shared = self._resources.enter_context(closing(self._way_in()))
        return self

    def __exit__(self, *_: object) -> None:
        for daemon in self.daemons.values():
            if daemon.process.poll() is None:
                daemon.process.send_signal(signal.SIGCONT)
        self._resources.close()

    def _way_in(self) -> SharedStreams:
        """Return the judge's own way to what daemons share."""
        if self.by == "folder":
            return SharedFolder(self.folder / "shared", instance="judge", generation=0)
        settings = BlobHandOverSettings.model_validate(self._hand_over())
        return adapter.open(settings, SharingContext("judge", 0, self.folder / "judge", self.telemetry))

    def _hand_over(self) -> dict[str, object]:
        if self.by == "folder":
            return {"path": str(self.folder / "shared")}
        return {"type": "blob", "container": CONTAINER, "connection_string": self.storage}

    def composed(self, name: str) -> Path:
        """Return the stage of all daemons: one for all of them where they share a volume, else that of one."""
        return self.folder / "all.usda" if self.by == "folder" else self.folder / name / "all.usda"

    def start(self, name: str) -> Daemon:
        """Start a daemon and wait until it is ready."""
        source = {
            "type": "eventhubs",
            "connection_string": self.hub.connection_string,
            "event_hub": HUB,
            "balance_s": self._balance_s,
            "ownership_s": OWNERSHIP_S,
            "checkpoint_s": 1,
            "checkpoints": {"container": CONTAINER, "connection_string": self.storage},
            "routes": [{"topic": "{entity}", "codec": "joint_state"}],
        }
        configuration = {
            "instance": name,
            "stage": {
                "root": str(self.root),
                "rate_hz": 10,
                "snapshot": {"path": "live", "rate_hz": 5, "composed": str(self.composed(name))},
            },
            "http": {"listen": "127.0.0.1:0"},
            "sources": {SOURCE: source},
            "restart": {"snapshot_s": 1, "hand_over": self._hand_over()},
            "log": {"format": "json"},
        }
        self.daemons[name] = daemon = self._resources.enter_context(Daemon(self.folder / name, configuration))
        daemon.event("daemon_ready")
        return daemon

    def end(self, name: str, how: signal.Signals) -> None:
        """End a daemon: SIGTERM or SIGKILL."""
        daemon = self.daemons.pop(name)
        daemon.process.send_signal(how)
        code = daemon.ends()
        if how is signal.SIGTERM and code:
            self.problems.append(f"{name} ended with {code}")

    # What they share says.

    def owners(self) -> dict[str, str]:
        """Return who has the newest claim of each stream; note what must not be."""
        found: dict[str, str] = {}
        for path, (claim, layer) in sorted(self.shared.read_all(SOURCE, LAYER).items()):
            before = self._claims.get(path)
            if before is not None and (claim.epoch < before.epoch or (claim.epoch == before.epoch and claim != before)):
                self.problems.append(f"{claim} after {before}")
            self._claims[path] = claim
            shown = self._holder(layer).generation
            if shown < self._shown.get(path, 0):
                self.problems.append(f"{path}: epoch {shown} wrote the stage after {self._shown[path]}")
            self._shown[path] = shown
            found[claim.stream] = claim.instance
        return found

    def _holder(self, layer: bytes) -> Holder:
        path = self.folder / "looked-at.usda"
        path.write_bytes(layer)
        return read_holder(path) if layer else Holder("", 0, "")

    def layers_of(self, name: str) -> list[str]:
        """Return the streams whose live layer one daemon wrote last."""
        layers = self.shared.read_all(SOURCE, LAYER)
        return [stream for stream, (_, layer) in layers.items() if self._holder(layer).instance == name]

    def wait_shared(self, *names: str) -> None:
        """Wait until these daemons have all streams, each a share of them."""

        def shared() -> bool:
            owners = [*self.owners().values()]
            fair = range(PARTITIONS // len(names), -(-PARTITIONS // len(names)) + 1)
            return len(owners) == PARTITIONS and set(owners) == {*names} and all(owners.count(name) in fair for name in names)

        until(shared, f"{names} share the partitions", every_s=LOOK_EVERY_S)

    def left(self) -> dict[str, int]:
        """Return how many messages of each robot the newest state contains; note robots that are in two of them."""
        estimators = Estimators(self.topology, EstimationSettings())
        seen: dict[str, str] = {}
        for _, content in self.shared.read_all(SOURCE, STATE).values():
            if not content:
                continue
            header, parts = decode(content)
            restore(estimators, from_parts(header["state"], parts, estimators))
            for robot in header["entities"]:
                if robot in seen:
                    self.problems.append(f"{robot} is in {seen[robot]} and in {header['stream']}")
                seen[robot] = header["stream"]
        return {one.entity: int(estimators.tally.messages[row]) for row, one in enumerate(estimators.streams)}

    def shown_by(self, looker: str) -> dict[str, str]:
        """Return for each robot which daemon the composed stage has its state from; empty where nobody's."""
        stage = Usd.Stage.Open(str(self.composed(looker)))
        layers = [stage.GetAttributeAtPath(f"{robot.prim}.twind:instance").Get() for robot in self.topology.robots]
        return dict(zip(self.robots, [str(one or "") for one in layers], strict=True))

    def quality(self, looker: str) -> dict[str, str]:
        """Return what the composed stage says of each robot's state."""
        stage = Usd.Stage.Open(str(self.composed(looker)))
        return {robot.id: str(stage.GetAttributeAtPath(f"{robot.prim}.twind:quality").Get()) for robot in self.topology.robots}

    def shows_everything_by(self, *names: str) -> None:
        """Wait until the composed stage, of each of them, has every robot, fresh, and from one of these daemons."""
        for name in names if self.by == "blob" else names[:1]:
            self._look(
                lambda name=name: set(self.shown_by(name).values()) == {*names},  # type: ignore[misc]
                f"the composed stage of {name} shows every robot, by {names}",
            )
            self._look(
                lambda name=name: set(self.quality(name).values()) == {"ok"},  # type: ignore[misc]
                f"every robot is fresh in the composed stage of {name}",
            )

    @staticmethod
    def _look(condition: Callable[[], bool], what: str) -> None:
        def reloaded() -> bool:
            from pxr import Sdf

            for layer in Sdf.Layer.GetLoadedLayers():
                if not layer.anonymous:  # those would be emptied
                    layer.Reload()
            return condition()

        until(reloaded, what, every_s=LOOK_EVERY_S)

    def judge(self) -> None:
        """Let the robots fall silent, wait until all that they said is contained, and compare."""
        total = self.hub.finish()
        sent: dict[str, int] = {}
        for robot, _ in self.hub.sent:
            sent[robot] = sent.get(robot, 0) + 1
        try:
            until(lambda: sum(self.left().values()) >= total, "everything is contained", within_s=60, every_s=LOOK_EVERY_S)
        except AssertionError as error:
            self.problems.append(str(error))
        left = self.left()
        self.problems += [
            f"{robot} sent {sent[robot]}, counted {left.get(robot, 0)}" for robot in sent if sent[robot] != left.get(robot)
        ]


def hand_over_s(group: Group, gone: dict[str, str], name: str, since_s: float) -> float:
    """Wait until the streams that a daemon had are somebody else's, and return how long after an instant that was [s]."""
    streams = [stream for stream, owner in gone.items() if owner == name]

    def elsewhere() -> bool:
        owners = group.owners()
        return all(owners[stream] != name for stream in streams)

    until(elsewhere, f"others take over from {name}", every_s=LOOK_EVERY_S)
    until(lambda: not group.layers_of(name), f"others show what {name} did", every_s=LOOK_EVERY_S)
    return time.monotonic() - since_s


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--by", choices=["folder", "blob"], default="folder")
    options = parser.parse_args()
    rng = random.Random(options.seed)  # noqa: S311  (a schedule of faults)
    longest = {signal.SIGKILL: 0.0, signal.SIGTERM: 0.0, signal.SIGSTOP: 0.0}
    with tempfile.TemporaryDirectory() as folder, Group(Path(folder), by=options.by) as group:
        group.hub.publish(group.robots, payload, rate_hz=RATE_HZ)
        names = ["a-0", "b-0", "c-0"]
        for name in names:
            group.start(name)
        group.wait_shared(*names)
        for number in range(options.rounds):
            how = [signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM][number % 3]
            name = rng.choice(names)
            time.sleep(rng.uniform(0.5, 3.0))
            had, since_s = group.owners(), time.monotonic()
            if how is signal.SIGSTOP:
                group.daemons[name].process.send_signal(signal.SIGSTOP)
            else:
                group.end(name, how)
            seconds = hand_over_s(group, had, name, since_s)
            longest[how] = max(longest[how], seconds)
            say(f"{how.name} {name}: its robots are shown by others after {seconds:.1f} s")
            if how is signal.SIGSTOP:
                group.daemons[name].process.send_signal(signal.SIGCONT)
            else:
                names[names.index(name)] = name = f"{name[0]}-{number + 1}"
                group.start(name)
            group.wait_shared(*names)
            group.shows_everything_by(*names)
        group.judge()
        say(f"{len(group.hub.sent)} events of {ROBOTS} robots")
        for how, seconds in longest.items():
            say(f"longest after {how.name}: {seconds:.1f} s")
        if max(longest.values()) > BAR_S:
            group.problems.append(f"a hand-over took longer than {BAR_S:g} s")
        say("\n".join(group.problems) or "all of it is counted once, and nobody wrote after losing a partition")
        return int(bool(group.problems))


if __name__ == "__main__":
    sys.exit(main())
