"""Random robots authored into a stage, and their forward kinematics in plain matrices, from the values that the stage holds.

Nothing of twind is used here. Matrices are 4 x 4, for column vectors, in stage units; positions of joints are in degrees or
stage units, as USD has them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import strategies as st
from pxr import Gf, Kind, Sdf, Usd, UsdGeom, UsdPhysics

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]

ROBOT = "/World/hall/robot"
AXES = "XYZ"
FREEDOMS = [f"trans{axis}" for axis in AXES] + [f"rot{axis}" for axis in AXES]
KINDS = ("Revolute", "Continuous", "Prismatic", "Fixed", "Spherical", "Generic")
STYLES = ("orientf", "orientd", "floats", "rotateXYZ", "transform", "scaled")


@dataclass(frozen=True)
class LinkPlan:
    """How one link hangs in the tree and in USD."""

    parent: int
    kind: str
    axes: tuple[str, ...]
    """Free axes of a generic joint."""
    nested: bool
    """Whether its prim is below its parent link's prim."""
    grouped: bool
    """Whether an Xform with a transform of its own is between it and its USD parent."""
    backwards: bool
    """Whether its joint names it as body0."""
    handle: bool
    """Whether its joint holds a prim below its parent link in place of that link."""
    style: str
    follows: str
    """'newton' or 'physx' to follow the latest like joint, if there is one; else ''."""


@dataclass(frozen=True)
class RobotPlan:
    """Everything that is drawn about a robot; the numbers come from the seed."""

    seed: int
    meters_per_unit: float
    up_axis: str
    world_scale: float
    base: str
    """'world' (body0 is missing), 'backwards' (body1 is), 'robot' (body0 is the robot's Xform), or 'floating'."""
    root: str
    """Where the articulation root is: 'link', 'joint' or 'above'."""
    base_style: str
    links: tuple[LinkPlan, ...]


@st.composite
def robot_plans(draw: st.DrawFn) -> RobotPlan:
    count = draw(st.integers(1, 7))
    links = tuple(
        LinkPlan(
            parent=draw(st.integers(0, number)),
            kind=draw(st.sampled_from(KINDS)),
            axes=tuple(sorted(draw(st.sets(st.sampled_from(FREEDOMS), max_size=4)), key=FREEDOMS.index)),
            nested=draw(st.booleans()),
            grouped=draw(st.booleans()),
            backwards=draw(st.booleans()),
            handle=draw(st.booleans()),
            style=draw(st.sampled_from(STYLES)),
            follows=draw(st.sampled_from(["", "", "newton", "physx"])),
        )
        for number in range(count)
    )
    base = draw(st.sampled_from(["world", "backwards", "robot", "floating"]))
    if base != "floating" and all(link.kind == "Fixed" or (link.kind == "Generic" and not link.axes) for link in links):
        links = (replace(links[0], kind="Revolute"), *links[1:])  # an articulation in which nothing moves is no robot
    roots = ["link", "joint", "above"]
    if base == "floating":  # without a joint to the world, and with joints that point at the base, only the root names it
        roots = ["link"] if any(link.backwards for link in links) else ["link", "above"]
    return RobotPlan(
        seed=draw(st.integers(0, 2**32 - 1)),
        meters_per_unit=draw(st.sampled_from([1.0, 0.01, 0.001])),
        up_axis=draw(st.sampled_from(["Y", "Z"])),
        world_scale=draw(st.sampled_from([1.0, 0.1, 2.0])),
        base=base,
        root=draw(st.sampled_from(roots)),
        base_style=draw(st.sampled_from(STYLES)),
        links=links,
    )


@dataclass
class _Joint:
    """One joint as it stands in the stage."""

    prim: Any
    parent: int
    child: int
    freedoms: list[str]
    """Its free axes in the order in which they act, `FREEDOMS` names."""
    backwards: bool
    names: list[str] = field(default_factory=list)
    follows: list[tuple[float, int, float] | None] = field(default_factory=list)
    """Of each axis: multiplier, joint that is followed, offset; in USD units."""


