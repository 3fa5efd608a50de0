"""Streams and credit: who may send how much, and in which order it leaves (docs/protocol.md §2).

`OutboundQueue` is what waits to be sent on one connection, in the order of priorities; `Window` is one
direction's credit as its sender and the relay count it, `ReceiveWindow` as its receiver grants it. All are
plain bookkeeping: the relay and both peers use them, each with its own I/O and clock.
"""

import math
from collections import deque
from enum import IntEnum
from typing import Final

from relay.protocol.close_reasons import CloseReason
from relay.protocol.errors import LocalProtocolError, RemoteProtocolError
from relay.protocol.frames import Channel

INITIAL_WINDOW_BYTES: Final = 256 * 1024
"""Credit at OPEN and ACCEPT: bandwidth x delay of 20 Mbit/s at 100 ms."""
MAX_WINDOW_BYTES: Final = 8 * 1024 * 1024
"""The most that may be outstanding on one stream and direction; bounds the relay's memory."""
MAX_GROWTH_BYTES: Final = 16 * 1024 * 1024
"""By which a peer's windows on one connection exceed their first sizes, all together. 32 streams at their
first size and this are 24 MiB: below what the relay lets wait for one peer (32 MiB) before it is stalled."""
MAX_CONTROL_BYTES: Final = 256 * 1024
"""Of frames without credit (notices, credit, opens) waiting for one peer; past it the peer is stalled."""

LEAST_ROUND_TRIP: Final = 0.002
"""Seconds that a round trip counts at least: programs on the way wait for their turn, which the smallest one
does not show. With less, windows over loopback stay at their first size and half of the path is idle; 5 ms
gained nothing and let a click wait three times as long on a fast local network (`./dev bench paths`)."""

_GROWTH: Final = ((1 / 8, 8), (1 / 4, 4), (1, 2))
"""By what a window grows, by what its turn took beyond one round trip, at most, in round trips."""
_SLOW_TURN: Final = 3
"""Round trips beyond which a turn says that the window holds more than the path needs."""


class Priority(IntEnum):
    """Classes of outbound data, most urgent first. Frames other than DATA go before all of them."""

    INPUT = 0
    CHAT = 1
    DASHBOARD = 2
    SCREEN = 3
    FILES = 4


_TO_HOST: Final = {
    Channel.PAIR: Priority.INPUT,
    Channel.CONTROL: Priority.INPUT,
    Channel.SHELL: Priority.INPUT,
    Channel.CHAT: Priority.CHAT,
    Channel.DASHBOARD: Priority.DASHBOARD,
    Channel.FILES: Priority.FILES,
}


def priority_of(channel: Channel, *, to_host: bool) -> Priority:
    """The class in which DATA of `channel` travels in one direction."""
    if channel in (Channel.CONTROL, Channel.SHELL) and not to_host:
        return Priority.SCREEN
    return _TO_HOST[channel]


class Window:
    """Credit of one direction of one stream, in bytes of whole DATA frames.

    Concurrency: none; whoever owns the stream calls.

    Attributes:
        available: what may be sent now.
    """

    __slots__ = ("available",)

    def __init__(self, initial: int = 0) -> None:
        self.available = initial

    def grant(self, amount: int) -> None:
        """Add `amount`.

        Raises:
            RemoteProtocolError: more than `MAX_WINDOW_BYTES` would be outstanding.
        """
        if self.available + amount > MAX_WINDOW_BYTES:
            raise RemoteProtocolError("more credit was granted than a window may hold")
        self.available += amount

    def spend(self, size: int) -> None:
        """Count a frame that the other side sent.

        Raises:
            RemoteProtocolError: `CREDIT_EXCEEDED`, the sender had not that much.
        """
        if size > self.available:
            raise RemoteProtocolError("a stream sent more than its credit", CloseReason.CREDIT_EXCEEDED)
        self.available -= size


class GrowthAllowance:
    """What the windows of one connection may grow by, all together: an amount to take from and give back to.

    Concurrency: none; the connection's windows share it.

    Attributes:
        left: bytes.
    """

    __slots__ = ("left",)

    def __init__(self, size: int = MAX_GROWTH_BYTES) -> None:
        self.left = size

    def take(self, wanted: int) -> int:
        """As much of `wanted` as is left."""
        taken = min(wanted, self.left)
        self.left -= taken
        return taken

    def give_back(self, amount: int) -> None:
        """What a window that ended had taken."""
        self.left += amount


