"""Tuning finds settings that predict better, and says by how much."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from twind.cli.main import main
from twind.config.load import load
from twind.config.settings import JointSettings
from twind.runtime.replay.routing import RecordedRoutes
from twind.runtime.tune.report import as_html, as_text, fragment
from twind.runtime.tune.search import Errors, Tuned, tune
from twind.runtime.tune.trial import Trials
from twind.sources.recording import Recording, in_order
from twind.stage.discover import discover
from twind.testing.recordings import write_recording

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Bench

    from twind.testing.recordings import Message


def test_settings_that_are_far_off_are_improved(pendulum: Bench, swing: Callable[[str], list[Message]], tmp_path: Path) -> None:
    path = write_recording(tmp_path / "a.mcap", swing("sys_id_03")[:1000])
    loaded = load([pendulum.config], pendulum.registry)
    topology = discover(loaded.settings.stage.root)
    streams = RecordedRoutes({})
    with Recording(path) as recording:
        messages = [message for found in in_order([recording], key=streams.key) for message in found]
    trials = Trials(loaded, topology, messages, streams, rate_hz=10)
    off = loaded.settings.estimation.model_copy(update={"joints": JointSettings(jerk_noise=0.01, stamp_std_ms=5.0)})
    (one,) = tune(trials, topology, off)
    assert one.robot == "double_pendulum"
    assert one.changed
    assert one.after.score < 0.9 * one.before.score
    assert (one.after.predicted < one.after.held).all()
    assert np.isfinite(one.before.predicted).all()


def test_a_recording_without_joints_is_said_to_hold_none(
    pendulum: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from twind.config.registry import Registry

    monkeypatch.setattr(Registry, "installed", classmethod(lambda _: pendulum.registry))
    path = write_recording(tmp_path / "a.mcap", [(1, "elsewhere", b"")])
    done = CliRunner().invoke(main, ["tune", str(path), "--config", str(pendulum.config)])
    assert done.exit_code == 1
    assert "no joint of the stage was measured" in done.stderr


ERRORS = Errors(np.array([0.1, 0.2, 0.4, 0.8]), np.array([0.01, 0.04, 0.1, 0.4]))
BETTER = Errors(ERRORS.held, ERRORS.predicted / 2)


def test_the_fragment_is_configuration_and_the_page_needs_nothing_from_elsewhere() -> None:
    found = [Tuned("arm <1>", ERRORS, BETTER, {"jerk_noise": 158.11388})]
    document = yaml.safe_load(fragment(found))
    assert document == {"estimation": {"overrides": {"arm <1>": {"joints": {"jerk_noise": 158.0}}}}}
    page = as_html(found)
    assert "arm &lt;1&gt;" in page
    assert "http" not in page
    assert "src=" not in page
    assert "100 ms    400.000  100.000  (0.250)           50.000 (0.125)" in as_text(found)


def test_where_nothing_is_better_nothing_is_changed() -> None:
    assert fragment([Tuned("arm", ERRORS, ERRORS, {})]).startswith("# The present settings")


def test_the_score_is_the_share_of_hold_lasts_error() -> None:
    assert Errors(np.array([1.0, 1.0]), np.array([0.1, 0.4])).score == pytest.approx(0.2)
    assert Errors(np.zeros(2), np.zeros(2)).score == float("inf")