class RandomRobot:
    """A stage with one robot, and what its links do in it."""

    def __init__(self, plan: RobotPlan) -> None:
        self.plan = plan
        self._rng = np.random.default_rng(plan.seed)
        self.stage = Usd.Stage.CreateInMemory()
        UsdGeom.SetStageMetersPerUnit(self.stage, plan.meters_per_unit)
        UsdGeom.SetStageUpAxis(self.stage, plan.up_axis)
        world = UsdGeom.Xform.Define(self.stage, "/World")
        world.AddScaleOp().Set(Gf.Vec3f(plan.world_scale))
        self._xform("/World/hall", self._pose(), "orientd")
        robot = self._xform(ROBOT, self._pose(), "rotateXYZ")
        Usd.ModelAPI(robot).SetKind(Kind.Tokens.component)
        UsdGeom.Scope.Define(self.stage, f"{ROBOT}/joints")
        self.links: list[Any] = [self._link(f"{ROBOT}/base", self._pose(), plan.base_style)]
        self.joints: list[_Joint] = []
        root = self._base()
        for number, link in enumerate(plan.links, 1):
            self._add(number, link)
        holder = {"link": self.links[0], "joint": root, "above": robot}[plan.root]
        UsdPhysics.ArticulationRootAPI.Apply(holder)

    @property
    def unit(self) -> float:
        """Metres in one stage unit."""
        return self.plan.meters_per_unit

    def _base(self) -> Any:
        if self.plan.base == "floating":
            return None
        joint = UsdPhysics.FixedJoint.Define(self.stage, f"{ROBOT}/joints/root")
        end = joint.CreateBody0Rel() if self.plan.base == "backwards" else joint.CreateBody1Rel()
        end.SetTargets([self.links[0].GetPath()])
        if self.plan.base == "robot":
            joint.CreateBody0Rel().SetTargets([ROBOT])
        return joint.GetPrim()

    def _add(self, number: int, plan: LinkPlan) -> None:
        """Author a link and its joint such that the link stands where the joint's zero is."""
        parent = self.links[plan.parent]
        held = parent
        if plan.handle:
            held = self._xform(f"{parent.GetPath()}/handle_{number}", self._local(), "orientd")
        joint, freedoms = self._define(number, plan)
        frames = [self._frame(), self._frame()]
        ends = [held.GetPath(), None]
        above = str(parent.GetPath()) if plan.nested else ROBOT
        if plan.grouped:
            above = str(self._xform(f"{above}/group_{number}", self._local(), "orientd").GetPath())
        path = f"{above}/link_{number}"
        zero = self.world(held) @ _pose_matrix(frames[0][0] * self.scale(held), frames[0][1])
        back = np.linalg.inv(_pose_matrix(frames[1][0] * self._scale_below(above, plan.style), frames[1][1]))
        link = self._link(path, zero @ back, plan.style)
        ends[1] = link.GetPath()
        order = (1, 0) if plan.backwards else (0, 1)
        for end, at in zip(("0", "1"), order, strict=True):
            joint.GetPrim().GetRelationship(f"physics:body{end}").SetTargets([ends[at]])
            joint.GetPrim().GetAttribute(f"physics:localPos{end}").Set(Gf.Vec3f(*map(float, frames[at][0])))
            joint.GetPrim().GetAttribute(f"physics:localRot{end}").Set(Gf.Quatf(*map(float, frames[at][1])))
        self.links.append(link)
        entry = _Joint(joint.GetPrim(), plan.parent, number, freedoms, plan.backwards)
        name = f"joint_{number}"
        entry.names = [f"{name}:{axis}" for axis in freedoms] if len(freedoms) > 1 else [name] * len(freedoms)
        entry.follows = [None] * len(freedoms)
        self._couple(entry, plan.follows)
        self.joints.append(entry)

    def _define(self, number: int, plan: LinkPlan) -> tuple[Any, list[str]]:
        path = f"{ROBOT}/joints/joint_{number}"
        axis = AXES[int(self._rng.integers(3))]
        if plan.kind in ("Revolute", "Continuous", "Prismatic"):
            turns = plan.kind != "Prismatic"
            joint = (UsdPhysics.RevoluteJoint if turns else UsdPhysics.PrismaticJoint).Define(self.stage, path)
            joint.CreateAxisAttr(axis)
            if plan.kind == "Revolute":
                joint.CreateLowerLimitAttr(-178.0)
                joint.CreateUpperLimitAttr(178.0)
            return joint, [("rot" if turns else "trans") + axis]
        if plan.kind == "Spherical":
            return UsdPhysics.SphericalJoint.Define(self.stage, path), FREEDOMS[3:]
        if plan.kind == "Fixed":
            return UsdPhysics.FixedJoint.Define(self.stage, path), []
        joint = UsdPhysics.Joint.Define(self.stage, path)
        for name in FREEDOMS:
            limit = UsdPhysics.LimitAPI.Apply(joint.GetPrim(), name)
            free = name in plan.axes
            limit.CreateLowAttr(-1000.0 if free else 1.0)
            limit.CreateHighAttr(1000.0 if free else -1.0)
        return joint, list(plan.axes)

    def _couple(self, joint: _Joint, by: str) -> None:
        """Make a joint of one axis follow the latest other joint of its kind."""
        if not by or len(joint.freedoms) != 1:
            return
        kind = joint.freedoms[0][:-1]
        like = [at for at, one in enumerate(self.joints) if len(one.freedoms) == 1 and one.freedoms[0][:-1] == kind]
        if not like:
            return
        factor, offset = (float(np.float32(self._rng.uniform(-1.0, 1.0))) for _ in range(2))
        leader = self.joints[like[-1]]
        prim = joint.prim
        float_type = Sdf.ValueTypeNames.Float
        if by == "newton":
            prim.AddAppliedSchema("NewtonMimicAPI")
            prim.CreateRelationship("newton:mimicJoint").SetTargets([leader.prim.GetPath()])
            prim.CreateAttribute("newton:mimicCoef1", float_type).Set(factor)
            prim.CreateAttribute("newton:mimicCoef0", float_type).Set(offset)
        else:
            instance = joint.freedoms[0]
            prim.AddAppliedSchema(f"PhysxMimicJointAPI:{instance}")
            prim.CreateRelationship(f"physxMimicJoint:{instance}:referenceJoint").SetTargets([leader.prim.GetPath()])
            prim.CreateAttribute(f"physxMimicJoint:{instance}:gearing", float_type).Set(-factor)
            prim.CreateAttribute(f"physxMimicJoint:{instance}:offset", float_type).Set(-offset)
        joint.follows = [(factor, like[-1], offset)]

    def _length(self) -> float:
        """A length of some decimetres, in units of the robot's space."""
        return 0.3 / (self.unit * self.plan.world_scale)

    def _local(self) -> Matrix:
        return _pose_matrix(self._rng.normal(size=3) * self._length(), _unit(self._rng.normal(size=4)))

    def _pose(self) -> Matrix:
        """A world pose."""
        return _pose_matrix(self._rng.normal(size=3) * 0.5 / self.unit, _unit(self._rng.normal(size=4)))

    def _frame(self) -> tuple[Matrix, Matrix]:
        """A joint frame as single precision holds it."""
        position = (self._rng.normal(size=3) * self._length()).astype(np.float32).astype(np.float64)
        return position, _unit(self._rng.normal(size=4)).astype(np.float32).astype(np.float64)

    def _link(self, path: str, world: Matrix, style: str) -> Any:
        """Author a rigid body at a world pose; what is above it may scale, but evenly."""
        above = self.stage.GetPrimAtPath(Sdf.Path(path).GetParentPath())
        local = np.linalg.inv(self.world(above)) @ world
        local[:3, 3] /= self.scale(above)
        prim = self._xform(path, local, style)
        UsdPhysics.RigidBodyAPI.Apply(prim)
        return prim

    def _xform(self, path: str, local: Matrix, style: str) -> Any:
        """Author a transform in one of many spellings."""
        xform = UsdGeom.Xform.Define(self.stage, path)
        position, (w, *imaginary) = Gf.Vec3d(*map(float, local[:3, 3])), _quaternion(local[:3, :3])
        turn = Gf.Quatd(float(w), *map(float, imaginary))
        if style == "transform":
            xform.AddTransformOp().Set(Gf.Matrix4d(local.T))
            return xform.GetPrim()
        single = UsdGeom.XformOp.PrecisionFloat
        if style == "floats":
            xform.AddTranslateOp(single).Set(Gf.Vec3f(position))
        else:
            xform.AddTranslateOp().Set(position)
        if style == "rotateXYZ":
            angles = Gf.Rotation(turn).Decompose(Gf.Vec3d.ZAxis(), Gf.Vec3d.YAxis(), Gf.Vec3d.XAxis())
            xform.AddRotateXYZOp(UsdGeom.XformOp.PrecisionDouble).Set(Gf.Vec3d(angles[2], angles[1], angles[0]))
        elif style == "orientd":
            xform.AddOrientOp(UsdGeom.XformOp.PrecisionDouble).Set(turn)
        else:
            xform.AddOrientOp(single).Set(Gf.Quatf(turn))
        if style == "scaled":
            xform.AddScaleOp().Set(Gf.Vec3f(0.5))
        return xform.GetPrim()

    def _scale_below(self, above: str, style: str) -> float:
        return self.scale(self.stage.GetPrimAtPath(above)) * (0.5 if style == "scaled" else 1.0)

    def scale(self, prim: Any) -> float:
        """Return the scale of a prim in the world."""
        return float(np.cbrt(np.linalg.det(self._composed(prim)[:3, :3])))

    def world(self, prim: Any) -> Matrix:
        """Return a prim's pose in the world as authored, without scale."""
        matrix = self._composed(prim)
        matrix[:3, :3] /= np.linalg.norm(matrix[:3, :3], axis=0)
        return matrix

    @staticmethod
    def _composed(prim: Any) -> Matrix:
        return np.array(UsdGeom.XformCache().GetLocalToWorldTransform(prim)).T

    def draw_positions(self) -> list[list[float]]:
        """Return random positions of each joint's axes, followers included, in degrees or stage units."""
        found: list[list[float]] = []
        for joint in self.joints:
            at = []
            for axis, follows in zip(joint.freedoms, joint.follows, strict=True):
                reach = 0.3 / self.unit if axis.startswith("trans") else 170.0
                position = self._rng.uniform(-reach, reach)
                if follows is not None:
                    factor, leader, offset = follows
                    position = factor * found[leader][0] + offset
                at.append(float(position))
            found.append(at)
        return found

    def forward(self, positions: list[list[float]], base: Matrix | None = None) -> list[Matrix]:
        """Return the world pose of each link; `base` is where a floating base is."""
        worlds = [self.world(self.links[0]) if base is None else base]
        for joint, at in zip(self.joints, positions, strict=True):
            prim = joint.prim
            ends = []
            for end in "01":
                body = self.stage.GetPrimAtPath(prim.GetRelationship(f"physics:body{end}").GetTargets()[0])
                position = np.array(prim.GetAttribute(f"physics:localPos{end}").Get(), float)
                rotation = prim.GetAttribute(f"physics:localRot{end}").Get()
                frame = _pose_matrix(position * self.scale(body), _unit([rotation.real, *rotation.imaginary]))
                link = body
                while not link.HasAPI(UsdPhysics.RigidBodyAPI):
                    link = link.GetParent()
                ends.append(np.linalg.inv(self.world(link)) @ self.world(body) @ frame)
            motion = np.eye(4)
            for axis, position in zip(joint.freedoms, at, strict=True):
                motion = motion @ _motion(axis, position)
            step = ends[0] @ motion @ np.linalg.inv(ends[1])
            worlds.append(worlds[joint.parent] @ (np.linalg.inv(step) if joint.backwards else step))
        return worlds


