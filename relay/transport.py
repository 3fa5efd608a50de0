"""Bytes in and out of one connection, with the fewest copies: plain socket, TLS socket, or in memory.

A `Transport` knows nothing of frames. The tunnel reads large pieces, hands whole batches over, and is told
of every ordinary ending in one way: `PeerGone`.

Theory of the TLS one. `trio.SSLStream` moves every byte through a memory BIO and Python code (83 MB/s
measured, DESIGN §6); a non-blocking `ssl.SSLSocket` lets OpenSSL read and write the socket itself (235 to
326 MB/s). The price is three peculiarities, all handled here:

- Either operation may need either direction: a read that must answer a key update waits to *write*. Reader
  and writer may therefore wait for the same direction, which Trio allows one task only; see `_Readiness`.
- A read returns at most one record (16 KiB), so `receive_some` collects what has arrived already.
- A write that blocked half-way must be repeated with the same bytes, or never again. So a `send_all` that
  is cancelled ends the sending for good, and for one behaviour everywhere it does so in every transport.
"""

import socket
import ssl
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack, suppress
from struct import pack
from typing import Self, TypeAlias

import trio

from relay.errors import PeerGone

Chunk: TypeAlias = bytes | bytearray | memoryview

RECEIVE_BYTES = 262144
"""One read: 256 KiB holds four of the largest control records, and the codec walks it in one go."""

UNSENT_BYTES = 65536
"""What the kernel may hold unsent (TCP_NOTSENT_LOWAT), so that a mouse click never waits behind a file; at
first, `limit_unsent` changes it."""

UNACKNOWLEDGED_TIMEOUT = 30.0
"""Seconds without an acknowledgement of sent bytes until the kernel gives the connection up (SECURITY)."""

DISCARD_BYTES = 65536
"""One read of what nobody will look at any more."""

CLOSE_TIMEOUT = 2.0
"""Seconds `aclose` waits for the other side's end. Closing a socket that still has unread bytes resets the
connection, and the reset can overtake our last frame, which says why; so what still comes is thrown away
until the other side has closed too. Long enough for a round trip with one lost packet."""

MEMORY_BYTES = 65536
"""Capacity of each direction of a pair in memory; as little as the kernel may hold of a real one."""

_TLS_RECORD_BYTES = 16384
# sendmsg takes at most IOV_MAX (1024 on Linux) buffers. Chunks smaller than this on average are joined: a
# copy of 2 KiB is cheaper than one more buffer for the kernel to pin and walk.
_MAX_BUFFERS = 512
_JOIN_BELOW_BYTES = 2048


