"""The text of a layer whose structure stays as it is, made again and again.

USD's own export holds Python's global lock for as long as it takes, 25 ms for 100 robots, and the event loop stands still. Here
the text between the values is kept and only values are formatted: a quarter of the time, and other threads run meanwhile.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pxr import Sdf

if TYPE_CHECKING:
    from collections.abc import Callable

_PRIM = re.compile(r'\s*over "(\w+)"')
_ATTRIBUTE = re.compile(r"\s*(?:custom )?[\w\[\]]+ ([\w:]+) = ")

_NAMES = Sdf.ValueTypeNames
_FORMATS: dict[Any, Callable[[Any], str]] = {
    **dict.fromkeys((_NAMES.Double, _NAMES.Int64), repr),
    **dict.fromkeys((_NAMES.Float, _NAMES.Half), "{:.9g}".format),
    **dict.fromkeys((_NAMES.Double3, _NAMES.Float3, _NAMES.Half3), str),
    **dict.fromkeys((_NAMES.Quatd, _NAMES.Quatf, _NAMES.Quath, _NAMES.Matrix4d), str),
    _NAMES.Token: lambda token: f'"{token}"',
    _NAMES.Color3fArray: lambda colors: "None" if isinstance(colors, Sdf.ValueBlock) else str(colors),
}
"""How `.usda` has the values of each type that is ever written; attributes of other types keep the text that they had."""


class LayerText:
    """The text of one layer of overs: attributes with values and no metadata, and neither prims nor attributes come or go."""

    def __init__(self, layer: Any, *, values: Any = None) -> None:
        """Take the text of `layer` apart; `values` is the layer whose values it is to show, its own by default."""
        shown = layer if values is None else values
        self._pieces: list[str] = []
        """Text between values, and each value behind it."""
        self._values: list[tuple[int, Any, Callable[[Any], str]]] = []
        """Place among the pieces, attribute spec and format of each value."""
        between: list[str] = []
        path: list[str] = []
        opened = ""
        for line in layer.ExportToString().splitlines(keepends=True):
            prim, attribute = _PRIM.match(line), _ATTRIBUTE.match(line)
            if prim is not None:
                opened = prim[1]
            elif line.strip() == "{":
                path.append(opened)
            elif line.strip() == "}" and path:
                path.pop()
            spec = shown.GetAttributeAtPath(f"/{'/'.join(path)}.{attribute[1]}") if attribute is not None and path else None
            if attribute is None or spec is None or spec.typeName not in _FORMATS:
                between.append(line)
                continue
            self._pieces += ["".join([*between, attribute[0]]), ""]
            self._values.append((len(self._pieces) - 1, spec, _FORMATS[spec.typeName]))
            between = ["\n"]
        self._pieces.append("".join(between))

    def now(self) -> str:
        """Return the text with the present values."""
        for place, spec, text_of in self._values:
            self._pieces[place] = text_of(spec.default)
        return "".join(self._pieces)
