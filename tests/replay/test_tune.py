"""Tuning finds the noise that made a recording, takes what predicts better, and says by how much."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from twind.cli.main import main
from twind.config.load import load
from twind.config.settings import JointSettings, PoseSettings
from twind.model.errors import PermanentError
from twind.runtime.replay.routing import RecordedRoutes
from twind.runtime.tune.decoded import decode
from twind.runtime.tune.innovations import innovations
from twind.runtime.tune.maximum import Range, maximise
from twind.runtime.tune.page import nis_band, page
from twind.runtime.tune.report import as_document, as_text, fragment
from twind.runtime.tune.search import Errors, Quantity, Search, Tuned, joint_noise, unbiased
from twind.sources.recording import Recording, in_order
from twind.stage.discover import discover
from twind.testing.recordings import joint_state, pose, write_recording

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from conftest import Bench

    from twind.config.registry import Registry
    from twind.testing.recordings import Message

T0 = 1_700_000_000_000_000_000
TOPIC = "cell/double_pendulum/joint_state"


def search_in(bench: Bench, path: Path, *, settings: dict[str, Any] | None = None, **options: Any) -> tuple[Search, Any, Any]:
    """Prepare a search as the command does, from changed settings."""
    loaded = load([bench.config], bench.registry)
    topology = discover(loaded.settings.stage.root)
    streams = RecordedRoutes({})
    with Recording(path) as recording:
        messages = [message for found in in_order([recording], key=streams.key) for message in found]
    present = loaded.settings.estimation.model_copy(update=settings or {})
    decoded = decode(loaded, topology, unbiased(present, topology), messages, streams)
    return Search(topology, present, decoded, **options), topology, decoded


def jerked(*, jerk: float, std: float, stamp_ms: float, seconds: float = 12.0, seed: int = 3) -> list[Message]:
    """Return what two joints would send whose acceleration is driven by white noise and lasts half a second."""
    rng = np.random.default_rng(seed)
    step, ratio = 0.0005, 8
    count = round(seconds / step)
    stamps = T0 + (np.arange(0, count, ratio) * step * 1e9).astype(np.int64)
    messages = []
    paths = []
    for _ in range(2):
        acceleration, speed, position = 0.0, 0.0, 0.0
        path = []
        for kick in rng.normal(0.0, jerk * np.sqrt(step), count):
            path.append((position, speed))
            position += step * speed
            speed += step * acceleration
            acceleration += kick - step * acceleration / 0.5
        paths.append(np.array(path[::ratio]))
    late = rng.normal(0.0, stamp_ms * 1e-3, len(stamps))
    values = [path[:, 0] + path[:, 1] * late + rng.normal(0.0, std, len(stamps)) for path in paths]
    for index, stamp in enumerate(stamps.tolist()):
        messages.append((stamp + 2_000_000, TOPIC, joint_state(stamp, float(values[0][index]), float(values[1][index]))))
    return messages


def test_the_noise_that_made_a_recording_is_found(pendulum: Bench, tmp_path: Path) -> None:
    path = write_recording(tmp_path / "a.mcap", jerked(jerk=5.0, std=5e-4, stamp_ms=0.2))
    for one in search_in(pendulum, path)[0].run():
        assert one.likely["jerk_noise"] == pytest.approx(5.0, rel=0.3)
        assert one.likely["position_std_rad"] == pytest.approx(5e-4, rel=0.2)
        assert one.likely["stamp_std_ms"] == pytest.approx(0.2, rel=0.3)


def test_where_stamps_do_not_jitter_none_of_it_is_found(pendulum: Bench, tmp_path: Path) -> None:
    path = write_recording(tmp_path / "a.mcap", jerked(jerk=5.0, std=5e-4, stamp_ms=0.0))
    for one in search_in(pendulum, path, settings={"joints": JointSettings(stamp_std_ms=2.0)})[0].run():
        assert one.likely["stamp_std_ms"] < 0.05


def test_the_noise_of_a_body_is_found(crate: Bench, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    position, speed, messages = np.zeros(3), np.zeros(3), []
    for stamp in range(T0, T0 + 30_000_000_000, 20_000_000):
        position, speed = position + 0.02 * speed, speed + rng.normal(0.0, 2.0 * np.sqrt(0.02), 3)
        seen = position + rng.normal(0.0, 0.02, 3)
        messages.append((stamp + 2_000_000, "cell/crate/pose", pose(stamp, *seen.tolist())))
    # The bank learns the noise of poses by itself, within bounds: only settings beyond them are worth a change.
    far_off = {"poses": PoseSettings(position_std_m=1e-4)}
    search, _, _ = search_in(crate, write_recording(tmp_path / "a.mcap", messages), settings=far_off)
    (one,) = search.run()
    assert one.joint is None
    assert one.likely["acceleration_noise"] == pytest.approx(2.0, rel=0.3)
    assert one.likely["position_std_m"] == pytest.approx(0.02, rel=0.1)
    assert "rotation_std_rad" not in one.likely  # it never turned
    where, _ = one.quantities
    assert where.after.score <= where.before.score
    assert "position_std_m" in one.changed


@pytest.mark.parametrize("settings", [{}, {"joints": JointSettings(jerk_noise=0.01, stamp_std_ms=5.0, adapt=False)}])
def test_a_real_pendulum_is_never_predicted_worse(
    pendulum: Bench, swing: Callable[[str], list[Message]], tmp_path: Path, settings: dict[str, Any]
) -> None:
    path = write_recording(tmp_path / "a.mcap", swing("sys_id_03")[:1500])
    found = search_in(pendulum, path, settings=settings)[0].run()
    assert [one.joint for one in found] == ["Joint1", "Joint2"]
    for one in found:
        (position,) = one.quantities
        assert np.isfinite(position.before.predicted).all()
        assert position.after.score <= position.before.score
        if settings:  # that are far off
            assert position.after.score < 0.5 * position.before.score
            assert (position.after.predicted[:3] < position.after.held[:3]).all()


def test_the_fragment_after_the_configuration_gives_the_settings_that_were_judged(
    pendulum: Bench, swing: Callable[[str], list[Message]], tmp_path: Path
) -> None:
    path = write_recording(tmp_path / "a.mcap", swing("sys_id_03")[:1500])
    pendulum.config.write_text(pendulum.config.read_text() + "estimation: {joints: {jerk_noise: 0.01, adapt: false}}\n")
    search, topology, _ = search_in(pendulum, path)
    found = search.run()
    added = tmp_path / "tune.yaml"
    added.write_text(fragment(found))
    merged = load([pendulum.config, added], pendulum.registry).settings.estimation
    assert all(one.changed for one in found)
    (robot,) = topology.robots
    for one in found:
        joint = next(joint for joint in robot.joints if joint.name == one.joint)
        noise = joint_noise(merged, robot.id, joint)
        assert {name: getattr(noise, name) for name in one.changed} == one.changed
        assert noise.model_dump() == joint_noise(search.tuned_settings, robot.id, joint).model_dump()


def test_an_empty_fragment_is_configuration_too(pendulum: Bench, tmp_path: Path) -> None:
    added = tmp_path / "tune.yaml"
    added.write_text(fragment([tuned(changed={})]))
    assert load([pendulum.config, added], pendulum.registry).settings == load([pendulum.config], pendulum.registry).settings


def test_the_report_shows_what_it_promises_and_needs_nothing_from_elsewhere(
    pendulum: Bench, swing: Callable[[str], list[Message]], tmp_path: Path
) -> None:
    path = write_recording(tmp_path / "a.mcap", swing("sys_id_03")[:1500])
    search, topology, decoded = search_in(pendulum, path, settings={"joints": JointSettings(jerk_noise=1.0, adapt=False)})
    text = page(search, search.run(), topology, decoded)
    assert not re.search(r"https?:|src=|<link|<script|@import|url\(", text)
    ET.fromstring(text.removeprefix("<!doctype html>"))  # noqa: S314  (our own text)
    charts = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    for joint in ("Joint1", "Joint2"):
        assert f"<h2>double_pendulum/{joint}</h2>" in text
    for label in ("Innovations of position before", "Innovations of position after", "Running normalised", "Prediction error"):
        assert sum(f'aria-label="{label}' in chart for chart in charts) == 2
    assert all(f"+{horizon} ms" in text for horizon in (20, 50, 100, 200))
    assert "95 % band" in text
    assert "nan" not in text.lower().replace("resonance", "")
    assert "estimation:" in text


def test_innovations_have_the_spread_they_say(pendulum: Bench, tmp_path: Path) -> None:
    path = write_recording(tmp_path / "a.mcap", jerked(jerk=5.0, std=5e-4, stamp_ms=0.2, seconds=6.0))
    exact = JointSettings(jerk_noise=5.0, position_std_rad=5e-4, stamp_std_ms=0.2, adapt=False)
    search, topology, decoded = search_in(pendulum, path, settings={"joints": exact})
    found = innovations(topology, decoded, search.settings)
    assert set(found) == {("double_pendulum", "Joint1"), ("double_pendulum", "Joint2")}
    for (one,) in found.values():
        settled = one.time_s > 0.5
        ratio = one.value[settled, 0] / one.std[settled]
        assert np.mean(np.square(ratio)) == pytest.approx(1.0, abs=0.15)
        np.testing.assert_allclose(np.square(ratio), one.nis[settled], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("std", [0.0005, 0.03])
def test_innovations_of_a_body_are_drawn_with_the_noise_that_it_was_found_to_have(
    crate: Bench, tmp_path: Path, std: float
) -> None:
    rng, messages = np.random.default_rng(8), []
    for stamp in range(T0, T0 + 20_000_000_000, 33_000_000):
        s = (stamp - T0) * 1e-9
        seen = np.array([np.sin(s), np.cos(0.7 * s), 0.2 * np.sin(1.3 * s)]) + rng.normal(0.0, std, 3)
        messages.append((stamp + 2_000_000, "cell/crate/pose", pose(stamp, *seen.tolist())))
    search, topology, decoded = search_in(crate, write_recording(tmp_path / "a.mcap", messages))
    ((position, rotation),) = innovations(topology, decoded, search.settings).values()
    settled = position.time_s > 3.0
    drawn = sum((np.square(one.value).sum(axis=1) / one.std**2)[settled] for one in (position, rotation))
    assert np.isclose(drawn, position.nis[settled], rtol=0.01).mean() > 0.97
    ratio = position.value[settled] / position.std[settled, None]
    assert np.mean(np.square(ratio)) == pytest.approx(1.0, abs=0.2)


def test_the_band_of_the_running_nis_holds_so_many() -> None:
    rng = np.random.default_rng(1)
    for samples, freedom in ((100, 1), (20, 6)):
        low, high = nis_band(samples, freedom)
        means = rng.chisquare(freedom, (20_000, samples)).mean(axis=1)
        assert np.mean((means >= low) & (means <= high)) == pytest.approx(0.95, abs=0.01)


def test_a_maximum_between_the_points_of_the_grid_is_found_and_what_does_not_matter_is_kept() -> None:
    def likelihood(values: Mapping[str, float]) -> float:
        return -50.0 * np.log10(values["a"] / 37.0) ** 2 - 0.1 * np.log10(values["b"]) ** 2

    found = maximise(likelihood, {"a": Range(-2, 4), "b": Range(-3, 3)}, {"a": 1.0, "b": 20.0})
    assert found["a"] == pytest.approx(37.0, rel=0.02)
    assert found["b"] == 20.0


def test_what_stands_still_is_not_tuned(pendulum: Bench, tmp_path: Path) -> None:
    messages = [(T0 + k * 4_000_000, TOPIC, joint_state(T0 + k * 4_000_000, 0.1, 0.2)) for k in range(500)]
    found = search_in(pendulum, write_recording(tmp_path / "a.mcap", messages))[0].run()
    assert [one.skipped for one in found] == ["it did not move"] * 2
    assert "not tuned: it did not move" in as_text(found)
    json.dumps(as_document(found), allow_nan=False)


def test_too_few_samples_are_said_to_be_too_few(pendulum: Bench, tmp_path: Path) -> None:
    messages = [(T0 + k * 4_000_000, TOPIC, joint_state(T0 + k * 4_000_000, 0.1 * k, 0.2)) for k in range(5)]
    search, topology, decoded = search_in(pendulum, write_recording(tmp_path / "a.mcap", messages))
    found = search.run()
    assert found[0].skipped.startswith("5 samples are too few")
    assert "too few" in page(search, found, topology, decoded)


def test_only_the_entities_asked_for_are_tuned(pendulum: Bench, swing: Callable[[str], list[Message]], tmp_path: Path) -> None:
    path = write_recording(tmp_path / "a.mcap", swing("sys_id_03")[:200])
    with pytest.raises(PermanentError, match="'arm' is not an entity of the stage; it has: double_pendulum"):
        search_in(pendulum, path, entities=["arm"])


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Run the command with the fake adapters of the bench."""

    def run(registry: Registry, *arguments: str) -> Any:
        from twind.config.registry import Registry

        monkeypatch.setattr(Registry, "installed", classmethod(lambda _: registry))
        return CliRunner().invoke(main, ["tune", *arguments])

    return run


