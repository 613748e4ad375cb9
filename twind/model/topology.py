"""What the stage declares: robots, joints, links and objects. SI units and radians; poses in metres.

Index conventions, used by every array in the daemon:
    entity  robots first, then objects, in discovery order
    joint   the joints of all robots, one robot after the other (fixed and mimic joints included)
    frame   the links of all robots, one robot after the other, then one frame per object
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

Vec3 = tuple[float, float, float]
Quat = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Pose:
    """A rigid transform: position [m] and Hamilton quaternion (w, x, y, z), child frame to parent frame."""

    position: Vec3 = (0.0, 0.0, 0.0)
    orientation: Quat = (1.0, 0.0, 0.0, 0.0)


class JointKind(enum.IntEnum):
    """How a joint moves. The value is what kernels branch on."""

    FIXED = 0
    REVOLUTE = 1
    CONTINUOUS = 2
    PRISMATIC = 3

    @property
    def unit(self) -> str:
        """SI unit of the joint's position, as the API names it."""
        return {JointKind.PRISMATIC: "m", JointKind.FIXED: ""}.get(self, "rad")


@dataclass(frozen=True, slots=True)
class Mimic:
    """`position = multiplier * position(joint) + offset`, in SI units."""

    joint: int
    """Index of the followed joint within the robot's joints."""
    multiplier: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True, slots=True)
class JointHints:
    """What the asset says of a joint's measurements and motion, in SI units; None where it says nothing."""

    position_std: float | None = None
    """One sigma of a measured position [rad or m]."""
    jerk_noise: float | None = None
    """Most of the jerk's spectral density, its square root [rad/s^3/sqrt(Hz) or m/s^3/sqrt(Hz)]."""
    stamp_std_s: float | None = None
    """One sigma of the jitter of device stamps [s]."""
    wraps: float | None = None
    """What one turn measures where positions wrap around [rad]."""
    use_velocity: bool | None = None
    velocity_std: float | None = None
    """One sigma of a reported velocity [rad/s or m/s]."""
    use_effort: bool | None = None


@dataclass(frozen=True, slots=True)
class Joint:
    """One degree of freedom, or a fixed joint. `W(child) = W(parent) * parent_frame * motion(axis, q) * inverse(child_frame)`.

    A joint with several free axes is several of these, one after the other. The first leads from the parent link to the child,
    each other one from the child to the child: there `W(parent)` is where those before it have put the child.
    """

    name: str
    """Unique within its robot; the key in messages and in the API."""
    prim: str
    kind: JointKind
    axis: int
    """0, 1 or 2: the joint frame's X, Y or Z."""
    parent: int
    """Index, within the robot's links, of the body on the base's side: body0, or body1 of a joint that points towards the base
    (its frames are then turned so that the equation holds); -1 is the world (or what stands still in it); the child itself
    where this is a further axis of the joint before."""
    child: int
    """Index of the other body within the robot's links."""
    parent_frame: Pose = Pose()
    """The joint frame in the parent link's frame, or in the world when `parent` is -1."""
    child_frame: Pose = Pose()
    """The joint frame in the child link's frame."""
    lower: float = -math.inf
    upper: float = math.inf
    """Limits [rad or m]; infinite when the asset declares none."""
    velocity_limit: float = math.inf
    """[rad/s or m/s]; infinite when the asset declares none."""
    effort_limit: float = math.inf
    """[N m or N]; infinite when the asset declares none."""
    mimic: Mimic | None = None
    rest: float = 0.0
    """Position in the asset as authored [rad or m]; shown until the first sample arrives."""
    label: str = ""
    """Another name that messages may use: the display name, which converters set where they had to change a name."""
    axis_name: str = ""
    """Which axis of a ball or D6 joint this is, `transX` to `rotZ` of its own frame; empty where the joint's type says it."""
    hints: JointHints = JointHints()
    """What the asset says for estimation."""

    @property
    def movable(self) -> bool:
        """Whether the joint has a position at all."""
        return self.kind is not JointKind.FIXED

    @property
    def further(self) -> bool:
        """Whether this is a further axis of the joint before, between the same two links."""
        return self.parent == self.child


