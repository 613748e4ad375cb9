"""Shows what a daemon sends in a layer of a local stage. USD is read and written by the thread that calls, no other."""

from __future__ import annotations

from collections import deque
from itertools import repeat
from typing import TYPE_CHECKING, Any

from pxr import Gf, Sdf, Tf, Vt

from .errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from .frames import Attribute, Catalogue, Fixed, Frame, Group, GroupChange

SCHEMA_VERSION = 1
"""Newest version of what the live layer holds that is understood here."""

_ARRAYS = {
    "double3": (Vt.Vec3dArray, "d", 3),
    "float3": (Vt.Vec3fArray, "f", 3),
    "quatd": (Vt.QuatdArray, "d", 4),
    "quatf": (Vt.QuatfArray, "f", 4),
}
"""Types whose values are made all at once, from memory as it came."""
_CONSTRUCTORS: dict[str, Callable[[Any], Any]] = {
    "half3": lambda v: Gf.Vec3h(*v),
    "float3": lambda v: Gf.Vec3f(*v),
    "double3": lambda v: Gf.Vec3d(*v),
    "quath": lambda v: Gf.Quath(v[3], v[0], v[1], v[2]),
    "quatf": lambda v: Gf.Quatf(v[3], v[0], v[1], v[2]),
    "quatd": lambda v: Gf.Quatd(v[3], v[0], v[1], v[2]),
    "matrix4d": lambda v: Gf.Matrix4d(*v),
    "token[]": Vt.TokenArray,
    "color3f[]": lambda v: Vt.Vec3fArray([Gf.Vec3f(*color) for color in v]),
}
_SCALARS = ("half", "float", "double", "int64", "string", "token", "bool")
_SHAPES = {
    "half": ("f2", 1),
    "float": ("f4", 1),
    "double": ("f8", 1),
    "int64": ("i8", 1),
    "half3": ("f2", 3),
    "float3": ("f4", 3),
    "double3": ("f8", 3),
    "quath": ("f2", 4),
    "quatf": ("f4", 4),
    "quatd": ("f8", 4),
    "matrix4d": ("f8", 16),
}
"""How numbers of each type come; what is not here comes as codes."""
_QUALITY = "twind:quality"
_FRESH = ("ok", "coasting")
_REFUSALS = (Tf.ErrorException, RuntimeError, TypeError, ValueError, LookupError, ArithmeticError)
"""What USD's bindings raise at values and names that they do not take."""


