"""A TCP connection with TLS.

`trio.SSLStream` moves every byte through a memory BIO and Python code; a non-blocking `ssl.SSLSocket` lets
OpenSSL read and write the socket itself, at two to three times the rate (docs/performance.md). The price is
three peculiarities, all handled here:

- Either operation may need either direction: a read that must answer a key update waits to *write*. Reader
  and writer may therefore wait for the same direction, which Trio allows one task only; see `_Readiness`.
- A read returns at most one record (16 KiB), so `receive_some` collects what has arrived already; a write
  sends at most one, so several go out under a cork.
- A write that blocked half-way must be repeated with the same bytes, or never again. So a `send_all` that
  is cancelled ends the sending for good, and for one behaviour everywhere it does so in every transport.
"""

import fcntl
import socket
import ssl
import termios
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress
from struct import Struct
from typing import Final, Self, cast

import trio

from relay.transport.base import CONNECTION_ERRORS, Chunk, join_small, peer_gone
from relay.transport.sockets import KernelTransport, take_over

_RECORD_BYTES: Final = 16384
_RECORD_OVERHEAD: Final = 29
"""What AES-GCM and ChaCha20 add to a record: 22 bytes in TLS 1.3, at most 29 in 1.2. A little too much makes
us ask the kernel once more, too little try in vain."""
_INT: Final = Struct("@i")


class TlsTransport(KernelTransport):
    """A TCP connection with TLS, after its handshake. Made by `accept` and `connect`.

    The other side's end is `b""` only if it said so in TLS (`close_notify`). A connection that ends without
    is `PeerGone`: it may have been cut, and Python before 3.12.3 reports a reset in the same way.
    """

    __slots__ = ("_ending", "_readable", "_tls_sock", "_wanted_by_read", "_wanted_by_write", "_writable")

    def __init__(self, sock: ssl.SSLSocket, *, peer_address: tuple[str, int] | None = None) -> None:
        super().__init__(sock, is_tls=True, peer_address=peer_address)
        self._tls_sock = sock
        self._readable = _Readiness(sock, trio.lowlevel.wait_readable)
        self._writable = _Readiness(sock, trio.lowlevel.wait_writable)
        # The receiver's: what its last attempt wants, and an ending met behind other records.
        self._wanted_by_read = self._readable
        self._ending: int | OSError | None = None
        # The sender's.
        self._wanted_by_write = self._writable

    @classmethod
    async def accept(
        cls,
        sock: trio.socket.SocketType | socket.socket,
        context: ssl.SSLContext,
        *,
        peer_address: tuple[str, int] | None = None,
    ) -> Self:
        """Takes `sock` over and does the server's side of the handshake; `peer_address`: `KernelTransport`.

        Raises:
            PeerGone: the handshake failed; `sock` is closed.

        Cancellation: `sock` is closed. The caller sets the deadline.
        """
        return await cls._handshake(sock, context, server_hostname=None, peer_address=peer_address)

    @classmethod
    async def connect(
        cls, sock: trio.socket.SocketType, context: ssl.SSLContext, server_hostname: str
    ) -> Self:
        """Like `accept`, for the client's side; `server_hostname` is what the certificate must be for."""
        return await cls._handshake(sock, context, server_hostname=server_hostname)

    @classmethod
    async def _handshake(
        cls,
        sock: trio.socket.SocketType | socket.socket,
        context: ssl.SSLContext,
        *,
        server_hostname: str | None,
        peer_address: tuple[str, int] | None = None,
    ) -> Self:
        with ExitStack() as cleanup:
            raw = take_over(sock)
            cleanup.callback(raw.close)
            try:
                tls_sock = context.wrap_socket(
                    raw,
                    server_side=server_hostname is None,
                    server_hostname=server_hostname,
                    do_handshake_on_connect=False,
                    suppress_ragged_eofs=False,
                )
                transport = cls(tls_sock, peer_address=peer_address)
                cleanup.callback(transport.abort)
                await transport._shake_hands()
            except CONNECTION_ERRORS as error:
                raise peer_gone(error) from error
            cleanup.pop_all()
        return transport

    async def _shake_hands(self) -> None:
        await trio.lowlevel.checkpoint()
        while True:
            try:
                self._tls_sock.do_handshake()
                return
            except ssl.SSLWantReadError:
                await self._readable.wait()
            except ssl.SSLWantWriteError:
                await self._writable.wait()

    def _read(self, buffer: memoryview) -> int | None:
        """The records that have arrived, as far as they fit."""
        if self._ending is not None:
            return self._end_receiving()
        read = cast("Callable[[int, memoryview], int]", self._tls_sock.read)  # so with a buffer
        filled = waiting = 0
        while filled < len(buffer):
            try:
                count = read(_RECORD_BYTES, buffer[filled:])
            except ssl.SSLWantReadError:
                self._wanted_by_read = self._readable
                return filled or None
            except ssl.SSLWantWriteError:
                self._wanted_by_read = self._writable
                return filled or None
            except OSError as error:
                self._ending = error
                break
            if count == 0:
                self._ending = 0
                break
            filled += count
            # To ask whether there is more costs a sixth of what it costs to try in vain.
            waiting -= count + _RECORD_OVERHEAD
            if waiting <= 0 and (waiting := waiting_bytes(self._sock)) == 0:
                self._wanted_by_read = self._readable
                return filled
        return filled or self._end_receiving()

    def _end_receiving(self) -> int:
        """The ending, each time it is asked for."""
        if isinstance(self._ending, OSError):
            raise self._ending
        return 0

    @property
    def is_drained(self) -> bool:
        return self._is_drained and self._ending is None and self._wanted_by_read is self._readable

    def _held_back_bytes(self) -> int:
        # OpenSSL may have the beginning of the next record, up to all but its last byte.
        return _RECORD_BYTES + _RECORD_OVERHEAD

    async def _wait_to_receive(self) -> None:
        if not self._is_drained or self._ending is not None:
            await trio.lowlevel.checkpoint()
            return
        if self._wanted_by_read is self._readable:
            self._offer_look()
        try:
            await self._wanted_by_read.wait()
        finally:
            self._withdraw_look()

    async def _wait_readable(self) -> None:
        await self._readable.wait()

    def _send_some(self, chunks: list[Chunk]) -> list[Chunk]:
        # What would block must be repeated with the same bytes, or more: it is, for what is left comes first.
        chunks = join_small(chunks)
        if len(chunks) < 2 and sum(map(len, chunks)) <= _RECORD_BYTES:
            return self._send_records(chunks)
        # A system call is a record at most. Without the cork each would be segments of its own, which costs
        # the kernel more than the call: a tenth of the relay's time, measured.
        self._set_cork(1)
        try:
            return self._send_records(chunks)
        finally:
            self._set_cork(0)

    def _send_records(self, chunks: list[Chunk]) -> list[Chunk]:
        send = self._sock.send
        pieces = whole_records(chunks)
        pieces.reverse()
        try:
            while pieces:
                piece = pieces.pop()
                while piece:
                    piece = piece[send(piece) :]
        except ssl.SSLWantWriteError:
            self._wanted_by_write = self._writable
        except ssl.SSLWantReadError:
            self._wanted_by_write = self._readable
        else:
            return []
        return [piece, *reversed(pieces)]

    def _set_cork(self, value: int) -> None:
        option = getattr(socket, "TCP_CORK", None)  # not on every platform
        if option is not None:
            self._sock.setsockopt(socket.IPPROTO_TCP, option, value)

    async def _wait_to_send(self) -> None:
        await self._wanted_by_write.wait()

    def _end_encryption(self) -> None:
        # Sends close_notify. It fails with "want read" because the other side's has not come yet, or
        # because an unfinished send is in the way; neither matters now.
        with suppress(ssl.SSLError):
            self._tls_sock.unwrap()


