"""The live stage: the user's stage, and over it one anonymous layer that shows the twin's state."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

from pxr import Sdf, Usd

from twind.model.errors import StageError
from twind.stage.axes import si_per_unit
from twind.stage.discover import discover_stage
from twind.stage.fence import Holder
from twind.stage.joints import state_instance
from twind.stage.layer_text import LayerText
from twind.stage.opening import collected_diagnostics, open_stage
from twind.stage.space import Space
from twind.stage.structure import AGE, QUALITY, SEQ, TIME, LiveOptions, author

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from twind.model.live_layer import Flush
    from twind.model.state import Update
    from twind.model.topology import Pose, Topology

SCHEMA_VERSION = 1
"""Version of what the live layer holds; a reader refuses a higher one."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the composed stage says about one entity, in SI units."""

    id: str
    time_s: float
    """The instant that the state is for [s since the epoch], 0 before the first sample."""
    seq: int
    age_s: float
    """Age of the newest sample when this was written [s], -1 before the first."""
    quality: str
    positions: dict[str, float]
    """Joint positions by joint name [rad or m]; single precision, as the schema has it."""
    velocities: dict[str, float]
    """Joint velocities by joint name [rad/s or m/s]."""
    poses: dict[str, Pose]
    """World poses by prim path [m], of a robot's links or of the object."""


class LiveStage:
    """A stage with its live layer. pxr is not thread-safe here: all calls come from one thread (see `StageThread`)."""

    def __init__(self, stage: Any, topology: Topology, *, instance: str, options: LiveOptions | None = None) -> None:
        options = options or LiveOptions()
        self.topology = topology
        self.instance = instance
        self.options = options
        self.holder = Holder(instance, options.generation, secrets.token_hex(8))
        """Who writes the live layer; it says so itself."""
        self._stage = stage
        self._layer = Sdf.Layer.CreateAnonymous(f"twind-{instance}.usda")
        self._layer.customLayerData = {"twind": {**asdict(self.holder), "schemaVersion": SCHEMA_VERSION}}
        with collected_diagnostics():
            authored = author(self._layer, stage, topology, instance=instance, options=options)
            self._writer = authored.writer
            self.layout = authored.layout
            """What the live layer holds, without USD."""
            self._text = LayerText(self._layer)
            # Sublayers of the session layer are stronger than every layer of the user's, and are never saved with them.
            stage.GetSessionLayer().subLayerPaths.insert(0, self._layer.identifier)

    @classmethod
    def open(
        cls, root: str, *, instance: str, options: LiveOptions | None = None, owns: Callable[[str], bool] | None = None
    ) -> Self:
        """Open a stage, discover its twin and put a live layer over it; the stage's own layers are only read.

        Args:
            root: Path or URL of the root layer.
            instance: Name of the daemon.
            options: What the live layer says besides the state.
            owns: Which entities, by id, the live layer is about; all by default.

        Raises:
            StageError: The stage cannot be opened completely, is ambiguous, or holds a prim that cannot be moved.
        """
        stage, warnings = open_stage(root)
        topology = discover_stage(stage, root=root, warnings=warnings)
        if owns is not None:
            topology = topology.only(owns)
        return cls(stage, topology, instance=instance, options=options)

    @classmethod
    def over(cls, stage: Any, *, instance: str, options: LiveOptions | None = None) -> Self:
        """Put a live layer over an open `Usd.Stage`.

        Raises:
            StageError: The stage is ambiguous, or holds a prim that cannot be moved.
        """
        return cls(stage, discover_stage(stage), instance=instance, options=options)

    def __repr__(self) -> str:
        """Show what it is and whether it is open."""
        state = "closed" if self._stage is None else "open"
        return f"<LiveStage {self.instance} {state}: {len(self.topology.entities)} entities of {self.topology.root}>"

    @property
    def stage(self) -> Any:
        """The composed `Usd.Stage`.

        Raises:
            StageError: It is closed.
        """
        if self._stage is None:
            raise StageError(f"the live stage over {self.topology.root} is closed")
        return self._stage

    @property
    def layer(self) -> Any:
        """The live `Sdf.Layer`."""
        return self._layer

    def write(self, update: Update) -> int:
        """Show an update: what changed beyond the dead band, in one change block; return the number of values written.

        Raises:
            StageError: pxr refused a value.
        """
        return self._writer.write(update)

    def tell(self, on_flush: Callable[[Flush], None]) -> None:
        """Have somebody told, in the stage's thread, what each write changes in the live layer."""
        self._writer.on_flush = on_flush

    @property
    def shown(self) -> Update | None:
        """What stands in the stage: of each entity the state that was last written; None before the first write."""
        return self._writer.shown

    @contextmanager
    def taken_off(self) -> Iterator[None]:
        """Show the user's stage without the live layer while the block runs."""
        paths = self.stage.GetSessionLayer().subLayerPaths
        paths.remove(self._layer.identifier)
        try:
            yield
        finally:
            paths.insert(0, self._layer.identifier)

    def layer_text(self) -> str:
        """Return the live layer as `.usda` text."""
        return self._text.now()

    def read_back(self, entity_id: str) -> Reading:
        """Read one entity from the composed stage.

        Raises:
            KeyError: There is no such entity.
        """
        stage, topology = self.stage, self.topology
        index = topology.entity_index[entity_id]
        one = topology.entities[index]
        space = Space(stage)
        robot = topology.robots[index] if index < len(topology.robots) else None
        positions: dict[str, float] = {}
        velocities: dict[str, float] = {}
        for joint in () if robot is None else robot.joints:
            if joint.movable:
                unit = si_per_unit(joint.kind, topology.meters_per_unit)
                state = f"state:{state_instance(joint)}:physics"
                positions[joint.name] = _value(stage, joint.prim, f"{state}:position") * unit
                velocities[joint.name] = _value(stage, joint.prim, f"{state}:velocity") * unit
        bodies = [one.prim] if robot is None else [link.prim for link in robot.links]
        return Reading(
            id=entity_id,
            time_s=_value(stage, one.prim, TIME),
            seq=_value(stage, one.prim, SEQ),
            age_s=_value(stage, one.prim, AGE),
            quality=str(_value(stage, one.prim, QUALITY)),
            positions=positions,
            velocities=velocities,
            poses={prim: space.pose(stage.GetPrimAtPath(prim)) for prim in bodies},
        )

    def close(self) -> None:
        """Take the live layer off the stage and let the stage go; closing twice is fine."""
        if self._stage is not None:
            paths = self._stage.GetSessionLayer().subLayerPaths
            if self._layer.identifier in paths:
                paths.remove(self._layer.identifier)
            self._stage = None


def _value(stage: Any, prim: str, name: str) -> Any:
    return stage.GetPrimAtPath(prim).GetAttribute(name).Get(Usd.TimeCode.Default())
