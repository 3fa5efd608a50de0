"""TCP connections: what plain and encrypted ones share, and the plain one."""

import socket
import sys
from abc import abstractmethod
from contextlib import suppress
from struct import pack

import trio

from relay.transport import base
from relay.transport.base import (
    CONNECTION_ERRORS,
    Chunk,
    Transport,
    drop_sent,
    join_small,
    peer_gone,
)
from relay.transport.first_looks import Look, first_looks

UNSENT_BYTES = 65536
"""What the kernel may hold unsent (TCP_NOTSENT_LOWAT), so that a mouse click never waits behind a file; at
first, `limit_unsent` changes it."""

UNACKNOWLEDGED_TIMEOUT = 30.0
"""Seconds without an acknowledgement of sent bytes until the kernel gives the connection up (SECURITY)."""

RETRANSMISSION_FLOOR = 0.012
"""Seconds beyond a path's own time that the kernel waits for an acknowledgement before it sends again, at
least. Linux takes 200 ms, which is felt each time that the last packet of a key press or a picture is lost;
what it sends too early it takes back (F-RTO, RFC 5682). Three ticks of most kernels' clock, which rounds it
up."""

_RETRANSMISSION_OPTION = 45 if sys.platform == "linux" else None
"""TCP_RTO_MIN_US, in microseconds: <linux/tcp.h>, newer than Python's names and than many kernels."""

DISCARD_BYTES = 65536
"""One read of what nobody will look at any more."""

LEAST_EXPECTED_BYTES = 4096
MOST_EXPECTED_BYTES = 65536
"""A large frame is of no use before it is whole: on a path that brings 1,400 bytes at a time, a frame of
64 KiB would wake us 46 times. Fewer bytes than the least are not worth a system call; more than the most
might be more than the kernel wants to hold."""

# sendmsg takes at most IOV_MAX (1024 on Linux) buffers.
_MAX_BUFFERS = 512


class KernelTransport(Transport):
    """What plain and TLS sockets share. Owns `sock`, a non-blocking stdlib socket.

    Args:
        sock: connected.
        is_tls: whether it encrypts.
        peer_address: its other end, if it comes from an `relay.transport.accepting.Acceptor`, which has set
            the options too; None: both are this constructor's to do.

    Raises:
        PeerGone: the socket is no longer connected; it is closed then.
    """

    __slots__ = ("_is_drained", "_least", "_look", "_looks", "_sock")

    def __init__(
        self, sock: socket.socket, *, is_tls: bool, peer_address: tuple[str, int] | None = None
    ) -> None:
        if peer_address is None:
            try:
                set_options(sock)
                host, port, *_ = sock.getpeername()
            except OSError as error:
                sock.close()
                raise peer_gone(error) from error
            peer_address = host, port
        super().__init__(peer_address, is_tls=is_tls)
        self._sock = sock
        # The receiver's: the last read left nothing, so that the next would only find out by failing.
        self._is_drained = False
        self._least = 1  # bytes that wake it
        self._look: Look | None = None
        self._looks: dict[int, Look] | None = None

    def local_address(self) -> tuple[str, int] | None:
        try:
            host, port, *_ = self._sock.getsockname()
        except OSError:
            return None
        return host, port

    def limit_unsent(self, size: int) -> None:
        option = getattr(socket, "TCP_NOTSENT_LOWAT", None)
        if option is not None and not self._is_closed:
            with suppress(OSError):  # of a connection that was lost meanwhile: the next send says so
                self._sock.setsockopt(socket.IPPROTO_TCP, option, size)

    def expect(self, count: int) -> None:
        count -= self._held_back_bytes()
        least = min(count, MOST_EXPECTED_BYTES) if count >= LEAST_EXPECTED_BYTES else 1
        if least != self._least and not self._is_closed:
            with suppress(OSError):  # it is a hint: not every platform can, and the connection may be lost
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, least)
                self._least = least

    @property
    def is_drained(self) -> bool:
        return self._is_drained

    def look_first(self, look: Look | None) -> None:
        self._withdraw_look()
        self._look = look
        self._looks = first_looks()

    def _offer_look(self) -> None:
        """While the receiver waits for this socket to be readable, and only then."""
        if self._look is not None and self._looks is not None:
            self._looks[self._sock.fileno()] = self._look

    def _withdraw_look(self) -> None:
        if self._looks is not None:
            self._looks.pop(self._sock.fileno(), None)

    def _held_back_bytes(self) -> int:
        """Bytes that the kernel may have handed over already of what is still expected."""
        return 0

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
        with trio.move_on_after(base.CLOSE_TIMEOUT), suppress(OSError, trio.ClosedResourceError):
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
            self._withdraw_look()  # the next socket may get the same descriptor
            trio.lowlevel.notify_closing(self._sock)
            self._sock.close()

    def _break_off(self) -> None:
        # Lingering for 0 s means a reset: the kernel keeps nothing for a peer that may never read it.
        with suppress(OSError):
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, pack("ii", 1, 0))
        self._close_now()


