"""Token buckets and caps: how often and how many, per key and in all.

Pure bookkeeping. The time is an argument (`now`: seconds on any clock that never goes back, the same clock
at each call), nothing awaits, nothing is logged: callers record what `statistics()` returns. Every table is
bounded, because the keys come from strangers. A refusal is `relay.errors.LimitExceeded` with the name of the
limit and the seconds to wait.

What eviction gives away: a `KeyedBuckets` that is full forgets the key unused for longest, and with it what
that key has spent. To profit, an attacker needs more than `max_keys` addresses (65 536 by default) within
the time one bucket takes to fill up again; whoever commands those is not slowed by per-address limits anyway.
"""

import ipaddress
import math
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from relay.errors import LimitExceeded


def address_key(address: str) -> str:
    """The key under which limits count a network address.

    Args:
        address: an IPv4 or IPv6 address, an IPv6 zone allowed; anything else is its own key.

    Returns:
        The IPv4 address itself, or the IPv6 /64 (one customer line usually holds a whole /64, so that
        counting single IPv6 addresses would limit nobody). An IPv4-mapped IPv6 address counts as IPv4.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    network = int(parsed) >> 64 << 64
    return f"{ipaddress.IPv6Address(network)}/64"


class TokenBucket:
    """One bucket: holds at most `burst` tokens, gains `rate_per_second`, starts full.

    Args:
        rate_per_second: tokens gained a second, above 0.
        burst: the most tokens the bucket holds, at least 1.
        now: the time of creation, seconds.
    """

    __slots__ = ("_burst", "_rate", "_tokens", "_updated")

    def __init__(self, *, rate_per_second: float, burst: float, now: float) -> None:
        _require_positive("rate_per_second", rate_per_second)
        if burst < 1:
            raise ValueError("burst must be at least 1.")
        self._rate = rate_per_second
        self._burst = burst
        self._tokens = burst
        self._updated = now

    def available(self, now: float) -> float:
        """The tokens in the bucket at `now`; nothing is taken. A clock that went back adds nothing."""
        return min(self._burst, self._tokens + max(0.0, now - self._updated) * self._rate)

    def take(self, now: float, cost: float = 1.0) -> float:
        """Takes `cost` tokens, or none at all.

        Args:
            now: seconds.
            cost: more than 0.

        Returns:
            0.0 if the tokens were taken, else the seconds until they would be there (`math.inf` for a cost
            above the burst: never).
        """
        _require_positive("cost", cost)
        tokens = self.available(now)
        self._updated = max(self._updated, now)
        if cost <= tokens:
            self._tokens = tokens - cost
            return 0.0
        self._tokens = tokens
        return math.inf if cost > self._burst else (cost - tokens) / self._rate


@dataclass(frozen=True, kw_only=True)
class BucketStatistics:
    """What a `KeyedBuckets` did so far.

    Attributes:
        keys: buckets held now.
        taken: calls of `take` that were granted.
        refused: calls of `take` that were refused.
        evicted: buckets forgotten because the table was full.
    """

    keys: int
    taken: int
    refused: int
    evicted: int


class KeyedBuckets:
    """A token bucket for each key, for at most `max_keys` keys.

    Args:
        limit: the limit's name, as in the settings; it goes into `LimitExceeded.limit`.
        rate_per_second: tokens each key gains a second, above 0.
        burst: the most tokens a key holds, at least 1.
        max_keys: keys remembered, at least 1 (a key costs about 300 bytes).
    """

    def __init__(self, limit: str, *, rate_per_second: float, burst: float, max_keys: int = 65536) -> None:
        _require_positive("max_keys", max_keys)
        TokenBucket(rate_per_second=rate_per_second, burst=burst, now=0.0)  # verifies both
        self._limit = limit
        self._rate = rate_per_second
        self._burst = burst
        self._max_keys = max_keys
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()  # least recently used first
        self._taken = 0
        self._refused = 0
        self._evicted = 0

    def take(self, key: str, now: float, cost: float = 1.0) -> None:
        """Takes `cost` tokens from the key's bucket.

        Args:
            key: whom to charge, for example `address_key(address)`.
            now: seconds.
            cost: more than 0.

        Raises:
            LimitExceeded: the tokens are not there; nothing was taken. `retry_after` is None if
                no wait helps.
        """
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= self._max_keys:
                self._buckets.popitem(last=False)
                self._evicted += 1
            bucket = self._buckets[key] = TokenBucket(rate_per_second=self._rate, burst=self._burst, now=now)
        else:
            self._buckets.move_to_end(key)
        wait = bucket.take(now, cost)
        if wait > 0:
            self._refused += 1
            raise LimitExceeded(
                "Too many tries from this address; wait a moment and try again.",
                limit=self._limit,
                retry_after=None if math.isinf(wait) else wait,
            )
        self._taken += 1

    def forget(self, key: str) -> None:
        """Gives the key a full bucket again, for example after a sign-in. Unknown keys are fine."""
        self._buckets.pop(key, None)

    def statistics(self) -> BucketStatistics:
        """A snapshot for metrics, console and tests."""
        return BucketStatistics(
            keys=len(self._buckets), taken=self._taken, refused=self._refused, evicted=self._evicted
        )


@dataclass(frozen=True, kw_only=True)
class CapStatistics:
    """What a `Cap` or `KeyedCaps` holds and did.

    Attributes:
        held: places taken now (of all keys).
        keys: keys holding at least one place (a `Cap` has at most one).
        peak: the most places ever held at once.
        refused: calls of `acquire` that were refused.
    """

    held: int
    keys: int
    peak: int
    refused: int


class KeyedCaps:
    """At most `max_held` places held at once by each key. Keys without a place cost nothing.

    Args:
        limit: the limit's name, as in the settings; it goes into `LimitExceeded.limit`.
        max_held: places for each key, at least 1.
        retry_after: seconds a refused caller is told to wait; None where no time can be named.
    """

    def __init__(self, limit: str, max_held: int, *, retry_after: float | None = None) -> None:
        _require_positive("max_held", max_held)
        self._limit = limit
        self._max_held = max_held
        self._retry_after = retry_after
        self._held: dict[str, int] = {}
        self._total = 0
        self._peak = 0
        self._refused = 0

    def acquire(self, key: str) -> None:
        """Takes one place; the caller owes one `release` with the same key.

        Raises:
            LimitExceeded: the key holds `max_held` places already.
        """
        held = self._held.get(key, 0)
        if held >= self._max_held:
            self._refused += 1
            raise LimitExceeded(
                f"No more than {self._max_held} at once are allowed here; try again in a moment.",
                limit=self._limit,
                retry_after=self._retry_after,
            )
        self._held[key] = held + 1
        self._total += 1
        self._peak = max(self._peak, self._total)

    def release(self, key: str) -> None:
        """Gives one place back.

        Raises:
            ValueError: the key holds none; a bug in the caller.
        """
        held = self._held.get(key, 0)
        if held == 0:
            raise ValueError(f"{self._limit}: released more often than acquired.")
        if held == 1:
            del self._held[key]
        else:
            self._held[key] = held - 1
        self._total -= 1

    def statistics(self) -> CapStatistics:
        """A snapshot for metrics, console and tests."""
        return CapStatistics(held=self._total, keys=len(self._held), peak=self._peak, refused=self._refused)


class Cap:
    """At most `max_held` places held at once, by whomever.

    Args:
        limit: the limit's name, as in the settings; it goes into `LimitExceeded.limit`.
        max_held: at least 1.
        retry_after: seconds a refused caller is told to wait; None where no time can be named.
    """

    def __init__(self, limit: str, max_held: int, *, retry_after: float | None = None) -> None:
        self._caps = KeyedCaps(limit, max_held, retry_after=retry_after)

    def acquire(self) -> None:
        """Takes one place; the caller owes one `release`.

        Raises:
            LimitExceeded: all places are taken.
        """
        self._caps.acquire("")

    def release(self) -> None:
        """Gives one place back.

        Raises:
            ValueError: none is held; a bug in the caller.
        """
        self._caps.release("")

    @contextmanager
    def held(self) -> Iterator[None]:
        """Holds one place for the length of a `with` block.

        Raises:
            LimitExceeded: all places are taken.
        """
        self.acquire()
        try:
            yield
        finally:
            self.release()

    def statistics(self) -> CapStatistics:
        """A snapshot for metrics, console and tests."""
        return self._caps.statistics()


def _require_positive(name: str, value: float) -> None:
    if not value > 0:
        raise ValueError(f"{name} must be above 0.")
