"""State that was written down and read back goes on as if nothing had happened, bit by bit."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.runtime.cell import ARM, CELL, MS, START, Cell
from twind.flow.snapshot_file import decode, encode
from twind.model.errors import SnapshotError, SnapshotFault
from twind.model.topology import RigidObject, Topology
from twind.runtime.restart.state import Restored, capture, from_parts, restore, to_parts

if TYPE_CHECKING:
    from twind.runtime.estimators import Estimators


def drive(cell: Cell, first: int, last: int) -> None:
    """Send what an arm and a crate say: late messages, silence, garbage and a slow clock among it."""
    rng = np.random.default_rng(7)
    noise = rng.normal(0.0, 1e-3, (4000, 4))
    for n in range(first, last):
        stamp = START + n * 5 * MS
        if n % 97 == 0:
            stamp -= 60 * MS
        angle = 1e9 if n % 131 == 0 else float(np.sin(n * 0.02) + noise[n, 0])
        if not 700 <= n < 760:
            cell.joints(
                stamp, [angle, 0.3 + float(noise[n, 1])], velocity=[float(np.cos(n * 0.02)) * 4.0, 0.0], effort=[1.0, 2.0]
            )
        if n % 3 == 0:
            cell.pose(stamp, float(n * 1e-3 + noise[n, 2]))
        if n % 2 == 0:
            cell.imu(stamp)


def bytes_of(estimators: Estimators) -> dict[str, bytes]:
    state = capture(estimators)
    return {
        f"{name}.{array}": np.ascontiguousarray(values).tobytes()
        for name, table in state.tables.items()
        for array, values in table.arrays.items()
    }


def through_a_file(cell: Cell, onto: Cell) -> Restored:
    description, parts = to_parts(capture(cell.estimators))
    header, read = decode(encode({"state": description}, parts))
    return restore(onto.estimators, from_parts(header["state"], read, onto.estimators))


EFFORTS: dict[str, Any] = {"joints": {"use_effort": True, "use_velocity": True}}


@pytest.mark.parametrize("cut", [1, 3, 250, 699, 730, 765, 1200])
def test_banks_that_were_restored_go_on_bit_by_bit_like_those_that_never_stopped(cut: int) -> None:
    straight, before, after = Cell(**EFFORTS), Cell(**EFFORTS), Cell(**EFFORTS)
    drive(straight, 0, 1500)
    drive(before, 0, cut)
    restored = through_a_file(before, after)
    assert restored.left_out == 0
    assert bytes_of(after.estimators) == bytes_of(before.estimators)
    drive(after, cut, 1500)
    assert bytes_of(after.estimators) == bytes_of(straight.estimators)
    now = START + 1500 * 5 * MS
    assert after.show(now, "arm") == straight.show(now, "arm")
    assert after.show(now, "crate") == straight.show(now, "crate")


def test_a_stage_that_gained_and_lost_robots_and_changed_their_order_finds_its_own() -> None:
    before = Cell()
    drive(before, 0, 300)
    other = dataclasses.replace(ARM, id="arm_0", prim="/arm_0")
    grown = Topology(root="x", robots=(other, ARM), objects=(RigidObject(id="bin", prim="/bin"),))
    after = Cell(grown)
    restored = through_a_file(before, after)
    assert restored == Restored(entities=1, left_out=3)  # the crate, and its streams of poses and of inertial readings
    assert after.estimators.joints.last_ns.tolist() == [-(2**63)] * 2 + before.estimators.joints.last_ns.tolist()
    drive(after, 300, 400)
    drive(before, 300, 400)
    now = START + 400 * 5 * MS
    assert after.show(now, "arm") == before.show(now, "arm")


def test_what_is_set_up_in_another_way_begins_anew_and_is_counted() -> None:
    before = Cell()
    drive(before, 0, 300)
    after = Cell(overrides={"arm": {"joints": {"names": {"elbow": {"position_std_rad": 0.01}}}}})
    restored = through_a_file(before, after)
    assert restored.left_out == 1
    assert after.estimators.joints.seen.tolist() == [True, False]


def test_a_state_of_another_layout_is_refused_and_nothing_is_changed() -> None:
    before = Cell()
    drive(before, 0, 10)
    description, parts = to_parts(capture(before.estimators))
    for table in description["tables"].values():
        for array in table["arrays"]:
            array["layout"] = array["layout"].replace("'t_ns', '<i8'", "'t_ns', '<f8'")
    after = Cell()
    fresh = bytes_of(after.estimators)
    with pytest.raises(SnapshotError, match="this twind keeps joints in another way") as caught:
        restore(after.estimators, from_parts(description, [bytes(part) for part in parts], after.estimators))
    assert caught.value.fault is SnapshotFault.LAYOUT
    assert bytes_of(after.estimators) == fresh


@pytest.fixture(scope="module")
def content() -> bytes:
    cell = Cell()
    drive(cell, 0, 20)
    return encode({"state": to_parts(capture(cell.estimators))[0]}, to_parts(capture(cell.estimators))[1])


def test_a_snapshot_that_was_cut_anywhere_is_unreadable(content: bytes) -> None:
    for size in (0, 1, 7, 8, 15, 16, 17, 500, len(content) // 2, len(content) - 33, len(content) - 1):
        with pytest.raises(SnapshotError) as caught:
            decode(content[:size])
        assert caught.value.fault is SnapshotFault.UNREADABLE


def test_a_snapshot_with_any_bit_changed_is_unreadable_or_said_to_be_newer(content: bytes) -> None:
    rng = np.random.default_rng(3)
    for place in [*range(16), *rng.integers(16, len(content), 60).tolist()]:
        changed = bytearray(content)
        changed[place] ^= 1 << int(rng.integers(8))
        with pytest.raises(SnapshotError):
            decode(bytes(changed))


def test_a_snapshot_of_a_newer_format_says_so(content: bytes) -> None:
    with pytest.raises(SnapshotError, match="format 9, this twind reads up to 1") as caught:
        decode(content[:8] + (9).to_bytes(4, "little") + content[12:])
    assert caught.value.fault is SnapshotFault.NEWER


def test_topologies_alike_restore_everything(content: bytes) -> None:
    header, parts = decode(content)
    after = Cell(CELL)
    assert restore(after.estimators, from_parts(header["state"], parts, after.estimators)) == Restored(entities=2, left_out=0)
