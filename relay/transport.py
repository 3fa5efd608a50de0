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
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from struct import pack
from typing import Self, TypeAlias, TypeVar

import trio

from relay.errors import PeerGone

Chunk: TypeAlias = bytes | bytearray | memoryview
T = TypeVar("T")

RECEIVE_BYTES = 262144
"""One read: 256 KiB holds four of the largest control records, and the codec walks it in one go."""

UNSENT_BYTES = 65536
"""What the kernel may hold unsent (TCP_NOTSENT_LOWAT), so that a mouse click never waits behind a file."""

UNACKNOWLEDGED_TIMEOUT = 30.0
"""Seconds without an acknowledgement of sent bytes until the kernel gives the connection up (SECURITY)."""

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
    in `receive_some` or `send_all` wakes with `PeerGone`. Both may be called again, to no effect.

    Attributes:
        peer_address: the other side's address and port as the socket sees it (a proxy's, behind one).
        is_tls: whether this transport encrypts.
    """

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
        if self._is_receiving:
            raise trio.BusyResourceError("another task is receiving from this transport")
        self._is_receiving = True
        try:
            self._check_open()
            if self._already_read:
                await trio.lowlevel.checkpoint()
                data, self._already_read = self._already_read[:max_bytes], self._already_read[max_bytes:]
                return data
            with _errors_as_peer_gone():
                return await self._receive(max_bytes)
        finally:
            self._is_receiving = False

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
        if self._is_sending:
            raise trio.BusyResourceError("another task is sending on this transport")
        self._is_sending = True
        try:
            self._check_open()
            if self._is_send_unfinished:
                raise PeerGone("An earlier send did not finish, so nothing more can be sent.")
            self._is_send_unfinished = True
            pieces: Sequence[Chunk] = (
                [chunks] if isinstance(chunks, bytes | bytearray | memoryview) else chunks
            )
            with _errors_as_peer_gone():
                await self._send([piece for piece in pieces if len(piece)])
            self._is_send_unfinished = False
        finally:
            self._is_sending = False

    def unread(self, data: bytes) -> None:
        """Puts bytes back: `receive_some` returns them first. For a reader that read past a request's end."""
        self._already_read = data + self._already_read

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

    @abstractmethod
    async def _receive(self, max_bytes: int) -> bytes: ...

    @abstractmethod
    async def _send(self, chunks: list[Chunk]) -> None:
        """Sends non-empty chunks; the list, not its chunks, may be changed."""

    @abstractmethod
    async def _close_gracefully(self) -> None:
        """Wakes waiting tasks, sends the end and waits for the other side's. Bounded; raises nothing."""

    @abstractmethod
    def _close_now(self) -> None:
        """Wakes waiting tasks and gives the resources back; may come twice."""

    @abstractmethod
    def _break_off(self) -> None:
        """Like `_close_now`, but lets the other side see that this is no proper end; may come twice."""


@contextmanager
def _errors_as_peer_gone() -> Iterator[None]:
    """The border (STYLE §7): what Trio, sockets and TLS raise leaves as `PeerGone`."""
    try:
        yield
    except trio.ClosedResourceError as error:
        raise PeerGone("The connection was closed on this side.") from error
    except trio.BrokenResourceError as error:
        raise PeerGone("The connection was lost.") from error
    except ssl.SSLEOFError as error:
        raise PeerGone("The connection was lost without a proper end.") from error
    except ssl.SSLError as error:
        raise PeerGone(f"The encryption failed: {error.reason or 'no reason given'}.") from error
    except OSError as error:
        raise PeerGone(f"The connection was lost: {error.strerror or error}.") from error


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


class _KernelTransport(Transport):
    """What plain and TLS sockets share. Owns `sock`, a non-blocking stdlib socket.

    Raises:
        PeerGone: the socket is no longer connected; it is closed then.
    """

    def __init__(self, sock: socket.socket, *, is_tls: bool) -> None:
        with ExitStack() as cleanup, _errors_as_peer_gone():
            cleanup.callback(sock.close)
            _set_options(sock)
            host, port, *_ = sock.getpeername()
            cleanup.pop_all()
        super().__init__((host, port), is_tls=is_tls)
        self._sock = sock
        self._readable = _Readiness(sock, trio.lowlevel.wait_readable)
        self._writable = _Readiness(sock, trio.lowlevel.wait_writable)

    async def _attempt(self, operation: Callable[[], T], would_block: _Readiness) -> T:
        """Repeats `operation` until it does not block; `would_block` is what a plain EAGAIN waits for."""
        await trio.lowlevel.checkpoint_if_cancelled()
        has_waited = False
        while True:
            try:
                result = operation()
            except BlockingIOError:
                ready = would_block
            except ssl.SSLWantReadError:
                ready = self._readable
            except ssl.SSLWantWriteError:
                ready = self._writable
            else:
                if not has_waited:
                    await trio.lowlevel.cancel_shielded_checkpoint()
                return result
            await ready.wait()
            has_waited = True
            # `aclose` may be at work on the socket still: it has the last word.
            self._check_open()

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
            return bool(self._sock.recv(RECEIVE_BYTES))
        except BlockingIOError:
            await self._readable.wait()
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

    def __init__(self, sock: trio.socket.SocketType, *, already_read: bytes = b"") -> None:
        super().__init__(_take_over(sock), is_tls=False)
        self.unread(already_read)

    async def _receive(self, max_bytes: int) -> bytes:
        return await self._attempt(lambda: self._sock.recv(max_bytes), self._readable)

    async def _send(self, chunks: list[Chunk]) -> None:
        if len(chunks) > 1 and sum(map(len, chunks)) < _JOIN_BELOW_BYTES * len(chunks):
            chunks = [b"".join(chunks)]

        def push() -> None:
            while chunks:
                if len(chunks) > 1 and hasattr(self._sock, "sendmsg"):
                    sent = self._sock.sendmsg(chunks[:_MAX_BUFFERS])
                else:
                    sent = self._sock.send(chunks[0])
                _drop_sent(chunks, sent)

        await self._attempt(push, self._writable)


