"""How large the pieces are that leave a peer, so that what is urgent never waits long behind what is not.

Two things are in the way of a click: the batch that a socket is just taking, with what the kernel holds
unsent; and, on every leg up to the other peer, the one frame that is just being sent. Both are kept to what
a path carries in `PIECE_SECONDS`, between bounds: below 8 KiB the cost of each piece would be felt, and what
larger ones than these gain is not worth the wait.
"""

import math
from typing import Final

PIECE_SECONDS: Final = 0.004
"""Several of these add up, and the sum should stay below the 30 ms that are felt in typing."""
MIN_PIECE_BYTES: Final = 8 * 1024
"""At 20 Mbit/s a click waits 7 ms then, and waited 10 ms with twice as much."""
MAX_BATCH_BYTES: Final = 129 * 1024
"""Two of the largest records of every channel but files, with their headers."""
MAX_RECORD_BYTES: Final = 64 * 1024
"""Of every channel but files."""
MAX_FILE_RECORD_BYTES: Final = 256 * 1024
"""A file's, on a path that is fast enough for it: what a record costs the programs on the way in Python is
then less than what its bytes cost. 512 KiB would save a tenth more and double what a click waits for."""
RATE_INTERVAL: Final = 0.5
"""Seconds over which `RecordSize` measures: many round trips, or at least a few."""
FIRST_RATE_INTERVAL: Final = 0.05
"""The first time, and twice as long each time until it is `RATE_INTERVAL`. The credit at the beginning is
small, so that even all of it at once looks like no fast path."""


class BatchSize:
    """How much to hand to a socket at a time: halved when that took long, doubled when it was quick.

    Concurrency: the sender's.

    Attributes:
        size: bytes, from `MIN_PIECE_BYTES` to `MAX_BATCH_BYTES`.
    """

    __slots__ = ("size",)

    def __init__(self) -> None:
        self.size = MAX_BATCH_BYTES // 2

    def sent(self, batch_bytes: int, seconds: float) -> bool:
        """A batch was taken by the socket; says whether that changed `size`.

        Args:
            batch_bytes: its size. A small one that was quick says nothing of the path.
            seconds: from being ready to send until the socket had taken it all.
        """
        before = self.size
        if seconds > PIECE_SECONDS:
            self.size = max(before // 2, MIN_PIECE_BYTES)
        elif seconds < PIECE_SECONDS / 4 and batch_bytes >= before:
            self.size = min(before * 2, MAX_BATCH_BYTES)
        return self.size != before


class RecordSize:
    """Into what pieces one stream's data is cut, by the rate at which credit lets it go.

    That rate is the path's from end to end: a slow leg far away shows too. `now` is any monotonic clock, in
    seconds.

    Concurrency: the stream's sender's.
    """

    __slots__ = ("_bytes", "_interval", "_since", "_size")

    def __init__(self) -> None:
        self._since = -math.inf
        self._interval = FIRST_RATE_INTERVAL
        self._bytes = 0
        self._size = MIN_PIECE_BYTES

    def take(self, left: int, now: float) -> int:
        """The size of the next piece of `left` bytes: at most `left`, and `MAX_FILE_RECORD_BYTES`."""
        elapsed = now - self._since
        if elapsed >= self._interval:
            wanted = int(self._bytes / elapsed * PIECE_SECONDS)
            self._size = max(MIN_PIECE_BYTES, min(wanted, MAX_FILE_RECORD_BYTES))
            if self._bytes:
                self._interval = min(2 * self._interval, RATE_INTERVAL)
            self._since, self._bytes = now, 0
        taken = min(left, self._size)
        self._bytes += taken
        return taken