class Transport(ABC):
    """A connected, ordered, reliable pipe of bytes with two ends.

    Concurrency: one task may receive while another sends; a second task in either raises
    `trio.BusyResourceError` (a bug). `aclose` and `abort` may come from any task at any time: whoever waits
    wakes with `PeerGone`. Both may be called again, to no effect.

    Attributes:
        peer_address: the other side's address and port as the socket sees it (a proxy's, behind one).
        is_tls: whether this transport encrypts.
    """

    __slots__ = (
        "_already_read",
        "_is_closed",
        "_is_receiving",
        "_is_send_unfinished",
        "_is_sending",
        "is_tls",
        "peer_address",
    )

    def __init__(self, peer_address: tuple[str, int], *, is_tls: bool) -> None:
        # Never changed.
        self.peer_address = peer_address
        self.is_tls = is_tls
        # The receiver's.
        self._already_read = b""
        self._is_receiving = False
        # The sender's.
        self._is_sending = False
        self._is_send_unfinished = False
        # Whoever closes.
        self._is_closed = False

    # Receiving

    async def receive_some(self, max_bytes: int = RECEIVE_BYTES) -> bytes:
        """At least one byte as soon as there is one; `b""` once the other side has ended its sending.

        (Or once the connection was reset and a `send_all` at the same time was told so: the kernel tells
        one of the two.)

        Args:
            max_bytes: return no more than this, at least 1.

        Raises:
            PeerGone: the connection is lost or closed.

        Cancellation: no byte is lost.
        """
        while True:
            await self.wait_to_receive()
            buffer = memoryview(bytearray(max_bytes))
            count = self.receive_now(buffer)
            if count is not None:
                return bytes(buffer[:count])

    async def wait_to_receive(self) -> None:
        """Returns when `receive_now` may find something; it promises nothing.

        With `receive_now` this is `receive_some` for many connections that share one buffer: an idle one
        holds none.

        Raises:
            PeerGone: the connection is closed.

        Cancellation: no byte is lost.
        """
        if self._is_receiving:
            raise trio.BusyResourceError("another task is receiving from this transport")
        self._is_receiving = True
        try:
            self._check_open()
            if self._already_read:
                await trio.lowlevel.checkpoint()
            else:
                await self._wait_to_receive()
        except _CONNECTION_ERRORS as error:
            raise _peer_gone(error) from error
        finally:
            self._is_receiving = False

    def receive_now(self, buffer: memoryview) -> int | None:
        """Fills `buffer` with what has arrived.

        Args:
            buffer: writable, at least one byte.

        Returns:
            How many bytes are in it; 0 at the other side's end; None if nothing has come yet.

        Raises:
            PeerGone: the connection is lost or closed.
        """
        self._check_open()
        if self._already_read:
            data = self._already_read[: len(buffer)]
            self._already_read = self._already_read[len(data) :]
            buffer[: len(data)] = data
            return len(data)
        try:
            return self._receive_now(buffer)
        except _CONNECTION_ERRORS as error:
            raise _peer_gone(error) from error

    def unread(self, data: bytes) -> None:
        """Puts bytes back: they are received first. For a reader that read past a request's end."""
        self._already_read = data + self._already_read

    # Sending

    async def send_all(self, chunks: Sequence[Chunk] | Chunk) -> None:
        """Sends everything, in order; returns when the kernel (or the memory buffer) has taken it all.

        Args:
            chunks: one piece, or several that are sent as if joined, in as few system calls as one. They
                must not change until this returns.

        Raises:
            PeerGone: the connection is lost or closed, or an earlier `send_all` did not finish.

        Cancellation: an unknown beginning has been sent and sending is over: later calls raise `PeerGone`.
        Receiving still works. All that is left to do is `aclose` or `abort`.
        """
        pieces = [chunks] if isinstance(chunks, bytes | bytearray | memoryview) else list(chunks)
        await trio.lowlevel.checkpoint()
        unsent = self.send_now(pieces)
        self._is_send_unfinished = bool(unsent)
        while unsent:
            await self.wait_to_send()
            unsent = self._send(unsent)
        self._is_send_unfinished = False

    def send_now(self, chunks: list[Chunk]) -> list[Chunk]:
        """Sends as much as goes without waiting.

        Args:
            chunks: sent as if joined.

        Returns:
            What is left, in order; nothing but that may be sent next, after `wait_to_send`.

        Raises:
            PeerGone: the connection is lost or closed, or an earlier `send_all` did not finish.
        """
        self._check_not_sending()
        if self._is_send_unfinished:
            raise PeerGone("An earlier send did not finish, so nothing more can be sent.")
        return self._send(chunks)

    def _send(self, chunks: list[Chunk]) -> list[Chunk]:
        self._check_open()
        try:
            return self._send_some([piece for piece in chunks if len(piece)])
        except _CONNECTION_ERRORS as error:
            raise _peer_gone(error) from error

    async def wait_to_send(self) -> None:
        """Returns when what `send_now` has left may go on; it promises nothing.

        Raises:
            PeerGone: the connection is closed.

        Cancellation: nothing was sent meanwhile.
        """
        self._check_not_sending()
        self._is_sending = True
        try:
            await self._wait_to_send()
        except _CONNECTION_ERRORS as error:
            raise _peer_gone(error) from error
        finally:
            self._is_sending = False

    @abstractmethod
    def limit_unsent(self, size: int) -> None:
        """Let the kernel hold about `size` bytes that it cannot send yet, where it can be told so."""

    def _check_not_sending(self) -> None:
        if self._is_sending:
            raise trio.BusyResourceError("another task is sending on this transport")

    # Closing

    async def aclose(self) -> None:
        """Closes so that the other side can still read what was sent; takes at most `CLOSE_TIMEOUT` seconds.

        Raises nothing. Cancellation: it is closed all the same; the other side may lose the last bytes.
        """
        if self._is_closed:
            await trio.lowlevel.checkpoint()
            return
        self._is_closed = True
        try:
            await self._close_gracefully()
        finally:
            self._close_now()

    def abort(self) -> None:
        """Closes at once: the unsent and unread is thrown away, the other side sees a broken connection."""
        self._is_closed = True
        self._break_off()

    def _check_open(self) -> None:
        if self._is_closed:
            raise PeerGone("The connection was closed on this side.")

    # What each kind does

    @abstractmethod
    async def _wait_to_receive(self) -> None:
        """Returns when `_receive_now` may find something. Always a checkpoint."""

    @abstractmethod
    def _receive_now(self, buffer: memoryview) -> int | None:
        """How many bytes came into `buffer` without waiting: 0 at the end, None if none are there yet."""

    @abstractmethod
    def _send_some(self, chunks: list[Chunk]) -> list[Chunk]:
        """Sends of non-empty chunks what goes without waiting; the rest. The list may be changed."""

    @abstractmethod
    async def _wait_to_send(self) -> None: ...

    @abstractmethod
    async def _close_gracefully(self) -> None:
        """Wakes waiting tasks, sends the end and waits for the other side's. Bounded; raises nothing."""

    @abstractmethod
    def _close_now(self) -> None:
        """Wakes waiting tasks and gives the resources back; may come twice."""

    @abstractmethod
    def _break_off(self) -> None:
        """Like `_close_now`, but lets the other side see that this is no proper end; may come twice."""


