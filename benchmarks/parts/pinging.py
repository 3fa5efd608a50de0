"""One-way latency of small frames: alone on a path, and beside a stream that saturates it.

Sender and receiver share the machine's monotonic clock. A frame carries the moment at which it was handed to
the kernel; its latency ends when its receiver has it in hand. Masking keys are zero, so that the moment can
be written into a frame built beforehand.
"""

import select
import socket
import struct
import time
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection

from benchmarks.parts.legs import Leg
from benchmarks.parts.load import SEAL_BYTES, WARM_UP_SECONDS, Path, forked, make_load, pipe, receive_result
from benchmarks.parts.machine import cpu_seconds
from benchmarks.parts.relays import OpenStream
from relay.protocol.frames import Credit, decode_frame, encode_data, encode_frame
from relay.protocol.frames import peek_data as stream_of

CONTROL_BYTES = 64
FILES_BYTES = 64 * 1024
PING_INTERVAL = 0.005
UNSENT_BYTES = 65536
"""What the kernel may hold unsent of a host's frames: as little as in the product."""


class Ping:
    """A frame of `CONTROL_BYTES` that says when it was sent."""

    def __init__(self, stream: int) -> None:
        self.message_bytes = len(encode_data(stream, bytes(CONTROL_BYTES + SEAL_BYTES)))
        message = encode_data(stream, bytes(CONTROL_BYTES + SEAL_BYTES))
        # FIN and binary, masked, a length below 126, a key of zeros.
        self._frame = bytearray(bytes((0x82, 0x80 | len(message))) + bytes(4) + message)
        self._at = len(self._frame) - CONTROL_BYTES

    def frame(self) -> bytearray:
        """The frame, sent now."""
        struct.pack_into(">d", self._frame, self._at, time.monotonic())
        return self._frame


def age_of(frame: bytes | memoryview) -> float:
    """Seconds since the ping at the end of `frame` was sent."""
    sent: float = struct.unpack_from(">d", frame, len(frame) - CONTROL_BYTES)[0]
    return time.monotonic() - sent


def ping_alone(path: Path, count: int, interval: float) -> list[float]:
    """Latencies, in seconds, of `count` frames, one under way at a time.

    Args:
        path: nothing else is on it; its window, if it has one, holds all of them.
        count: how many.
        interval: seconds of quiet between them, so that everybody is asleep when the next one comes.
    """
    ping = Ping(path.stream)
    size = len(ping.frame()) - 4 + path.framing.value if path.framing.value >= 0 else ping.message_bytes
    buffer = memoryview(bytearray(size))
    latencies = []
    for _ in range(count):
        time.sleep(interval)
        path.source.sock.sendall(ping.frame())
        got = 0
        while got < size:
            received = path.sink.sock.recv_into(buffer[got:])
            if not received:
                raise ConnectionError("the path broke")
            got += received
        latencies.append(age_of(buffer))
    return latencies


@dataclass(frozen=True)
class Pings:
    """Latencies under load.

    Attributes:
        to_viewer: of frames on the host's own connection, among the files, in seconds.
        to_host: of frames against the flow, as a technician's clicks are.
        files_bytes_per_second: what the files made meanwhile.
        cpu_share: processor time of the relay meanwhile, per second.
    """

    to_viewer: list[float]
    to_host: list[float]
    files_bytes_per_second: float
    cpu_share: float


def ping_under_load(control: OpenStream, files: OpenStream, seconds: float, subject: int) -> Pings:
    """Saturate `files` from host to viewer and ping on `control` both ways, on the same two connections.

    Args:
        control, files: of one viewer.
        seconds: how long, after the warm-up.
        subject: process id of the relay, for its processor time.
    """
    receiver, sender = pipe()
    start = time.monotonic() + WARM_UP_SECONDS
    with forked(_ping_under_load, control, files, start, start + seconds, subject, sender):
        sender.close()
        pings: Pings = receive_result(receiver)
    return pings


