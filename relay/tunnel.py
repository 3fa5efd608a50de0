"""The tunnel: carries frames between the host and the viewers of one session.

Theory. A `Tunnel` is plain books: who is attached, which streams are open, how much credit each direction
has. Each connection's receiving task calls `receive_from_…` for every message; what must go on is queued on
the other connection, and that is all: no task, lock or await of its own. DATA takes the short way: the
codec gives it as runs (`relay.protocol.runs`), a run costs one look-up and three comparisons here and goes
on as it is. Every other frame is decoded and checked.

Memory is bounded: DATA is queued only within the credit that its receiver granted and the relay counts too.
The relay cannot see whether a receiver has read what it grants credit for; for one that has not, and for
frames without credit, `relay.peer_connection` has bounds of its own.

A slow viewer therefore stalls nobody: its streams run out of credit, the host goes on with the others.

Whether a stream may be opened, and what is durable, is decided by `Rules`, which `relay.connections` gives.
"""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, Protocol, assert_never

from relay.errors import Refused
from relay.metrics import Metrics
from relay.peer_connection import PeerConnection
from relay.protocol.close_reasons import CloseReason
from relay.protocol.errors import RemoteProtocolError
from relay.protocol.frames import (
    MAX_STREAMS_PER_VIEWER,
    MAX_VIEWER,
    Accept,
    Channel,
    Close,
    Credit,
    Data,
    Fields,
    Hello,
    Notice,
    Open,
    Welcome,
    decode_frame,
    viewer_of,
)
from relay.protocol.runs import Run
from relay.protocol.streams import Priority, Window, check_viewer_stream, priority_of

MAX_VIEWERS: Final = 16
"""Of one session at a time: two technicians with several tabs each; bounds what a host must serve."""
DATA_OVERHEAD_BYTES: Final = 12
"""The longest header of a DATA frame (docs/protocol.md §2)."""


@dataclass(slots=True)
class Traffic:
    """DATA forwarded in one direction of a channel."""

    frames: int = 0
    frame_bytes: int = 0
    stalls: int = 0

    def count(self, run: Run, window: Window) -> None:
        """Add a run that was forwarded; a stall if the next of its kind must wait for credit."""
        self.frames += run.frames
        self.frame_bytes += run.size
        if window.available < run.largest:
            self.stalls += 1


class TrafficCounter:
    """Counts of the whole relay: plain integers on the hot path, published once a second."""

    def __init__(self) -> None:
        self._by_channel = {(channel, to_host): Traffic() for channel in Channel for to_host in (True, False)}

    def of(self, channel: Channel, *, to_host: bool) -> Traffic:
        """The counter to add to."""
        return self._by_channel[channel, to_host]

    def publish(self, metrics: Metrics) -> None:
        """Move what was counted since the last call to `metrics`."""
        for (channel, to_host), traffic in self._by_channel.items():
            if not traffic.frames:
                continue
            direction = "to_host" if to_host else "to_viewer"
            metrics.tunnel_frames_total.labels(channel.value, direction).inc(traffic.frames)
            metrics.tunnel_bytes_total.labels(channel.value, direction).inc(traffic.frame_bytes)
            metrics.credit_stalls_total.labels(channel.value).inc(traffic.stalls)
            traffic.frames = traffic.frame_bytes = traffic.stalls = 0


@dataclass(eq=False, slots=True)
class Stream:
    """One open stream as the relay sees it.

    Attributes:
        try_params: OPEN's params of a `pair` stream, which say what try its ACCEPT is; of others empty.
    """

    number: int
    channel: Channel
    viewer: "Viewer"
    try_params: Fields
    to_viewer: Window
    to_host: Window
    host_traffic: Traffic
    viewer_traffic: Traffic
    max_message_bytes: int
    is_accepted: bool = False
    host_priority: Priority = Priority.INPUT
    viewer_priority: Priority = Priority.SCREEN


@dataclass(eq=False, slots=True)
class Viewer:
    """One attached viewer: its connection, its number in the session, and what the host is told of it.

    Attributes:
        kinds: the channels its ticket grants.
        access: "view" for one that may only watch, which the host sees to; else "full".
    """

    number: int
    peer: PeerConnection
    technician: str
    kinds: frozenset[Channel]
    access: str = "full"
    last_stream: int = 0
    streams: dict[int, Stream] = field(default_factory=dict)


