"""One WebSocket between the relay and a peer: receiving, queueing, sending, closing.

Theory. A connection is one task, which receives. Nobody awaits to send: whoever has bytes for this peer
queues them (`queue_control`, `queue_data`), and they leave at once, as far as the socket takes them. While
messages of one read are handled (a turn), what they cause is collected and leaves at the turn's end: many
frames, one system call for each peer, no task switch. What fills a system call alone, to a peer for whom
nothing waits, leaves without waiting for that end. Only for what the socket does not take a sender task is
started; it lives until the queue is empty, so that an idle host costs one task (DESIGN §6: 5.4 KB against
10.7).

DATA in the queue is bounded by the credit that the peer itself granted, and by `MAX_QUEUED_BYTES` for a peer
that grants without reading; everything else by `MAX_CONTROL_BYTES`. Past either it counts as stalled.

Ending is `close(reason)`: from then on nothing more is received or queued; what the peer must still be told
(CLOSE, then the WebSocket close frame) takes the place of everything that was waiting; the sender gets
`close_timeout` to finish, then the socket is dropped. `run` returns the reason, whoever gave it.

Fairness: one read may hold tens of thousands of tiny frames. After `MESSAGES_A_TURN` of them the other
connections have their turn, so that a peer that floods the relay slows itself down, not them.

It never looks at what frames mean: `relay.tunnel` routes, `relay.connections` decides.
"""

import math
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import trio

from relay.errors import PeerGone
from relay.protocol.batching import MAX_BATCH_BYTES, BatchSize
from relay.protocol.close_reasons import CloseReason
from relay.protocol.errors import ProtocolError
from relay.protocol.frames import Close, Frame, Role, encode_frame, is_credit
from relay.protocol.runs import Run
from relay.protocol.streams import MAX_CONTROL_BYTES, MAX_WINDOW_BYTES, OutboundQueue, Priority
from relay.protocol.websocket import CloseReceived, Ping, Pong, WebSocketCodec
from relay.transport import RECEIVE_BYTES, Chunk, Transport

MAX_QUEUED_BYTES: Final = 4 * MAX_WINDOW_BYTES
"""Of DATA waiting for one peer. Ours never come near: all windows of one connection together are 24 MiB at
most (`MAX_GROWTH_BYTES`), and they grant as they read."""

LARGE_PIECE_BYTES: Final = MAX_BATCH_BYTES // 2
"""What comes to a peer for whom nothing waits is sent at once if it is no smaller: to collect more for the
same system call would save less than it costs."""

MESSAGES_A_TURN: Final = 512
"""Handled in one go, at some 5 µs each: 2.5 ms, well below what is felt at a keyboard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerSettings:
    """Deadlines of one connection, in seconds (SECURITY, "Numbers to start from")."""

    ping_interval: float = 20.0
    """Proxies cut silent connections at 60 s; jittered by a fifth so that 5 000 hosts do not ping at once."""
    dead_timeout: float = 45.0
    """No byte for this long, although we pinged twice: the peer is gone."""
    stall_timeout: float = 10.0
    """Nothing accepted by the socket for this long although something waits: the peer does not read."""
    close_timeout: float = 2.0
    """For the last words to a peer that is being closed."""


class Relaying:
    """What all connections of a relay share: a buffer to receive into, a place for senders, the turn.

    Attributes:
        senders: where sender tasks run; it outlives every connection.
        buffer: holds one read, from the system call to the end of its decoding.
        turn: who has something to send at the end of this turn; None between turns.
    """

    def __init__(self, senders: trio.Nursery) -> None:
        self.senders = senders
        self.buffer = memoryview(bytearray(RECEIVE_BYTES))
        self.turn: dict[PeerConnection, None] | None = None

    def __enter__(self) -> None:
        """Begin a turn: a stretch without a checkpoint in which a read's messages are handled."""
        self.turn = {}

    def __exit__(self, *error: object) -> None:
        self.end_turn()

    def end_turn(self) -> None:
        """Send what the turn has queued; before every checkpoint."""
        peers, self.turn = self.turn, None
        for peer in peers or ():
            peer._send_waiting()

    def wake(self, peer: "PeerConnection") -> None:
        """`peer` has something to send: at the end of the turn, or now if there is none."""
        if self.turn is None:
            peer._send_waiting()
        else:
            self.turn[peer] = None