def _ping_under_load(
    control: OpenStream, files: OpenStream, start: float, end: float, subject: int, result: Connection
) -> None:
    """Be both ends, in one process; see `benchmarks.parts.load`."""
    files.host.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
    host, viewer = _FilesEnd(control, files), _ViewerEnd(control, files)
    poll = select.epoll()
    ends: dict[int, _FilesEnd | _ViewerEnd] = {end.leg.sock.fileno(): end for end in (host, viewer)}
    for number, one in ends.items():
        one.leg.sock.setblocking(False)
        poll.register(number, select.EPOLLIN | select.EPOLLOUT)
    due = start
    received, cpu, is_warm = 0, 0.0, False
    while (now := time.monotonic()) < end:
        if now >= due:
            host.ping()
            viewer.ping()
            due = max(due + PING_INTERVAL, now)
        for number, ready in poll.poll(max(0.0, min(end, due) - now)):
            one = ends[number]
            if ready & select.EPOLLIN:
                one.receive()
            one.send()
        for number, one in ends.items():
            if one.wants_to_send != one.waits_to_send:
                one.waits_to_send = one.wants_to_send
                poll.modify(number, select.EPOLLIN | (select.EPOLLOUT if one.wants_to_send else 0))
        if not is_warm and now >= start:
            received, cpu, is_warm = viewer.received, cpu_seconds(subject), True
    share = (cpu_seconds(subject) - cpu) / (end - start)
    result.send(Pings(viewer.latencies, host.latencies, (viewer.received - received) / (end - start), share))


class _End:
    """One end: times the other's pings, sends its own between whole frames.

    Attributes:
        leg: not blocking.
        latencies: of the pings that came, in seconds.
        waits_to_send: what the selector was told.
    """

    def __init__(self, leg: Leg, control: OpenStream) -> None:
        self.leg = leg
        self.latencies: list[float] = []
        self.waits_to_send = True
        self._control = control.number
        self._ping = Ping(control.number)
        self._pending = bytearray()

    @property
    def wants_to_send(self) -> bool:
        """Whether room in the socket is of use."""
        return bool(self._pending)

    def ping(self) -> None:
        """Send a ping behind the frame that is under way; its age counts from now."""
        self._pending += self._ping.frame()
        self.send()

    def send(self) -> None:
        """Hand the kernel what it takes."""
        if self._pending:
            with suppress(BlockingIOError):
                del self._pending[: self.leg.sock.send(self._pending)]

    def receive(self) -> None:
        """Take what has come.

        Raises:
            ConnectionError: the path broke.
        """
        try:
            data = self.leg.sock.recv(1 << 18)
        except BlockingIOError:
            return
        if not data:
            raise ConnectionError("the path broke")
        for message in self.leg.messages(data):
            if stream_of(message) == self._control:
                self.latencies.append(age_of(message))
            else:
                self._take(message)

    def _take(self, message: bytes) -> None:
        """Take a message that is no ping."""


class _FilesEnd(_End):
    """The host: sends files one frame at a time, as credit and socket allow."""

    def __init__(self, control: OpenStream, files: OpenStream) -> None:
        super().__init__(files.host, control)
        self._files = files.number
        load = make_load(FILES_BYTES, files.number)
        self._frame = load.batch[: len(load.batch) // load.frames]
        self._cost = load.message_bytes
        self._available = files.window - files.host.spent

    @property
    def wants_to_send(self) -> bool:
        return bool(self._pending) or self._available >= self._cost

    def send(self) -> None:
        if not self._pending and self._available >= self._cost:
            self._available -= self._cost
            self._pending += self._frame
        super().send()

    def _take(self, message: bytes) -> None:
        frame = decode_frame(message)
        if isinstance(frame, Credit) and frame.stream == self._files:
            self._available += frame.amount


class _ViewerEnd(_End):
    """The viewer: takes files and grants credit by the half window.

    Attributes:
        received: bytes of files.
    """

    def __init__(self, control: OpenStream, files: OpenStream) -> None:
        super().__init__(files.viewer, control)
        self.received = 0
        self._files = files.number
        self._consumed = 0
        self._half_window = files.window // 2

    def _take(self, message: bytes) -> None:
        if stream_of(message) != self._files:
            return
        self.received += len(message)
        self._consumed += len(message)
        if self._consumed >= self._half_window:
            self._pending += self.leg.codec.encode_binary(encode_frame(Credit(self._files, self._consumed)))
            self._consumed = 0
            self.send()