_CONNECTION_ERRORS = (trio.ClosedResourceError, trio.BrokenResourceError, OSError)
"""How Trio, sockets and TLS (`ssl.SSLError` is an OSError) say that a connection is no more."""


def _peer_gone(error: Exception) -> PeerGone:
    """The border (STYLE §7): what leaves here for one of `_CONNECTION_ERRORS`."""
    match error:
        case trio.ClosedResourceError():
            return PeerGone("The connection was closed on this side.")
        case trio.BrokenResourceError():
            return PeerGone("The connection was lost.")
        case ssl.SSLEOFError():
            return PeerGone("The connection was lost without a proper end.")
        case ssl.SSLError():
            return PeerGone(f"The encryption failed: {error.reason or 'no reason given'}.")
        case OSError():
            return PeerGone(f"The connection was lost: {error.strerror or error}.")
        case _:
            raise AssertionError(f"{error!r} is not the end of a connection") from error


class _KernelTransport(Transport):
    """What plain and TLS sockets share. Owns `sock`, a non-blocking stdlib socket.

    Raises:
        PeerGone: the socket is no longer connected; it is closed then.
    """

    __slots__ = ("_is_drained", "_sock")

    def __init__(self, sock: socket.socket, *, is_tls: bool) -> None:
        try:
            _set_options(sock)
            host, port, *_ = sock.getpeername()
        except OSError as error:
            sock.close()
            raise _peer_gone(error) from error
        super().__init__((host, port), is_tls=is_tls)
        self._sock = sock
        # The receiver's: the last read left nothing, so that the next would only find out by failing.
        self._is_drained = False

    def limit_unsent(self, size: int) -> None:
        option = getattr(socket, "TCP_NOTSENT_LOWAT", None)
        if option is not None and not self._is_closed:
            with suppress(OSError):  # of a connection that was lost meanwhile: the next send says so
                self._sock.setsockopt(socket.IPPROTO_TCP, option, size)

    async def _wait_to_receive(self) -> None:
        if self._is_drained:
            await self._wait_readable()
        else:
            await trio.lowlevel.checkpoint()

    def _receive_now(self, buffer: memoryview) -> int | None:
        count = self._read(buffer)
        self._is_drained = count is None or count < len(buffer)
        return count

    @abstractmethod
    def _read(self, buffer: memoryview) -> int | None:
        """What `_receive_now` does; less than the whole buffer only if there was no more."""

    async def _wait_readable(self) -> None:
        await trio.lowlevel.wait_readable(self._sock)

    async def _close_gracefully(self) -> None:
        trio.lowlevel.notify_closing(self._sock)
        with trio.move_on_after(CLOSE_TIMEOUT), suppress(OSError, trio.ClosedResourceError):
            self._end_encryption()
            self._sock.shutdown(socket.SHUT_WR)
            await trio.lowlevel.checkpoint()
            while await self._discard_some():
                await trio.lowlevel.checkpoint()

    def _end_encryption(self) -> None:
        """Says the end one layer up; nothing in plain."""

    async def _discard_some(self) -> bool:
        """Throws away what came in; False at the end of what the other side sends."""
        try:
            return bool(self._sock.recv(DISCARD_BYTES))
        except BlockingIOError:
            await self._wait_readable()
            return True

    def _close_now(self) -> None:
        if self._sock.fileno() >= 0:
            trio.lowlevel.notify_closing(self._sock)
            self._sock.close()

    def _break_off(self) -> None:
        # Lingering for 0 s means a reset: the kernel keeps nothing for a peer that may never read it.
        with suppress(OSError):
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, pack("ii", 1, 0))
        self._close_now()


