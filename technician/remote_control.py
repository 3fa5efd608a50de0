"""Remote Control from the command line: a `control` stream's RFB bytes, tested or handed to a VNC viewer.

The host serves RFB 3.8 (RFC 6143) inside the sealed stream. `measure_desktop` speaks just enough of it to
prove that the desktop answers; `serve_vnc` speaks none of it and copies bytes, so that any VNC viewer works.
"""

import struct
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from typing import Final

import trio

from peer.errors import PeerError, StreamClosed
from peer.sealed import SealedStream
from relay.protocol.close_reasons import CloseReason
from relay.protocol.frames import Channel
from technician.attaching import open_tool
from technician.errors import TechnicianError, ToolFailed
from technician.relay_client import RelayClient

MEASURE_TIMEOUT: Final = 15.0
ROUND_TRIPS: Final = 5
MAX_NAME_BYTES: Final = 4096  # of a desktop; ours are a computer's name
COPY_BYTES: Final = 64 * 1024

_VERSION: Final = b"RFB 003.008\n"
_SECURITY_NONE: Final = 1
_RAW: Final = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DesktopFacts:
    """What a connect test found.

    Attributes:
        name: of the desktop, as the host says it.
        width, height: pixels.
        round_trip: seconds from asking for a pixel to having it, the shortest of a few.
    """

    name: str
    width: int
    height: int
    round_trip: float


def open_control(
    relay: RelayClient, session: str, pairing_key: bytes, access_password: str
) -> AbstractAsyncContextManager[SealedStream]:
    """A viewer's `control` stream for the time of the block; raises as `technician.attaching.open_tool`."""
    return open_tool(relay, session, Channel.CONTROL, pairing_key, access_password)


async def measure_desktop(stream: SealedStream) -> DesktopFacts:
    """Opens the desktop as a VNC viewer would, and measures how fast it answers.

    Raises:
        ToolFailed: it does not answer in time, or not as RFC 6143 says.
        StreamClosed: the stream ended.
    """
    try:
        with trio.fail_after(MEASURE_TIMEOUT):
            return await _measure(_Reader(stream), stream.send)
    except trio.TooSlowError as exc:
        raise ToolFailed("The desktop does not answer.") from exc


async def serve_vnc(
    listener: trio.SocketListener,
    open_stream: Callable[[], AbstractAsyncContextManager[SealedStream]],
    say: Callable[[str], None],
) -> None:
    """Gives every VNC viewer that connects to `listener` a `control` stream of its own, until cancelled.

    Args:
        open_stream: opens one, for instance by `open_control`.
        say: told why a viewer was hung up on; the next one may have more luck.
    """

    async def serve(viewer: trio.SocketStream) -> None:
        try:
            async with open_stream() as stream:
                await _copy_both_ways(viewer, stream)
        except (TechnicianError, PeerError) as exc:
            say(str(exc))

    await trio.serve_listeners(serve, [listener])


async def _copy_both_ways(viewer: trio.SocketStream, stream: SealedStream) -> None:
    """Until either side ends. Raises StreamClosed when it was the host's that ended."""
    ended: list[StreamClosed] = []

    async def copy_to_host() -> None:
        with suppress(trio.BrokenResourceError, StreamClosed):
            while data := await viewer.receive_some(COPY_BYTES):
                await stream.send(bytes(data))

    async def copy_to_viewer() -> None:
        try:
            with suppress(trio.BrokenResourceError):
                while data := await stream.receive():
                    await viewer.send_all(data)
        except StreamClosed as exc:
            ended.append(exc)

    async with trio.open_nursery() as nursery:

        async def run(copy: Callable[[], Awaitable[None]]) -> None:
            await copy()
            nursery.cancel_scope.cancel()

        nursery.start_soon(run, copy_to_host)
        nursery.start_soon(run, copy_to_viewer)
    if ended:
        raise ended[0]


class _Reader:
    """Reads a stream in pieces of the sizes that RFB's messages have."""

    def __init__(self, stream: SealedStream) -> None:
        self._stream = stream
        self._received = bytearray()

    async def read(self, size: int) -> bytes:
        """Exactly `size` bytes."""
        while len(self._received) < size:
            data = await self._stream.receive()
            if not data:
                raise StreamClosed(CloseReason.DONE)
            self._received += data
        piece = bytes(self._received[:size])
        del self._received[:size]
        return piece

    async def skip(self, size: int) -> None:
        """`size` bytes that nobody needs."""
        while size > 0:
            size -= len(await self.read(min(size, COPY_BYTES)))


async def _measure(reader: _Reader, send: Callable[[bytes], Awaitable[None]]) -> DesktopFacts:
    # RFC 6143 §7.1: version, security, initialisation.
    if await reader.read(len(_VERSION)) != _VERSION:
        raise ToolFailed("The computer serves its desktop in a way not understood.")
    await send(_VERSION)
    (count,) = await reader.read(1)
    if _SECURITY_NONE not in await reader.read(count):
        raise ToolFailed("The computer refused to show its desktop.")
    await send(bytes([_SECURITY_NONE]))
    if await reader.read(4) != bytes(4):
        raise ToolFailed("The computer refused to show its desktop.")
    await send(b"\x01")  # shared: other viewers stay
    width, height, bits, name_length = struct.unpack(">HHB15xI", await reader.read(24))
    if name_length > MAX_NAME_BYTES:
        raise ToolFailed("The computer serves its desktop in a way not understood.")
    name = (await reader.read(name_length)).decode(errors="replace")
    # §7.5.2: with Raw alone, what comes back has a length that can be told.
    await send(struct.pack(">BxHi", 2, 1, _RAW))
    round_trips = [await _time_one_pixel(reader, send, bits // 8) for _ in range(ROUND_TRIPS)]
    return DesktopFacts(name=name, width=width, height=height, round_trip=min(round_trips))


async def _time_one_pixel(
    reader: _Reader, send: Callable[[bytes], Awaitable[None]], bytes_per_pixel: int
) -> float:
    """Seconds until a FramebufferUpdate answers a request for one pixel (RFC 6143 §7.5.3, §7.6.1)."""
    asked_at = trio.current_time()
    await send(struct.pack(">BBHHHH", 3, 0, 0, 0, 1, 1))
    kind, rectangles = struct.unpack(">BxH", await reader.read(4))
    if kind != 0:
        raise ToolFailed("The computer sent something else than a picture.")
    took = trio.current_time() - asked_at
    for _ in range(rectangles):
        width, height, encoding = struct.unpack(">4xHHi", await reader.read(12))
        if encoding != _RAW:
            raise ToolFailed("The computer sent a picture of a kind it was not asked for.")
        await reader.skip(width * height * bytes_per_pixel)
    return took
