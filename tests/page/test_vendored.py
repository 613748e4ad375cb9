"""What the page brings along is what its authors released, but for the addresses of modules."""

from __future__ import annotations

import hashlib
from importlib.resources import files

import pytest

RELEASE = "0.187.0"
SHA256 = {  # of the files in the npm package three@0.187.0
    "three.core.js": "613e370f76638fdef83926642bf256dc9615684922de1ce1f63a8583e5d78578",
    "three.module.js": "104f56145899722094556490d787aae0617cc2fc3382f31df02d724ea1aee341",
    "GLTFLoader.js": "532ac726e120039acbcd6cf54328c57acbf7b438176afaa6951257126d11bff1",
    "OrbitControls.js": "e7fca2fe9e7670a828af9b28084669a5909445b7f36f1f26cee9bf8f2961c32c",
    "RoomEnvironment.js": "55f466192cc84298755a424c5e040345006b2ee1455589b3b54126c2ea4123f4",
    "BufferGeometryUtils.js": "7bda2a8ba836b2bcf67cb938d4b9e1bb5d1b1bc616817103ed858c0b58296ce7",
    "SkeletonUtils.js": "b1632a703206c3d830de9fcbe515696770d04b71a15ee6b50afa6d2c3298c86f",
    "LICENSE.txt": "8b378ebe60e2fe500158cb0ac71cb5e8b7d92953c2abcc63a0eb90499653b5bc",
}
CHANGED = {
    b"from './three.module.js';": b"from 'three';",
    b"from './BufferGeometryUtils.js'": b"from '../utils/BufferGeometryUtils.js'",
}
CHANGED[b"from './SkeletonUtils.js'"] = b"from '../utils/SkeletonUtils.js'"
FOLDER = files("twind.viewers") / "page" / "vendor" / "three"


@pytest.mark.parametrize("name", SHA256)
def test_a_vendored_file_is_the_released_one(name: str) -> None:
    data = (FOLDER / name).read_bytes()
    if name[0].isupper():  # the add-ons name modules so that only a build step or an import map finds them
        for ours, theirs in CHANGED.items():
            data = data.replace(ours, theirs)
    assert hashlib.sha256(data).hexdigest() == SHA256[name]


def test_nothing_else_is_vendored_and_it_is_the_release_that_is_named() -> None:
    assert {entry.name for entry in FOLDER.iterdir()} == set(SHA256)
    assert f"const REVISION = '{RELEASE.split('.')[1]}'" in (FOLDER / "three.core.js").read_text(encoding="utf-8")


def test_our_own_modules_are_small_and_import_by_relative_addresses_only() -> None:
    for file in (files("twind.viewers") / "page" / "js").rglob("*.js"):  # type: ignore[attr-defined]
        text = file.read_text(encoding="utf-8")
        assert text.startswith("/**"), file.name
        assert text.count("\n") < 350, file.name
        assert "innerHTML" not in text, file.name
        for line in text.splitlines():
            if line.startswith("import "):
                assert 'from "./' in line or 'from "../' in line, line
