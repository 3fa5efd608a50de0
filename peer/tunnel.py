"""A peer's end of the tunnel: one connection to the relay and the streams on it.

Theory. `open_tunnel` dials, says HELLO, waits for WELCOME and then runs three tasks until its block ends:
one reads, one writes, one pings. Streams and notices are fed by the reader without ever blocking it: what a
stream may have unread is bounded by the credit we granted. When the connection is lost, every stream and the
two channels `notices` and `incoming` end; the owner leaves the block and decides whether to dial again.

`_end` alone stops the three tasks: they are shielded from the cancellation of the block, so that what was
queued before it, and why we leave, still reaches the relay, if it takes it within `CLOSE_TIMEOUT`.

Both roles use it. A viewer opens streams (`open_stream`); a host takes them from `incoming`. The relay is not
trusted: whatever it sends ends the connection at worst, and makes this side keep no more than bounds allow.
"""

import math
import random
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import trio

from peer.dial import dial, is_writable, limit_unsent
from peer.errors import ConnectionFailed, NotAdmitted, StreamClosed
from relay.protocol.batching import BatchSize
from relay.protocol.close_reasons import CloseReason
from relay.protocol.errors import LocalProtocolError, ProtocolError, RemoteProtocolError
from relay.protocol.frames import (
    MAX_FILES_PAYLOAD_BYTES,
    MAX_MESSAGE_BYTES,
    MAX_PAYLOAD_BYTES,
    MAX_VIEWER,
    Accept,
    Channel,
    Close,
    Credit,
    Data,
    FieldReader,
    Fields,
    Frame,
    Hello,
    Notice,
    Open,
    Welcome,
    decode_frame,
    encode_data,
    encode_frame,
    payload_of,
    peek_data,
)
from relay.protocol.streams import (
    MAX_CONTROL_BYTES,
    GrowthAllowance,
    OutboundQueue,
    Priority,
    ReceiveWindow,
    Window,
    priority_of,
    stream_id,
)
from relay.protocol.websocket import CloseReceived, Ping, WebSocketCodec

CONNECT_TIMEOUT: Final = 20.0
PING_INTERVAL: Final = 20.0
DEAD_TIMEOUT: Final = 45.0
CLOSE_TIMEOUT: Final = 2.0
"""Seconds for the last words, and for the relay's own end after them."""
RECEIVE_BYTES: Final = 256 * 1024
MAX_NOTICES: Final = 256
"""Waiting for the owner; a relay that sends more than that unread is broken."""
MAX_STREAMS: Final = 512
"""Open at a host at a time: 16 viewers with 32 streams each, the most that a relay lets through."""
MAX_INCOMING: Final = 64
"""Streams waiting for the host's owner to take them."""
MAX_STREAM_NUMBER: Final = 0xFFFF
"""Streams that a viewer may open on one connection, one after another."""

_LOST: Final = (OSError, trio.BrokenResourceError, trio.ClosedResourceError)
"""How sockets, plain or TLS, say that the connection is no more."""


