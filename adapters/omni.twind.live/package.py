"""Packs the extension as Kit's extension manager takes it: `package.py FOLDER` writes FOLDER/omni.twind.live-VERSION.zip.

The same files give the same bytes, on every machine: names in order, no times, nothing compressed. Standard library only.
"""

from __future__ import annotations

import re
import sys
import tomllib
import zipfile
from pathlib import Path

NAME = "omni.twind.live"
HERE = Path(__file__).resolve().parent
_ROOT = HERE.parents[1]
_PARTS = {"config": {".toml"}, "data": {".png"}, "docs": {".md"}, "omni": {".py"}}
"""Folders that go in, and which files of them."""
_MODE = 0o644


def files() -> dict[str, bytes]:
    """Return what goes in, by its name in the archive.

    Raises:
        ValueError: A link or a file of another kind is in the way, or a version is another one.
    """
    found = {"LICENSE": (_ROOT / "LICENSE").read_bytes()}
    for folder, suffixes in _PARTS.items():
        for path in (HERE / folder).rglob("*"):
            if "__pycache__" in path.parts or (path.is_dir() and not path.is_symlink()):
                continue
            if path.is_symlink() or path.suffix not in suffixes:
                raise ValueError(f"{path} is no file that belongs into the extension")
            found[path.relative_to(HERE).as_posix()] = path.read_bytes()
    version(found["config/extension.toml"])
    return found


def version(config: bytes) -> str:
    """Return the version that the configuration names, which must be twind's own.

    Raises:
        ValueError: It is another one.
    """
    given: str = tomllib.loads(config.decode())["package"]["version"]
    match = re.search(r'__version__ = "([^"]+)"', (_ROOT / "twind" / "__init__.py").read_text(encoding="utf-8"))
    if match is None or match[1] != given:
        raise ValueError(f"config/extension.toml is of version {given}, twind of {match[1] if match else 'none'}")
    return given


def pack(folder: Path) -> Path:
    """Write the archive and return where it is."""
    contents = files()
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{NAME}-{version(contents['config/extension.toml'])}.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(contents):
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system = 3  # as on a Unix, wherever it is made
            entry.external_attr = _MODE << 16
            archive.writestr(entry, contents[name])
    return target


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{pack(Path(sys.argv[1]))}\n")
    except ValueError as error:
        sys.exit(f"error: {error}")
