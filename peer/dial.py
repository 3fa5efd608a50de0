"""Dialling the relay: TCP, also by way of a proxy, TLS by the system's trust store, the WebSocket upgrade."""

import select
import socket
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Final
from urllib.parse import urlsplit

import trio

from peer.errors import ConnectionFailed
from peer.ports import candidate_ports, first_of
from peer.proxies import open_through
from peer.proxy_settings import choose_proxy, is_this_computer
from peer.trust import make_context
from relay.protocol.close_reasons import CloseReason
from relay.protocol.errors import ProtocolError, RemoteProtocolError
from relay.protocol.frames import SUBPROTOCOL
from relay.protocol.upgrade import check_client_response, client_request, make_key, split_head

MAX_ANSWER_BYTES: Final = 16 * 1024
"""Of the head of the relay's answer."""

RETRANSMISSION_FLOOR: Final = 0.012
"""Seconds beyond a path's own time that the kernel waits for an acknowledgement before it sends again, at
least; Linux takes 200 ms. The relay does the same (`relay.transport.sockets`)."""
_RETRANSMISSION_OPTION: Final = 45 if sys.platform == "linux" else None
"""TCP_RTO_MIN_US, in microseconds: <linux/tcp.h>."""

_FAILURES: Final = (ProtocolError, ConnectionFailed, OSError, UnicodeError, trio.BrokenResourceError)
"""Whatever can go wrong on the way."""

DEFAULT_PORTS: Final = {"http": 80, "ws": 80, "https": 443, "wss": 443}


async def dial(
    origin: str, path: str, *, ssl_context: ssl.SSLContext | None = None
) -> tuple[trio.abc.Stream, bytes]:
    """Open a WebSocket to the relay.

    Args:
        origin: ``http(s)://host[:port]`` or ``ws(s)://…``.
        path: of the endpoint, e.g. ``/tunnel/host``.
        ssl_context: for https; by default the system's trust store.

    Returns:
        The connected stream, and bytes of the first frames that came with the answer.

    Raises:
        ConnectionFailed: the relay cannot be reached, its certificate is not trusted, or it refused.

    Cancellation: the socket is closed.
    """
    with _failures():
        scheme, host, port, authority = _parse(origin)
        has_tls = scheme in ("https", "wss")
        context = (ssl_context or make_context()) if has_tls else None
        ports = candidate_ports(scheme, port, is_near=is_this_computer(host))
        attempts = [partial(_dial_port, scheme, host, each, authority, path, context) for each in ports]
        return await attempts[0]() if len(attempts) == 1 else await first_of(attempts, _FAILURES, _give_up)


async def _give_up(opened: tuple[trio.abc.Stream, bytes]) -> None:
    await trio.aclose_forcefully(opened[0])


async def _dial_port(
    scheme: str, host: str, port: int, authority: str, path: str, context: ssl.SSLContext | None
) -> tuple[trio.abc.Stream, bytes]:
    """See `dial`; with TLS if there is a `context`. Raises one of `_FAILURES`."""
    stream: trio.abc.Stream | None = None
    try:
        stream = tcp = await _open_tcp(scheme, host, port)
        _set_options(tcp)
        if context is not None:
            stream = trio.SSLStream(tcp, context, server_hostname=host, https_compatible=True)
        return stream, await _upgrade(stream, authority, path)
    except BaseException:
        if stream is not None:
            await trio.aclose_forcefully(stream)
        raise


def _set_options(tcp: trio.SocketStream) -> None:
    tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if _RETRANSMISSION_OPTION is not None:
        with suppress(OSError):  # a kernel that does not know it
            tcp.setsockopt(socket.IPPROTO_TCP, _RETRANSMISSION_OPTION, int(RETRANSMISSION_FLOOR * 1e6))