def whole_records(chunks: list[Chunk]) -> list[memoryview]:
    """The same bytes, cut so that only the last piece does not fill whole records.

    What is left of a chunk goes with the beginning of the next one: a record of a few bytes costs both sides
    nearly as much as a full one, and runs of frames are a little longer than 64 KiB.
    """
    pieces: list[memoryview] = []
    rest = memoryview(b"")
    for chunk in chunks:
        view = memoryview(chunk)
        if rest:
            missing = _RECORD_BYTES - len(rest)
            rest, view = memoryview(b"".join((rest, view[:missing]))), view[missing:]
            if len(rest) < _RECORD_BYTES:
                continue
            pieces.append(rest)
        end = len(view) - len(view) % _RECORD_BYTES
        if end:
            pieces.append(view[:end])
        rest = view[end:]
    if rest:
        pieces.append(rest)
    return pieces


class _Readiness:
    """Waits until a socket is ready in one direction, for any number of tasks.

    The first one asks Trio; others wait for the first. Then all try again: a wake-up promises nothing.
    """

    __slots__ = ("_ask", "_is_asked", "_others", "_sock")

    def __init__(self, sock: socket.socket, ask: Callable[[socket.socket], Awaitable[None]]) -> None:
        self._sock = sock
        self._ask = ask
        self._is_asked = False
        self._others: trio.Event | None = None  # made when a second one comes, which is rare

    async def wait(self) -> None:
        """Returns when the direction may be ready. Raises ClosedResourceError when the socket closes."""
        if self._is_asked:
            if self._others is None:
                self._others = trio.Event()
            await self._others.wait()
            return
        self._is_asked = True
        try:
            await self._ask(self._sock)
        finally:
            self._is_asked = False
            others, self._others = self._others, None
            if others is not None:
                others.set()


def waiting_bytes(sock: socket.socket) -> int:
    """How many bytes the kernel has for this socket's reader (FIONREAD)."""
    answer = bytearray(_INT.size)
    fcntl.ioctl(sock.fileno(), termios.FIONREAD, answer)
    return int(_INT.unpack(answer)[0])
