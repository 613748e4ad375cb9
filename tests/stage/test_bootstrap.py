"""The stage as a tree of files: complete, closed, and the same wherever it is opened."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import pytest
from pxr import Sdf, Usd

from tests.stage.plant import build_plant
from tests.usd_2511 import seen_by, seen_here
from twind.stage import bootstrap
from twind.stage.bootstrap import FileTree, bootstrap_of
from twind.stage.export import Export
from twind.stage.live import LiveStage
from twind.stage.synthetic import serial_robots

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[LiveStage]:
    live = LiveStage.open(str(build_plant(tmp_path / "disk")), instance="plant")
    yield live
    live.close()


def unpack(tree: FileTree, live: LiveStage, folder: Path) -> Path:
    """Write the tree down as a client would that fetches every file; return the layer to open."""
    for name, file in tree.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(file.data if file.path is None else file.path.read_bytes())
    (folder / "live.usda").write_text(live.layer_text())
    return folder / "twin.usda"


def test_the_tree_holds_all_that_the_stage_needs_and_nothing_else(plant: LiveStage) -> None:
    tree = bootstrap_of(plant)
    assert tree.root == "root/cells/cell.usda"
    assert sorted(tree.files) == [
        "mount-1/bolt #1.png",
        "mount-1/bolt.usdc",
        "root/cells/big.usda",
        "root/cells/cell.usda",
        "root/cells/looks/paint.usda",
        "root/robots/robots.usdc",
        "root/robots/textures/tile.1001.png",
        "root/robots/textures/tile.1002.png",
        "root/robots/textures/wood.png",
        "twin.usda",
    ]
    assert dict(tree.left_out) == {
        "../../secrets/key.pem": "not a kind of file that a stage shows",
        "OmniPBR.mdl": "not found",
        "../robots/textures/gone.png": "not found",
    }


def test_a_tree_taken_elsewhere_composes_to_the_live_values_without_a_look_at_the_original(
    plant: LiveStage, tmp_path: Path, update_at: Callable[..., Any]
) -> None:
    tree = bootstrap_of(plant)
    plant.write(update_at(plant.topology, {"robot_1/joint_3": 0.6}, seq=5))
    twin = Usd.Stage.Open(str(unpack(tree, plant, tmp_path / "taken")))
    assert not twin.GetCompositionErrors()
    for prim in plant.stage.Traverse():
        other = twin.GetPrimAtPath(prim.GetPath())
        for attribute in prim.GetAttributes():
            mine, theirs = attribute.Get(), other.GetAttribute(attribute.GetName()).Get()
            if isinstance(mine, Sdf.AssetPath):
                assert bool(theirs.resolvedPath) == (bool(mine.resolvedPath) and "key" not in mine.path)
                assert str(tmp_path / "disk") not in theirs.resolvedPath
            else:
                assert mine == theirs
    assert all(str(tmp_path / "disk") not in layer.identifier for layer in twin.GetUsedLayers())
    assert twin.GetAttributeAtPath("/World/robot_1.twind:seq").Get() == 5


def test_openusd_25_11_sees_the_same_tree(
    plant: LiveStage, tmp_path: Path, update_at: Callable[..., Any], usd_2511: Path
) -> None:
    plant.write(update_at(plant.topology, {"robot_0/joint_2": -0.4}, seq=2))
    twin = unpack(bootstrap_of(plant), plant, tmp_path / "taken")
    seen = seen_by(usd_2511, twin)
    assert seen["errors"] == 0
    assert seen == seen_here(twin)


def test_relative_urls_from_the_first_layer_lead_to_every_file_of_the_tree(plant: LiveStage, tmp_path: Path) -> None:
    tree = bootstrap_of(plant)
    unpack(tree, plant, tmp_path / "taken")
    met, ahead = {"live.usda"}, ["twin.usda"]
    while ahead:
        name = ahead.pop()
        met.add(name)
        if name.endswith((".usda", ".usdc")):
            layer = Sdf.Layer.FindOrOpen(str(tmp_path / "taken" / name))
            for path in [*layer.GetCompositionAssetDependencies(), *layer.GetExternalAssetDependencies()]:
                found = urljoin(f"http://twin/stage/{name}", path.replace("#", "%23")).removeprefix("http://twin/stage/")
                ahead += [found] if found in tree.files and found not in met else []
    assert met >= {name for name in tree.files if name.endswith((".usda", ".usdc"))}


def test_files_keep_their_bytes_but_for_layers_that_name_what_is_elsewhere(plant: LiveStage, tmp_path: Path) -> None:
    tree = bootstrap_of(plant)
    written_anew = {name for name, file in tree.files.items() if file.path is None}
    assert written_anew == {"twin.usda", "root/cells/cell.usda", "mount-1/bolt.usdc"}
    assert tree.files["mount-1/bolt.usdc"].data.startswith(b"PXR-USDC")
    assert (tmp_path / "disk" / "library" / "parts" / "bolt.usdc").read_bytes().startswith(b"PXR-USDC")


def test_a_layer_too_large_to_be_held_is_given_as_it_is(plant: LiveStage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "_MAX_REWRITTEN_BYTES", 10)
    tree = bootstrap_of(plant)
    assert {name for name, file in tree.files.items() if file.path is None} == {"twin.usda"}
    assert sum("too large" in reason for _, reason in tree.left_out) == 2


def test_names_are_the_same_after_a_restart(plant: LiveStage) -> None:
    again = LiveStage.open(plant.topology.root, instance="plant")
    assert bootstrap_of(again) == bootstrap_of(plant)
    again.close()


def test_a_stage_in_memory_gives_nothing_away() -> None:
    live = LiveStage.over(serial_robots(1), instance="t")
    assert bootstrap_of(live) == FileTree({}, None)
    live.close()


def test_a_broken_layer_in_a_variant_that_is_not_selected_does_no_harm(tmp_path: Path) -> None:
    root = build_plant(tmp_path / "disk")
    (root.parent / "big.usda").write_text("#usda 1.0\ndef {")
    live = LiveStage.open(str(root), instance="t")
    assert "root/robots/robots.usdc" in bootstrap_of(live).files
    live.close()


def test_a_package_is_one_file_of_the_tree(plant: LiveStage, tmp_path: Path) -> None:
    Export(plant.topology.root).package(tmp_path / "plant.usdz")
    live = LiveStage.open(str(tmp_path / "plant.usdz"), instance="t")
    tree = bootstrap_of(live)
    assert (sorted(tree.files), tree.root) == (["root/plant.usdz", "twin.usda"], "root/plant.usdz")
    assert not [path for path, _ in tree.left_out if path.endswith((".usda", ".usdc"))]
    assert not Usd.Stage.Open(str(unpack(tree, live, tmp_path / "taken"))).GetCompositionErrors()
    live.close()


def _written(rng: random.Random, by: Path, target: Path) -> str:
    """Spell an asset path in one of the ways that assets have."""
    relative = os.path.relpath(target, by.parent)
    plain = relative if relative.startswith("..") else f"./{relative}"
    return rng.choice([str(target), plain, relative, f"./x/../{relative}"])


def _any_assets(rng: random.Random, folder: Path) -> Path:
    """Write layers and textures into folders at random, each naming later ones at random; return the first layer."""
    names = ["a", "b", "c d", "ü", "50%", "#1"]
    folders = [folder.joinpath(*rng.choices(names, k=rng.randint(1, 4))) for _ in range(rng.randint(1, 6))]
    layers = [rng.choice(folders) / f"l{number}{rng.choice(['.usda', '.usdc', '.usd'])}" for number in range(rng.randint(2, 8))]
    textures = [rng.choice(folders) / f"t{number}.png" for number in range(3)]
    for path in [*layers, *textures]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(path.name.encode())
    for number, path in reversed(list(enumerate(layers))):
        path.unlink()
        layer = Sdf.Layer.CreateNew(str(path))
        prim = Sdf.CreatePrimInLayer(layer, "/R")
        prim.specifier, prim.typeName, layer.defaultPrim = Sdf.SpecifierDef, "Xform", "R"
        skin = Sdf.AttributeSpec(prim, f"skin{number}", Sdf.ValueTypeNames.Asset)
        skin.default = Sdf.AssetPath(_written(rng, path, rng.choice(textures)))
        for child in (child for child in layers[number + 1 :] if rng.random() < 0.5):
            arc, authored = rng.choice(["sublayer", "reference", "payload"]), _written(rng, path, child)
            if arc == "sublayer":
                layer.subLayerPaths.append(authored)
                continue
            holder = Sdf.CreatePrimInLayer(layer, f"/R/{child.stem}")
            holder.specifier = Sdf.SpecifierDef
            if arc == "reference":
                holder.referenceList.Prepend(Sdf.Reference(authored))
            else:
                holder.payloadList.Prepend(Sdf.Payload(authored))
        layer.Save()
    return layers[0]


def _skins(stage: Any) -> dict[str, bytes]:
    found = {}
    for prim in stage.TraverseAll():
        for attribute in prim.GetAuthoredAttributes():
            if attribute.GetName().startswith("skin"):
                found[str(attribute.GetPath())] = Path(attribute.Get().resolvedPath).read_bytes()
    return found


@pytest.mark.parametrize("seed", range(15))
def test_whatever_names_whatever_how_the_tree_stands_on_its_own(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)  # noqa: S311  (no secret in it)
    live = LiveStage.open(str(_any_assets(rng, tmp_path / "disk")), instance="t")
    twin = unpack(bootstrap_of(live), live, tmp_path / "taken")
    skins = _skins(live.stage)
    live.close()
    del live
    (tmp_path / "disk").rename(tmp_path / "gone")
    taken = Usd.Stage.Open(str(twin))
    assert not taken.GetCompositionErrors()
    assert _skins(taken) == skins
    assert all(str(tmp_path / "taken") in layer.realPath for layer in taken.GetUsedLayers() if not layer.anonymous)