class PeerConnection:
    """A peer's WebSocket after the upgrade.

    Concurrency: everything but `run`, `receive_first` and `refuse` is synchronous, for any task to call.

    Attributes:
        number: of the connection, in this relay's life.
        role: what it was admitted as; None before.
        next_check: when `check_health` must be called, by Trio's clock; thousands have nothing to be checked.
    """

    __slots__ = (
        "_batch",
        "_closing",
        "_codec",
        "_drained",
        "_events",
        "_failure",
        "_forward",
        "_is_behind",
        "_is_running",
        "_last_heard",
        "_last_progress",
        "_next_ping",
        "_queue",
        "_receive",
        "_receiving",
        "_relaying",
        "_sending",
        "_settings",
        "_transport",
        "next_check",
        "number",
        "role",
    )

    def __init__(
        self,
        transport: Transport,
        codec: WebSocketCodec,
        *,
        number: int,
        settings: PeerSettings,
        relaying: Relaying,
    ) -> None:
        # Never changed.
        self.number = number
        self._transport = transport
        self._codec = codec
        self._settings = settings
        self._relaying = relaying
        # The receiver's.
        self._events: list[object] = []
        self._receive: Callable[[bytes], Awaitable[None] | None] | None = None  # while `run` is on
        self._forward: Callable[[Run], None] | None = None
        self._failure: Exception | None = None
        self._is_behind = False  # the last read left something
        self._last_heard = trio.current_time()
        # The sender's, whichever task that is: `_batch` is what the socket did not take of the last try.
        self._queue = OutboundQueue()
        self._batch: list[Chunk] = []
        self._sending: trio.CancelScope | None = None
        self._last_progress = 0.0
        # Everybody's, changed without a checkpoint in between.
        self._next_ping = self._last_heard + self._jittered_interval()
        self._closing: CloseReason | None = None
        self._drained: trio.Event | None = None
        self._receiving: trio.CancelScope | None = None  # while somebody does
        self._is_running = False
        self.role: Role | None = None
        self.next_check = self._last_heard

    @property
    def close_reason(self) -> CloseReason | None:
        """Why the connection is closing, or None while it lives."""
        return self._closing

    @property
    def queued_bytes(self) -> int:
        """Waiting in the relay's memory for this peer."""
        return self._queue.data_bytes + self._queue.control_bytes + sum(map(len, self._batch))

    # Sending

    def queue_frame(self, frame: Frame) -> None:
        """Queue a frame that goes before all DATA."""
        self.queue_control(encode_frame(frame))

    def queue_control(self, message: bytes) -> None:
        """Queue an encoded frame that goes before all DATA; a peer that lets too many wait is closed."""
        if self._closing is None:
            self._send_urgently(self._codec.encode_binary(message))

    def queue_data(self, priority: Priority, stream: int, frames: bytes) -> None:
        """Queue DATA in WebSocket frames as they go out. The caller has counted its credit."""
        if self._closing is not None:
            return
        # Nobody collects what is to be sent, or this is enough for a system call.
        is_enough = self._relaying.turn is None or len(frames) >= LARGE_PIECE_BYTES
        if is_enough and self._has_nothing_to_send():
            self._send_alone(frames)
            return
        self._queue.push_data(priority, stream, frames)
        if self._queue.data_bytes > MAX_QUEUED_BYTES:
            self.close(CloseReason.STALLED)
        else:
            self._wake_sender()

    def queue_stream_close(self, priority: Priority, stream: int, reason: CloseReason) -> None:
        """Queue a stream's CLOSE behind the data it still has waiting."""
        if self._closing is not None:
            return
        self._queue.push_close(
            priority, stream, self._codec.encode_binary(encode_frame(Close(stream, reason)))
        )
        self._wake_sender()

    def drop_stream(self, priority: Priority, stream: int) -> None:
        """Forget the data of a stream that the peer closed."""
        self._queue.drop_stream(priority, stream)

    def close(self, reason: CloseReason, *last_words: Frame) -> None:
        """End the connection: `last_words`, CLOSE and the WebSocket close frame replace what was waiting."""
        if self._closing is not None:
            return
        self._closing = reason
        self._queue.clear()
        for frame in (*last_words, Close(0, reason)):
            self._queue.push(self._codec.encode_binary(encode_frame(frame)))
        self._queue.push(self._codec.encode_close(reason.ws_code, reason.wire))
        self._wake_sender()
        self._stop_receiving()

    def _stop_receiving(self) -> None:
        if self._receiving is not None:
            self._receiving.cancel()

    def check_health(self, now: float) -> None:
        """Ping, or close a peer that is dead or stalled. Due at `next_check`, and allowed at any time."""
        if self._closing is not None:
            self.next_check = math.inf
            return
        settings = self._settings
        silence = now - self._last_heard
        is_quiet = silence > settings.dead_timeout / 4
        if is_quiet:
            self._transport.expect(0)  # a large frame that comes slowly is a sign of life
        if silence > settings.dead_timeout:
            self.close(CloseReason.DEAD)
        elif self._sending is not None and now - self._last_progress > settings.stall_timeout:
            self.close(CloseReason.STALLED)
        elif now >= self._next_ping:
            self._next_ping = now + self._jittered_interval()
            self._send_urgently(self._codec.encode_ping())
        next_limit = self._last_heard + settings.dead_timeout / (1 if is_quiet else 4)
        self.next_check = now if self._sending is not None else min(self._next_ping, next_limit)

    def _jittered_interval(self) -> float:
        return self._settings.ping_interval * random.uniform(0.8, 1.2)  # noqa: S311 - spreading load, no secret

    def _wake_sender(self) -> None:
        if self._is_running and self._sending is None:
            self._relaying.wake(self)

    def _send_urgently(self, frame: bytes) -> None:
        """Send before all DATA that waits."""
        if self._relaying.turn is None and self._has_nothing_to_send():
            self._send_alone(frame)
            return
        self._queue.push(frame)
        if self._queue.control_bytes > MAX_CONTROL_BYTES:
            self.close(CloseReason.STALLED)
        else:
            self._wake_sender()

    def _has_nothing_to_send(self) -> bool:
        """True if nothing waits, so that what comes may go past the queue."""
        queue = self._queue
        return (
            self._is_running
            and self._sending is None
            and not queue.data_bytes
            and not queue.control_bytes
            and not self._batch
        )

    def _send_alone(self, frames: bytes) -> None:
        """Send one piece past the queue; a task is started for what the socket does not take."""
        try:
            self._batch = self._transport.send_piece(frames)
        except PeerGone:
            self._give_up()
        if self._batch:
            self._start_sender()

    def _send_waiting(self) -> None:
        """Send what the socket takes at once; a task is started only for the rest."""
        if not self._is_running or self._sending is not None:
            return
        try:
            while self._queue and not self._batch:
                self._send_batch(MAX_BATCH_BYTES)
        except PeerGone:
            self._give_up()
        if self._batch:
            self._start_sender()
        else:
            self._tell_if_drained()

    def _start_sender(self) -> None:
        self._last_progress = self.next_check = trio.current_time()
        self._sending = trio.CancelScope()
        self._relaying.senders.start_soon(self._send_until_empty, self._sending)

    def _send_batch(self, max_bytes: int) -> int:
        """Send what the last batch left, or else the next one; how many bytes that was to be.

        Raises:
            PeerGone: the connection is lost.
        """
        batch = self._batch or list[Chunk](self._queue.take(max_bytes))
        size = sum(map(len, batch))
        if len(batch) == 1 and isinstance(piece := batch[0], bytes):
            self._batch = self._transport.send_piece(piece)
        else:
            self._batch = self._transport.send_now(batch)
        if self._sending is not None and sum(map(len, self._batch)) < size:
            self._last_progress = trio.current_time()
        return size

    async def _send_until_empty(self, sending: trio.CancelScope) -> None:
        """Send while the socket takes less than there is, in batches that fit its path.

        A batch is taken from the queue when it can leave, not before, so that what is urgent overtakes.
        """
        batch_size = BatchSize()
        with sending:
            try:
                while self._batch or self._queue:
                    ready_at = trio.current_time()
                    await self._transport.wait_to_send()
                    size = self._send_batch(batch_size.size)
                    if batch_size.sent(size, trio.current_time() - ready_at):
                        self._transport.limit_unsent(batch_size.size)
                    # On a fast path the way through the scheduler would cost more than the batch.
                    while batch_size.size == MAX_BATCH_BYTES and self._queue and not self._batch:
                        self._send_batch(MAX_BATCH_BYTES)
            except PeerGone:
                self._give_up()
        self._sending = None
        self._tell_if_drained()

    def _tell_if_drained(self) -> None:
        if self._closing is not None and self._drained is not None:
            self._drained.set()

    def _give_up(self) -> None:
        """The socket is broken: nothing can be said any more."""
        if self._closing is None:
            self._closing = CloseReason.DEAD
        self._batch = []
        self._queue.clear()
        self._stop_receiving()

    # Receiving

    async def receive_first(self, answer: bytes = b"", *, deadline: float = math.inf) -> bytes:
        """The peer's first message.

        Args:
            answer: what to send before it: the answer to the upgrade.
            deadline: Trio's clock; one scope for this and for `close` costs less than two, and thousands of
                peers may come at once.

        Raises:
            trio.TooSlowError: it did not come in time.
            PeerGone: the connection ended, or was closed by us; then with the reason.
            RemoteProtocolError: what came is no WebSocket message we take.
        """
        self._receiving = trio.CancelScope(deadline=deadline)
        with self._receiving:
            if answer and (unsent := self._transport.send_piece(answer)):
                await self._transport.send_promptly(unsent)
            while self._closing is None:
                await self._transport.wait_to_receive()
                self._receive_now()
                while self._events:
                    event = self._events.pop(0)
                    if isinstance(event, bytes):
                        return event
                    self._handle_control_event(event)
        if self._closing is None:
            raise trio.TooSlowError
        raise PeerGone("the connection was closed before the first message", self._closing)

    async def run(
        self, receive: Callable[[bytes], Awaitable[None] | None], forward: Callable[[Run], None]
    ) -> CloseReason:
        """Hand everything that comes over until the connection ends, and close it.

        Args:
            receive: gets each message but DATA. It returns None, or something to await before the next is
                looked at (a decision that needs the store); never for CREDIT.
            forward: gets DATA.

        A `ProtocolError` out of either closes the connection with its reason.

        Returns:
            Why it ended.

        Cancellation: the peer is not told why (`close` is for that); the transport is the caller's to close.
        The same if `receive` or `forward` raises what it may not.
        """
        self._receiving = trio.CancelScope()
        self._is_running = True
        self._receive, self._forward = receive, forward
        self._transport.look_first(self._look)
        try:
            self._wake_sender()
            with self._receiving:
                try:
                    while self._closing is None:
                        if self._failure is not None:
                            raise self._failure
                        if self._events:
                            await self._handle_events(receive, forward)
                        else:
                            await self._transport.wait_to_receive()
                            if self._failure is None and not self._events:
                                self._receive_now()
                except PeerGone:
                    self._give_up()
                except ProtocolError as exc:
                    self.close(exc.close_reason)
            if self._batch or self._queue:
                self._drained = trio.Event()
                with trio.move_on_after(self._settings.close_timeout):
                    await self._drained.wait()
        finally:
            self._is_running = False
            self._receive = self._forward = self._failure = None
            self._transport.look_first(None)
            if self._sending is not None:
                self._sending.cancel()
        if self._closing is None:
            raise AssertionError("receiving ends with a reason")
        if self._batch or self._queue:
            self._transport.abort()
        else:
            await self._close_transport()
        return self._closing

    async def refuse(self, reason: CloseReason) -> None:
        """Close a connection that `run` was never called for, or did not return from."""
        self.close(reason)
        if self._sending is None:  # else a frame may be cut in the middle, and nothing can follow
            with trio.move_on_after(self._settings.close_timeout, shield=True), suppress(PeerGone):
                await self._transport.send_all(self._queue.take(MAX_BATCH_BYTES))
                await self._transport.aclose()
                return
        self._transport.abort()

    async def _close_transport(self) -> None:
        with trio.move_on_after(self._settings.close_timeout):
            await self._transport.aclose()
            return
        self._transport.abort()

    async def _handle_events(
        self, receive: Callable[[bytes], Awaitable[None] | None], forward: Callable[[Run], None]
    ) -> None:
        # A coroutine of its own, so that an idle connection does not hold on to the last it forwarded.
        events, self._events = self._events, []
        for turn in range(0, len(events), MESSAGES_A_TURN):
            if turn:
                await trio.lowlevel.checkpoint()
            with self._relaying:
                for event in events[turn : turn + MESSAGES_A_TURN]:
                    if self._closing is not None:
                        return
                    if type(event) is Run:
                        forward(event)
                    elif type(event) is bytes:
                        pending = receive(event)
                        if pending is not None:
                            self._relaying.end_turn()
                            await pending
                    else:
                        self._handle_control_event(event)

    def _receive_now(self) -> None:
        """Read once; what came alone and needs no waiting is done at once, all else by `_handle_events`.

        Raises:
            PeerGone: the connection ended.
            ProtocolError: what came is wrong.
        """
        buffer = self._relaying.buffer
        if self._is_behind:
            buffer = buffer[: self._codec.bytes_to_read(RECEIVE_BYTES)]
        count = self._transport.receive_now(buffer)
        if count == 0:
            raise PeerGone("the peer hung up")
        if count is not None:
            events = self._codec.receive_data(buffer[:count])
            event = events[0] if len(events) == 1 else None
            # The click of a mouse while nothing else goes on: every step here is one that is felt (cold code,
            # measured with `./dev bench latency`), so that there is no turn to collect its consequences.
            if self._receive is None or self._forward is None or self._closing is not None:
                self._events += events
            elif type(event) is Run:
                self._forward(event)
            elif type(event) is bytes and is_credit(event):
                self._receive(event)
            elif type(event) is Ping or type(event) is Pong:  # of an idle host
                self._handle_control_event(event)
            else:
                self._events += events
            self._last_heard = trio.current_time()
        self._is_behind = count is not None and not self._transport.is_drained
        if not self._is_behind:  # else there is more at once, however much is expected
            self._transport.expect(self._codec.missing_bytes)

    def _look(self) -> bool:
        """The first look at what has come (`relay.transport.first_looks`): True if `run` can wait on."""
        if (
            self._sending is not None
            or self._events
            or self._failure is not None
            or self._closing is not None
        ):
            return False
        try:
            self._receive_now()
        except Exception as exc:  # whatever it is, it is for the task whose connection this is
            self._failure = exc
            return False
        return not self._events and self._closing is None and self._transport.is_drained

    def _handle_control_event(self, event: object) -> None:
        match event:
            case Ping(payload):
                self._send_urgently(self._codec.encode_pong(payload))
            case Pong():
                pass
            case CloseReceived():
                self.close(CloseReason.NORMAL)
