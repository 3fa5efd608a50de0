"""The load generator: sends pre-built frames on one end of a path and counts them at the other.

Frames are built and masked before the clock starts. Sending is one `send` of about `BATCH_BYTES`, receiving
one `recv_into` that has the kernel throw the bytes away uncopied, and nothing is parsed but the credit. With
TLS what is thrown away is ciphertext, and a frame counts as if all records were full: where they are of 4 KiB
that is 0.4 % too much. Where a path has credit it is obeyed, and granted as peers do, half a window at a
time. Payloads are random bytes of the size of sealed records: after a real handshake the relay cannot tell
the difference.

All ends of a run share one process, off the core of what is measured: on a machine of two cores, sender and
receiver as a process each would take turns on theirs, at a task switch each time. What the generator reaches
with nothing in between is a figure of every run, and each `Flow` says how busy it was.
"""

import multiprocessing
import os
import random
import select
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.parts.legs import Leg
from benchmarks.parts.machine import cpu_seconds
from relay.protocol.frames import Credit, encode_data, encode_frame
from relay.protocol.websocket import WebSocketCodec

SEED = 7
SEAL_BYTES = 17
"""What sealing adds to a plaintext: type and tag (docs/protocol.md §6)."""
BATCH_BYTES = 128 * 1024
WARM_UP_SECONDS = 0.25
RECEIVE_BYTES = 1 << 18
RECORD_GROWTH = (16384 + 22) / 16384
"""Bytes on the wire for each of plaintext in full records of TLS 1.3 (RFC 8446 §5.2)."""

_FORK = multiprocessing.get_context("fork")  # connected sockets, with their TLS, go to the children


class Framing(IntEnum):
    """What of a sent frame arrives: all of it, without the mask (4 bytes less), the message alone."""

    MASKED = 4
    UNMASKED = 0
    MESSAGE = -1


@dataclass(frozen=True)
class Path:
    """Two connected ends with something in between.

    Attributes:
        source, sink: where frames go in and come out.
        framing: how they come out.
        stream: the id that DATA frames carry; credit is spoken on it if `window` is not 0.
        window: bytes of DATA frames that the sink lets the source have under way; 0: only TCP's own limit.
    """

    source: Leg
    sink: Leg
    framing: Framing
    stream: int = 0x10001
    window: int = 0

    def close(self) -> None:
        """Close both ends."""
        self.source.close()
        self.sink.close()


@dataclass(frozen=True)
class Load:
    """Pre-built frames of one size.

    Attributes:
        payload_bytes: of one frame's plaintext; the payload is sealed, so `SEAL_BYTES` longer.
        message_bytes: of one DATA frame, what credit counts.
        batch: as many masked WebSocket frames as fill `BATCH_BYTES`, at least one.
        frames: how many that are.
    """

    payload_bytes: int
    message_bytes: int
    batch: bytes
    frames: int

    def arriving_bytes(self, framing: Framing) -> int:
        """Size of one frame at the sink."""
        if framing is Framing.MESSAGE:
            return self.message_bytes
        return len(self.batch) // self.frames - 4 + framing.value