class SocketTransport(_KernelTransport):
    """A TCP connection without TLS.

    Args:
        sock: connected; taken over, not to be used by the caller any more.
        already_read: bytes received from it before; `receive_some` returns them first.

    Raises:
        PeerGone: the socket is no longer connected; it is closed then.
    """

    __slots__ = ()

    def __init__(self, sock: trio.socket.SocketType, *, already_read: bytes = b"") -> None:
        super().__init__(_take_over(sock), is_tls=False)
        self.unread(already_read)

    def _read(self, buffer: memoryview) -> int | None:
        try:
            return self._sock.recv_into(buffer)
        except BlockingIOError:
            return None

    def _send_some(self, chunks: list[Chunk]) -> list[Chunk]:
        chunks = _join_small(chunks)
        with suppress(BlockingIOError):
            while chunks:
                if len(chunks) > 1 and hasattr(self._sock, "sendmsg"):
                    sent = self._sock.sendmsg(chunks[:_MAX_BUFFERS])
                else:
                    sent = self._sock.send(chunks[0])
                _drop_sent(chunks, sent)
        return chunks

    async def _wait_to_send(self) -> None:
        await trio.lowlevel.wait_writable(self._sock)


class TlsTransport(_KernelTransport):
    """A TCP connection with TLS, after its handshake. Made by `accept` and `connect`.

    The other side's end is `b""` only if it said so in TLS (`close_notify`). A connection that ends without
    is `PeerGone`: it may have been cut, and Python before 3.12.3 reports a reset in the same way.
    """

    __slots__ = ("_ending", "_readable", "_tls_sock", "_wanted_by_read", "_wanted_by_write", "_writable")

    def __init__(self, sock: ssl.SSLSocket) -> None:
        super().__init__(sock, is_tls=True)
        self._tls_sock = sock
        self._readable = _Readiness(sock, trio.lowlevel.wait_readable)
        self._writable = _Readiness(sock, trio.lowlevel.wait_writable)
        # The receiver's: what its last attempt wants, and an ending met behind other records.
        self._wanted_by_read = self._readable
        self._ending: int | OSError | None = None
        # The sender's.
        self._wanted_by_write = self._writable

    @classmethod
    async def accept(cls, sock: trio.socket.SocketType, context: ssl.SSLContext) -> Self:
        """Takes `sock` over and does the server's side of the handshake.

        Raises:
            PeerGone: the handshake failed; `sock` is closed.

        Cancellation: `sock` is closed. The caller sets the deadline.
        """
        return await cls._handshake(sock, context, server_hostname=None)

    @classmethod
    async def connect(
        cls, sock: trio.socket.SocketType, context: ssl.SSLContext, server_hostname: str
    ) -> Self:
        """Like `accept`, for the client's side; `server_hostname` is what the certificate must be for."""
        return await cls._handshake(sock, context, server_hostname=server_hostname)

    @classmethod
    async def _handshake(
        cls, sock: trio.socket.SocketType, context: ssl.SSLContext, *, server_hostname: str | None
    ) -> Self:
        with ExitStack() as cleanup:
            raw = _take_over(sock)
            cleanup.callback(raw.close)
            try:
                tls_sock = context.wrap_socket(
                    raw,
                    server_side=server_hostname is None,
                    server_hostname=server_hostname,
                    do_handshake_on_connect=False,
                    suppress_ragged_eofs=False,
                )
                transport = cls(tls_sock)
                cleanup.callback(transport.abort)
                await transport._shake_hands()
            except _CONNECTION_ERRORS as error:
                raise _peer_gone(error) from error
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
        filled = 0
        while filled < len(buffer):
            try:
                count = self._sock.recv_into(buffer[filled : filled + _TLS_RECORD_BYTES])
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
        return filled or self._end_receiving()

    def _end_receiving(self) -> int:
        """The ending, each time it is asked for."""
        if isinstance(self._ending, OSError):
            raise self._ending
        return 0

    async def _wait_to_receive(self) -> None:
        if self._is_drained and self._ending is None:
            await self._wanted_by_read.wait()
        else:
            await trio.lowlevel.checkpoint()

    async def _wait_readable(self) -> None:
        await self._readable.wait()

    def _send_some(self, chunks: list[Chunk]) -> list[Chunk]:
        # What would block must be repeated with the same bytes: a chunk stays as it is until it is gone.
        chunks = _join_small(chunks)
        try:
            while chunks:
                _drop_sent(chunks, self._sock.send(chunks[0]))
        except ssl.SSLWantWriteError:
            self._wanted_by_write = self._writable
        except ssl.SSLWantReadError:
            self._wanted_by_write = self._readable
        return chunks

    async def _wait_to_send(self) -> None:
        await self._wanted_by_write.wait()

    def _end_encryption(self) -> None:
        # Sends close_notify. It fails with "want read" because the other side's has not come yet, or
        # because an unfinished send is in the way; neither matters now.
        with suppress(ssl.SSLError):
            self._tls_sock.unwrap()