class ReceiveWindow:
    """What we let the other side send: grants again what was consumed, as much as the path asks for.

    Theory. A sender that has used up its credit waits one round trip: until our CREDIT has reached it and its
    next frame has reached us. So a path is only filled if the window holds bandwidth x round trip, and the
    window that is needed cannot be known beforehand. A window with an `allowance` therefore doubles whenever
    a whole window was *consumed* within two round trips: less than that would be consumed if the path, the
    sender or whoever consumes were the limit, and a window of twice bandwidth x round trip is enough.
    Dynamic right-sizing of TCP (Fisk and Feng, 2001) and the flow control of QUIC's implementations do this.
    A window that is the limit is consumed in a round trip and the time that the path takes for it. So if it
    took less than 1 + 1/4 round trips, four such windows still fit into bandwidth x round trip, and if less
    than 1 + 1/8, eight: then it grows to that at once.

    What a window holds beyond that waits somewhere, and clicks on the same connection behind it. So after two
    turns of more than three round trips each it becomes a quarter smaller, down to its first size: what was
    consumed last is not granted again. One such turn alone proves nothing, nor does the next: programs that
    share a processor, and TCP behind a lost packet, let nothing through for a while and then all at once. A
    sender that pauses is no slow path either.

    The round trip is measured by credit itself: from a grant to the first frame that could not have been sent
    without it; OPEN or ACCEPT, with the first credit, begins the first measurement. The smallest counts, so
    that pauses, queues and a slow sender (all make it longer) do not; `LEAST_ROUND_TRIP` at least. Nothing
    has to be believed: the other side cannot answer a grant that it has not got; by answering late it can at
    most make us grow, up to `MAX_WINDOW_BYTES` and the allowance, and only while we consume that fast.

    A window that grows grants by the quarter, so that its sender need not wait while the window is at least
    4/3 bandwidth x round trip, and 64 KiB frames fit the first window well; one that does not, by the half.

    Concurrency: none; whoever owns the stream calls. `now` is any monotonic clock, in seconds.

    Args:
        size: bytes at first.
        allowance: what it may grow by; None for a window that never grows.

    Attributes:
        size: bytes that may be outstanding at a time.
        round_trip: the smallest measured, seconds; infinite before the first. Only of a window that grows.
    """

    __slots__ = (
        "_allowance",
        "_asked_at",
        "_consumed",
        "_first_size",
        "_outstanding",
        "_took",
        "_turn_at",
        "_turn_bytes",
        "_unasked",
        "round_trip",
        "size",
    )

    def __init__(self, size: int = INITIAL_WINDOW_BYTES, *, allowance: GrowthAllowance | None = None) -> None:
        self.size = self._first_size = self._outstanding = size
        self._consumed = 0
        self._allowance = allowance
        # The measurement under way: of a grant made at `_asked_at`, before which `_unasked` could be sent.
        self.round_trip = math.inf
        self._asked_at = -math.inf
        self._unasked = -1
        # The turn under way: consumed since `_turn_at`, which is a grant. The one before it took `_took`.
        self._turn_at = -math.inf
        self._turn_bytes = 0
        self._took = 0.0

    def granted_first(self, now: float) -> None:
        """OPEN or ACCEPT leaves with the first credit."""
        self._asked_at, self._unasked = now, 0
        self._turn_at = now

    def answered_first(self, now: float) -> None:
        """The other side has seen the first credit: its ACCEPT is there, and what we ask for can come."""
        if self._unasked >= 0:
            self._end_measurement(now)
            self._turn_at = now

    def _end_measurement(self, now: float) -> None:
        self.round_trip = min(self.round_trip, now - self._asked_at)
        self._unasked = -1

    def received(self, frame_bytes: int, now: float) -> None:
        """A DATA frame arrived.

        Raises:
            RemoteProtocolError: `CREDIT_EXCEEDED`.
        """
        if frame_bytes > self._outstanding:
            raise RemoteProtocolError("a stream sent more than its credit", CloseReason.CREDIT_EXCEEDED)
        self._outstanding -= frame_bytes
        if self._unasked >= 0:
            if frame_bytes > self._unasked:
                self._end_measurement(now)
            else:
                self._unasked -= frame_bytes

    def consumed(self, frame_bytes: int, now: float) -> int:
        """A received frame was used up; returns the credit to send now, 0 for none yet."""
        self._consumed += frame_bytes
        if self._consumed * (2 if self._allowance is None else 4) < self.size:
            return 0
        grant, self._consumed = self._consumed, 0
        if self._allowance is not None:
            grant += self._end_turn(grant, self._allowance, now)
            if grant and self._unasked < 0:
                self._asked_at, self._unasked = now, self._outstanding
        self._outstanding += grant
        return grant

    def end(self) -> None:
        """The stream is closed: what it grew by is others' again. Ending twice is fine."""
        if self._allowance is not None:
            self._allowance.give_back(self.size - self._first_size)
            self._allowance = None

    def _end_turn(self, consumed: int, allowance: GrowthAllowance, now: float) -> int:
        """By how much to grow now that this much more was consumed; below 0, by how much to shrink."""
        self._turn_bytes += consumed
        if self._turn_bytes < self.size:
            return 0
        before, self._took = self._took, now - self._turn_at
        self._turn_at, self._turn_bytes = now, 0
        if self.round_trip == math.inf:
            return 0
        round_trip = max(self.round_trip, LEAST_ROUND_TRIP)
        factor, limit = 1, _SLOW_TURN * round_trip
        if before <= limit:
            beyond = self._took / round_trip - 1  # what the path took for it, in round trips
            factor = next((factor for most, factor in _GROWTH if beyond < most), 1)
            if round_trip > self.round_trip:  # which was not measured: it proves no more than that
                factor = min(factor, 2)
        elif self._took > limit:
            shrinking = min(consumed, self.size - self._first_size)
            allowance.give_back(shrinking)
            self.size -= shrinking
            return -shrinking
        growth = allowance.take(min((factor - 1) * self.size, MAX_WINDOW_BYTES - self.size))
        self.size += growth
        return growth


