"""When to dial again: full jitter below the time that was waited so far (SECURITY: 0.5 s → 60 s)."""

import random
from collections.abc import Callable
from typing import Final

FIRST_BOUND: Final = 0.5
LAST_BOUND: Final = 60.0


class Backoff:
    """Delays before the next try to connect, in seconds.

    Each is drawn uniformly below what was waited so far, so that a peer is back at the latest when as much
    time again has passed as the relay was away. A bound that doubles with every try would not promise that:
    a few short draws let it run ahead of the time. The hosts of a restarted relay are spread all the same.

    Args:
        last_bound: no delay is longer, seconds.
        draw: uniform draw from an interval; for tests.
    """

    def __init__(
        self, *, last_bound: float = LAST_BOUND, draw: Callable[[float, float], float] = random.uniform
    ) -> None:
        self._last_bound = last_bound
        self._draw = draw
        self._waited = 0.0

    def next_delay(self) -> float:
        """Seconds to wait before the next try."""
        delay = self._draw(0.0, min(max(FIRST_BOUND, self._waited), self._last_bound))
        self._waited += delay
        return delay

    def spread_over(self, within: float) -> float:
        """Seconds to wait when the relay asked everybody to come back within so many seconds."""
        return self._draw(0.0, within)

    def reset(self) -> None:
        """A connection was good: the next loss is a new story."""
        self._waited = 0.0
