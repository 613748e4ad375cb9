"""What people install holds the page: a wheel is built and looked into."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "twind/viewers/page"


def test_the_wheel_holds_every_file_of_the_page_as_it_is_here(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        tmp_path,
        ROOT,
    ]
    subprocess.run(command, check=True, capture_output=True)
    (file,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(file) as wheel:
        packed = {name: wheel.read(name) for name in wheel.namelist() if name.startswith("twind/viewers/page/")}
    expected = {one.relative_to(ROOT).as_posix(): one.read_bytes() for one in PAGE.rglob("*") if one.is_file()}
    assert packed == expected
    assert b"MIT License" in packed["twind/viewers/page/vendor/three/LICENSE.txt"]