class TlsTransport(_KernelTransport):
    """A TCP connection with TLS, after its handshake. Made by `accept` and `connect`.

    The other side's end is `b""` only if it said so in TLS (`close_notify`). A connection that ends without
    is `PeerGone`: it may have been cut, and Python before 3.12.3 reports a reset in the same way.
    """

    def __init__(self, sock: ssl.SSLSocket) -> None:
        super().__init__(sock, is_tls=True)
        self._tls_sock = sock
        # The receiver's: an ending met while collecting records, to be told by the next call.
        self._ending: bytes | OSError | None = None

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
        with ExitStack() as cleanup, _errors_as_peer_gone():
            raw = _take_over(sock)
            cleanup.callback(raw.close)
            tls_sock = context.wrap_socket(
                raw,
                server_side=server_hostname is None,
                server_hostname=server_hostname,
                do_handshake_on_connect=False,
                suppress_ragged_eofs=False,
            )
            transport = cls(tls_sock)
            cleanup.callback(transport.abort)
            await transport._attempt(tls_sock.do_handshake, transport._readable)
            cleanup.pop_all()
        return transport

    async def _receive(self, max_bytes: int) -> bytes:
        if self._ending is None:
            record = await self._attempt(
                lambda: self._sock.recv(min(max_bytes, _TLS_RECORD_BYTES)), self._readable
            )
            return self._collect(record, max_bytes)
        await trio.lowlevel.checkpoint()
        if isinstance(self._ending, OSError):
            raise self._ending
        return self._ending

    def _collect(self, record: bytes, max_bytes: int) -> bytes:
        """The first record and those that have arrived behind it, without waiting."""
        records = [record]
        room = max_bytes - len(record)
        while room and record:
            try:
                record = self._sock.recv(min(room, _TLS_RECORD_BYTES))
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                break
            except OSError as error:
                self._ending = error
                break
            records.append(record)
            room -= len(record)
        if not record:
            self._ending = b""
        return b"".join(records)

    async def _send(self, chunks: list[Chunk]) -> None:
        # Encryption copies anyway, and a record per chunk would cost more than joining.
        unsent = memoryview(chunks[0] if len(chunks) == 1 else b"".join(chunks))

        def push() -> None:
            nonlocal unsent
            while unsent:
                unsent = unsent[self._sock.send(unsent) :]

        await self._attempt(push, self._writable)

    def _end_encryption(self) -> None:
        # Sends close_notify. It fails with "want read" because the other side's has not come yet, or
        # because an unfinished send is in the way; neither matters now.
        with suppress(ssl.SSLError):
            self._tls_sock.unwrap()


class _MemoryPipe:
    """One direction of a pair in memory: a bounded buffer between one writer and one reader."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._buffer = bytearray()
        self._is_broken = False
        self._writer_is_gone = False
        self._reader_is_gone = False
        self._changed = trio.Event()

    async def receive(self, max_bytes: int) -> bytes:
        await trio.lowlevel.checkpoint()
        while not (self._buffer or self._is_broken or self._writer_is_gone or self._reader_is_gone):
            await self._changed.wait()
        if self._reader_is_gone:
            raise trio.ClosedResourceError("this end was closed")
        if self._is_broken:
            raise trio.BrokenResourceError("the other end was aborted")
        data = bytes(self._buffer[:max_bytes])
        del self._buffer[:max_bytes]
        self._notify()
        return data

    async def send(self, data: Chunk) -> None:
        await trio.lowlevel.checkpoint()
        unsent = memoryview(data)
        while True:
            if self._writer_is_gone:
                raise trio.ClosedResourceError("this end was closed")
            if self._is_broken or self._reader_is_gone:
                raise trio.BrokenResourceError("the other end was closed")
            room = self._capacity - len(self._buffer)
            if room:
                self._buffer += unsent[:room]
                unsent = unsent[room:]
                self._notify()
            if not unsent:
                return
            await self._changed.wait()

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

    async def _receive(self, max_bytes: int) -> bytes:
        return await self._incoming.receive(max_bytes)

    async def _send(self, chunks: list[Chunk]) -> None:
        await self._outgoing.send(b"".join(chunks))

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


def _drop_sent(chunks: list[Chunk], sent: int) -> None:
    """Removes the first `sent` bytes from `chunks`, cutting the chunk they end in."""
    whole = 0
    while whole < len(chunks) and sent >= len(chunks[whole]):
        sent -= len(chunks[whole])
        whole += 1
    del chunks[:whole]
    if sent:
        chunks[0] = memoryview(chunks[0])[sent:]