def test_the_command_writes_fragment_table_and_report(
    pendulum: Bench, swing: Callable[[str], list[Message]], tmp_path: Path, command: Callable[..., Any]
) -> None:
    path, config = write_recording(tmp_path / "a.mcap", swing("sys_id_03")[:600]), str(pendulum.config)
    done = command(pendulum.registry, str(path), "--config", config, "--report", str(tmp_path / "report"))
    assert done.exit_code == 0, done.stderr
    assert "hold-last" in done.stderr
    assert "\r" not in done.stderr  # no progress where nobody watches
    yaml.safe_load(done.stdout)
    assert (tmp_path / "report" / "tune.yaml").read_text() == done.stdout
    assert "<svg" in (tmp_path / "report" / "tune.html").read_text()
    out = tmp_path / "own.yaml"
    again = command(pendulum.registry, str(path), "--config", config, "--out", str(out))
    assert out.read_text() == done.stdout
    assert "hold-last" in again.stdout
    machine = json.loads(command(pendulum.registry, str(path), "--config", config, "--json").stdout)
    assert machine["fragment"] == done.stdout
    assert [one["joint"] for one in machine["tuned"]] == ["Joint1", "Joint2"]


def test_a_recording_without_anything_of_the_stage_is_said_to_hold_none(
    pendulum: Bench, tmp_path: Path, command: Callable[..., Any]
) -> None:
    path = write_recording(tmp_path / "a.mcap", [(1, "elsewhere", b"")])
    done = command(pendulum.registry, str(path), "--config", str(pendulum.config))
    assert done.exit_code == 1
    assert "no joint and no pose was measured" in done.stderr