class UsdSink:
    """The live layer of a daemon, rebuilt here: one change block, so one notice, for all frames that are applied at once."""

    def __init__(self, catalogue: Catalogue, *, leave_out: Collection[str] = ()) -> None:
        """Author the structure into a layer of its own; no stage has it yet.

        Args:
            catalogue: What there is.
            leave_out: Paths of prims that somebody else shows.

        Raises:
            ProtocolError: The catalogue has what USD does not take.
        """
        if catalogue.schema_version > SCHEMA_VERSION:
            raise ProtocolError(f"the live layer is of version {catalogue.schema_version}, which is newer than this viewer")
        self.catalogue = catalogue
        self.layer = Sdf.Layer.CreateAnonymous(f"twind-{catalogue.instance}.usda")
        """Holds nothing of the user's; the strongest sublayer of the session layer once attached."""
        self.sequence = -1
        """Number of the update that it shows; -1 before the first."""
        self._stage: Any = None
        self._leave_out = frozenset(leave_out)
        self._stale: list[tuple[Any, Any]] = []
        """Qualities that were replaced because the daemon is out of reach: where they stand, and what the daemon said."""
        try:
            with Sdf.ChangeBlock():
                self._specs = self._author()
            self._choices = [[tuple(map(_color, one.choices)) for one in group.attributes] for group in catalogue.groups]
            self._qualities = [
                spec
                for group, specs in zip(catalogue.groups, self._specs, strict=True)
                for one, spec in zip(group.attributes, specs, strict=True)
                if one.name == _QUALITY and spec is not None
            ]
        except _REFUSALS as error:
            raise ProtocolError(f"the catalogue cannot be shown in USD: {_said(error)}") from error

    def apply(self, frames: Iterable[Frame]) -> int:
        """Apply frames in order; return how many values were set.

        Raises:
            ProtocolError: A frame does not follow on what is shown, or USD takes a value not.
        """
        specs: list[Any] = [spec for spec, _ in self._stale]
        values: list[Any] = [value for _, value in self._stale]
        sequence = self.sequence
        for frame in frames:
            if not frame.full and frame.base != sequence:
                raise ProtocolError(f"a frame from {frame.base}, but {sequence} is shown")
            sequence = frame.sequence
            for change in frame.changes:
                own = self._specs[change.group]
                specs.extend(own if change.rows is None else [own[row] for row in change.rows])
                values.extend(self._values(change))
        if self._leave_out:
            ours = [(spec, value) for spec, value in zip(specs, values, strict=True) if spec is not None]
            specs, values = [spec for spec, _ in ours], [value for _, value in ours]
        self._set(specs, values)
        self._stale.clear()
        self.sequence = sequence
        return len(specs)

    def show_stale(self, *, stale: bool) -> None:
        """Say of every entity that it is stale, because its daemon is out of reach; or take that back.

        The qualities are all that is touched, and they stand again as the daemon said before anything else is applied.
        """
        if stale and not self._stale:
            self._stale = [(spec, spec.default) for spec in self._qualities if spec.default in _FRESH]
            self._set([spec for spec, _ in self._stale], ["stale"] * len(self._stale))
        elif self._stale and not stale:
            self.apply(())

    def attach(self, stage: Any) -> None:
        """Put the layer over a stage: as the strongest sublayer of its session layer, which is never saved."""
        self.detach()
        stage.GetSessionLayer().subLayerPaths.insert(0, self.layer.identifier)
        self._stage = stage

    def detach(self) -> None:
        """Take it off again; nothing of it is left behind. Detaching twice is fine."""
        stage, self._stage = self._stage, None
        if stage is not None and stage.GetSessionLayer():
            paths = stage.GetSessionLayer().subLayerPaths
            if self.layer.identifier in paths:
                paths.remove(self.layer.identifier)

    def _set(self, specs: Sequence[Any], values: Sequence[Any]) -> None:
        if not specs:
            return
        try:
            with Sdf.ChangeBlock():
                deque(map(setattr, specs, repeat("default"), values), maxlen=0)
        except _REFUSALS as error:
            raise ProtocolError(f"a value that USD does not take: {_said(error)}") from error

    def _author(self) -> list[list[Any]]:
        catalogue = self.catalogue
        twind = {
            "generation": catalogue.generation,
            "instance": catalogue.instance,
            "session": catalogue.session,
            "schemaVersion": catalogue.schema_version,
        }
        self.layer.customLayerData = {"twind": twind}
        for prim in catalogue.prims:
            if prim.path in self._leave_out:
                continue
            if not (Sdf.Path.IsValidPathString(prim.path) and Sdf.Path(prim.path).IsAbsoluteRootOrPrimPath()):
                raise ProtocolError(f"{prim.path!r} is no prim path")
            spec = Sdf.CreatePrimInLayer(self.layer, prim.path)
            if prim.schemas:
                spec.SetInfo("apiSchemas", Sdf.TokenListOp.Create(prependedItems=list(prim.schemas)))
        for fixed in catalogue.fixed:
            if fixed.prim not in self._leave_out:
                self._fix(fixed)
        return [[self._entry(one, group) for one in group.attributes] for group in catalogue.groups]

    def _entry(self, one: Attribute, group: Group) -> Any:
        """Return the spec that one entry of a group sets; None where somebody else does."""
        if (group.scalar, group.width) != _SHAPES.get(group.type, ("u1", 1)):
            raise ProtocolError(f"values of type {group.type!r} as {group.width} {group.scalar!r}")
        return None if one.prim in self._leave_out else self._spec(one.prim, one.name, group.type, custom=one.custom)

    def _fix(self, fixed: Fixed) -> None:
        spec = self._spec(fixed.prim, fixed.name, fixed.type, custom=fixed.custom, uniform=fixed.uniform)
        spec.default = _value(fixed.type, fixed.value)

    def _spec(self, prim: str, name: str, type_name: str, *, custom: bool, uniform: bool = False) -> Any:
        found = Sdf.ValueTypeNames.Find(type_name)
        if type_name not in _SCALARS and type_name not in _CONSTRUCTORS:
            raise ProtocolError(f"an attribute of type {type_name!r}, which this version does not have")
        variability = Sdf.VariabilityUniform if uniform else Sdf.VariabilityVarying
        return Sdf.AttributeSpec(self.layer.GetPrimAtPath(prim), name, found, variability, custom)

    def _values(self, change: GroupChange) -> Sequence[Any]:
        group = self.catalogue.groups[change.group]
        if group.names:
            return [group.names[code] for code in change.numbers]  # type: ignore[call-overload]
        if group.scalar == "u1":
            choices = self._choices[change.group]
            places = range(change.count) if change.rows is None else change.rows
            return [choices[place][code] for place, code in zip(places, change.numbers, strict=True)]  # type: ignore[call-overload]
        if group.width == 1:
            return list(change.numbers)
        if group.type in _ARRAYS:
            array, code, width = _ARRAYS[group.type]
            shaped = memoryview(change.numbers).cast("B").cast(code, (change.count, width))  # type: ignore[arg-type, call-overload]
            return array.FromBuffer(shaped) if change.count else []
        numbers = iter(change.numbers)
        make = _CONSTRUCTORS[group.type]
        return [make(value) for value in zip(*[numbers] * group.width, strict=True)]


def _value(type_name: str, value: Any) -> Any:
    if value is None:
        return Sdf.ValueBlock()
    return value if type_name in _SCALARS else _CONSTRUCTORS[type_name](value)


def _color(value: Any) -> Any:
    return _value("color3f[]", value)


def _said(error: Exception) -> str:
    """Return the sentence of an error of USD's bindings, which come with a good deal around it."""
    sentences = [str(one.commentary) for one in error.args if hasattr(one, "commentary")]
    return "; ".join(sentences) or str(error).partition("\n")[0]