class Rules(Protocol):
    """What a tunnel must ask about its session."""

    def may_open(self, viewer: Viewer, channel: Channel) -> CloseReason | None:
        """None, or why this viewer may not open such a stream now."""

    async def count_try(self, viewer: Viewer, code: int, attempt: int) -> None:
        """Commit one try of a security code before it can be answered. Raises Refused."""

    async def fail_try(self, viewer: Viewer) -> None:
        """Either side closed a pair stream because the code was wrong."""

    def opened(self, viewer: Viewer, channel: Channel) -> None:
        """The host accepted a viewer's stream of a tool. Synchronous, and quick."""

    def closed(self, viewer: Viewer, channel: Channel) -> None:
        """An accepted stream of a tool is no more, whoever closed it. Synchronous, and quick."""

    async def receive_notice(self, viewer: Viewer | None, notice: Notice) -> None:
        """A notice came from `viewer`, or from the host. Raises RemoteProtocolError."""


class Tunnel:
    """The connections and streams of one session.

    Concurrency: every method but `receive`'s awaitable is synchronous, so that the books are always straight.
    """

    def __init__(self, rules: Rules, counter: TrafficCounter) -> None:
        # Never changed.
        self._rules = rules
        self._counter = counter
        # Changed without a checkpoint in between.
        self._host: PeerConnection | None = None
        self._viewers: dict[int, Viewer] = {}
        self._streams: dict[int, Stream] = {}
        self._last_viewer = 0

    @property
    def host(self) -> PeerConnection | None:
        """The host's connection, while there is one."""
        return self._host

    @property
    def is_empty(self) -> bool:
        """True if nobody is attached."""
        return self._host is None and not self._viewers

    @property
    def open_streams(self) -> int:
        """How many streams are open."""
        return len(self._streams)

    def peers(self) -> Iterator[PeerConnection]:
        """Every connection of the session."""
        if self._host is not None:
            yield self._host
        for viewer in list(self._viewers.values()):
            yield viewer.peer

    # Coming and going

    def attach_host(self, peer: PeerConnection, facts: Fields) -> None:
        """The newest host connection wins; an older one is closed with REPLACED."""
        older, self._host = self._host, peer
        if older is not None:
            self._close_streams_of_host()
            older.close(CloseReason.REPLACED)
        for viewer in self._viewers.values():
            peer.queue_frame(_attached_notice(viewer))
            viewer.peer.queue_frame(Notice("host_online", facts))

    def detach_host(self, peer: PeerConnection) -> bool:
        """The host's connection ended. False if it had been replaced before."""
        if self._host is not peer:
            return False
        self._host = None
        self._close_streams_of_host()
        for viewer in self._viewers.values():
            viewer.peer.queue_frame(Notice("host_offline", {}))
        return True

    def attach_viewer(
        self,
        peer: PeerConnection,
        technician: str,
        kinds: frozenset[Channel],
        access: str = "full",
    ) -> Viewer:
        """Give a viewer its number.

        Raises:
            Refused: `MAX_VIEWERS` are attached.
        """
        if len(self._viewers) >= MAX_VIEWERS:
            raise Refused(f"The session has {MAX_VIEWERS} viewers already.", CloseReason.LIMIT)
        number = self._last_viewer % MAX_VIEWER + 1
        while number in self._viewers:
            number = number % MAX_VIEWER + 1
        self._last_viewer = number
        viewer = Viewer(number, peer, technician, kinds, access)
        self._viewers[number] = viewer
        if self._host is not None:
            self._host.queue_frame(_attached_notice(viewer))
        return viewer

    def detach_viewer(self, viewer: Viewer) -> None:
        """A viewer's connection ended."""
        if self._viewers.pop(viewer.number, None) is None:
            return
        for stream in list(viewer.streams.values()):
            self._forget(stream)
            if self._host is not None:
                self._host.queue_stream_close(stream.host_priority, stream.number, CloseReason.DETACHED)
        if self._host is not None:
            self._host.queue_frame(Notice("detached", {"viewer": viewer.number}))

    def notify_host(self, name: str, fields: Fields) -> None:
        """Tell the host, if it is there."""
        if self._host is not None:
            self._host.queue_frame(Notice(name, fields))

    def notify_viewers(self, name: str, fields: Fields) -> None:
        """Tell every viewer."""
        for viewer in self._viewers.values():
            viewer.peer.queue_frame(Notice(name, fields))

    def close(self, reason: CloseReason, last_words: Notice) -> None:
        """End every connection of the session with `reason`."""
        for peer in self.peers():
            peer.close(reason, last_words)

    def close_viewers(self, is_meant: Callable[[Viewer], bool], reason: CloseReason) -> None:
        """End the connections of those viewers that are meant."""
        for viewer in list(self._viewers.values()):
            if is_meant(viewer):
                viewer.peer.close(reason)

    def close_refused_streams(self) -> None:
        """End every tool's stream that could not be opened any more (the company's plan changed)."""
        for stream in list(self._streams.values()):
            if stream.channel is not Channel.PAIR:  # whose last try may go on though its code is used up
                reason = self._rules.may_open(stream.viewer, stream.channel)
                if reason is not None:
                    self._close_for_both(stream, reason)

    # Frames

    def forward_from_host(self, run: Run) -> None:
        """Route DATA of the host.

        Raises:
            RemoteProtocolError: the host broke the protocol; its connection is to be closed.
        """
        stream = self._streams.get(run.stream)
        if stream is None:
            self._check_late(run.stream)
            return
        window = stream.to_viewer
        if run.size > window.available or run.largest > stream.max_message_bytes or not stream.is_accepted:
            self._refuse_data(stream, run, window)
        window.available -= run.size
        stream.viewer.peer.queue_data(stream.viewer_priority, run.stream, run.wire)
        stream.viewer_traffic.count(run, window)

    def forward_from_viewer(self, viewer: Viewer, run: Run) -> None:
        """Route DATA of a viewer.

        Raises:
            RemoteProtocolError: the viewer broke the protocol; its connection is to be closed.
        """
        stream = viewer.streams.get(run.stream)
        if stream is None:
            self._check_owner(viewer, run.stream)
            return
        window = stream.to_host
        if run.size > window.available or run.largest > stream.max_message_bytes or not stream.is_accepted:
            self._refuse_data(stream, run, window)
        window.available -= run.size
        if self._host is not None:
            self._host.queue_data(stream.host_priority, run.stream, run.wire)
        stream.host_traffic.count(run, window)

    def receive_from_host(self, message: bytes) -> Awaitable[None] | None:
        frame = decode_frame(message)
        match frame:
            case Accept(number, credit):
                return self._receive_accept(number, credit, message)
            case Credit(number, amount):
                stream = self._streams.get(number)
                if stream is None:
                    self._check_late(number)
                else:
                    stream.to_host.grant(amount)
                    stream.viewer.peer.queue_control(message)
            case Close(0):
                raise RemoteProtocolError("the host closes", CloseReason.NORMAL)
            case Close(number, reason):
                stream = self._streams.get(number)
                if stream is None:
                    self._check_late(number)
                else:
                    self._forget(stream)
                    if self._host is not None:
                        self._host.drop_stream(stream.host_priority, number)
                    stream.viewer.peer.queue_stream_close(stream.viewer_priority, number, reason)
                    return self._failed_try(stream, reason)
            case Notice():
                return self._rules.receive_notice(None, frame)
            case Hello() | Welcome() | Open() | Data():
                raise RemoteProtocolError("a host may not send this frame here", CloseReason.OUT_OF_ORDER)
            case _:
                assert_never(frame)
        return None

    def receive_from_viewer(self, viewer: Viewer, message: bytes) -> Awaitable[None] | None:
        frame = decode_frame(message)
        match frame:
            case Open(number, channel, credit, params):
                self._receive_open(viewer, number, channel, credit, params)
            case Credit(number, amount):
                stream = viewer.streams.get(number)
                if stream is None:
                    self._check_owner(viewer, number)
                else:
                    stream.to_viewer.grant(amount)
                    if self._host is not None:
                        self._host.queue_control(message)
            case Close(0):
                raise RemoteProtocolError("the viewer closes", CloseReason.NORMAL)
            case Close(number, reason):
                stream = viewer.streams.get(number)
                if stream is None:
                    self._check_owner(viewer, number)
                else:
                    self._forget(stream)
                    viewer.peer.drop_stream(stream.viewer_priority, number)
                    if self._host is not None:
                        self._host.queue_stream_close(stream.host_priority, number, reason)
                    return self._failed_try(stream, reason)
            case Notice():
                return self._rules.receive_notice(viewer, frame)
            case Hello() | Welcome() | Accept() | Data():
                raise RemoteProtocolError("a viewer may not send this frame here", CloseReason.OUT_OF_ORDER)
            case _:
                assert_never(frame)
        return None

    def _receive_open(
        self, viewer: Viewer, number: int, channel: Channel, credit: int, params: Fields
    ) -> None:
        viewer.last_stream = check_viewer_stream(number, viewer.number, viewer.last_stream)
        reason = self._reason_against(viewer, channel)
        if reason is not None or self._host is None:
            viewer.peer.queue_frame(Close(number, reason or CloseReason.HOST_OFFLINE))
            return
        stream = Stream(
            number,
            channel,
            viewer,
            params if channel is Channel.PAIR else {},
            Window(),
            Window(),
            self._counter.of(channel, to_host=True),
            self._counter.of(channel, to_host=False),
            channel.max_payload_bytes + DATA_OVERHEAD_BYTES,
            host_priority=priority_of(channel, to_host=True),
            viewer_priority=priority_of(channel, to_host=False),
        )
        stream.to_viewer.grant(credit)
        self._streams[number] = viewer.streams[number] = stream
        self._host.queue_frame(Open(number, channel, credit, params))

    def _reason_against(self, viewer: Viewer, channel: Channel) -> CloseReason | None:
        if len(viewer.streams) >= MAX_STREAMS_PER_VIEWER:
            return CloseReason.TOO_MANY_STREAMS
        if channel is Channel.PAIR and any(other.channel is Channel.PAIR for other in self._streams.values()):
            return CloseReason.LIMIT  # the customer types one code into one window
        return self._rules.may_open(viewer, channel)

    def _receive_accept(self, number: int, credit: int, message: bytes) -> Awaitable[None] | None:
        stream = self._streams.get(number)
        if stream is None:
            self._check_late(number)
            return None
        if stream.is_accepted:
            raise RemoteProtocolError("a stream was accepted twice", CloseReason.OUT_OF_ORDER)
        stream.to_host.grant(credit)
        if stream.channel is Channel.PAIR:
            return self._accept_try(stream, message)
        self._pass_accept(stream, message)
        return None

    async def _accept_try(self, stream: Stream, message: bytes) -> None:
        """An ACCEPT of a pair stream is one guess at the code: counted durably, then forwarded."""
        code, attempt = stream.try_params.get("code"), stream.try_params.get("attempt")
        try:
            if type(code) is not int or type(attempt) is not int:
                raise Refused("A pair stream must name its code and attempt.", CloseReason.OUT_OF_ORDER)
            await self._rules.count_try(stream.viewer, code, attempt)
        except Refused as exc:
            if self._streams.get(stream.number) is stream:
                self._close_for_both(stream, exc.close_reason)
            return
        if self._streams.get(stream.number) is stream:  # the viewer may have left meanwhile
            self._pass_accept(stream, message)

    def _pass_accept(self, stream: Stream, message: bytes) -> None:
        stream.is_accepted = True
        if stream.channel is not Channel.PAIR:
            self._rules.opened(stream.viewer, stream.channel)
        stream.viewer.peer.queue_control(message)

    def _failed_try(self, stream: Stream, reason: CloseReason) -> Awaitable[None] | None:
        if stream.is_accepted and stream.channel is Channel.PAIR and reason is CloseReason.WRONG_CODE:
            return self._rules.fail_try(stream.viewer)
        return None

    def _close_for_both(self, stream: Stream, reason: CloseReason) -> None:
        self._forget(stream)
        stream.viewer.peer.queue_stream_close(stream.viewer_priority, stream.number, reason)
        if self._host is not None:
            self._host.queue_stream_close(stream.host_priority, stream.number, reason)

    def _close_streams_of_host(self) -> None:
        for stream in list(self._streams.values()):
            self._forget(stream)
            stream.viewer.peer.queue_stream_close(
                stream.viewer_priority, stream.number, CloseReason.HOST_OFFLINE
            )

    def _forget(self, stream: Stream) -> None:
        del self._streams[stream.number]
        del stream.viewer.streams[stream.number]
        if stream.is_accepted and stream.channel is not Channel.PAIR:
            self._rules.closed(stream.viewer, stream.channel)

    def _check_late(self, number: int) -> None:
        """A frame of the host for no open stream: fine if the stream was open once, and dropped."""
        viewer = self._viewers.get(viewer_of(number))
        if viewer is not None and (number & 0xFFFF) > viewer.last_stream:
            raise RemoteProtocolError("a frame for a stream that was never opened", CloseReason.OUT_OF_ORDER)

    def _check_owner(self, viewer: Viewer, number: int) -> None:
        """A viewer's frame for none of its open streams: fine if it was its own once, and dropped."""
        if viewer_of(number) != viewer.number or (number & 0xFFFF) > viewer.last_stream:
            raise RemoteProtocolError("a frame for a stream that is not open", CloseReason.OUT_OF_ORDER)

    def _refuse_data(self, stream: Stream, run: Run, window: Window) -> None:
        if not stream.is_accepted:
            raise RemoteProtocolError("data on a stream that was not accepted", CloseReason.OUT_OF_ORDER)
        if run.largest > stream.max_message_bytes:
            raise RemoteProtocolError("a payload is too large for its channel", CloseReason.TOO_LARGE)
        window.spend(run.size)


def _attached_notice(viewer: Viewer) -> Notice:
    fields: Fields = {"viewer": viewer.number, "technician": viewer.technician, "access": viewer.access}
    return Notice("attached", fields)


def closing_notice(reason: CloseReason) -> Notice:
    """What both sides hear when a session ends."""
    return Notice("ended", {"reason": reason.wire})
