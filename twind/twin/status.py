"""How far each entity and joint can be believed, and which entities a publish tick must speak about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twind.model.estimates import Status
from twind.model.time import NO_STAMP, NS_PER_S
from twind.twin.jit import kernel

if TYPE_CHECKING:
    from twind.twin.tables import Bytes, Ints

_OK, _COASTING, _STALE, _LOST = int(Status.OK), int(Status.COASTING), int(Status.STALE), int(Status.LOST)


@kernel
def grade(sample_ns: Ints, now_ns: int, fresh_ns: int, coast_ns: int, lost_ns: int, status: Bytes) -> None:
    """Write the `Status` of each row of `sample_ns` by its age: ok < fresh <= coasting < coast <= stale < lost <= lost."""
    for row in range(len(sample_ns)):
        age = now_ns - sample_ns[row]
        if sample_ns[row] == NO_STAMP or age >= lost_ns:
            status[row] = _LOST
        elif age >= coast_ns:
            status[row] = _STALE
        elif age >= fresh_ns:
            status[row] = _COASTING
        else:
            status[row] = _OK


@kernel
def grade_instants(sample_ns: Ints, now_ns: Ints, fresh_ns: int, coast_ns: int, lost_ns: int, status: Bytes) -> None:
    """Write the `Status` of N times R rows, each N of them for an instant of its own."""
    for instant in range(len(now_ns)):
        grade(sample_ns[instant], now_ns[instant], fresh_ns, coast_ns, lost_ns, status[instant])


@kernel
def find_changed(
    now_ns: int,
    sample_ns: Ints,
    status: Bytes,
    stamp_ns: Ints,
    shown_sample_ns: Ints,
    shown_status: Bytes,
    shown_stamp_ns: Ints,
    shown_at_ns: Ints,
    changed: Ints,
) -> int:
    """Write the entities that differ from what is shown to the front of `changed` (E,), and return how many they are.

    An entity differs by its status and by a newer sample; while it is ok or coasting also by the instant its state is for.
    One that is held is shown again once a second only, as nothing but its age grows; one never sampled not at all.
    """
    count = 0
    for entity in range(len(sample_ns)):
        differs = status[entity] != shown_status[entity] or sample_ns[entity] != shown_sample_ns[entity]
        if not differs and sample_ns[entity] != NO_STAMP:
            if status[entity] <= _COASTING:
                differs = stamp_ns[entity] != shown_stamp_ns[entity]
            else:
                # outside 0..1 s also after the wall clock was set back
                differs = not 0 <= now_ns - shown_at_ns[entity] < NS_PER_S
        if differs:
            changed[count] = entity
            count += 1
    return count