ERRORS = Errors(np.array([0.1, 0.2, 0.4, 0.8]), np.array([0.01, 0.04, 0.1, 0.4]))
BETTER = Errors(ERRORS.held, ERRORS.predicted / 2)


def tuned(*, changed: dict[str, float | bool], joint: str | None = "j <1>") -> Tuned:
    quantity = Quantity("position", "rad", ERRORS, BETTER)
    return Tuned("arm", joint, 1000, {"jerk_noise": 158.0}, "one model", changed, (quantity,))


def test_the_fragment_is_for_single_joints_and_bodies() -> None:
    found = [tuned(changed={"jerk_noise": 158.0, "adapt": False}), tuned(changed={"position_std_m": 0.02}, joint=None)]
    assert yaml.safe_load(fragment(found)) == {
        "estimation": {
            "overrides": {
                "arm": {
                    "joints": {"names": {"j <1>": {"jerk_noise": 158.0, "adapt": False}}},
                    "poses": {"position_std_m": 0.02},
                }
            }
        }
    }
    assert re.search(r"\+100 ms +400\.000 +100\.000 \(0\.250\) +50\.000 \(0\.125\)", as_text(found))


def test_the_score_is_the_share_of_hold_lasts_error() -> None:
    assert Errors(np.array([1.0, 1.0]), np.array([0.1, 0.4])).score == pytest.approx(0.2)
    assert Errors(np.zeros(2), np.zeros(2)).score == float("inf")