class SocketTransport(KernelTransport):
    """A TCP connection without TLS.

    Args:
        sock: connected; taken over, not to be used by the caller any more.
        already_read: bytes received from it before; `receive_some` returns them first.
        peer_address: see `KernelTransport`.

    Raises:
        PeerGone: the socket is no longer connected; it is closed then.
    """

    __slots__ = ()

    def __init__(
        self,
        sock: trio.socket.SocketType | socket.socket,
        *,
        already_read: bytes = b"",
        peer_address: tuple[str, int] | None = None,
    ) -> None:
        super().__init__(take_over(sock), is_tls=False, peer_address=peer_address)
        if already_read:
            self.unread(already_read)

    async def wait_to_receive(self) -> None:
        if self._already_read or self._is_receiving or self._is_closed:
            await super().wait_to_receive()
            return
        # What an idle connection waits in. The same as the other way, with three coroutines less to go back
        # through when it wakes.
        self._is_receiving = True
        try:
            if self._is_drained:
                self._offer_look()
                await trio.lowlevel.wait_readable(self._sock)
            else:
                await trio.lowlevel.checkpoint()
        except CONNECTION_ERRORS as error:
            raise peer_gone(error) from error
        finally:
            self._is_receiving = False
            self._withdraw_look()

    def receive_now(self, buffer: memoryview) -> int | None:
        if self._is_closed or self._already_read:
            return super().receive_now(buffer)
        # The same as the other way, in one step.
        try:
            count = self._sock.recv_into(buffer)
        except BlockingIOError:
            self._is_drained = True
            return None
        except CONNECTION_ERRORS as error:
            raise peer_gone(error) from error
        self._is_drained = count < len(buffer)
        return count

    def _read(self, buffer: memoryview) -> int | None:
        try:
            return self._sock.recv_into(buffer)
        except BlockingIOError:
            return None

    def _receive_some_now(self, max_bytes: int) -> bytes | None:
        try:
            data = self._sock.recv(max_bytes)  # no buffer that is filled with zeros first
        except BlockingIOError:
            self._is_drained = True
            return None
        self._is_drained = len(data) < max_bytes
        return data

    def send_piece(self, piece: bytes) -> list[Chunk]:
        if self._is_sending or self._is_send_unfinished or self._is_closed:
            return super().send_piece(piece)
        try:
            sent = self._sock.send(piece)
        except BlockingIOError:
            return [piece]
        except CONNECTION_ERRORS as error:
            raise peer_gone(error) from error
        return [memoryview(piece)[sent:]] if sent < len(piece) else []

    def _send_some(self, chunks: list[Chunk]) -> list[Chunk]:
        chunks = join_small(chunks)
        with suppress(BlockingIOError):
            while chunks:
                if len(chunks) > 1 and hasattr(self._sock, "sendmsg"):
                    sent = self._sock.sendmsg(chunks[:_MAX_BUFFERS])
                else:
                    sent = self._sock.send(chunks[0])
                drop_sent(chunks, sent)
        return chunks

    async def _wait_to_send(self) -> None:
        await trio.lowlevel.wait_writable(self._sock)


def take_over(sock: trio.socket.SocketType | socket.socket) -> socket.socket:
    """The stdlib socket behind Trio's: one layer less for each call, and what `ssl` wraps.

    A stdlib socket is returned as it is; it must not block.
    """
    if isinstance(sock, socket.socket):
        return sock
    raw = socket.socket(fileno=sock.detach())
    raw.setblocking(False)
    return raw


def set_options(sock: socket.socket) -> None:
    """What every connection of ours asks of the kernel.

    Raises:
        OSError: it is no longer connected.
    """
    for name, value in (
        ("TCP_NODELAY", 1),
        ("TCP_NOTSENT_LOWAT", UNSENT_BYTES),
        ("TCP_USER_TIMEOUT", int(UNACKNOWLEDGED_TIMEOUT * 1000)),
    ):
        # Not every platform has the last two.
        option = getattr(socket, name, None)
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
    if _RETRANSMISSION_OPTION is not None:
        with suppress(OSError):  # a kernel that does not know it; a lost connection is told of above
            sock.setsockopt(socket.IPPROTO_TCP, _RETRANSMISSION_OPTION, int(RETRANSMISSION_FLOOR * 1e6))
