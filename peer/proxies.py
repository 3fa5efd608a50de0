"""The way to the relay through a proxy (`peer.proxy_settings`): HTTP CONNECT or SOCKS5.

HTTP CONNECT is RFC 9110 §9.3.6 with basic credentials (RFC 7617); SOCKS5 is in `peer.socks`. Names are
resolved by the proxy. What a proxy answers is as untrusted as everything on the way.
"""

import base64
import re
from typing import Final

import trio

from peer.errors import ConnectionFailed
from peer.proxy_settings import Proxy
from peer.socks import Negotiation, not_a_proxy, refused, wants_a_name
from relay.protocol.close_reasons import CloseReason

PROXY_TIMEOUT: Final = 15.0
"""Seconds that a proxy gets to open the way, its own way to the relay included."""
MAX_HEAD_BYTES: Final = 16 * 1024
"""Of a proxy's answer to CONNECT."""

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
            raise not_a_proxy()
    answer = _STATUS_LINE.match(head)
    if answer is None:
        raise not_a_proxy()
    status = int(answer[1])
    if status == _UNAUTHORISED:
        raise wants_a_name()
    if not 200 <= status < 300:
        raise refused()


# SOCKS5


async def _negotiate_socks(stream: trio.SocketStream, proxy: Proxy, host: str, port: int) -> None:
    negotiation = Negotiation(proxy, host, port)
    while (step := negotiation.next_step()) is not None:
        if isinstance(step, bytes):
            await stream.send_all(step)
        else:
            negotiation.take(await _receive_exactly(stream, step))


async def _receive_exactly(stream: trio.SocketStream, size: int) -> bytes:
    received = b""
    while len(received) < size:
        data = await stream.receive_some(size - len(received))
        if not data:
            raise not_a_proxy()
        received += data
    return received
