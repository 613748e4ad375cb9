"""The archive of the Omniverse extension, as `make kit-extension` makes it."""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import os
import struct
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

import twind
from tests.viewers.layers import EXTENSION

FAKE = Path(__file__).parent / "kit"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    made = subprocess.run(
        [sys.executable, EXTENSION / "package.py", folder], capture_output=True, text=True, check=True, timeout=60
    )
    return Path(made.stdout.strip())


def test_is_named_and_versioned_as_twind(archive: Path) -> None:
    assert archive.name == f"omni.twind.live-{twind.__version__}.zip"
    with zipfile.ZipFile(archive) as contents:
        config = tomllib.loads(contents.read("config/extension.toml").decode())
    assert config["package"]["version"] == twind.__version__
    project = tomllib.loads((EXTENSION.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["tool"]["hatch"]["version"]["path"] == "twind/__init__.py"


def test_holds_files_and_nothing_else(archive: Path) -> None:
    with zipfile.ZipFile(archive) as contents:
        entries = contents.infolist()
        assert contents.testzip() is None
    names = [one.filename for one in entries]
    assert names == sorted(names)
    assert {Path(name).suffix for name in names} == {"", ".toml", ".md", ".png", ".py"}
    assert [name for name in names if not Path(name).suffix] == ["LICENSE"]
    for one in entries:
        assert one.external_attr >> 16 == 0o644, "a plain file, not a link"
        assert not {"..", "__pycache__"} & set(Path(one.filename).parts)
        assert one.date_time == (1980, 1, 1, 0, 0, 0)
    modules = {path.name for path in (EXTENSION / "omni" / "twind" / "live").glob("*.py")}
    assert modules <= {Path(name).name for name in names}
    assert "package.py" not in names


def test_is_the_same_to_the_byte_however_often_it_is_made(archive: Path, tmp_path: Path) -> None:
    again = load("package").pack(tmp_path)
    assert hashlib.sha256(again.read_bytes()).digest() == hashlib.sha256(archive.read_bytes()).digest()


def load(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"kit_{name}", EXTENSION / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_link_or_another_version_in_it_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = load("package")
    with pytest.raises(ValueError, match="is of version 9"):
        package.version(b'[package]\nversion = "9.9.9"\n')
    for folder in ("config", "omni"):
        (tmp_path / folder).mkdir()
    (tmp_path / "omni" / "linked.py").symlink_to("/etc/hostname")
    monkeypatch.setattr(package, "HERE", tmp_path)
    with pytest.raises(ValueError, match="is no file that belongs"):
        package.files()


def test_what_its_configuration_names_is_in_it(archive: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(archive) as contents:
        contents.extractall(tmp_path)
    config = tomllib.loads((tmp_path / "config" / "extension.toml").read_text(encoding="utf-8"))
    named = [config["package"][key] for key in ("readme", "changelog", "icon", "preview_image")]
    for name in named + config["documentation"]["pages"]:
        assert (tmp_path / name).is_file(), name
    for name, size in (("icon", (256, 256)), ("preview_image", (640, 360))):
        data = (tmp_path / config["package"][name]).read_bytes()
        assert data.startswith(b"\x89PNG\r\n\x1a\n")
        assert struct.unpack(">II", data[16:24]) == size
    for module in config["python"]["module"]:
        path = tmp_path / module["name"].replace(".", "/")
        assert path.is_dir() or path.with_suffix(".py").is_file()
    assert f"## {twind.__version__}" in (tmp_path / config["package"]["changelog"]).read_text(encoding="utf-8")


def test_its_settings_are_those_that_are_read_and_documented() -> None:
    from dataclasses import asdict

    from twind.viewers.follower.options import PREFIX, Options

    config = tomllib.loads((EXTENSION / "config" / "extension.toml").read_text(encoding="utf-8"))
    given = config["settings"]["exts"]["omni.twind.live"]
    assert {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()} == asdict(Options())
    assert Options.read(lambda path: given[path.removeprefix(PREFIX)]) == Options()
    overview = (EXTENSION / "docs" / "Overview.md").read_text(encoding="utf-8")
    assert not [name for name in given if f"`{name}`" not in overview]


def test_its_own_tests_pass_once_it_is_unpacked(archive: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(archive) as contents:
        contents.extractall(tmp_path)
    program = [sys.executable, "-W", "error", "-m", "unittest", "omni.twind.live.tests"]
    path = {"PYTHONPATH": os.pathsep.join(map(str, (FAKE, tmp_path)))}
    done = subprocess.run(program, env=path, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "Ran 3 tests" in done.stderr


def test_it_is_written_for_python_3_11_and_imports_only_what_kit_has() -> None:
    known = set(sys.stdlib_module_names) | {"pxr", "carb", "omni", "usdrt"}
    for path in (EXTENSION / "omni").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 11))
        for node in ast.walk(tree):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names.append(str(node.module))
            assert {name.partition(".")[0] for name in names} <= known, path
            touches = {name.partition(".")[0] for name in names} & {"carb", "omni"}
            assert not touches or path.name in ("extension.py", "test_extension.py"), path