def make_load(payload_bytes: int, stream: int, window: int = 0) -> Load:
    """Frames for `stream`, a batch of at most a quarter of `window` (but at least one frame)."""
    source = random.Random(SEED)
    codec = WebSocketCodec(is_client=True, max_message_bytes=0)
    message = encode_data(stream, source.randbytes(payload_bytes + SEAL_BYTES))
    limit = min(BATCH_BYTES, window // 4) if window else BATCH_BYTES
    count = max(1, limit // len(message))
    return Load(
        payload_bytes, len(message), b"".join(codec.encode_binary(message) for _ in range(count)), count
    )


@dataclass(frozen=True)
class Flow:
    """What came out of one path.

    Attributes:
        frames_per_second: whole frames at the sink.
        bytes_per_second: of their plaintexts.
        cpu_share: processor time of what was in between, per second; 0 if it was not watched.
        generator_share: the same of the generator, for all paths together; near 1, it was the bottleneck.
    """

    frames_per_second: float
    bytes_per_second: float
    cpu_share: float
    generator_share: float


def measure_flow(paths: Sequence[Path], payload_bytes: int, seconds: float, subject: int = 0) -> list[Flow]:
    """Saturate all paths at once and measure each.

    Args:
        paths: the ends are spent afterwards: close them.
        payload_bytes: size of each frame's plaintext.
        seconds: how long, after the warm-up.
        subject: process id of what is in between, for its processor time; 0 for nothing.

    Raises:
        RuntimeError: a path broke.
    """
    with measuring_flow(paths, payload_bytes, seconds, subject) as result:
        return list(receive_result(result))


@contextmanager
def measuring_flow(
    paths: Sequence[Path], payload_bytes: int, seconds: float, subject: int = 0
) -> Iterator[Connection]:
    """The same in the background: `receive_result` of what this yields waits for the list of `Flow`."""
    receiver, sender = pipe()
    start = time.monotonic() + WARM_UP_SECONDS
    with forked(run_generator, paths, payload_bytes, start, start + seconds, subject, sender):
        sender.close()
        yield receiver


@contextmanager
def forked(target: Callable[..., None], *arguments: object) -> Iterator[None]:
    """A process that does `target`, with the sockets of this one; killed at the end of the block."""
    process = _FORK.Process(target=target, args=arguments, daemon=True)
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()


def pipe() -> tuple[Connection, Connection]:
    """Where a forked process's result is received, and where it is sent; close the latter after forking."""
    return _FORK.Pipe(duplex=False)


def receive_result(receiver: Connection) -> Any:
    """What the process sent.

    Raises:
        RuntimeError: it ended without a word.
    """
    try:
        return receiver.recv()
    except EOFError:
        raise RuntimeError("a path broke under load") from None


def run_generator(
    paths: Sequence[Path], payload_bytes: int, start: float, end: float, subject: int, result: Connection
) -> None:
    """Be the generator: saturate `paths`, count from `start` to `end` (monotonic), then tell `result`."""
    poll = select.epoll()
    ends: dict[int, Source | Sink] = {}
    sinks = []
    for path in paths:
        load = make_load(payload_bytes, path.stream, path.window)
        sink = Sink(path, load)
        sinks.append(sink)
        for side in (Source(path, load, poll), sink):
            side.sock.setblocking(False)
            ends[side.sock.fileno()] = side
            poll.register(side.sock.fileno(), side.interest)
    while (now := time.monotonic()) < start:
        for number, ready in poll.poll(start - now):
            ends[number].go_on(ready)
    before = [sink.total for sink in sinks]
    own, others = time.process_time(), cpu_seconds(subject) if subject else 0.0
    began = time.monotonic()
    while (now := time.monotonic()) < end:
        for number, ready in poll.poll(end - now):
            ends[number].go_on(ready)
    took = time.monotonic() - began
    own, others = time.process_time() - own, (cpu_seconds(subject) if subject else 0.0) - others
    rates = [
        (sink.total - first) / sink.frame_bytes / took for sink, first in zip(sinks, before, strict=True)
    ]
    result.send([Flow(rate, rate * payload_bytes, others / took, own / took) for rate in rates])


class Source:
    """Sends the same batch again and again, as its credit allows; wakes for room and for credit."""

    def __init__(self, path: Path, load: Load, poll: select.epoll) -> None:
        self.sock = path.source.sock
        self.interest = select.EPOLLOUT | (select.EPOLLIN if path.window else 0)
        self._leg = path.source
        self._poll = poll
        self._batch = memoryview(load.batch)
        self._rest = memoryview(b"")  # of the batch on its way
        self._cost = load.message_bytes * load.frames
        self._window = path.window
        self._available = path.window - path.source.spent

    def go_on(self, ready: int) -> None:
        """Do what the socket is ready for.

        Raises:
            OSError: the path broke.
        """
        if self._window and ready & select.EPOLLIN:
            try:
                self._available += self._leg.receive_credit()
            except (BlockingIOError, ssl.SSLWantReadError):
                pass
            else:
                self._want(select.EPOLLOUT | select.EPOLLIN)
        if ready & select.EPOLLOUT:
            self._send()

    def _send(self) -> None:
        if not self._rest:
            if self._window:
                if self._available < self._cost:
                    self._want(select.EPOLLIN)
                    return
                self._available -= self._cost
            self._rest = self._batch
        try:
            while self._rest:  # once, but with TLS, which sends a record of at most 16 KiB each time
                self._rest = self._rest[self.sock.send(self._rest) :]
        except (BlockingIOError, ssl.SSLWantWriteError):
            return

    def _want(self, interest: int) -> None:
        if interest != self.interest:
            self.interest = interest
            self._poll.modify(self.sock.fileno(), interest)


class Sink:
    """Receives, counts, and grants credit by the half window.

    Attributes:
        frame_bytes: of one frame as it arrives on the wire.
        total: bytes so far.
    """

    interest = select.EPOLLIN

    def __init__(self, path: Path, load: Load) -> None:
        self.sock = path.sink.sock
        self.frame_bytes: float = load.arriving_bytes(path.framing)
        self.total = 0
        self._buffer = memoryview(bytearray(RECEIVE_BYTES))
        self._wire = self.sock
        if isinstance(self.sock, ssl.SSLSocket):
            self.frame_bytes *= RECORD_GROWTH
            self._wire = socket.socket(fileno=os.dup(self.sock.fileno()))  # past OpenSSL
        share = max(1, path.window // 2 // load.message_bytes)  # frames per grant
        self._step = share * self.frame_bytes
        self._due = self._step if path.window else 1 << 62
        self._grant = path.sink.codec.encode_binary(
            encode_frame(Credit(path.stream, share * load.message_bytes))
        )

    def go_on(self, ready: int) -> None:
        """Take what has come.

        Raises:
            OSError: the path broke.
        """
        received = self._wire.recv_into(self._buffer, 0, socket.MSG_TRUNC)
        if not received:
            raise ConnectionError("the path broke")
        self.total += received
        while self.total >= self._due:
            self.sock.send(self._grant)  # a few bytes: there is room for them
            self._due += self._step
