"""What every transport is: a pipe of bytes with two ends, whose ordinary endings are all `PeerGone`."""

import ssl
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TypeAlias

import trio

from relay.errors import PeerGone

Chunk: TypeAlias = bytes | bytearray | memoryview

RECEIVE_BYTES = 260 * 1024
"""One read: holds a file's largest record, or four of the largest of any other channel, with their headers,
and the codec walks it in one go."""

CLOSE_TIMEOUT = 2.0
"""Seconds `aclose` waits for the other side's end. Closing a socket that still has unread bytes resets the
connection, and the reset can overtake our last frame, which says why; so what still comes is thrown away
until the other side has closed too. Long enough for a round trip with one lost packet."""

_JOIN_BELOW_BYTES = 2048
"""Chunks smaller than this on average are joined: a copy of 2 KiB is cheaper than one more buffer for the
kernel to pin and walk."""


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

    def local_address(self) -> tuple[str, int] | None:
        """This side's address and port, which the other side connected to; None if there is none."""
        return None

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
            data = self.receive_some_now(max_bytes)
            if data is not None:
                return data

    def receive_some_now(self, max_bytes: int = RECEIVE_BYTES) -> bytes | None:
        """What `receive_some` would return without waiting; None if nothing has come yet.

        Raises:
            PeerGone: the connection is lost or closed.
        """
        self._check_open()
        if self._already_read:
            data, self._already_read = self._already_read[:max_bytes], self._already_read[max_bytes:]
            return data
        try:
            return self._receive_some_now(max_bytes)
        except CONNECTION_ERRORS as error:
            raise peer_gone(error) from error

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
        except CONNECTION_ERRORS as error:
            raise peer_gone(error) from error
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
        except CONNECTION_ERRORS as error:
            raise peer_gone(error) from error

    def expect(self, count: int) -> None:  # noqa: B027 - a hint, for those who can use it
        """Tells that nothing can be done until `count` more bytes are there; 0 takes that back.

        `wait_to_receive` may then return later than at the first byte, but never later than when all of them
        have come, or the end.
        """

    def look_first(self, look: Callable[[], bool] | None) -> None:  # noqa: B027 - a hint as well
        """Asks that `look` be called while a task is in `wait_to_receive`, before that returns.

        Args:
            look: may call `receive_now`, and says whether the task can wait on; neither awaits nor raises. It
                must say False while anybody waits to send, and unless `is_drained`. None: no look any more.
        """

    @property
    def is_drained(self) -> bool:
        """True if the last `receive_now` left nothing: `wait_to_receive` will return when more comes."""
        return False

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
        await trio.lowlevel.checkpoint()
        await self.send_promptly(chunks)

    async def send_promptly(self, chunks: Sequence[Chunk] | Chunk) -> None:
        """Like `send_all`, but no checkpoint if all of it goes at once: saves a turn of the scheduler."""
        pieces = [chunks] if isinstance(chunks, bytes | bytearray | memoryview) else list(chunks)
        unsent = self.send_now(pieces)
        self._is_send_unfinished = bool(unsent)
        while unsent:
            await self.wait_to_send()
            unsent = self._send(unsent)
        self._is_send_unfinished = False

    def send_now(self, chunks: list[Chunk]) -> list[Chunk]:
        """Sends as much as goes without waiting.

        Args:
            chunks: sent as if joined; the list may be changed.

        Returns:
            What is left, in order; nothing but that may be sent next, after `wait_to_send`.

        Raises:
            PeerGone: the connection is lost or closed, or an earlier `send_all` did not finish.
        """
        self._check_not_sending()
        if self._is_send_unfinished:
            raise PeerGone("An earlier send did not finish, so nothing more can be sent.")
        return self._send(chunks)

    def send_piece(self, piece: bytes) -> list[Chunk]:
        """`send_now` of one piece that is not empty."""
        return self.send_now([piece])

    def _send(self, chunks: list[Chunk]) -> list[Chunk]:
        self._check_open()
        try:
            return self._send_some([piece for piece in chunks if len(piece)])
        except CONNECTION_ERRORS as error:
            raise peer_gone(error) from error

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
        except CONNECTION_ERRORS as error:
            raise peer_gone(error) from error
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

    def _receive_some_now(self, max_bytes: int) -> bytes | None:
        """The same as bytes of their own, at most `max_bytes`: b"" at the end."""
        buffer = memoryview(bytearray(max_bytes))
        count = self._receive_now(buffer)
        return None if count is None else bytes(buffer[:count])

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


CONNECTION_ERRORS = (trio.ClosedResourceError, trio.BrokenResourceError, OSError)
"""How Trio, sockets and TLS (`ssl.SSLError` is an OSError) say that a connection is no more."""


def peer_gone(error: Exception) -> PeerGone:
    """The border (STYLE §7): what leaves here for one of `CONNECTION_ERRORS`."""
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


def join_small(chunks: list[Chunk]) -> list[Chunk]:
    """The same bytes in one piece if that costs less than so many pieces."""
    if len(chunks) > 1 and sum(map(len, chunks)) < _JOIN_BELOW_BYTES * len(chunks):
        return [b"".join(chunks)]
    return chunks


def drop_sent(chunks: list[Chunk], sent: int) -> None:
    """Removes the first `sent` bytes from `chunks`, cutting the chunk they end in."""
    whole = 0
    while whole < len(chunks) and sent >= len(chunks[whole]):
        sent -= len(chunks[whole])
        whole += 1
    del chunks[:whole]
    if sent:
        chunks[0] = memoryview(chunks[0])[sent:]
