"""Who gets a connection: the budget for strangers, per address and in all (SECURITY).

Three limits, in this order: new connections a second per address, connections held per address, connections
in all that have not got their first answer. An answered connection leaves the last one, a connection that an
upgrade handler has taken over leaves the second one too: its new owner has limits of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from relay.errors import LimitExceeded
from relay.http.heads import is_trusted
from relay.http.settings import FrontDoorSettings
from relay.limits import BucketStatistics, Cap, CapStatistics, KeyedBuckets, KeyedCaps, address_key

_TRY_AGAIN_SECONDS = 5.0
"""What a client above a cap is told. Half of the 10 s that the slowest stranger may hold a place."""


@dataclass(frozen=True, kw_only=True)
class AdmissionStatistics:
    """Places taken and refused.

    Attributes:
        unproven: connections without their first answer.
        connections: connections that no upgrade handler has taken over, from addresses that are limited.
        rate: new connections, by address.
    """

    unproven: CapStatistics
    connections: CapStatistics
    rate: BucketStatistics


class Slot:
    """One connection's places. A context manager: leaving it gives back what is still held."""

    def __init__(self, give_back_proof: Callable[[], None], give_back_place: Callable[[], None]) -> None:
        self._give_back_proof: Callable[[], None] | None = give_back_proof
        self._give_back_place: Callable[[], None] | None = give_back_place

    def prove(self) -> None:
        """The connection got its first answer: it is no stranger any more. May be called again."""
        if self._give_back_proof is not None:
            self._give_back_proof()
            self._give_back_proof = None

    def release(self) -> None:
        """The connection ended, or somebody else watches it from here. May be called again."""
        self.prove()
        if self._give_back_place is not None:
            self._give_back_place()
            self._give_back_place = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()


class Admission:
    """The books of one front door. Nothing awaits; `now` is Trio's clock in seconds."""

    def __init__(self, settings: FrontDoorSettings) -> None:
        self._settings = settings
        self._unproven = Cap("max_unproven", settings.max_unproven, retry_after=_TRY_AGAIN_SECONDS)
        self._connections = KeyedCaps(
            "max_connections_per_address",
            settings.max_connections_per_address,
            retry_after=_TRY_AGAIN_SECONDS,
        )
        self._rate = KeyedBuckets(
            "connections_per_second",
            rate_per_second=settings.connections_per_second,
            burst=settings.connection_burst,
            max_keys=settings.max_addresses,
        )

    def admit(self, address: str, now: float) -> Slot:
        """Takes the places of a new connection.

        Args:
            address: the socket's peer; a trusted proxy is free of the limits per address.
            now: Trio's clock, seconds.

        Raises:
            LimitExceeded: one limit is reached; no place is held.
        """
        if is_trusted(address, self._settings.trusted_proxies):
            self._unproven.acquire()
            return Slot(self._unproven.release, _nothing)
        key = address_key(address)
        self._rate.take(key, now)
        self._connections.acquire(key)
        try:
            self._unproven.acquire()
        except LimitExceeded:
            self._connections.release(key)
            raise
        return Slot(self._unproven.release, lambda: self._connections.release(key))

    def charge_upgrade(self, client: str, now: float) -> None:
        """Counts an upgrade that a trusted proxy passes on as a new connection of the proxy's client.

        Raises:
            LimitExceeded: the client makes too many connections.
        """
        self._rate.take(address_key(client), now)

    def statistics(self) -> AdmissionStatistics:
        """A snapshot for metrics, console and tests."""
        return AdmissionStatistics(
            unproven=self._unproven.statistics(),
            connections=self._connections.statistics(),
            rate=self._rate.statistics(),
        )


def _nothing() -> None:
    """A trusted proxy holds no place per address."""