def is_writable(stream: trio.abc.Stream) -> bool:
    """Whether a socket, plain or beneath TLS, takes something just now; False where that cannot be told.

    Asking is one system call, waiting for it a way through the scheduler: on a fast path, where there nearly
    always is room, that costs as much as sending.
    """
    if isinstance(stream, trio.SSLStream):
        stream = stream.transport_stream
    if not isinstance(stream, trio.SocketStream) or stream.socket.fileno() < 0:
        return False
    try:
        return bool(select.select([], [stream.socket], [], 0)[1])
    except (OSError, ValueError):  # lost meanwhile; or a number that is too large for select
        return False


def limit_unsent(stream: trio.abc.Stream, size: int) -> None:
    """Let the kernel take little more than `size` bytes that it cannot send yet (TCP_NOTSENT_LOWAT).

    What it has taken cannot be overtaken by anything more urgent. Where there is no such option, or no
    socket, nothing happens.
    """
    option = getattr(socket, "TCP_NOTSENT_LOWAT", None)
    if isinstance(stream, trio.SSLStream):
        stream = stream.transport_stream
    if option is not None and isinstance(stream, trio.SocketStream):
        with suppress(OSError):  # of a connection that was lost meanwhile: whoever sends will be told
            stream.setsockopt(socket.IPPROTO_TCP, option, size)


async def _open_tcp(scheme: str, host: str, port: int) -> trio.SocketStream:
    """By the proxy that this computer is set to; where it fails, or there is none, the direct way.

    Raises:
        ConnectionFailed: the proxy says why, and the direct way is closed too.
        OSError: the relay cannot be reached.
    """
    proxy = await trio.to_thread.run_sync(choose_proxy, scheme, host)  # may ask the resolver
    if proxy is None:
        return await trio.open_tcp_stream(host, port)
    try:
        return await open_through(proxy, host, port)
    except (OSError, ConnectionFailed) as exc:
        try:
            return await trio.open_tcp_stream(host, port)
        except OSError:
            raise exc from None


def _parse(origin: str) -> tuple[str, str, int, str]:
    """Scheme, host, port, and what goes into the Host header."""
    try:
        parts = urlsplit(origin)
        port = parts.port or DEFAULT_PORTS[parts.scheme]
    except (ValueError, KeyError) as exc:
        raise ConnectionFailed(CloseReason.REFUSED, f"{origin!r} is not a relay's address.") from exc
    if not parts.hostname:
        raise ConnectionFailed(CloseReason.REFUSED, f"{origin!r} is not a relay's address.")
    return parts.scheme, parts.hostname, port, parts.netloc.rpartition("@")[2]


@contextmanager
def _failures() -> Iterator[None]:
    """Whatever can go wrong on the way leaves as `ConnectionFailed`."""
    try:
        yield
    except ProtocolError as exc:
        raise ConnectionFailed(exc.close_reason, str(exc)) from exc
    except (OSError, UnicodeError, trio.BrokenResourceError) as exc:
        if isinstance(exc.__cause__, ssl.SSLCertVerificationError):
            raise ConnectionFailed(
                CloseReason.REFUSED,
                "The relay's certificate is not trusted by this computer.",
                is_untrusted=True,
            ) from exc
        # UnicodeError: a name that no resolver can be asked for.
        raise ConnectionFailed(CloseReason.DEAD, "The relay cannot be reached.") from exc


async def _upgrade(stream: trio.abc.Stream, authority: str, path: str) -> bytes:
    key = make_key()
    await stream.send_all(client_request(authority, path, key, SUBPROTOCOL))
    received = b""
    while len(received) <= MAX_ANSWER_BYTES:
        data = await stream.receive_some()
        if not data:
            raise RemoteProtocolError("The relay hung up.", CloseReason.DEAD)
        received += data
        split = split_head(received)
        if split is not None:
            head, rest = split
            check_client_response(head, key, SUBPROTOCOL)
            return rest
    raise RemoteProtocolError("The relay's answer is too long.", CloseReason.BAD_WEBSOCKET)