class Stream:
    """One stream of a tunnel. Payloads are whole: one `send` is one `receive` at the other end.

    Concurrency: one task may send and one receive at a time.

    Attributes:
        number: the stream's id.
        channel: its purpose.
        params: what the other side said when opening (host) or accepting (viewer).
    """

    def __init__(self, tunnel: "Tunnel", number: int, channel: Channel, params: Fields) -> None:
        self.number = number
        self.channel = channel
        self.params = params
        self._tunnel = tunnel
        self._priority = priority_of(channel, to_host=tunnel.role == "viewer")
        self._send_window = Window()
        # Only files need more than the first window; elsewhere, what is under way is late.
        allowance = tunnel._allowance if channel is Channel.FILES else None
        self._receive_window = ReceiveWindow(allowance=allowance)
        # Bounded by the credit in `_receive_window`, not by a number of items.
        self._feed, self._received = trio.open_memory_channel[tuple[bytes, int]](math.inf)
        self._changed = trio.Event()
        self._is_accepted = False
        self.close_reason: CloseReason | None = None

    @property
    def max_payload_bytes(self) -> int:
        """The largest payload that may be sent just now.

        What waits for credit is never larger than fits into a window at its first size, of which a receiver
        leaves up to half ungranted (`ReceiveWindow`): what does not fit into the rest would wait for ever.
        Larger payloads are for who has credit to spare, and leave as much of it again for the next.
        """
        if self.channel is not Channel.FILES:
            return MAX_PAYLOAD_BYTES
        return max(MAX_PAYLOAD_BYTES, min(self._send_window.available // 2, MAX_FILES_PAYLOAD_BYTES))

    async def accept(self, params: Fields) -> None:
        """Take a stream from `Tunnel.incoming`: the viewer may send from now on."""
        self._check_open()
        self._is_accepted = True
        self._receive_window.granted_first(trio.current_time())
        self._tunnel._queue_frame(Accept(self.number, self._receive_window.size, params))
        await trio.lowlevel.checkpoint()

    async def send(self, payload: bytes) -> None:
        """Queue one payload, once the other side has granted enough credit for it.

        Args:
            payload: at most `max_payload_bytes`.

        Raises:
            StreamClosed: it was closed, by either side or with the connection.
            LocalProtocolError: the payload is too large.

        Cancellation: the payload was not sent.
        """
        if len(payload) > self.max_payload_bytes:
            raise LocalProtocolError("A payload must not be larger than its channel and its window allow.")
        message = encode_data(self.number, payload)
        await trio.lowlevel.checkpoint_if_cancelled()
        while True:
            self._check_open()
            if self._send_window.available >= len(message):
                break
            await self._changed.wait()
        self._send_window.spend(len(message))
        self._tunnel._queue_data(self._priority, self.number, message)
        await trio.lowlevel.cancel_shielded_checkpoint()

    async def receive(self) -> bytes:
        """The next payload.

        Raises:
            StreamClosed: it was closed and everything before was received.
        """
        try:
            payload, size = await self._received.receive()
        except trio.EndOfChannel:
            raise StreamClosed(self.close_reason or CloseReason.DEAD) from None
        self._consumed(size)
        return payload

    def receive_nowait(self) -> bytes | None:
        """A payload that is there already, or None; also None once it is closed, which `receive` tells."""
        try:
            payload, size = self._received.receive_nowait()
        except (trio.WouldBlock, trio.EndOfChannel):
            return None
        self._consumed(size)
        return payload

    def _consumed(self, size: int) -> None:
        grant = self._receive_window.consumed(size, trio.current_time())
        if grant and self.close_reason is None:
            self._tunnel._queue_frame(Credit(self.number, grant))

    async def wait_closed(self) -> None:
        """Wait until either side closed it, or the connection ended; for who does not receive just now."""
        while self.close_reason is None:
            await self._changed.wait()

    def close(self, reason: CloseReason = CloseReason.DONE) -> None:
        """Close the stream for both sides; what was queued before is still sent. Closing twice is fine."""
        if self.close_reason is None:
            self._tunnel._queue_close(self._priority, self.number, reason)
            self._end(reason)

    # The reader's side

    def _feed_data(self, payload: bytes, size: int) -> None:
        self._receive_window.received(size, trio.current_time())
        self._feed.send_nowait((payload, size))

    def _grant(self, amount: int) -> None:
        self._send_window.grant(amount)
        self._wake()

    def _accepted(self, credit: int, params: Fields) -> None:
        if self._is_accepted:
            raise RemoteProtocolError("a stream was accepted twice", CloseReason.OUT_OF_ORDER)
        self._is_accepted = True
        self._receive_window.answered_first(trio.current_time())
        self.params = params
        self._grant(credit)

    def _end(self, reason: CloseReason) -> None:
        if self.close_reason is None:
            self.close_reason = reason
            self._feed.close()
            self._receive_window.end()
            self._tunnel._streams.pop(self.number, None)
            self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    def _check_open(self) -> None:
        if self.close_reason is not None:
            raise StreamClosed(self.close_reason)

    async def _wait_accepted(self) -> None:
        while not self._is_accepted:
            self._check_open()
            await self._changed.wait()


class Tunnel:
    """A connection to the relay after WELCOME; made by `open_tunnel`.

    Attributes:
        role: "host" or "viewer".
        welcome: the relay's fields (docs/protocol.md §3).
        notices: the relay's notices, in order; ends with the connection.
        incoming: for a host, streams that viewers open; ends with the connection.
        close_reason: why the connection ended; None while it lives.
    """

    def __init__(self, stream: trio.abc.Stream, hello: Hello) -> None:
        self.role = hello.role
        self.welcome: Fields = {}
        self.close_reason: CloseReason | None = None
        self._socket = stream
        self._codec = WebSocketCodec(is_client=True, max_message_bytes=MAX_MESSAGE_BYTES)
        self._notice_feed, self.notices = trio.open_memory_channel[Notice](MAX_NOTICES)
        self._incoming_feed, self.incoming = trio.open_memory_channel[Stream](MAX_INCOMING)
        self._streams: dict[int, Stream] = {}
        self._allowance = GrowthAllowance()
        self._viewer = 0
        self._last_number = 0
        # The reader's.
        self._messages: list[bytes] = []
        self._relay_end: CloseReason | None = None
        self._last_heard = trio.current_time()
        self._reading = trio.CancelScope()
        # The writer's.
        self._queue = OutboundQueue()
        self._batch_size = BatchSize()
        self._has_work = trio.Event()
        self._last_words = b""
        self._writing = trio.CancelScope()
        self._ended = trio.Event()
        self._queue_frame(hello)

    async def open_stream(self, channel: Channel, params: Fields) -> Stream:
        """Open a stream and wait until the host accepts it. For a stream whose id `params` depends on
        see `next_stream_id`.

        Raises:
            StreamClosed: refused, with the reason, or the connection ended.

        Cancellation: the stream is closed.
        """
        if self.close_reason is not None:
            raise StreamClosed(self.close_reason)
        stream = Stream(self, self.next_stream_id(), channel, {})
        self._last_number += 1
        self._streams[stream.number] = stream
        stream._receive_window.granted_first(trio.current_time())
        self._queue_frame(Open(stream.number, channel, stream._receive_window.size, params))
        try:
            await stream._wait_accepted()
        except trio.Cancelled:
            stream.close(CloseReason.DETACHED)
            raise
        return stream

    def next_stream_id(self) -> int:
        """The id that the next `open_stream` will use.

        Raises:
            StreamClosed: this connection's numbers are used up; a new one has new ones.
        """
        if self._last_number == MAX_STREAM_NUMBER:
            raise StreamClosed(CloseReason.TOO_MANY_STREAMS)
        return stream_id(self._viewer, self._last_number + 1)

    def notify(self, name: str, fields: Fields) -> None:
        """Send a notice to the relay."""
        self._queue_frame(Notice(name, fields))

    async def wait_closed(self) -> CloseReason:
        """Wait until the connection ended."""
        await self._ended.wait()
        if self.close_reason is None:
            raise AssertionError("a connection ends with a reason")
        return self.close_reason

    # The writer

    def _queue_frame(self, frame: Frame) -> None:
        self._queue.push(self._codec.encode_binary(encode_frame(frame)))
        self._wake_writer()

    def _queue_data(self, priority: Priority, number: int, message: bytes) -> None:
        self._queue.push_data(priority, number, self._codec.encode_binary(message))
        self._wake_writer()

    def _queue_close(self, priority: Priority, number: int, reason: CloseReason) -> None:
        frame = self._codec.encode_binary(encode_frame(Close(number, reason)))
        self._queue.push_close(priority, number, frame)
        self._wake_writer()

    def _wake_writer(self) -> None:
        self._has_work.set()
        self._has_work = trio.Event()

    async def _write(self) -> None:
        """Send what is queued until the connection ended; then what is left, and the last words."""
        with self._writing:
            try:
                while True:
                    while self._queue:
                        await self._send_batch()
                    if self.close_reason is not None:
                        await self._socket.send_all(self._last_words)
                        return
                    await self._has_work.wait()
            except _LOST:
                self._end(CloseReason.DEAD)

    async def _send_batch(self) -> None:
        """Send the most urgent of what waits, chosen when the socket has room and not before."""
        started = trio.current_time()
        if not is_writable(self._socket):
            await self._socket.wait_send_all_might_not_block()
        batch = b"".join(self._queue.take(self._batch_size.size))
        await self._socket.send_all(batch)
        if self._batch_size.sent(len(batch), trio.current_time() - started):
            limit_unsent(self._socket, self._batch_size.size)

    async def _ping(self) -> None:
        next_ping = self._last_heard + _jittered_interval()
        while self.close_reason is None:
            with trio.move_on_at(min(next_ping, self._last_heard + DEAD_TIMEOUT)):
                await self._ended.wait()
                return
            now = trio.current_time()
            if now >= self._last_heard + DEAD_TIMEOUT:
                self._end(CloseReason.DEAD)
            elif now >= next_ping:
                next_ping = now + _jittered_interval()
                self._queue.push(self._codec.encode_ping())
                self._wake_writer()

    # The reader

    async def _receive_welcome(self, first_bytes: bytes) -> None:
        limit_unsent(self._socket, self._batch_size.size)
        await self._socket.send_all(b"".join(self._queue.take(self._batch_size.size)))
        self._take_bytes(first_bytes)
        while not self._messages:
            if self._relay_end is not None:
                raise RemoteProtocolError("the relay closed the connection", self._relay_end)
            self._take_bytes(await self._receive_some())
        frame = decode_frame(self._messages.pop(0))
        match frame:
            case Welcome(fields):
                self.welcome = fields
            case Close(0, reason):
                raise NotAdmitted(reason)
            case _:
                raise RemoteProtocolError("the relay did not answer HELLO", CloseReason.OUT_OF_ORDER)
        if self.role == "viewer":
            self._viewer = FieldReader(fields).number("viewer", at_least=1, at_most=MAX_VIEWER)

    async def _read(self) -> None:
        with self._reading:
            try:
                while self.close_reason is None:
                    messages, self._messages = self._messages, []
                    for message in messages:
                        self._take_message(message)
                        if self.close_reason is not None:
                            return
                    if self._relay_end is not None:
                        self._end(self._relay_end)
                        return
                    self._take_bytes(await self._receive_some())
            except ProtocolError as exc:
                self._end(exc.close_reason, is_told=True)
            except (ConnectionFailed, *_LOST):
                self._end(CloseReason.DEAD)

    async def _receive_some(self) -> bytes:
        data = bytes(await self._socket.receive_some(RECEIVE_BYTES))
        if not data:
            raise ConnectionFailed(CloseReason.DEAD)
        self._last_heard = trio.current_time()
        return data

    def _take_bytes(self, data: bytes) -> None:
        for event in self._codec.receive_data(data):
            if isinstance(event, bytes):
                self._messages.append(event)
            elif isinstance(event, Ping):
                self._queue.push(self._codec.encode_pong(event.payload))
                self._wake_writer()
            elif isinstance(event, CloseReceived):
                self._relay_end = CloseReason.from_ws_code(event.code or 0)
        if self._queue.control_bytes > MAX_CONTROL_BYTES:
            raise RemoteProtocolError(
                "the relay asks for answers and does not read them", CloseReason.STALLED
            )

    def _take_message(self, message: bytes) -> None:
        number = peek_data(message)
        if number:
            stream = self._streams.get(number)
            if stream is not None:
                stream._feed_data(payload_of(message), len(message))
            return
        frame = decode_frame(message)
        match frame:
            case Notice():
                self._feed_notice(frame)
            case Close(0, reason):
                self._end(reason)
            case Close(number, reason):
                stream = self._streams.get(number)
                if stream is not None:
                    self._queue.drop_stream(stream._priority, number)
                    stream._end(reason)
            case Credit(number, amount):
                stream = self._streams.get(number)
                if stream is not None:
                    stream._grant(amount)
            case Accept(number, credit, params) if self.role == "viewer":
                stream = self._streams.get(number)
                if stream is not None:
                    stream._accepted(credit, params)
            case Open(number, channel, credit, params) if self.role == "host":
                self._take_open(number, channel, credit, params)
            case Hello() | Welcome() | Data() | Accept() | Open():
                raise RemoteProtocolError("the relay sent what it may not", CloseReason.OUT_OF_ORDER)

    def _take_open(self, number: int, channel: Channel, credit: int, params: Fields) -> None:
        if number in self._streams:
            raise RemoteProtocolError("a stream was opened twice", CloseReason.OUT_OF_ORDER)
        stream = Stream(self, number, channel, params)
        stream._grant(credit)
        try:
            if len(self._streams) >= MAX_STREAMS:
                raise trio.WouldBlock
            self._incoming_feed.send_nowait(stream)
        except trio.WouldBlock:
            self._queue_frame(Close(number, CloseReason.TOO_MANY_STREAMS))
        else:
            self._streams[number] = stream

    def _feed_notice(self, notice: Notice) -> None:
        try:
            self._notice_feed.send_nowait(notice)
        except trio.WouldBlock:
            raise RemoteProtocolError("too many notices at once", CloseReason.LIMIT) from None

    # Both

    def _end(self, reason: CloseReason, *, is_told: bool = False) -> None:
        """The connection is over. `is_told`: the relay hears what is queued and why, if it listens."""
        if self.close_reason is not None:
            return
        self.close_reason = reason
        for stream in list(self._streams.values()):
            stream._end(reason)
        self._notice_feed.close()
        self._incoming_feed.close()
        if is_told:
            close = self._codec.encode_binary(encode_frame(Close(0, reason)))
            self._last_words = close + self._codec.encode_close(reason.ws_code, reason.wire)
        self._writing.deadline = trio.current_time() + (CLOSE_TIMEOUT if is_told else 0.0)
        self._reading.cancel()
        self._ended.set()
        self._wake_writer()

    async def _run(self) -> None:
        """Serve until `_end`, then close the socket. Raises nothing."""
        with trio.CancelScope(shield=True):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write)
                nursery.start_soon(self._ping)
                await self._read()
            # A socket closed with bytes unread is reset, which may overtake our last words.
            with trio.move_on_at(self._writing.deadline), suppress(*_LOST):
                while await self._socket.receive_some(RECEIVE_BYTES):
                    pass
            await trio.aclose_forcefully(self._socket)


def _jittered_interval() -> float:
    return PING_INTERVAL * random.uniform(0.8, 1.2)  # noqa: S311 - spreading load, no secret


@asynccontextmanager
async def open_tunnel(
    origin: str, hello: Hello, *, ssl_context: ssl.SSLContext | None = None
) -> AsyncIterator[Tunnel]:
    """Connect to the relay for the time of the block.

    Args:
        origin: the relay's, ``http(s)://host[:port]``.
        hello: role, ticket or credential, and facts about this side.

    Raises:
        ConnectionFailed: it cannot be reached; `NotAdmitted` if it refused with a reason. Only on entering;
            when the connection is lost later, `Tunnel.notices` and `Tunnel.incoming` end and streams raise.

    Cancellation: leaving the block, for whatever reason, takes at most `CLOSE_TIMEOUT`.
    """
    socket: trio.abc.Stream | None = None
    try:
        with trio.fail_after(CONNECT_TIMEOUT):
            socket, first_bytes = await dial(origin, f"/tunnel/{hello.role}", ssl_context=ssl_context)
            tunnel = Tunnel(socket, hello)
            await tunnel._receive_welcome(first_bytes)
    except BaseException as exc:
        if socket is not None:
            await trio.aclose_forcefully(socket)
        if isinstance(exc, ProtocolError):
            raise ConnectionFailed(exc.close_reason, str(exc)) from exc
        if isinstance(exc, (trio.TooSlowError, *_LOST)):
            raise ConnectionFailed(CloseReason.DEAD, "The relay does not answer.") from exc
        raise
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tunnel._run)
            try:
                yield tunnel
            finally:
                tunnel._end(CloseReason.NORMAL, is_told=True)
    except BaseExceptionGroup as group:
        # `_run` raises nothing, so what the block raised is alone in there: give it back as it was.
        if len(group.exceptions) == 1:
            raise group.exceptions[0] from group.exceptions[0].__cause__
        raise
