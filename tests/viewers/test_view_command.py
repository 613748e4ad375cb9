"""`twind view` against a real daemon, and its modules where there is nothing but Python."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pxr import Sdf

from tests.end_to_end.conftest import start_daemon  # noqa: F401  (a fixture)
from tests.end_to_end.daemon import PATIENCE_S, Daemon, settings
from tests.viewers.layers import EXTENSION, layer_as_data

if TYPE_CHECKING:
    from collections.abc import Callable

CELL = Path(__file__).parents[2] / "stages" / "demo_cell" / "cell.usda"


def test_a_file_that_follows_a_daemon_equals_its_live_layer(start_daemon: Callable[[Any], Daemon], tmp_path: Path) -> None:  # noqa: F811
    daemon = start_daemon(settings(CELL, None))
    daemon.wait_ready()
    url = daemon.event("daemon_ready")["http"]
    view = [sys.executable, "-m", "twind", "view", "--url", url, "--once", "--json", "--usd", tmp_path / "out.usda"]
    done = subprocess.run(view, capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    report = json.loads(done.stdout.splitlines()[-1])
    assert {one["quality"] for one in report["entities"]} == {"lost"}
    assert len(report["entities"]) == 9
    (tmp_path / "live.usda").write_bytes(daemon.get("/stage/live.usda")[1])
    followed, live = (Sdf.Layer.FindOrOpen(str(tmp_path / name)) for name in ("out.usda", "live.usda"))
    assert layer_as_data(followed) == layer_as_data(live)
    assert [path.name for path in tmp_path.glob("*out*")] == ["out.usda"]
    assert daemon.stop() == 0
    assert "arm_a" in done.stdout


def test_nothing_but_the_standard_library_is_needed() -> None:
    code = f"""
import sys
before = set(sys.modules)
sys.path.insert(0, {str(EXTENSION)!r})
import omni.twind.live.client, omni.twind.live.entities
foreign = {{name.partition(".")[0] for name in set(sys.modules) - before}} - set(sys.stdlib_module_names)
print(*sorted(foreign), omni.twind.live.client.Follower("http://127.0.0.1:9").detail)
"""
    command = [sys.executable, "-I", "-S", "-c", code]
    done = subprocess.run(command, check=True, timeout=PATIENCE_S, capture_output=True, text=True)
    assert done.stdout.split() == ["omni"]


def test_a_daemon_that_is_not_there_is_reported_at_the_end() -> None:
    view = [sys.executable, "-m", "twind", "view", "--url", "http://127.0.0.1:9", "--duration", "0.3"]
    done = subprocess.run(view, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 1
    assert "nothing arrived from http://127.0.0.1:9/live" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_usd_refuses_is_said_in_a_sentence(tmp_path: Path) -> None:
    from twind.viewers.follower.tests.canned_daemon import CATALOGUE, CannedDaemon, frame

    with CannedDaemon() as daemon:
        view = [sys.executable, "-m", "twind", "view", "--url", daemon.address, "--usd", tmp_path / "out.usda"]
        with subprocess.Popen(view, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as viewer:
            daemon.say(CATALOGUE | {"prims": [{"path": "no path"}, {"path": "/arm/link"}]})
            daemon.say(frame(1, (1.0, 2.0, 3.0)))
            _, said = viewer.communicate(timeout=PATIENCE_S)
    assert viewer.returncode == 1
    assert f"error: what arrives from {daemon.address}/live cannot be shown: 'no path' is no prim path" in said
    assert "Traceback" not in said


def test_an_address_that_cannot_be_one_is_a_usage_error() -> None:
    view = [sys.executable, "-m", "twind", "view", "--url", "http://["]
    done = subprocess.run(view, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "'http://[' is no address of a daemon" in done.stderr
