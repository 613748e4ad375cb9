"""The rules, each with what breaking it means for a live twin and what cures it."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Severity(enum.IntEnum):
    """How bad a finding is for a live twin; larger is worse."""

    NOTE = 0
    """Worth knowing; nothing is wrong."""
    WARNING = 1
    """It runs, but something will not be as it seems."""
    ERROR = 2
    """Something cannot be followed, or is shown wrongly."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that is looked for."""

    name: str
    severity: Severity
    origin: str
    """Where the rule is from, with the name or code that it has there; `twind` for our own."""
    meaning: str
    """What breaking it means for a live twin."""
    cure: str


_E, _W, _N = Severity.ERROR, Severity.WARNING, Severity.NOTE

MISSING_ASSET = Rule(
    "missing-asset",
    _E,
    "OpenUSD CompositionErrorTest, MissingReferenceValidator",
    "The daemon does not start on a stage that is not complete.",
    "Put the file where it is looked for, or correct the path in the layer that names it.",
)
UNITS_UNDECLARED = Rule(
    "units-undeclared",
    _W,
    "OpenUSD StageMetadataChecker, SimReady UN.002",
    "USD's default of 0.01 holds: a robot in metres is taken to be a hundred times smaller than it is.",
    "Author metersPerUnit in the root layer, which is the only one where USD reads it.",
)
UNITS_NOT_METRES = Rule(
    "units-not-metres",
    _N,
    "REP-158 §1.1, SimReady UN.007",
    "twind converts to metres and back; a tool that does not will misread the stage.",
    "Convert the asset to metres (metersPerUnit = 1).",
)
UP_AXIS_UNDECLARED = Rule(
    "up-axis-undeclared",
    _W,
    "OpenUSD StageMetadataChecker, SimReady UN.001",
    "USD's default of Y holds: viewers show a robot that was made Z-up lying on its side.",
    "Author upAxis in the root layer.",
)
UP_AXIS_NOT_Z = Rule(
    "up-axis-not-z",
    _N,
    "REP-158 §1.1, SimReady UN.006",
    "Poses are in the stage's own axes; those of robots are usually measured Z-up and will look turned.",
    "Make the stage Z-up, or send poses in its axes.",
)
KILOGRAMS = Rule(
    "kilograms-per-unit",
    _N,
    "REP-158 §1.1, SimReady UN.003",
    "twind uses no masses; a viewer that simulates does.",
    "Author kilogramsPerUnit = 1 in the root layer.",
)
TIME_CODES = Rule(
    "time-codes-per-second",
    _N,
    "REP-158 §1.1, SimReady UN.005",
    "The live layer has no time samples and does not mind; a recorded take has one time code per second and is scaled.",
    "Author timeCodesPerSecond = 1 in the root layer.",
)
DEFAULT_PRIM = Rule(
    "default-prim",
    _W,
    "OpenUSD StageMetadataChecker, REP-158 §1.2, SimReady HI.004",
    "The stage, and the twin over it, cannot be referenced into another one without naming a prim.",
    'Author defaultPrim = "NAME" in the root layer; NAME is a root prim.',
)
ABSOLUTE_PATH = Rule(
    "absolute-path",
    _W,
    "REP-158 §1.2.5, SimReady AA.001",
    "Viewers on other machines, and those that load the stage over HTTP, will not find the file.",
    "Write the path relative to the layer, beginning with ./ or ../",
)
NO_ENTITY = Rule(
    "no-entity",
    _E,
    "twind",
    "There is nothing to follow.",
    "Robots need UsdPhysics joints between rigid bodies and a PhysicsArticulationRootAPI, objects a PhysicsRigidBodyAPI.",
)
DUPLICATE_ID = Rule(
    "duplicate-id",
    _E,
    "twind",
    "Messages could be for either, so the daemon does not start.",
    "Give them ids: twind bind ROOT --entity PRIM=ID (it proposes some by itself).",
)
NO_ARTICULATION = Rule(
    "no-articulation-root",
    _E,
    "SimReady BA.001",
    "No robot is recognised, so joints are not followed and every rigid body is an object of its own.",
    "Apply PhysicsArticulationRootAPI to the base link, to its joint to the world, or to a prim above them; "
    "or give a prim above them an id: twind bind ROOT --entity PRIM=ID.",
)
NOTHING_MOVES = Rule(
    "nothing-moves",
    _N,
    "twind",
    "It is no robot to follow: it stands as authored, wherever the robot beside it goes.",
    "If it belongs to a robot that moves, join it to that robot's links.",
)
INSTANCED = Rule(
    "instanced-body",
    _E,
    "REP-158 §1.2.6, SimReady RB.005",
    "USD allows no opinions on prims inside an instance, so objects in there are not followed.",
    "Make the instance itself the rigid body, or set instanceable = false on it.",
)
INSTANCED_ROBOT = Rule(
    "instanced-robot",
    _N,
    "REP-158 §1.2.6, SimReady RB.005",
    "twind opens the instance in the live layer (instanceable = false). Its prims, meshes too, are its own from then on.",
    "Set instanceable = false on the instance; instance the geometry below the links instead.",
)
PAYLOAD = Rule(
    "links-in-payload",
    _N,
    "REP-158 §1.2.3",
    "twind loads all payloads. A viewer that opens the stage without them shows nothing that moves.",
    "Load payloads in the viewer; or keep links and joints in the interface layer and only geometry in payloads.",
)
PASSED_OVER = Rule(
    "passed-over",
    _W,
    "twind",
    "Discovery left it out or had to assume something, as it says.",
    "As it says.",
)
LEFT_OUT = Rule(
    "left-out",
    _N,
    "twind",
    "It is not followed, because the stage says so.",
    "Nothing, if it is meant so.",
)
JOINT_TARGET = Rule(
    "joint-target",
    _E,
    "SimReady JT.002, JT.003; OpenUSD PhysicsJointChecker",
    "What the joint carries cannot be told, so its links stay where they are.",
    "Point physics:body0 and physics:body1 at one existing prim each; an absent one is the world.",
)
LIMITS_INVERTED = Rule(
    "limits-inverted",
    _E,
    "OpenUSD PhysicsJointChecker",
    "Both limits are taken as absent: nothing warns of a position that the machine cannot have.",
    "Author physics:lowerLimit below physics:upperLimit.",
)
REST_OUTSIDE = Rule(
    "rest-outside-limits",
    _W,
    "twind",
    "Until the first message arrives the twin shows the robot where it cannot be.",
    "Correct the limits, or the pose in which the links are authored.",
)
FRAMES = Rule(
    "joint-frames",
    _W,
    "SimReady DJ.003",
    "The joint is believed: its links jump from where they are authored when the first message arrives.",
    "Author link transforms that agree with localPos0/Rot0, localPos1/Rot1 and the joint's position.",
)
STATE_MISSING = Rule(
    "joint-state",
    _N,
    "SimReady DJ.002",
    "twind applies PhysicsJointStateAPI in the live layer. A tool that opens the asset alone sees no joint state.",
    'Apply "PhysicsJointStateAPI:angular" (or ":linear") to joints that move.',
)
STATE_DISAGREES = Rule(
    "joint-state-agrees",
    _W,
    "SimReady DJ.003",
    "Until the first message arrives, joint state and link transforms say different things.",
    "Author state:angular:physics:position [deg] (or state:linear:...) as the links stand.",
)
MIMIC = Rule(
    "mimic-leader",
    _W,
    "SimReady DJ.007, NEWTON.DJ.003",
    "The joint moves on its own: it stays where it is unless it is measured itself.",
    "Point newton:mimicJoint (or physxMimicJoint:...:referenceJoint) at a moving joint of the same robot.",
)
JOINT_NAMES = Rule(
    "joint-names",
    _W,
    "twind",
    "Messages must use the longer names that tells them apart; see `twind stage`.",
    "Give joints names of their own: twind bind ROOT --joint ENTITY/JOINT:name=NAME.",
)
ROS_NAME = Rule(
    "ros-joint-name",
    _W,
    "REP-158 §2.10",
    "ROS messages will use ros:joint:name, which twind does not know this joint by: they are refused as unknown_joint.",
    "twind bind ROOT --joint ENTITY/JOINT:name=NAME",
)
LOOP = Rule(
    "kinematic-loop",
    _W,
    "SimReady DJ.011",
    "The loop is cut at this joint; links follow the others, and its own position is not shown.",
    "Set physics:excludeFromArticulation on the joint that shall close the loop.",
)
SCALED = Rule(
    "scaled-link",
    _W,
    "REP-158 §1.1",
    "What hangs on the prim is scaled; the scale stays as it is, but tools that read poses from the matrix trip over it.",
    "Bake the scale into the geometry.",
)
SHEARED = Rule(
    "sheared-link",
    _E,
    "REP-158 §1.1, SimReady RB.009",
    "No translation, rotation and scale equals this transform, so the daemon does not start.",
    "Give the prim translate, orient and scale ops; bake shear and mirroring into the geometry.",
)
OPS = Rule(
    "transform-ops",
    _N,
    "REP-158 §1.1, SimReady HI.005",
    "Tools that read translate and orient find other ops. twind keeps those it can write and replaces others in its layer.",
    "Use xformOp:translate and xformOp:orient on prims that move.",
)
SINGLE = Rule(
    "single-precision",
    _N,
    "twind",
    "USD takes the angle of a quatf from its real part alone: rotations below 0.49 mrad vanish, about 0.5 mrad at worst. "
    "What hangs further out is made up for.",
    "Author xformOp:orient as quatd.",
)
HALF = Rule(
    "half-precision",
    _W,
    "twind",
    "Positions are rounded to 3 digits and rotations below 44 mrad vanish.",
    "Author xformOp:translate as double3 and xformOp:orient as quatd.",
)
SAMPLES = Rule(
    "time-samples",
    _W,
    "twind",
    "The live layer's values hide this animation; without the live layer it hides the values that are authored beside it.",
    "Remove the time samples from what the twin moves.",
)
CARRIED = Rule(
    "animated-parent",
    _W,
    "twind",
    "twind takes the transforms above a robot at the first time; when a viewer plays the animation, the robot moves off.",
    "Remove the time samples, or let twind follow the prim as an object or a joint.",
)
UNKNOWN_ATTRIBUTE = Rule(
    "unknown-attribute",
    _W,
    "twind",
    "twind reads no attribute of this name, so the setting has no effect.",
    "Correct the name; `twind stage --schema-path` has the schema with all of them.",
)
LIVE_STATE = Rule(
    "live-state",
    _W,
    "twind",
    "The asset holds the state of an earlier run: a tool that opens it without the live layer takes it for the present one.",
    "Use the asset that the twin was made from, not an export of the twin.",
)
ROUTE = Rule(
    "route-hint",
    _W,
    "twind",
    "twind bind cannot make a route of this hint.",
    "Author a topic pattern such as cell/{entity}/joint_state, and a codec.",
)
PREFIX = Rule(
    "vendor-prefix",
    _N,
    "REP-158 §1.2",
    "A custom attribute without a namespace can collide with that of another tool.",
    "Prefix it: acme:name.",
)
OPENUSD_PHYSICS = Rule(
    "openusd-physics",
    _W,
    "OpenUSD RigidBodyChecker, ArticulationChecker, PhysicsJointChecker",
    "A viewer that simulates, or loads the robot as an articulation, may refuse it.",
    "As it says.",
)
OPENUSD_MASS = Rule(
    "openusd-mass",
    _N,
    "OpenUSD RigidBodyChecker",
    "twind uses no masses; a viewer that simulates does.",
    "As it says.",
)
OPENUSD_TYPES = Rule(
    "openusd-types",
    _W,
    "OpenUSD AttributeTypeMismatch",
    "Tools may read the value wrongly, or not at all.",
    "Author the attribute with the type that its schema gives it.",
)

RULES = tuple(value for value in list(vars().values()) if isinstance(value, Rule))
