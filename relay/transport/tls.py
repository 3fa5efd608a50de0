"""A TCP connection with TLS.

`trio.SSLStream` moves every byte through a memory BIO and Python code. Here OpenSSL has the socket to itself
(`relay.transport.records`), at three times the rate (docs/performance.md), and this module only waits. The
price is two peculiarities:

- Either operation may need either direction: a read that must answer a key update waits to *write*. Reader
  and writer may therefore wait for the same direction, which Trio allows one task only; see `_Readiness`.
- A write that blocked half-way must be repeated with the same bytes, or never again. So a `send_all` that
  is cancelled ends the sending for good, and for one behaviour everywhere it does so in every transport.
"""

import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import Self

import trio

from relay.transport.base import CONNECTION_ERRORS, Chunk, drop_sent, peer_gone
from relay.transport.records import (
    RECORD_BYTES,
    RECORD_OVERHEAD,
    Records,
    ServerTls,
    Wants,
    connect_records,
)
from relay.transport.sockets import KernelTransport, take_over


class TlsTransport(KernelTransport):
    """A TCP connection with TLS, after its handshake. Made by `accept` and `connect`.

    The other side's end is `b""` only if it said so in TLS (`close_notify`). A connection that ends without
    is `PeerGone`: it may have been cut, and Python before 3.12.3 reports a reset in the same way.
    """

    __slots__ = ("_readable", "_records", "_wanted_by_read", "_wanted_by_write", "_writable")

    def __init__(self, records: Records, *, peer_address: tuple[str, int] | None = None) -> None:
        super().__init__(records.sock, is_tls=True, peer_address=peer_address)
        self._records = records
        self._readable = _Readiness(records.sock, trio.lowlevel.wait_readable)
        self._writable = _Readiness(records.sock, trio.lowlevel.wait_writable)
        # The receiver's: what its last attempt wants; None if the next may have something to say at once, as
        # the first: a client can send its first words with the end of its handshake.
        self._wanted_by_read: _Readiness | None = None
        # The sender's.
        self._wanted_by_write = self._writable

    @classmethod
    async def accept(
        cls,
        sock: trio.socket.SocketType | socket.socket,
        tls: ServerTls,
        *,
        peer_address: tuple[str, int] | None = None,
    ) -> Self:
        """Takes `sock` over and does the server's side of the handshake; `peer_address`: `KernelTransport`.

        Raises:
            PeerGone: the handshake failed; `sock` is closed.

        Cancellation: `sock` is closed. The caller sets the deadline.
        """
        return await cls._handshake(sock, tls.accept, peer_address)

    @classmethod
    async def connect(
        cls, sock: trio.socket.SocketType, context: ssl.SSLContext, server_hostname: str
    ) -> Self:
        """Like `accept`, for the client's side; `server_hostname` is what the certificate must be for."""
        return await cls._handshake(sock, lambda raw: connect_records(raw, context, server_hostname))

    @classmethod
    async def _handshake(
        cls,
        sock: trio.socket.SocketType | socket.socket,
        open_records: Callable[[socket.socket], Records],
        peer_address: tuple[str, int] | None = None,
    ) -> Self:
        with ExitStack() as cleanup:
            raw = take_over(sock)
            cleanup.callback(raw.close)
            try:
                transport = cls(open_records(raw), peer_address=peer_address)
                cleanup.callback(transport.abort)
                await trio.lowlevel.checkpoint()
                while wants := transport._records.shake_hands():
                    await transport._readiness(wants).wait()
            except CONNECTION_ERRORS as error:
                raise peer_gone(error) from error
            cleanup.pop_all()
        return transport

    def _readiness(self, wants: Wants) -> "_Readiness":
        return self._readable if wants == Wants.READABLE else self._writable

    def receive_now(self, buffer: memoryview) -> int | None:
        if self._is_closed or self._already_read:
            return super().receive_now(buffer)
        # The same as the other way, in one step.
        try:
            return self._read(buffer)
        except CONNECTION_ERRORS as error:
            raise peer_gone(error) from error

    def _read(self, buffer: memoryview) -> int | None:
        self._wanted_by_read = None  # if this fails, the next one fails at once
        count, wants = self._records.receive_into(buffer)
        if wants:
            self._wanted_by_read = self._readiness(wants)
        return count

    @property
    def is_drained(self) -> bool:
        return self._wanted_by_read is self._readable

    def _held_back_bytes(self) -> int:
        # OpenSSL may have the beginning of the next record, up to all but its last byte.
        return RECORD_BYTES + RECORD_OVERHEAD

    async def _wait_to_receive(self) -> None:
        wanted = self._wanted_by_read
        if wanted is None:
            await trio.lowlevel.checkpoint()
            return
        if wanted is self._readable:
            self._offer_look()
        try:
            await wanted.wait()
        finally:
            self._withdraw_look()

    async def _wait_readable(self) -> None:
        await self._readable.wait()

    def send_now(self, chunks: list[Chunk]) -> list[Chunk]:
        if self._is_sending or self._is_send_unfinished or self._is_closed:
            return super().send_now(chunks)
        # The same as the other way, in one step.
        try:
            return self._send_some(chunks)
        except CONNECTION_ERRORS as error:
            raise peer_gone(error) from error

    def _send_some(self, chunks: list[Chunk]) -> list[Chunk]:
        unfinished = self._records.send(chunks)
        if unfinished is None:
            return []
        sent, wants = unfinished
        self._wanted_by_write = self._readiness(wants)
        drop_sent(chunks, sent)
        return chunks

    async def _wait_to_send(self) -> None:
        await self._wanted_by_write.wait()

    def _end_encryption(self) -> None:
        self._records.say_end()


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
