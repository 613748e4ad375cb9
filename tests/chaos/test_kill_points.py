"""Killed in the middle of a write, before a rename, between recording and acknowledging: nothing that is left differs.

The source is made up, so that an uninterrupted run receives the very same messages at the very same stamps, and everything
can be compared with it byte for byte. Kills of a daemon whose broker and hub are real are in `test_chaos.py`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.judge import Judge
from tests.chaos.made_up import MESSAGES, MadeUpAdapter, messages, registry
from tests.end_to_end.daemon import PATIENCE_S

HERE = Path(__file__).resolve().parents[2]
OF_BOTH = {
    "half of a write: recording",
    "before sync: recording",
    "before open: recording",
    "before the end of a file: recording",
    "half of a write: snapshot of the state",
    "before rename: snapshot of the state",
    "half of a write: generation",
}
OF_ONE = {
    "mqtt": {"before an acknowledgement", "after an acknowledgement"},
    "eventhubs": {"half of a write: checkpoint", "before rename: checkpoint", "before a checkpoint", "after a checkpoint"},
}


@pytest.mark.parametrize(("kind", "seed"), [("mqtt", 1), ("eventhubs", 2)])
def test_after_a_kill_at_any_point_recording_replay_and_state_are_those_of_an_uninterrupted_run(
    tmp_path: Path, kind: str, seed: int
) -> None:
    command = [sys.executable, "-m", "tests.chaos.kill_points", tmp_path / "lives", kind, str(seed)]
    run = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=3 * PATIENCE_S, check=False)
    assert run.returncode == 0, run.stderr
    happened = json.loads(run.stdout)
    assert happened["missed"] == []
    assert {name for name, _ in happened["kills"]} == set(happened["points"]) >= OF_BOTH | OF_ONE[kind]
    whole, killed = (
        Judge(tmp_path / "lives" / name / "twind.yaml", registry=registry(MadeUpAdapter())) for name in ("whole", "killed")
    )
    sent = [(message.topic, message.payload) for message in messages()]
    assert len(whole.recorded) == len(killed.recorded) == MESSAGES
    assert killed.missing(sent) == killed.out_of_order(sent) == []
    assert killed.state() == whole.state()
    assert killed.replayed() == whole.replayed()
