"""The load generator: sends pre-built frames on one end of a path and counts them at the other.

Frames are built and masked before the clock starts. Sending is one `send` of about `BATCH_BYTES`, receiving
one `recv_into` that has the kernel throw the bytes away uncopied (TLS cannot), and nothing is parsed but the
credit. Where a path has credit it is obeyed, and granted as peers do, half a window at a time. Payloads are
random bytes of the size of sealed records: after a real handshake the relay cannot tell the difference.

Sender and receiver are a process each, off the core of what is measured. What they reach with nothing in
between is a figure of every run.
"""

import multiprocessing
import random
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
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
    """

    frames_per_second: float
    bytes_per_second: float
    cpu_share: float


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
    start = time.monotonic() + WARM_UP_SECONDS
    with ExitStack() as stack:
        results: list[Connection] = []
        for path in paths:
            load = make_load(payload_bytes, path.stream, path.window)
            receiver, sender = pipe()
            results.append(receiver)
            stack.enter_context(forked(run_sink, path, load, start, start + seconds, subject, sender))
            stack.enter_context(forked(run_source, path, load))
            sender.close()
        return [receive_result(receiver) for receiver in results]


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


def run_source(path: Path, load: Load) -> None:
    """Send until killed, or until the other side has gone."""
    send = path.source.sock.sendall
    batch, cost = load.batch, load.message_bytes * load.frames
    with suppress(OSError):
        if not path.window:
            while True:
                send(batch)
        available = path.window - path.source.spent
        while True:
            while available < cost:
                available += path.source.receive_credit()
            send(batch)
            available -= cost


def run_sink(path: Path, load: Load, start: float, end: float, subject: int, result: Connection) -> None:
    """Receive and count from `start` to `end` (monotonic clock), then tell `result`."""
    sock = path.sink.sock
    buffer = memoryview(bytearray(RECEIVE_BYTES))
    flags = 0 if isinstance(sock, ssl.SSLSocket) else socket.MSG_TRUNC
    size = load.arriving_bytes(path.framing)
    share = max(1, path.window // 2 // load.message_bytes)  # frames per grant
    amount = share * load.message_bytes
    grant = path.sink.codec.encode_binary(encode_frame(Credit(path.stream, amount))) if path.window else b""
    due = share * size if path.window else 1 << 62
    total = before = 0
    began = cpu = 0.0
    while True:
        received = sock.recv_into(buffer, 0, flags)
        if not received:
            raise ConnectionError("the path broke")
        total += received
        while total >= due:
            sock.sendall(grant)
            due += share * size
        now = time.monotonic()
        if not began:
            if now >= start:
                began, before, cpu = now, total, cpu_seconds(subject) if subject else 0.0
        elif now >= end:
            break
    used = cpu_seconds(subject) - cpu if subject else 0.0
    frames = (total - before) / size / (now - began)
    result.send(Flow(frames, frames * load.payload_bytes, used / (now - began)))
