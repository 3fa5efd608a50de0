"""When to dial again: full jitter between nothing and a growing bound (SECURITY: 0.5 s → 60 s)."""

import random
from collections.abc import Callable
from typing import Final

FIRST_BOUND: Final = 0.5
LAST_BOUND: Final = 60.0


class Backoff:
    """Delays before the next try to connect, in seconds.

    Full jitter (a uniform draw below a doubling bound) spreads the hosts of a restarted relay best.

    Args:
        last_bound: what the bound grows to, seconds.
        draw: uniform draw from an interval; for tests.
    """

    def __init__(
        self, *, last_bound: float = LAST_BOUND, draw: Callable[[float, float], float] = random.uniform
    ) -> None:
        self._last_bound = last_bound
        self._draw = draw
        self._bound = FIRST_BOUND

    def next_delay(self) -> float:
        """Seconds to wait before the next try."""
        delay = self._draw(0.0, self._bound)
        self._bound = min(self._bound * 2, self._last_bound)
        return delay

    def spread_over(self, within: float) -> float:
        """Seconds to wait when the relay asked everybody to come back within so many seconds."""
        return self._draw(0.0, within)

    def reset(self) -> None:
        """A connection was good: the next loss is a new story."""
        self._bound = FIRST_BOUND
