"""Which live feeds are open, so that signing out closes them at once and nobody opens hundreds."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256

import trio

from relay.limits import KeyedCaps
from relay.people import TechnicianId

GOING_AWAY = 1001
POLICY_VIOLATION = 1008
"""WebSocket close codes (RFC 6455 §7.4.1)."""


class OpenFeed:
    """One console's feed: the scope of its work, and how it ended (a WebSocket close code and a reason)."""

    def __init__(self, technician: TechnicianId) -> None:
        self.technician = technician
        self.scope = trio.CancelScope()
        self.code = GOING_AWAY
        self.reason = "closed"

    def end(self, code: int, reason: str) -> None:
        """End the work; the first reason given is the one that is told."""
        if not self.scope.cancel_called:
            self.code, self.reason = code, reason
            self.scope.cancel()


class Feeds:
    """Books of the open feeds, by cookie (hashed: a feed lives longer than a request) and by technician.

    Args:
        max_per_technician: feeds one technician may have open at once, in all browsers.
    """

    def __init__(self, max_per_technician: int) -> None:
        self._caps = KeyedCaps("feeds_per_technician", max_per_technician)
        self._feeds: dict[bytes, set[OpenFeed]] = {}

    @contextmanager
    def opened(self, cookie: bytes, technician: TechnicianId) -> Iterator[OpenFeed]:
        """One feed, in the books for the length of the block.

        Raises:
            LimitExceeded: the technician has too many open.
        """
        key = sha256(cookie).digest()
        self._caps.acquire(technician)
        feed = OpenFeed(technician)
        self._feeds.setdefault(key, set()).add(feed)
        try:
            yield feed
        finally:
            feeds = self._feeds[key]
            feeds.discard(feed)
            if not feeds:
                del self._feeds[key]
            self._caps.release(technician)

    def close(self, cookie_hash: bytes) -> None:
        """End every feed that was opened with the cookie of this SHA-256; it is worth nothing any more."""
        self._end(self._feeds.get(cookie_hash, ()), POLICY_VIOLATION, "signed out")

    def close_technician(self, technician: TechnicianId) -> None:
        """End every feed of a technician, in all browsers; what they may see has changed."""
        feeds = [feed for feeds in self._feeds.values() for feed in feeds if feed.technician == technician]
        self._end(feeds, POLICY_VIOLATION, "signed out")

    def close_all(self) -> None:
        """End every feed: the relay is going down."""
        for feeds in self._feeds.values():
            self._end(feeds, GOING_AWAY, "the relay is restarting")

    @property
    def open_feeds(self) -> int:
        """How many there are now."""
        return self._caps.statistics().held

    def _end(self, feeds: Iterable[OpenFeed], code: int, reason: str) -> None:
        for feed in feeds:
            feed.end(code, reason)