class OutboundQueue:
    """What waits to be sent on one connection, in whole WebSocket frames.

    Frames without credit (`push`) leave first, in their order. DATA leaves by `Priority`, within a class
    round robin by stream, a stream's frames in order.

    The queue itself refuses nothing: DATA in it is bounded by credit, the rest by whoever pushes, who
    looks at `control_bytes`.
    """

    __slots__ = ("_classes", "_control", "control_bytes", "data_bytes")

    def __init__(self) -> None:
        self._control: list[bytes] = []
        # Made with the first DATA: most connections of a relay never see any.
        self._classes: tuple[dict[int, deque[bytes]], ...] = ()
        self.control_bytes = 0
        self.data_bytes = 0

    def __bool__(self) -> bool:
        return bool(self._control) or self.data_bytes > 0

    def push(self, frame: bytes) -> None:
        """Queue a frame that goes before all DATA."""
        self._control.append(frame)
        self.control_bytes += len(frame)

    def push_data(self, priority: Priority, stream: int, frames: bytes) -> None:
        """Queue DATA frames (or a stream's CLOSE) behind what their stream already has waiting."""
        if not self._classes:
            self._classes = tuple({} for _ in Priority)
        streams = self._classes[priority]
        waiting = streams.get(stream)
        if waiting is None:
            streams[stream] = deque((frames,))
        else:
            waiting.append(frames)
        self.data_bytes += len(frames)

    def push_close(self, priority: Priority, stream: int, frame: bytes) -> None:
        """Queue a stream's CLOSE: behind its own data if any waits, else with the urgent frames."""
        if self._classes and stream in self._classes[priority]:
            self.push_data(priority, stream, frame)
        else:
            self.push(frame)

    def drop_stream(self, priority: Priority, stream: int) -> None:
        """Forget what a stream still has waiting."""
        if self._classes:
            self.data_bytes -= sum(map(len, self._classes[priority].pop(stream, ())))

    def clear(self) -> None:
        """Forget everything."""
        self._control.clear()
        self._classes = ()
        self.control_bytes = self.data_bytes = 0

    def take(self, max_bytes: int) -> list[bytes]:
        """Remove and return the next pieces to send: at least one if any waits, then up to `max_bytes`."""
        batch = self._control
        size = self.control_bytes
        self._control = []
        self.control_bytes = 0
        for streams in self._classes:
            while streams:
                if size >= max_bytes:
                    return batch
                stream, waiting = next(iter(streams.items()))
                frames = waiting.popleft()
                if len(frames) > max_bytes:  # on a slow path: a run must not hold up what is urgent
                    end = _end_of_frame(frames, max_bytes - size)
                    if end < len(frames):
                        waiting.appendleft(frames[end:])
                        frames = frames[:end]
                batch.append(frames)
                size += len(frames)
                self.data_bytes -= len(frames)
                if not waiting:
                    del streams[stream]
                elif len(streams) > 1:  # to the end of the round
                    del streams[stream]
                    streams[stream] = waiting
        return batch


def _end_of_frame(frames: bytes, least: int) -> int:
    """Where the WebSocket frame ends that holds the `least`-th byte of whole ones (RFC 6455 §5.2)."""
    end = 0
    while end < least:
        length = frames[end + 1]
        mask_bytes = length >> 7 << 2
        length &= 0x7F
        extended = 0 if length < 126 else 2 if length == 126 else 8
        start = end + 2 + extended
        if extended:
            length = int.from_bytes(frames[end + 2 : start], "big")
        end = start + mask_bytes + length
    return end


def check_viewer_stream(stream: int, viewer: int, last_number: int) -> int:
    """The number of a stream that a viewer opens; checks owner and order.

    Raises:
        RemoteProtocolError: not this viewer's, or not the next unused number.
    """
    if stream >> 16 != viewer:
        raise RemoteProtocolError("a viewer opened a stream of another viewer")
    number = stream & 0xFFFF
    if number <= last_number:
        raise RemoteProtocolError("a stream's number was used before", CloseReason.OUT_OF_ORDER)
    return number


def stream_id(viewer: int, number: int) -> int:
    """The id of a viewer's `number`-th stream.

    Raises:
        LocalProtocolError: a number is out of range; a viewer that has used 65 535 streams reconnects.
    """
    if not (1 <= viewer <= 0xFFFF and 1 <= number <= 0xFFFF):
        raise LocalProtocolError("no stream id for these numbers")
    return viewer << 16 | number
