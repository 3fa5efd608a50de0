"""How fast and how fine: what one viewer can take, judged by when it confirms what it was sent.

A viewer confirms an update by answering a fence, or, without fences, by asking for the next update. Two
things are learnt from it:

    wait    how long an update lay behind the one before: had nothing been in its way, it would have been
            confirmed the shortest time seen so far after it was sent; if the one before was confirmed later
            than that, it has waited, and shows an old screen. Then fewer updates may be in flight. Over a
            long way nothing waits, and more may be.
    delay   by how much confirming took longer than the shortest so far. Much of it means that connection or
            viewer are overloaded: then pictures get coarser too, until confirmations come swiftly again.
"""

from collections import deque
from typing import Final

from host.remote_control.settings import RfbSettings

_LONG_DELAY: Final = 0.15
"""Seconds of queueing above which a person notices the lag."""
_SHORT_DELAY: Final = 0.05
_LONG_WAIT: Final = 0.02
"""Seconds; with more, a key press shows later than it could."""
_SHORT_WAIT: Final = 0.004
_PIPELINED: Final = 2
"""In flight even if the second waits: one is made while the other is painted. Only overload ends that."""
_GOOD_BEFORE_FINER: Final = 12
"""Swift confirmations in a row before quality rises a step: falls are quick, rises careful."""
_MIN_TELLING_BYTES: Final = 8192
"""Smaller updates say nothing about the throughput."""
MAX_QUALITY_LOSS: Final = 5


class Pacer:
    """Books of what is in flight to one viewer. The time is an argument; nothing waits here."""

    def __init__(self, settings: RfbSettings) -> None:
        self._settings = settings
        self._in_flight: deque[tuple[int, int, float]] = deque()  # number, bytes, sent at
        self._bytes_in_flight = 0
        self._next_number = 0
        self._shortest = float("inf")
        self._last_confirmed_at = float("-inf")
        self._good = 0
        self._window = settings.max_updates_in_flight
        self._quality_loss = 0

    @property
    def has_room(self) -> bool:
        """Another update may be sent before the last ones are confirmed."""
        return not self._in_flight or (
            len(self._in_flight) < self._window and self._bytes_in_flight < self._settings.max_bytes_in_flight
        )

    @property
    def quality_loss(self) -> int:
        """Levels by which JPEG should be coarser than the viewer asked for: 0 to `MAX_QUALITY_LOSS`."""
        return self._quality_loss

    def sent(self, size: int, now: float) -> int:
        """Note an update of `size` bytes, sent from `now` on; returns the number that confirms it."""
        number = self._next_number
        self._next_number += 1
        self._in_flight.append((number, size, now))
        self._bytes_in_flight += size
        return number

    def confirmed(self, number: int, now: float) -> None:
        """The viewer has processed update `number` and all before it; unknown numbers mean nothing."""
        while self._in_flight and self._in_flight[0][0] <= number < self._next_number:
            _, size, sent_at = self._in_flight.popleft()
            self._bytes_in_flight -= size
            self._learn(size, sent_at, now)

    def all_confirmed(self, now: float) -> None:
        """The viewer asked for more: it has processed everything."""
        self.confirmed(self._next_number - 1, now)

    def _learn(self, size: int, sent_at: float, now: float) -> None:
        self._shortest = min(self._shortest, now - sent_at)
        wait = self._last_confirmed_at - (sent_at + self._shortest)
        self._last_confirmed_at = now
        if wait > _LONG_WAIT:
            self._window = max(min(_PIPELINED, self._window), self._window - 1)
        elif wait < _SHORT_WAIT:
            self._window = min(self._settings.max_updates_in_flight, self._window + 1)
        delay = now - sent_at - self._shortest
        if delay > _LONG_DELAY and size >= _MIN_TELLING_BYTES:
            self._good = 0
            self._window = max(1, self._window // 2)
            self._quality_loss = min(MAX_QUALITY_LOSS, self._quality_loss + 1)
        elif delay < _SHORT_DELAY:
            self._good += 1
            if self._good >= _GOOD_BEFORE_FINER:
                self._good = 0
                self._quality_loss = max(0, self._quality_loss - 1)