def _motion(axis: str, position: float) -> Matrix:
    unit = np.eye(3)[AXES.index(axis[-1])]
    if axis.startswith("trans"):
        return _pose_matrix(unit * position, np.array([1.0, 0.0, 0.0, 0.0]))
    half = np.radians(position) / 2
    return _pose_matrix(np.zeros(3), np.array([np.cos(half), *(unit * np.sin(half))]))


def _unit(values: Any) -> Matrix:
    return np.asarray(values, float) / np.linalg.norm(values)


def _pose_matrix(position: Any, quaternion: Any) -> Matrix:
    w, x, y, z = _unit(quaternion)
    matrix = np.eye(4)
    matrix[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    matrix[:3, 3] = position
    return matrix


def _quaternion(rotation: Matrix) -> Matrix:
    """Return (w, x, y, z) of a rotation matrix, by Shepperd's method."""
    m = rotation
    choices = np.array([np.trace(m), m[0, 0], m[1, 1], m[2, 2]])
    largest = int(np.argmax(choices))
    if largest == 0:
        q = [1 + choices[0], m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]]
    else:
        i = largest - 1
        j, k = (i + 1) % 3, (i + 2) % 3
        q = [0.0] * 4
        q[0] = m[k, j] - m[j, k]
        q[1 + i] = 1 + m[i, i] - m[j, j] - m[k, k]
        q[1 + j] = m[j, i] + m[i, j]
        q[1 + k] = m[k, i] + m[i, k]
    return _unit(q)
