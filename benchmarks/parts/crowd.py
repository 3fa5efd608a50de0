"""Many connections at once from one process: dialling hosts fast, and keeping them connected and quiet."""

import selectors
import socket
import ssl
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from benchmarks.parts.legs import MAX_MESSAGE_BYTES
from relay.protocol.upgrade import client_request, make_key
from relay.protocol.websocket import Ping, WebSocketCodec

IN_FLIGHT = 64
PATIENCE_SECONDS = 20.0
PING_INTERVAL = 20.0
END_OF_HEAD = b"\r\n\r\n"
SWITCHING = b"HTTP/1.1 101"


@dataclass(frozen=True)
class Caller:
    """What one connection will say.

    Attributes:
        request: the upgrade.
        first: the first WebSocket frame, masked; b"" to be content with the upgrade.
    """

    request: bytes
    first: bytes


def make_caller(host: str, path: str, subprotocol: str | None, first_message: bytes = b"") -> Caller:
    """Build what one connection says beforehand."""
    codec = WebSocketCodec(is_client=True, max_message_bytes=0)
    first = codec.encode_binary(first_message) if first_message else b""
    return Caller(client_request(host, path, make_key(), subprotocol), first)


@dataclass
class Member:
    """One connection of a crowd, admitted.

    Attributes:
        sock: non-blocking.
        answer: what came after the upgrade: the frame that admitted it, as received.
    """

    sock: socket.socket | ssl.SSLSocket
    answer: bytes


def dial_crowd(
    port: int, callers: Sequence[Caller], *, tls: ssl.SSLContext | None = None, in_flight: int = IN_FLIGHT
) -> tuple[list[Member], list[float]]:
    """Connect them all, so many at a time.

    Args:
        port: of 127.0.0.1.
        callers: what each says.
        tls: to shake hands with.
        in_flight: connections being admitted at a time.

    Returns:
        The connections, and how long each took from dialling to being admitted, in seconds.

    Raises:
        ConnectionError: one was refused, or took longer than `PATIENCE_SECONDS`.
    """
    members: list[Member] = []
    latencies: list[float] = []
    waiting = iter(callers)
    with selectors.DefaultSelector() as selector:
        underway = 0
        while True:
            while underway < in_flight and (caller := next(waiting, None)) is not None:
                dialling = _Dialling(port, caller, tls)
                selector.register(dialling.sock, dialling.wanted, dialling)
                underway += 1
            if not underway:
                return members, latencies
            ready = selector.select(PATIENCE_SECONDS)
            if not ready:
                raise ConnectionError(f"{underway} connections were not admitted in {PATIENCE_SECONDS:g} s")
            for key, _ in ready:
                dialling = key.data
                if dialling.go_on():
                    selector.unregister(dialling.sock)
                    members.append(Member(dialling.sock, dialling.answer))
                    latencies.append(time.monotonic() - dialling.began)
                    underway -= 1
                elif key.events != dialling.wanted:
                    selector.modify(dialling.sock, dialling.wanted, dialling)


class _Dialling:
    """One connection on its way; `go_on` whenever its socket is ready for what is `wanted`."""

    def __init__(self, port: int, caller: Caller, tls: ssl.SSLContext | None) -> None:
        self.began = time.monotonic()
        self.answer = b""
        self.wanted = selectors.EVENT_WRITE
        self._steps = self._converse(caller)
        plain = socket.socket()
        plain.setblocking(False)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plain.connect_ex(("127.0.0.1", port))
        self.sock: socket.socket | ssl.SSLSocket = plain
        if tls is not None:
            self.sock = tls.wrap_socket(plain, server_hostname="127.0.0.1", do_handshake_on_connect=False)

    def go_on(self) -> bool:
        """True once admitted."""
        self.wanted = next(self._steps, 0)
        return not self.wanted

    def _converse(self, caller: Caller) -> Generator[int, None, None]:
        if isinstance(self.sock, ssl.SSLSocket):
            yield from self._retry(self.sock.do_handshake)
        self.sock.send(caller.request)
        received = b""
        while END_OF_HEAD not in received:
            received += yield from self._receive()
        head, _, rest = received.partition(END_OF_HEAD)
        if not head.startswith(SWITCHING):
            raise ConnectionError(f"not upgraded: {head!r}")
        if caller.first:
            self.sock.send(caller.first)
            while len(rest) < 2 or len(rest) < _frame_bytes(rest):
                rest += yield from self._receive()
        self.answer = rest

    def _receive(self) -> Generator[int, None, bytes]:
        received = b""

        def receive() -> None:
            nonlocal received
            received = self.sock.recv(4096)

        yield from self._retry(receive)
        if not received:
            raise ConnectionError("the connection ended")
        return received

    def _retry(self, operation: Callable[[], object]) -> Generator[int, None, None]:
        while True:
            try:
                operation()
            except (BlockingIOError, ssl.SSLWantReadError):
                yield selectors.EVENT_READ
            except ssl.SSLWantWriteError:
                yield selectors.EVENT_WRITE
            else:
                return


def _frame_bytes(data: bytes) -> int:
    """Length of the unmasked frame that `data` begins with."""
    length = data[1] & 0x7F
    return 4 + int.from_bytes(data[2:4]) if length == 126 else 2 + length


def stay_quiet(members: Sequence[Member], until: float) -> int:
    """Answer pings, and ping each once every `PING_INTERVAL`, until a moment of the monotonic clock.

    Returns:
        How many pings were answered.

    Raises:
        ConnectionError: one was closed.
    """
    codecs = {
        member.sock: WebSocketCodec(is_client=True, max_message_bytes=MAX_MESSAGE_BYTES) for member in members
    }
    ping = next(iter(codecs.values())).encode_ping() if codecs else b""
    answered = pinged = 0
    began = time.monotonic()
    with selectors.DefaultSelector() as selector:
        for member in members:
            selector.register(member.sock, selectors.EVENT_READ)
        while (now := time.monotonic()) < until:
            due = int((now - began) / PING_INTERVAL * len(members))
            while pinged < due:
                members[pinged % len(members)].sock.send(ping)
                pinged += 1
            for key, _ in selector.select(min(0.05, until - now)):
                sock = key.fileobj
                if not isinstance(sock, socket.socket):
                    raise AssertionError("only sockets were registered")
                with suppress(BlockingIOError, ssl.SSLWantReadError):
                    data = sock.recv(4096)
                    if not data:
                        raise ConnectionError("an idle connection was closed")
                    for event in codecs[sock].receive_data(data):
                        if isinstance(event, Ping):
                            sock.send(codecs[sock].encode_pong(event.payload))
                            answered += 1
    return answered


def close_crowd(members: Sequence[Member]) -> None:
    """Close them all."""
    for member in members:
        member.sock.close()