class _Readiness:
    """Waits until a socket is ready in one direction, for any number of tasks.

    The first one asks Trio; others wait for the first. Then all try again: a wake-up promises nothing.
    """

    __slots__ = ("_ask", "_first", "_sock")

    def __init__(self, sock: socket.socket, ask: Callable[[socket.socket], Awaitable[None]]) -> None:
        self._sock = sock
        self._ask = ask
        self._first: trio.Event | None = None

    async def wait(self) -> None:
        """Returns when the direction may be ready. Raises ClosedResourceError when the socket closes."""
        if self._first is not None:
            await self._first.wait()
            return
        self._first = first = trio.Event()
        try:
            await self._ask(self._sock)
        finally:
            self._first = None
            first.set()


class _MemoryPipe:
    """One direction of a pair in memory: a bounded buffer between one writer and one reader."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._buffer = bytearray()
        self._is_broken = False
        self._writer_is_gone = False
        self._reader_is_gone = False
        self._changed = trio.Event()

    async def wait_to_receive(self) -> None:
        await trio.lowlevel.checkpoint()
        while not (self._buffer or self._is_broken or self._writer_is_gone or self._reader_is_gone):
            await self._changed.wait()

    def receive(self, buffer: memoryview) -> int | None:
        if self._reader_is_gone:
            raise trio.ClosedResourceError("this end was closed")
        if self._is_broken:
            raise trio.BrokenResourceError("the other end was aborted")
        if not self._buffer:
            return 0 if self._writer_is_gone else None
        count = min(len(buffer), len(self._buffer))
        buffer[:count] = self._buffer[:count]
        del self._buffer[:count]
        self._notify()
        return count

    async def wait_to_send(self) -> None:
        while len(self._buffer) >= self._capacity and not (
            self._writer_is_gone or self._is_broken or self._reader_is_gone
        ):
            await self._changed.wait()

    def send(self, data: Chunk) -> int:
        if self._writer_is_gone:
            raise trio.ClosedResourceError("this end was closed")
        if self._is_broken or self._reader_is_gone:
            raise trio.BrokenResourceError("the other end was closed")
        taken = memoryview(data)[: self._capacity - len(self._buffer)]
        if taken:
            self._buffer += taken
            self._notify()
        return len(taken)

    def end_writing(self) -> None:
        self._writer_is_gone = True
        self._notify()

    def end_reading(self) -> None:
        self._reader_is_gone = True
        self._buffer.clear()
        self._notify()

    def break_off(self) -> None:
        if self._writer_is_gone:
            return  # Too late: what was sent before the proper end stays readable.
        self._is_broken = True
        self._buffer.clear()
        self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = trio.Event()


class MemoryTransport(Transport):
    """One end of a pair in memory; see `memory_transport_pair`."""

    def __init__(self, incoming: _MemoryPipe, outgoing: _MemoryPipe, peer_address: tuple[str, int]) -> None:
        super().__init__(peer_address, is_tls=False)
        self._incoming = incoming
        self._outgoing = outgoing

    def limit_unsent(self, size: int) -> None:
        """There is no kernel between the two ends."""

    async def _wait_to_receive(self) -> None:
        await self._incoming.wait_to_receive()

    def _receive_now(self, buffer: memoryview) -> int | None:
        return self._incoming.receive(buffer)

    def _send_some(self, chunks: list[Chunk]) -> list[Chunk]:
        while chunks and (sent := self._outgoing.send(chunks[0])):
            _drop_sent(chunks, sent)
        return chunks

    async def _wait_to_send(self) -> None:
        await self._outgoing.wait_to_send()

    async def _close_gracefully(self) -> None:
        # What was sent stays readable in the other end's buffer; there is nothing to wait for.
        self._close_now()
        await trio.lowlevel.checkpoint()

    def _close_now(self) -> None:
        self._outgoing.end_writing()
        self._incoming.end_reading()

    def _break_off(self) -> None:
        self._outgoing.break_off()
        self._close_now()


def memory_transport_pair(capacity_bytes: int = MEMORY_BYTES) -> tuple[MemoryTransport, MemoryTransport]:
    """Two connected ends in this process: what one sends, the other receives.

    Args:
        capacity_bytes: how much each direction holds before its sender waits; at least 1.
    """
    there, back = _MemoryPipe(capacity_bytes), _MemoryPipe(capacity_bytes)
    return MemoryTransport(back, there, ("memory", 2)), MemoryTransport(there, back, ("memory", 1))


def _take_over(sock: trio.socket.SocketType) -> socket.socket:
    """The stdlib socket behind Trio's: one layer less for each call, and what `ssl` wraps."""
    raw = socket.socket(fileno=sock.detach())
    raw.setblocking(False)
    return raw


def _set_options(sock: socket.socket) -> None:
    for name, value in (
        ("TCP_NODELAY", 1),
        ("TCP_NOTSENT_LOWAT", UNSENT_BYTES),
        ("TCP_USER_TIMEOUT", int(UNACKNOWLEDGED_TIMEOUT * 1000)),
    ):
        # Not every platform has the last two.
        option = getattr(socket, name, None)
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


def _join_small(chunks: list[Chunk]) -> list[Chunk]:
    """The same bytes in one piece if that costs less than so many pieces."""
    if len(chunks) > 1 and sum(map(len, chunks)) < _JOIN_BELOW_BYTES * len(chunks):
        return [b"".join(chunks)]
    return chunks


def _drop_sent(chunks: list[Chunk], sent: int) -> None:
    """Removes the first `sent` bytes from `chunks`, cutting the chunk they end in."""
    whole = 0
    while whole < len(chunks) and sent >= len(chunks[whole]):
        sent -= len(chunks[whole])
        whole += 1
    del chunks[:whole]
    if sent:
        chunks[0] = memoryview(chunks[0])[sent:]
