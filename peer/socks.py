"""SOCKS5 as a pure function of bytes: what to say to a proxy, and what to make of its answers.

RFC 1928 with name and password (RFC 1929); names are resolved by the proxy. No socket and no clock, so that
the tunnel and the one question before it (`host.relay_http`) say the same. Standard library only.
"""

import ipaddress
from collections.abc import Generator
from typing import Final

from peer.errors import ConnectionFailed
from peer.proxy_settings import Proxy
from relay.protocol.close_reasons import CloseReason

_MAX_FIELD: Final = 255
_ADDRESS_BYTES: Final = {1: 4, 4: 16}

Step = bytes | int
"""Bytes to be sent; or how many are to be received, exactly."""


class Negotiation:
    """Asks `proxy` for the way to a host.

    `next_step` and `take` in turns, until there is no step any more: then the way is open, and what follows
    on the connection is the host's.
    """

    def __init__(self, proxy: Proxy, host: str, port: int) -> None:
        self._steps = _negotiate(proxy, host, port)
        self._answer: bytes | None = None

    def next_step(self) -> Step | None:
        """What is to be done now; None once the way is open.

        Raises:
            ConnectionFailed: the proxy refused, or does not speak as one.
        """
        answer, self._answer = self._answer, None
        try:
            return next(self._steps) if answer is None else self._steps.send(answer)
        except StopIteration:
            return None

    def take(self, received: bytes) -> None:
        """What was received, as many bytes as the last step said."""
        self._answer = received


def _negotiate(proxy: Proxy, host: str, port: int) -> Generator[Step, bytes, None]:
    methods = b"\x00\x02" if proxy.user else b"\x00"
    yield bytes((5, len(methods))) + methods
    version, method = yield 2
    if version != 5:
        raise not_a_proxy()
    if method == 2 and proxy.user:
        yield from _sign_in(proxy)
    elif method != 0:
        raise wants_a_name()
    yield b"\x05\x01\x00" + _address(host) + port.to_bytes(2)
    version, status, _, kind = yield 4
    if version != 5:
        raise not_a_proxy()
    if status != 0:
        raise refused()
    if kind == 3:
        size = (yield 1)[0]
    elif kind in _ADDRESS_BYTES:
        size = _ADDRESS_BYTES[kind]
    else:
        raise not_a_proxy()
    yield size + 2


def _sign_in(proxy: Proxy) -> Generator[Step, bytes, None]:
    user, password = proxy.user.encode(), proxy.password.encode()
    if max(len(user), len(password)) > _MAX_FIELD or not password:
        raise wants_a_name()
    yield b"\x01" + bytes((len(user),)) + user + bytes((len(password),)) + password
    _, status = yield 2
    if status != 0:
        raise wants_a_name()


def _address(host: str) -> bytes:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = host.encode("idna")
        if len(name) > _MAX_FIELD:
            raise refused() from None
        return b"\x03" + bytes((len(name),)) + name
    return (b"\x01" if address.version == 4 else b"\x04") + address.packed


def not_a_proxy() -> ConnectionFailed:
    """It answers, and not as a proxy does."""
    return ConnectionFailed(CloseReason.DEAD, "The proxy of this computer's network does not answer as one.")


def refused() -> ConnectionFailed:
    """It does not make the way."""
    return ConnectionFailed(
        CloseReason.DEAD, "The proxy of this computer's network does not let the relay through."
    )


def wants_a_name() -> ConnectionFailed:
    """It wants credentials, or others."""
    return ConnectionFailed(
        CloseReason.DEAD, "The proxy of this computer's network wants a name and password."
    )