def test_bodies_that_state_their_noise_keep_theirs(crate: Bench, tmp_path: Path) -> None:
    messages = []
    rng = np.random.default_rng(2)
    for k in range(400):
        stamp = T0 + k * 20_000_000
        where = {"position": {"x": np.sin(0.02 * k) + rng.normal(0, 0.01), "y": 0, "z": 0},
                 "orientation": {"w": 1, "x": 0, "y": 0, "z": 0}}  # fmt: skip
        covariance = np.diag([1e-4] * 3 + [1e-6] * 3).ravel().tolist()
        payload = {"stamp": stamp, "pose": {"pose": where, "covariance": covariance}}
        messages.append((stamp, "cell/crate/pose", json.dumps(payload).encode()))
    path = write_recording(tmp_path / "a.mcap", messages)
    (one,) = search_in(crate, path, settings={"poses": PoseSettings(position_std_m=0.3)})[0].run()
    assert one.samples > 300
    assert one.likely.get("position_std_m", 0.3) == 0.3


SLIDE = """\
#usda 1.0
(
    defaultPrim = "World"
    metersPerUnit = 1
    upAxis = "Z"
)

def Xform "World"
{
    def Xform "slide" (prepend apiSchemas = ["PhysicsArticulationRootAPI"])
    {
        def Xform "base" (prepend apiSchemas = ["PhysicsRigidBodyAPI"])
        {
        }

        def Xform "cart" (prepend apiSchemas = ["PhysicsRigidBodyAPI"])
        {
        }

        def PhysicsFixedJoint "foot"
        {
            rel physics:body1 = </World/slide/base>
        }

        def PhysicsPrismaticJoint "rail"
        {
            uniform token physics:axis = "X"
            rel physics:body0 = </World/slide/base>
            rel physics:body1 = </World/slide/cart>
        }
    }
}
"""


def test_prismatic_joints_have_settings_in_metres(crate: Bench, tmp_path: Path) -> None:
    (tmp_path / "cell.usda").write_text(SLIDE)
    rng = np.random.default_rng(4)
    messages = []
    for k in range(1500):
        stamp = T0 + k * 4_000_000
        place = 0.3 * np.sin(0.004 * k * 3.0) + rng.normal(0.0, 2e-3)
        messages.append((stamp + 1_000_000, "cell/slide/joint_state", joint_state(stamp, float(place))))
    search, _, _ = search_in(crate, write_recording(tmp_path / "a.mcap", messages))
    (one,) = search.run()
    assert one.likely["position_std_m"] == pytest.approx(2e-3, rel=0.1)
    assert "jerk_noise_m" in one.likely
    assert {quantity.unit for quantity in one.quantities} == {"m"}
    assert "position_std_m" in one.changed
    assert "position [mm]" in as_text([one])
