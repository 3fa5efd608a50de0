"""One-way latency of small frames: alone on a path, and beside a stream that saturates it.

Sender and receiver share the machine's monotonic clock. A frame carries the moment at which it was handed to
the kernel; its latency ends when its receiver has it in hand. Masking keys are zero, so that the moment can
be written into a frame built beforehand.
"""

import socket
import struct
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection

from benchmarks.parts.legs import Leg
from benchmarks.parts.load import SEAL_BYTES, WARM_UP_SECONDS, Path, forked, make_load, pipe, receive_result
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
        to_viewer: of frames on the host's own connection, among the files.
        to_host: of frames against the flow, as a technician's clicks are.
        files_bytes_per_second: what the files made meanwhile.
    """

    to_viewer: list[float]
    to_host: list[float]
    files_bytes_per_second: float


def ping_under_load(control: OpenStream, files: OpenStream, seconds: float) -> Pings:
    """Saturate `files` from host to viewer and ping on `control` both ways, on the same two connections."""
    start = time.monotonic() + WARM_UP_SECONDS
    end = start + seconds
    from_host, at_host = pipe()
    from_viewer, at_viewer = pipe()
    with (
        forked(_be_host, control, files, start, end, at_host),
        forked(_be_viewer, control, files, start, end, at_viewer),
    ):
        at_host.close()
        at_viewer.close()
        to_viewer, received = receive_result(from_viewer)
        to_host = receive_result(from_host)
    return Pings(to_viewer, to_host, received / seconds)


def _be_host(control: OpenStream, files: OpenStream, start: float, end: float, result: Connection) -> None:
    """Sends files as credit allows and pings among them; times the viewer's pings."""
    leg = files.host
    leg.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
    credit = _CreditCounter(files.window - leg.spent)
    threading.Thread(target=_send_files, args=(leg, control, files, credit), daemon=True).start()
    latencies: list[float] = []
    while (now := time.monotonic()) < end:
        for message in _messages(leg):
            if stream_of(message) == control.number:
                if now >= start:
                    latencies.append(age_of(message))
                continue
            frame = decode_frame(message)
            if isinstance(frame, Credit) and frame.stream == files.number:
                credit.add(frame.amount)
    result.send(latencies)
    time.sleep(60)  # the sending thread goes on until this process is killed


class _CreditCounter:
    """What the sending thread may still send."""

    def __init__(self, available: int) -> None:
        self._available = available
        self._changed = threading.Condition()

    def add(self, amount: int) -> None:
        with self._changed:
            self._available += amount
            self._changed.notify()

    def take(self, amount: int, within: float) -> bool:
        """Take `amount`, waiting for it so many seconds at the most."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._available >= amount, within):
                return False
            self._available -= amount
            return True


def _send_files(leg: Leg, control: OpenStream, files: OpenStream, credit: _CreditCounter) -> None:
    load = make_load(FILES_BYTES, files.number)
    frame = load.batch[: len(load.batch) // load.frames]
    ping = Ping(control.number)
    due = time.monotonic()
    with suppress(OSError):
        while True:
            if time.monotonic() >= due:
                leg.sock.sendall(ping.frame())
                due = time.monotonic() + PING_INTERVAL
            if credit.take(load.message_bytes, max(0.0, due - time.monotonic())):
                leg.sock.sendall(frame)


def _be_viewer(control: OpenStream, files: OpenStream, start: float, end: float, result: Connection) -> None:
    """Takes files and grants credit; times the host's pings; pings against the flow."""
    leg = files.viewer
    sending = threading.Lock()
    threading.Thread(target=_ping_host, args=(leg, control, sending), daemon=True).start()
    latencies: list[float] = []
    received = consumed = 0
    while (now := time.monotonic()) < end:
        for message in _messages(leg):
            number = stream_of(message)
            if number == files.number:
                consumed += len(message)
                received += len(message) if now >= start else 0
            elif number == control.number and now >= start:
                latencies.append(age_of(message))
        if consumed * 2 >= files.window:
            grant = leg.codec.encode_binary(encode_frame(Credit(files.number, consumed)))
            consumed = 0
            with sending:
                leg.sock.sendall(grant)
    result.send((latencies, received))
    time.sleep(60)


def _ping_host(leg: Leg, control: OpenStream, sending: threading.Lock) -> None:
    ping = Ping(control.number)
    with suppress(OSError):
        while True:
            time.sleep(PING_INTERVAL)
            with sending:
                leg.sock.sendall(ping.frame())


def _messages(leg: Leg) -> list[bytes]:
    """The messages that one read completes."""
    data = leg.sock.recv(1 << 18)
    if not data:
        raise ConnectionError("the path broke")
    return [event for event in leg.codec.receive_data(data) if isinstance(event, bytes)]
