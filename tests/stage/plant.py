"""A stage as plants have them: files beside each other, elsewhere, missing, and some that are nobody's business."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pxr import Sdf, UsdGeom

from twind.stage.synthetic import serial_robots

if TYPE_CHECKING:
    from pathlib import Path

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40


def build_plant(folder: Path) -> Path:
    """Write the plant's files below a folder; return its root layer."""
    for name in ("plant/cells/looks", "plant/robots/textures", "library/parts", "secrets"):
        (folder / name).mkdir(parents=True)
    robots = serial_robots(2, objects=1, meters_per_unit=0.01)
    robots.SetDefaultPrim(robots.GetPrimAtPath("/World"))
    UsdGeom.SetStageUpAxis(robots, UsdGeom.Tokens.y)
    robots.GetRootLayer().Export(str(folder / "plant/robots/robots.usdc"))
    for name in ("wood.png", "tile.1001.png", "tile.1002.png"):
        (folder / "plant/robots/textures" / name).write_bytes(PNG + name.encode())
    (folder / "library/parts/bolt #1.png").write_bytes(PNG)
    (folder / "secrets/key.pem").write_text("private")
    (folder / "plant/cells/notes.txt").write_text("not for viewers")
    (folder / "plant/cells/link.usda").symlink_to(folder / "secrets/key.pem")
    _layer(folder / "plant/cells/looks/paint.usda", 'def Scope "Paint"\n{\n}\n')
    _layer(folder / "plant/cells/big.usda", 'def Scope "Big"\n{\n}\n')
    bolt = 'def Xform "Bolt"\n{\n    asset skin = @./bolt #1.png@\n    asset wood = @%s@\n}\n'
    _layer(folder / "library/parts/bolt.usda", bolt % (folder / "plant/robots/textures/wood.png"), root="Bolt")
    Sdf.Layer.FindOrOpen(str(folder / "library/parts/bolt.usda")).Export(str(folder / "library/parts/bolt.usdc"))
    cell = f"""def Xform "World" (
    prepend references = @../robots/robots.usdc@
    variants = {{
        string size = "small"
    }}
    prepend variantSets = "size"
)
{{
    def "Bolt" (
        prepend payload = @{folder}/library/parts/bolt.usdc@
    )
    {{
    }}

    def Scope "Looks"
    {{
        asset key = @../../secrets/key.pem@
        asset material = @OmniPBR.mdl@
        asset missing = @../robots/textures/gone.png@
        asset tiles = @../robots/textures/tile.<UDIM>.png@
        asset wood = @../robots/textures/wood.png@
    }}

    variantSet "size" = {{
        "big" {{
            def "More" (
                prepend references = @./big.usda@</Big>
            )
            {{
            }}

        }}
        "small" {{
        }}
    }}
}}
"""
    root = folder / "plant/cells/cell.usda"
    _layer(root, cell, root="World", more='metersPerUnit = 0.01\n    upAxis = "Y"\n    subLayers = [@./looks/paint.usda@]')
    return root


def _layer(path: Path, text: str, *, root: str = "", more: str = "") -> None:
    default = f'    defaultPrim = "{root}"\n' if root else ""
    path.write_text(f"#usda 1.0\n(\n{default}    {more}\n)\n\n{text}")
