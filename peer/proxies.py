"""The way to the relay through a proxy (`peer.proxy_settings`): HTTP CONNECT or SOCKS5.

HTTP CONNECT is RFC 9110 §9.3.6 with basic credentials (RFC 7617), SOCKS5 is RFC 1928 with name and password
(RFC 1929); names are resolved by the proxy. What a proxy answers is as untrusted as everything on the way.
"""

import base64
import ipaddress
import re
from typing import Final

import trio

from peer.errors import ConnectionFailed
from peer.proxy_settings import Proxy
from relay.protocol.close_reasons import CloseReason

PROXY_TIMEOUT: Final = 15.0
"""Seconds that a proxy gets to open the way, its own way to the relay included."""
MAX_HEAD_BYTES: Final = 16 * 1024
"""Of a proxy's answer to CONNECT."""

_MAX_SOCKS_FIELD: Final = 255
_SOCKS_ADDRESS_BYTES: Final = {1: 4, 4: 16}
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})[ \r]")
_UNAUTHORISED: Final = 407


async def open_through(proxy: Proxy, host: str, port: int) -> trio.SocketStream:
    """A TCP connection to `host` that the proxy made.

    Raises:
        ConnectionFailed: the proxy refused, or does not speak as one.
        OSError: the proxy cannot be reached.

    Cancellation: the connection is closed.
    """
    stream: trio.SocketStream | None = None
    try:
        with trio.fail_after(PROXY_TIMEOUT):
            stream = await trio.open_tcp_stream(proxy.host, proxy.port)
            if proxy.kind == "http":
                await _connect(stream, proxy, host, port)
            else:
                await _negotiate_socks(stream, proxy, host, port)
            return stream
    except BaseException as exc:
        if stream is not None:
            await trio.aclose_forcefully(stream)
        if isinstance(exc, trio.TooSlowError):
            raise ConnectionFailed(
                CloseReason.DEAD, "The proxy of this computer's network does not answer."
            ) from exc
        raise


# HTTP CONNECT


async def _connect(stream: trio.SocketStream, proxy: Proxy, host: str, port: int) -> None:
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
    if proxy.user:
        credentials = base64.b64encode(f"{proxy.user}:{proxy.password}".encode()).decode()
        lines.append(f"Proxy-Authorization: Basic {credentials}")
    await stream.send_all("\r\n".join((*lines, "", "")).encode("ascii"))
    head = b""
    # Nothing of the relay's can follow before it was spoken to.
    while not head.endswith(b"\r\n\r\n"):
        data = await stream.receive_some(MAX_HEAD_BYTES)
        head += data
        if not data or len(head) > MAX_HEAD_BYTES or b"\r\n\r\n" in head[:-4]:
            raise _not_a_proxy()
    answer = _STATUS_LINE.match(head)
    if answer is None:
        raise _not_a_proxy()
    status = int(answer[1])
    if status == _UNAUTHORISED:
        raise _wants_a_name()
    if not 200 <= status < 300:
        raise _refused()


# SOCKS5


async def _negotiate_socks(stream: trio.SocketStream, proxy: Proxy, host: str, port: int) -> None:
    methods = b"\x00\x02" if proxy.user else b"\x00"
    await stream.send_all(bytes((5, len(methods))) + methods)
    version, method = await _receive_exactly(stream, 2)
    if version != 5:
        raise _not_a_proxy()
    if method == 2 and proxy.user:
        await _sign_in(stream, proxy)
    elif method != 0:
        raise _wants_a_name()
    await stream.send_all(b"\x05\x01\x00" + _socks_address(host) + port.to_bytes(2))
    version, status, _, kind = await _receive_exactly(stream, 4)
    if version != 5:
        raise _not_a_proxy()
    if status != 0:
        raise _refused()
    if kind == 3:
        size = (await _receive_exactly(stream, 1))[0]
    elif kind in _SOCKS_ADDRESS_BYTES:
        size = _SOCKS_ADDRESS_BYTES[kind]
    else:
        raise _not_a_proxy()
    await _receive_exactly(stream, size + 2)


async def _sign_in(stream: trio.SocketStream, proxy: Proxy) -> None:
    user, password = proxy.user.encode(), proxy.password.encode()
    if max(len(user), len(password)) > _MAX_SOCKS_FIELD or not password:
        raise _wants_a_name()
    await stream.send_all(b"\x01" + bytes((len(user),)) + user + bytes((len(password),)) + password)
    _, status = await _receive_exactly(stream, 2)
    if status != 0:
        raise _wants_a_name()


def _socks_address(host: str) -> bytes:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = host.encode("idna")
        if len(name) > _MAX_SOCKS_FIELD:
            raise _refused() from None
        return b"\x03" + bytes((len(name),)) + name
    return (b"\x01" if address.version == 4 else b"\x04") + address.packed


async def _receive_exactly(stream: trio.SocketStream, size: int) -> bytes:
    received = b""
    while len(received) < size:
        data = await stream.receive_some(size - len(received))
        if not data:
            raise _not_a_proxy()
        received += data
    return received


def _not_a_proxy() -> ConnectionFailed:
    return ConnectionFailed(CloseReason.DEAD, "The proxy of this computer's network does not answer as one.")


def _refused() -> ConnectionFailed:
    return ConnectionFailed(
        CloseReason.DEAD, "The proxy of this computer's network does not let the relay through."
    )


def _wants_a_name() -> ConnectionFailed:
    return ConnectionFailed(
        CloseReason.DEAD, "The proxy of this computer's network wants a name and password."
    )
