"""Streams and credit: who may send how much, and in which order it leaves (docs/protocol.md §2).

`OutboundQueue` is what waits to be sent on one connection, in the order of priorities; `Window` is one
direction's credit. Both are plain bookkeeping: the relay and both peers use them, each with its own I/O.
"""

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
MAX_CONTROL_BYTES: Final = 256 * 1024
"""Of frames without credit (notices, credit, opens) waiting for one peer; past it the peer is stalled."""


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
    Channel.CHAT: Priority.CHAT,
    Channel.DASHBOARD: Priority.DASHBOARD,
    Channel.FILES: Priority.FILES,
}


def priority_of(channel: Channel, *, to_host: bool) -> Priority:
    """The class in which DATA of `channel` travels in one direction."""
    if channel is Channel.CONTROL and not to_host:
        return Priority.SCREEN
    return _TO_HOST[channel]


class Window:
    """Credit of one direction of one stream, in bytes of whole DATA frames.

    Concurrency: none; whoever owns the stream calls.
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


class ReceiveWindow:
    """What we let the other side send: grants again once half the window was consumed.

    Attributes:
        size: bytes that may be outstanding at a time.
    """

    __slots__ = ("_consumed", "_outstanding", "size")

    def __init__(self, size: int = INITIAL_WINDOW_BYTES) -> None:
        self.size = size
        self._outstanding = size
        self._consumed = 0

    def received(self, frame_bytes: int) -> None:
        """A DATA frame arrived.

        Raises:
            RemoteProtocolError: `CREDIT_EXCEEDED`.
        """
        if frame_bytes > self._outstanding:
            raise RemoteProtocolError("a stream sent more than its credit", CloseReason.CREDIT_EXCEEDED)
        self._outstanding -= frame_bytes

    def consumed(self, frame_bytes: int) -> int:
        """A received frame was used up; returns the credit to send now, 0 for none yet."""
        self._consumed += frame_bytes
        if self._consumed * 2 < self.size:
            return 0
        grant, self._consumed = self._consumed, 0
        self._outstanding += grant
        return grant


Item = bytes | tuple[bytes, bytes]


class OutboundQueue:
    """What waits to be sent on one connection.

    Frames without credit (`push`) leave first, in their order. DATA leaves by `Priority`, within a class
    round robin by stream, a stream's frames in order. A DATA item is the bytes of a whole WebSocket frame,
    or a pair (header, message) which saves copying a large one.

    The queue itself refuses nothing: DATA in it is bounded by credit, the rest by whoever pushes, who
    looks at `control_bytes`.
    """

    __slots__ = ("_classes", "_control", "control_bytes", "data_bytes")

    def __init__(self) -> None:
        self._control: list[bytes] = []
        self._classes: tuple[dict[int, deque[Item]], ...] = tuple({} for _ in Priority)
        self.control_bytes = 0
        self.data_bytes = 0

    def __bool__(self) -> bool:
        return bool(self._control) or self.data_bytes > 0

    def push(self, frame: bytes) -> None:
        """Queue a frame that goes before all DATA."""
        self._control.append(frame)
        self.control_bytes += len(frame)

    def push_data(self, priority: Priority, stream: int, item: Item) -> None:
        """Queue one DATA (or a stream's CLOSE) behind what its stream already has waiting."""
        streams = self._classes[priority]
        waiting = streams.get(stream)
        if waiting is None:
            streams[stream] = deque((item,))
        else:
            waiting.append(item)
        self.data_bytes += len(item) if isinstance(item, bytes) else len(item[0]) + len(item[1])

    def push_close(self, priority: Priority, stream: int, frame: bytes) -> None:
        """Queue a stream's CLOSE: behind its own data if any waits, else with the urgent frames."""
        if stream in self._classes[priority]:
            self.push_data(priority, stream, frame)
        else:
            self.push(frame)

    def drop_stream(self, priority: Priority, stream: int) -> None:
        """Forget what a stream still has waiting."""
        waiting = self._classes[priority].pop(stream, ())
        for item in waiting:
            self.data_bytes -= len(item) if isinstance(item, bytes) else len(item[0]) + len(item[1])

    def clear(self) -> None:
        """Forget everything."""
        self._control.clear()
        for streams in self._classes:
            streams.clear()
        self.control_bytes = self.data_bytes = 0

    def take(self, max_bytes: int) -> list[bytes]:
        """Remove and return the next chunks to send: at least one if any waits, then up to `max_bytes`."""
        batch = self._control
        size = self.control_bytes
        self._control = []
        self.control_bytes = 0
        for streams in self._classes:
            while streams:
                if size >= max_bytes:
                    return batch
                stream, waiting = next(iter(streams.items()))
                item = waiting.popleft()
                if isinstance(item, bytes):
                    batch.append(item)
                    length = len(item)
                else:
                    batch += item
                    length = len(item[0]) + len(item[1])
                size += length
                self.data_bytes -= length
                if not waiting:
                    del streams[stream]
                elif len(streams) > 1:  # to the end of the round
                    del streams[stream]
                    streams[stream] = waiting
        return batch


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
