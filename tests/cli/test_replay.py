"""`twind replay` and `twind record` on the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from twind.cli.main import main
from twind.codecs.pose import PoseCodec
from twind.config.registry import Present, Registry
from twind.testing.recordings import pose, write_recording

if TYPE_CHECKING:
    from pathlib import Path

T0 = 1_700_000_000_000_000_000
MS = 1_000_000
CONFIG = """\
stage: {root: cell.usda}
sources:
  floor: {type: fake, routes: [{topic: "cell/{entity}/pose", codec: pose}]}
"""


@pytest.fixture
def recorded(cell: Path) -> Path:
    """A folder with a configuration and a recording of two seconds."""
    Registry.installed().codecs._members["pose"] = Present(PoseCodec)
    (cell / "twind.yaml").write_text(CONFIG)
    stamps = [T0 + index * 10 * MS for index in range(200)]
    write_recording(cell / "a.mcap", [(stamp, "cell/crate/pose", pose(stamp, 1.0, 0.0, 0.0)) for stamp in stamps])
    return cell


def _replay(cell: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["replay", *arguments, "--config", str(cell / "twind.yaml")])


def test_replay_writes_its_files_and_sums_up_without_a_bar_in_a_pipe(recorded: Path) -> None:
    done = _replay(recorded, str(recorded / "a.mcap"), "--out", str(recorded / "out"))
    assert (done.exit_code, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("cell/crate/pose: 200 messages; pose: 200 of 200 accepted, 0 resets, mean NIS ")
    assert lines[1] == f"200 messages, 100 instants: {recorded / 'out'}"
    assert sorted(path.name for path in (recorded / "out").iterdir()) == ["bodies.csv", "joints.csv", "summary.json"]


def test_a_take_is_written_on_request(recorded: Path) -> None:
    take = recorded / "takes" / "one.usda"
    done = _replay(recorded, str(recorded / "a.mcap"), "--out", str(recorded / "out"), "--usd", str(take))
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == f"take: {take}"
    assert [path.name for path in take.parent.iterdir()] == ["one.usda"]
    assert "timeCodesPerSecond = 1" in take.read_text()
    assert _replay(recorded, str(recorded / "a.mcap"), "--usd", str(take), "--speed", "1").exit_code == 2
    over_the_stage = _replay(
        recorded, str(recorded / "a.mcap"), "--out", str(recorded / "out"), "--usd", str(recorded / "cell.usda")
    )
    assert (over_the_stage.exit_code, "a part of the stage" in over_the_stage.stderr) == (1, True)


def test_machines_get_the_summary(recorded: Path) -> None:
    done = _replay(recorded, str(recorded), "--out", str(recorded / "out"), "--json", "--sample-hz", "10", "--horizon-ms", "20")
    summary = json.loads(done.stdout)
    assert summary == json.loads((recorded / "out" / "summary.json").read_text())
    assert (summary["instants"], summary["horizon_ms"]) == (20, 20.0)


@pytest.mark.parametrize(
    "window",
    [
        ("--from", "+0.5", "--to", "+1.0"),
        ("--from", "2023-11-14T22:13:20.5Z", "--to", "2023-11-14T22:13:21"),
        ("--from", str(T0 + 500 * MS), "--to", str(T0 + 1000 * MS)),
    ],
)
def test_times_can_be_written_in_three_ways(recorded: Path, window: tuple[str, ...]) -> None:
    done = _replay(recorded, str(recorded / "a.mcap"), "--out", str(recorded / "out"), "--json", *window)
    summary = json.loads(done.stdout)
    assert (summary["first_ns"], summary["last_ns"]) == (T0 + 500 * MS, T0 + 1000 * MS)


@pytest.mark.parametrize(
    "window",
    [
        ("--from", "+60"),
        ("--to", "2023-11-14T22:13:19Z"),
        ("--from", "+1.0", "--to", "+0.5"),
        ("--from", str(T0 + 501 * MS), "--to", str(T0 + 509 * MS)),  # between two messages
    ],
)
def test_a_part_in_which_nothing_was_received_is_an_error_that_says_when_something_was(
    recorded: Path, window: tuple[str, ...]
) -> None:
    done = _replay(recorded, str(recorded / "a.mcap"), "--out", str(recorded / "out"), *window)
    assert done.exit_code == 1
    assert "nothing was received from " in done.stderr
    span = "the recording spans 2023-11-14T22:13:20.000000000Z to 2023-11-14T22:13:21.990000000Z (1.990 s)"
    assert span in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "either --out, the folder for the results, or --speed is needed"),
        (["--out", "x", "--speed", "1"], "either --out, the folder for the results, or --speed is needed"),
        (["--out", "x", "--to-broker", "mqtt://x"], "--to-broker needs --speed"),
        (["--out", "x", "--from", "noon"], "'noon' is no time"),
        (["--out", "x", "--sample-hz", "0"], "--sample-hz"),
    ],
)
def test_wrong_usage_is_named(recorded: Path, arguments: list[str], said: str) -> None:
    done = _replay(recorded, str(recorded / "a.mcap"), *arguments)
    assert done.exit_code == 2
    assert said in done.stderr


def test_what_is_no_recording_is_an_error(recorded: Path) -> None:
    (recorded / "b.mcap").write_text("no")
    for path, said in ((recorded / "b.mcap", "is not an MCAP file"), (recorded / "c.mcap", "cannot read")):
        done = _replay(recorded, str(path), "--out", str(recorded / "out"))
        assert done.exit_code == 1
        assert said in done.stderr


def test_a_cut_recording_is_replayed_up_to_the_cut_and_said_to_be_cut(recorded: Path) -> None:
    whole = (recorded / "a.mcap").read_bytes()
    (recorded / "cut.mcap").write_bytes(whole[: len(whole) // 2])
    done = _replay(recorded, str(recorded / "cut.mcap"), "--out", str(recorded / "out"))
    assert done.exit_code == 0
    assert "cut.mcap: the file is cut; read up to there" in done.stdout


def test_record_without_a_sink_says_what_is_missing(recorded: Path) -> None:
    done = CliRunner().invoke(main, ["record", str(recorded / "twind.yaml")])
    assert done.exit_code == 1
    assert "the configuration has no sink of type mcap to record to" in done.stderr
