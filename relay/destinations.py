"""Where the relay may connect to for a company: public addresses only, unless its operator says more.

A company's people name mail servers and webhooks; the relay would connect for them from inside the operator's
network, to a database or a cloud's metadata service that trusts its neighbours (server-side request forgery).
So a name is resolved once, here, every address is judged, and the caller connects to an address that was
judged: a name that answers differently the second time gains nothing.

How many companies a relay has changes nothing: who manages a company need not be who runs the machine.
"""

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from relay.errors import Refused
from relay.texts import mark

FORBIDDEN: Final = mark(
    "This is in a private network or on the relay's own machine, which its operator does not allow."
)

LOOPBACK_NAMES: Final = frozenset({"127.0.0.1", "::1", "localhost"})

_TRANSLATED: Final = ip_network("64:ff9b::/96")
"""Addresses that a NAT64 gateway turns into the IPv4 address in their last four bytes (RFC 6052 §2.1)."""


class Forbidden(Refused):
    """The relay does not connect there."""


def is_public(address: str) -> bool:
    """Whether `address`, an IP address in text, is one of the public internet.

    An IPv6 address that carries an IPv4 one (mapped, 6to4, NAT64) is as public as that one; Teredo is not.
    """
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        inner = _inner(found)
        if inner is not None:
            return is_public(str(inner))
        if found.teredo is not None:
            return False
    return found.is_global and not found.is_multicast and not found.is_reserved


def _inner(address: IPv6Address) -> IPv4Address | None:
    if address in _TRANSLATED:
        return IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour


def may_be_public(host: str) -> bool:
    """False for what is not of the public internet by its very name; a name that resolves decides later."""
    try:
        return is_public(host)
    except ValueError:
        return host not in LOOPBACK_NAMES and not host.endswith(".localhost")


def resolve(host: str, port: int, *, allows_private: bool) -> Sequence[str]:
    """The IP addresses of `host` that the relay may connect to, at least one. Blocks: belongs into a thread.

    Args:
        host: a name or an address; untrusted.
        port: where; only so that the system can sort.
        allows_private: any address will do.

    Raises:
        OSError: the name does not resolve.
        Forbidden: it does, but to nothing that is allowed.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # a label that is empty or too long
        raise OSError(f"{host!r} is no name") from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    allowed = addresses if allows_private else [each for each in addresses if is_public(each)]
    if not allowed:
        raise Forbidden(FORBIDDEN)
    return allowed
