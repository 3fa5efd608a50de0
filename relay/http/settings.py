"""The front door's settings: every limit a stranger can run into, with its reason."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from types import MappingProxyType

from relay.errors import ConfigError

KIB = 1024
SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class FrontDoorSettings:
    """Limits of the front door. Sizes in bytes, times in seconds.

    Attributes:
        max_head_bytes: request line and header fields together (431 above). Browsers and proxies stay
            below 8 KiB; nginx and Apache allow about as much.
        max_body_bytes: a request's content (413 above). The API's largest JSON is far smaller.
        max_body_bytes_by_prefix: other sizes for paths that start so; the longest prefix wins.
        head_timeout: from the accept, or from the first byte of a later request, to the end of the head
            (408 after). On the first request it includes the TLS handshake: a stranger gets 10 s in all.
        body_timeout: the most the relay waits for content that does not flow, summed over one request.
        min_body_bytes_per_second: content that flows faster than this earns its own waiting time, so that
            a large upload on a slow line lives and one byte every nine seconds does not.
        keep_alive_timeout: an idle connection after its first request. Above the 60 s that load balancers
            keep theirs, so that it is they who close first and no request is lost.
        write_stall_timeout: a client that takes none of 32 KiB in this time is closed; 26 kbit/s is enough.
        max_unproven: connections that have not got their first answer yet, in all. OpenSSH calls this
            MaxStartups; memory and file descriptors are what it guards.
        max_connections_per_address: connections per /32 or /64 that no upgrade handler has taken over.
            An office of twenty technicians with six browser connections each fits.
        connections_per_second: new connections per /32 or /64; a TLS handshake costs about 1 ms of the core.
        connection_burst: new connections per /32 or /64 at once; a page load takes six, an office's
            return after a restart some hundred.
        max_addresses: addresses remembered by the limit before.
        reserved_descriptors: file descriptors that connections leave free (503 above), at least 0: for the
            database, mail, the outbox, the metrics listener, and the refusals themselves.
        trusted_proxies: networks whose ``X-Forwarded-For`` and ``X-Forwarded-Proto`` are believed. Nobody
            by default; loopback is nobody special. Listed proxies are free of the limits per address,
            which they have to enforce themselves.
    """

    max_head_bytes: int = 16 * KIB
    max_body_bytes: int = 256 * KIB
    max_body_bytes_by_prefix: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    head_timeout: float = 10 * SECONDS
    body_timeout: float = 10 * SECONDS
    min_body_bytes_per_second: float = 1 * KIB
    keep_alive_timeout: float = 75 * SECONDS
    write_stall_timeout: float = 10 * SECONDS
    max_unproven: int = 512
    max_connections_per_address: int = 128
    connections_per_second: float = 50.0
    connection_burst: int = 200
    max_addresses: int = 65536
    reserved_descriptors: int = 32
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()

    def validate(self) -> None:
        """Checks that every number can be obeyed.

        Raises:
            ConfigError: names every setting that cannot.
        """
        names = [
            "max_head_bytes",
            "max_body_bytes",
            "head_timeout",
            "body_timeout",
            "min_body_bytes_per_second",
            "keep_alive_timeout",
            "write_stall_timeout",
            "max_unproven",
            "max_connections_per_address",
            "connections_per_second",
            "connection_burst",
            "max_addresses",
        ]
        problems = [f"{name} must be above 0." for name in names if not getattr(self, name) > 0]
        if self.reserved_descriptors < 0:
            problems.append("reserved_descriptors may not be below 0.")
        for prefix, size in self.max_body_bytes_by_prefix.items():
            if not prefix.startswith("/") or size < 0:
                problems.append(f"max_body_bytes_by_prefix: {prefix!r} needs a leading / and a size from 0.")
        if problems:
            raise ConfigError(" ".join(problems))

    def body_limit(self, path: str) -> int:
        """The most bytes of content a request for `path` may carry."""
        prefixes = [prefix for prefix in self.max_body_bytes_by_prefix if path.startswith(prefix)]
        if not prefixes:
            return self.max_body_bytes
        return self.max_body_bytes_by_prefix[max(prefixes, key=len)]
