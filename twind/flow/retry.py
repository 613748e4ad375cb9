"""How long to wait before trying again."""

from __future__ import annotations

import random
from dataclasses import dataclass, field


@dataclass(slots=True)
class Backoff:
    """Exponential back-off with full jitter: `uniform(0, min(cap, base * 2**attempt))`.

    Full jitter spreads a fleet that lost the same broker at the same moment (Brooker, "Exponential Backoff and Jitter", 2015).
    """

    base_s: float = 0.5
    cap_s: float = 30.0
    rng: random.Random = field(default_factory=random.Random, repr=False)
    attempt: int = 0
    """Failures since the last success."""

    def next_delay_s(self) -> float:
        """Count one more failure and return how long to wait."""
        ceiling = min(self.cap_s, self.base_s * 2.0 ** min(self.attempt, 63))
        self.attempt += 1
        return self.rng.uniform(0.0, ceiling)

    def reset(self) -> None:
        """Forget the failures after a success."""
        self.attempt = 0
