"""The base colour of what is bound to a prim, whoever wrote the material."""

from __future__ import annotations

from typing import Any

from pxr import Gf, UsdShade

from twind.stage.scene.parts import Material

_INPUTS = {
    "color": ("diffuseColor", "diffuse_color_constant", "base_color", "diffuse_reflection_color", "diffuse_tint"),
    "opacity": ("opacity", "opacity_constant", "geometry_opacity"),
    "metallic": ("metallic", "metallic_constant", "base_metalness", "metalness"),
    "roughness": ("roughness", "reflection_roughness_constant", "specular_roughness"),
    "emission": ("emissiveColor",),
}
"""Names of inputs in UsdPreviewSurface, Omniverse's OmniPBR, and OpenPBR or MaterialX Standard Surface, in this order."""
_CONTEXTS = ("", "mdl", "mtlx")
_DEFAULTS = Material()


def material_of(material: Any) -> tuple[Material, bool]:
    """Return what a USD material looks like, and whether it states one colour: not where that comes from a texture."""
    shader = None
    for context in _CONTEXTS:
        found = material.ComputeSurfaceSource(context)
        shader = found[0] if found else None
        if shader:
            break
    if not shader:
        return _DEFAULTS, False
    values = {name: _value(shader, inputs) for name, inputs in _INPUTS.items()}
    color = _rgb(values["color"])
    # UsdPreviewSurface has a base colour of 0.18 where nothing else is said.
    implied = (0.18, 0.18, 0.18) if shader.GetIdAttr().Get() == "UsdPreviewSurface" and _plain(shader, "diffuseColor") else None
    look = Material(
        color or implied or _DEFAULTS.color,
        _share(values["opacity"], 1.0),
        _share(values["metallic"], 0.0),
        _share(values["roughness"], 0.5),
        _rgb(values["emission"]) or (0.0, 0.0, 0.0),
    )
    return look, color is not None or implied is not None


def _plain(shader: Any, name: str) -> bool:
    found = shader.GetInput(name)
    return not found or not found.HasConnectedSource()


def _value(shader: Any, names: tuple[str, ...]) -> Any:
    """Return the constant that an input has, through the material's own interface; None where a texture decides."""
    for name in names:
        found = shader.GetInput(name)
        if not found:
            continue
        for attribute in found.GetValueProducingAttributes():
            if UsdShade.Input.IsInput(attribute) and (value := attribute.Get()) is not None:
                return value
    return None


def _rgb(value: Any) -> tuple[float, float, float] | None:
    if not isinstance(value, (Gf.Vec3f, Gf.Vec3d, Gf.Vec3h)):
        return None
    red, green, blue = (min(max(float(part), 0.0), 1.0) for part in value)
    return red, green, blue


def _share(value: Any, default: float) -> float:
    return min(max(float(value), 0.0), 1.0) if isinstance(value, (int, float)) else default