class Precision(enum.IntEnum):
    """What a part of a transform loses on its way through USD. The value is what kernels branch on.

    Local transforms make up for what the prims above lose, so that no frame inherits it (`twind.twin.kinematics`).
    """

    EXACT = 0
    """Nothing: a vector of doubles, or a matrix."""
    DOUBLE = 1
    """A quaternion of doubles loses small rotations: USD takes the angle from its real part alone."""
    FLOAT = 2
    HALF = 3


@dataclass(frozen=True, slots=True)
class Mount:
    """Where a moving prim hangs in USD: what its local `translate` and `orient` are relative to."""

    frame: int = -1
    """Index, within the robot's links, of the nearest USD ancestor that is itself moved; -1: none, it stands still."""
    pose: Pose = Pose()
    """Pose of the USD parent prim in that link's frame (in the world when `frame` is -1) [m]."""
    units_per_metre: float = 1.0
    """Local stage units per metre, scale of the parents included."""
    translate: Precision = Precision.EXACT
    """How exactly the local position is written."""
    orient: Precision = Precision.EXACT
    """How exactly the local orientation is written."""


@dataclass(frozen=True, slots=True)
class Link:
    """One rigid body of a robot."""

    name: str
    prim: str
    rest: Pose = Pose()
    """World pose as authored [m]."""
    mount: Mount = Mount()


@dataclass(frozen=True, slots=True)
class Robot:
    """One articulation."""

    id: str
    prim: str
    links: tuple[Link, ...]
    joints: tuple[Joint, ...]
    """In kinematic order: a joint's parent link is the base or the child of an earlier joint."""
    base: int = 0
    """Index of the link that the tree grows from."""
    floating: bool = False
    """Whether the base moves freely and so needs a measured pose."""
    message_order: tuple[int, ...] = ()
    """Joints in the order of messages without names, when the asset states one (IsaacRobotAPI); else that of `joints`."""
    namespace: str = ""
    """ROS namespace, when the asset states one (IsaacRobotAPI)."""


@dataclass(frozen=True, slots=True)
class RigidObject:
    """One rigid body outside any articulation."""

    id: str
    prim: str
    rest: Pose = Pose()
    mount: Mount = Mount()


@dataclass(frozen=True, slots=True)
class Ignored:
    """A prim that discovery passed over, and why."""

    prim: str
    reason: str


@dataclass(frozen=True)
class Topology:
    """Everything discovered in one stage."""

    root: str
    """Path or URL of the root layer."""
    robots: tuple[Robot, ...] = ()
    objects: tuple[RigidObject, ...] = ()
    ignored: tuple[Ignored, ...] = ()
    meters_per_unit: float = 1.0
    up_axis: str = "Z"
    elsewhere: tuple[str, ...] = ()
    """Ids of the entities that other daemons look after; they have no rows here."""
    first_joint: tuple[int, ...] = field(init=False)
    """Index of each robot's first joint in the joint arrays; one entry more than robots, so slices need no special case."""
    first_frame: tuple[int, ...] = field(init=False)
    """Index of each robot's first link in the frame arrays; the last entry is the first object's frame."""
    entity_index: dict[str, int] = field(init=False, repr=False)
    """Entity id to entity index."""

    def __post_init__(self) -> None:
        """Number the rows."""
        joints = tuple(accumulate((len(robot.joints) for robot in self.robots), initial=0))
        frames = tuple(accumulate((len(robot.links) for robot in self.robots), initial=0))
        object.__setattr__(self, "first_joint", joints)
        object.__setattr__(self, "first_frame", frames)
        object.__setattr__(self, "entity_index", {entity.id: index for index, entity in enumerate(self.entities)})

    def only(self, owns: Callable[[str], bool]) -> Topology:
        """Return the part of it whose entity ids `owns` accepts."""
        return replace(
            self,
            robots=tuple(robot for robot in self.robots if owns(robot.id)),
            objects=tuple(one for one in self.objects if owns(one.id)),
            elsewhere=(*self.elsewhere, *(one.id for one in self.entities if not owns(one.id))),
        )

    @property
    def entities(self) -> tuple[Robot | RigidObject, ...]:
        """Robots, then objects."""
        return (*self.robots, *self.objects)

    @property
    def n_joints(self) -> int:
        """Rows of the joint arrays."""
        return self.first_joint[-1]

    @property
    def n_frames(self) -> int:
        """Rows of the frame arrays."""
        return self.first_frame[-1] + len(self.objects)
