"""Holds back repeated log lines: the first at once, then at most one per interval, which says how many were held back."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from twind.telemetry.lines import Line


@dataclass(slots=True)
class _Memory:
    written_s: float
    suppressed: int = 0
    held: Line | None = None


class RepeatLimiter:
    """Decides which lines are written. Remembers a bounded number of keys, the least recently used are forgotten first."""

    def __init__(self, repeat_s: float, *, clock: Callable[[], float], max_keys: int = 1024) -> None:
        self._repeat_s = repeat_s
        self._clock = clock
        self._max_keys = max_keys
        self._memory: OrderedDict[Hashable, _Memory] = OrderedDict()
        # Reentrant: a destructor may log while this very thread is in here.
        self._lock = threading.RLock()

    def __len__(self) -> int:
        """Keys remembered."""
        return len(self._memory)

    def admit(self, key: Hashable, line: Line) -> int | None:
        """Return how many lines were held back since the last one written, or None when this one is held back too."""
        now_s = self._clock()
        with self._lock:
            memory = self._memory.get(key)
            if memory is None:
                self._memory[key] = _Memory(now_s)
                if len(self._memory) > self._max_keys:
                    self._memory.popitem(last=False)
                return 0
            self._memory.move_to_end(key)
            if now_s - memory.written_s < self._repeat_s:
                memory.suppressed += 1
                memory.held = line
                return None
            suppressed, memory.suppressed = memory.suppressed, 0
            memory.written_s, memory.held = now_s, None
            return suppressed

    def take_held(self) -> list[tuple[Line, int]]:
        """Forget everything; return the newest line held back for each key, and how many others were held back with it."""
        with self._lock:
            held = [(memory.held, memory.suppressed - 1) for memory in self._memory.values() if memory.held is not None]
            self._memory.clear()
        return held
