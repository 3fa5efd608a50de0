"""A small RFB client for tests and benchmarks: enough of RFC 6143 and rfbproto to see what a viewer sees.

It shares no code with the server, so that a misreading of the protocol shows.
"""

import struct
import zlib
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np
import simplejpeg
import trio
from numpy.typing import NDArray

RAW: Final = 0
COPY_RECT: Final = 1
TIGHT: Final = 7
JPEG_QUALITY_6: Final = -26
JPEG_QUALITY_9: Final = -23
DESKTOP_SIZE: Final = -223
LAST_RECT: Final = -224
CURSOR: Final = -239
EXTENDED_KEY: Final = -258
DESKTOP_NAME: Final = -307
EXTENDED_DESKTOP_SIZE: Final = -308
FENCE: Final = -312
CONTINUOUS_UPDATES: Final = -313
CURSOR_WITH_ALPHA: Final = -314
EXTENDED_CLIPBOARD: Final = -1063131698


class ClientStream(Protocol):
    """What the client runs over."""

    async def send(self, data: bytes) -> None:
        """All of `data`."""

    async def receive(self) -> bytes:
        """Some bytes, or b"" at the end."""


class TrioByteStream:
    """A Trio stream as the byte stream that `serve_rfb` wants, and this client too."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream

    async def send(self, data: bytes) -> None:
        """All of `data`, with the backpressure of the stream below."""
        await self._stream.send_all(data)

    async def receive(self) -> bytes:
        """Some bytes, or b"" at the end."""
        return bytes(await self._stream.receive_some(65536))


@dataclass
class Update:
    """One FramebufferUpdate."""

    size: int = 0
    """Bytes on the wire."""
    encodings: list[int] = field(default_factory=list)
    """Of its rectangles, LastRect left out."""
    tight_kinds: list[int] = field(default_factory=list)
    """High halves of the Tight compression-control bytes: 8 fill, 9 JPEG, else basic."""
    areas: list[tuple[int, int, int, int]] = field(default_factory=list)


class RfbClient:
    """A viewer; single task. Read `screen` and the other fields after `receive_update`."""

    def __init__(self, stream: ClientStream) -> None:
        self._stream = stream
        self._buffer = bytearray()
        self._received = 0
        self._inflaters = [zlib.decompressobj() for _ in range(4)]
        self.screen: NDArray[np.uint8] = np.zeros((0, 0, 3), np.uint8)
        """Shape (height, width, 3): R, G, B."""
        self.name = ""
        self.cursor: tuple[int, int, NDArray[np.uint8]] | None = None
        """Hot spot x and y, and the shape as (height, width, 4): R, G, B, A."""
        self.size_changes: list[tuple[int, int, int, int]] = []
        """Reason, status, width and height of each desktop size rectangle."""
        self.names: list[str] = []
        """Of the desktop, that came after the first."""
        self.has_extended_keys = False
        self.may_be_continuous = False
        self.cut_texts: list[str | bytes] = []
        """Clipboard messages: a text, or the data of an extended one."""
        self.answers_fences = True
        self.fence_answers: list[bytes] = []
        self.paints = True
        """False: Tight data is read but not decoded, to measure a server and not this client."""

    def replace_stream(self, stream: ClientStream) -> None:
        """Go on with other bytes, keeping the decoders' state."""
        self._stream = stream

    async def receive_exactly(self, count: int) -> bytes:
        """The next `count` bytes.

        Raises:
            EOFError: the stream ended before.
        """
        while len(self._buffer) < count:
            data = await self._stream.receive()
            if not data:
                raise EOFError
            self._buffer += data
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        self._received += count
        return data

    async def _unpack(self, form: str) -> tuple[int, ...]:
        return struct.unpack(">" + form, await self.receive_exactly(struct.calcsize(">" + form)))

    async def send(self, data: bytes) -> None:
        """Any bytes."""
        await self._stream.send(data)

    async def connect(self, *encodings: int, version: bytes = b"RFB 003.008\n") -> None:
        """The handshake, and SetEncodings if any are given."""
        assert await self.receive_exactly(12) == b"RFB 003.008\n"
        await self.send(version)
        if version == b"RFB 003.003\n":
            assert await self._unpack("I") == (1,)
        else:
            (count,) = await self._unpack("B")
            assert 1 in await self.receive_exactly(count)
            await self.send(b"\1")
            if version == b"RFB 003.008\n":
                assert await self._unpack("I") == (0,)
        await self.send(b"\1")
        width, height = await self._unpack("HH")
        assert await self.receive_exactly(16) == bytes(
            (32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0)
        )
        (length,) = await self._unpack("I")
        self.name = (await self.receive_exactly(length)).decode()
        self.screen = np.zeros((height, width, 3), np.uint8)
        if encodings:
            await self.set_encodings(*encodings)

    async def set_encodings(self, *encodings: int) -> None:
        """SetEncodings."""
        await self.send(struct.pack(f">BxH{len(encodings)}i", 2, len(encodings), *encodings))

    async def request(
        self, *, incremental: bool = True, area: tuple[int, int, int, int] | None = None
    ) -> None:
        """FramebufferUpdateRequest, of the whole screen by default."""
        area = area or (0, 0, self.screen.shape[1], self.screen.shape[0])
        await self.send(struct.pack(">BBHHHH", 3, incremental, *area))

    async def enable_continuous_updates(self, enable: bool = True) -> None:
        """EnableContinuousUpdates of the whole screen."""
        await self.send(struct.pack(">BBHHHH", 150, enable, 0, 0, *self.screen.shape[1::-1]))

    async def key(self, keysym: int, is_down: bool, scancode: int | None = None) -> None:
        """KeyEvent, or QEMU's with a scancode."""
        if scancode is None:
            await self.send(struct.pack(">BBxxI", 4, is_down, keysym))
        else:
            await self.send(struct.pack(">BBHII", 255, 0, is_down, keysym, scancode))

    async def type_keys(self, text: str) -> None:
        """Each character as a key that goes down and up, by its symbol alone."""
        for character in text:
            point = ord(character)
            keysym = {"\n": 0xFF0D, "€": 0x20AC}.get(character, point if point < 256 else 0x01000000 + point)
            await self.key(keysym, True)
            await self.key(keysym, False)

    async def pointer(self, x: int, y: int, buttons: int = 0) -> None:
        """PointerEvent."""
        await self.send(struct.pack(">BBHH", 5, buttons, x, y))

    async def cut_text(self, data: bytes, *, is_extended: bool = False) -> None:
        """ClientCutText."""
        await self.send(struct.pack(">Bxxxi", 6, -len(data) if is_extended else len(data)) + data)

    async def synchronize(self) -> None:
        """Return when the server has acted on everything sent so far."""
        self.fence_answers.clear()
        await self.send(struct.pack(">BxxxIB", 248, 1 << 31 | 1, 4) + b"sync")
        while b"sync" not in self.fence_answers:
            await self.receive_message()

    async def receive_update(self) -> Update:
        """Read messages up to and with the next FramebufferUpdate."""
        while True:
            update = await self.receive_message()
            if update is not None:
                return update

    async def wait_message(self) -> None:
        """Return when a message has begun to arrive. Cancellation: nothing is lost."""
        if not self._buffer:
            self._buffer += await self._stream.receive()

    async def receive_message(self) -> Update | None:
        """Read one message; fences are answered."""
        start = self._received
        (kind,) = await self._unpack("B")
        if kind == 0:
            update = await self._receive_rectangles()
            update.size = self._received - start
            return update
        if kind == 3:
            (length,) = await self._unpack("xxxi")
            data = await self.receive_exactly(abs(length))
            self.cut_texts.append(data if length < 0 else data.decode("latin-1"))
        elif kind == 150:
            self.may_be_continuous = True
        elif kind == 248:
            flags, length = await self._unpack("xxxIB")
            payload = await self.receive_exactly(length)
            if not flags >> 31:
                self.fence_answers.append(payload)
            elif self.answers_fences:
                await self.send(struct.pack(">BxxxIB", 248, flags & 3, length) + payload)
        else:
            raise AssertionError(f"unknown server message {kind}")
        return None

    async def _receive_rectangles(self) -> Update:
        update = Update()
        (count,) = await self._unpack("xH")
        for _ in range(count):
            x, y, width, height, encoding = await self._unpack("HHHHi")
            if encoding == LAST_RECT:
                break
            update.encodings.append(encoding)
            update.areas.append((x, y, width, height))
            match encoding:
                case 0:
                    data = np.frombuffer(await self.receive_exactly(width * height * 4), np.uint8)
                    self._paint(x, y, data.reshape(height, width, 4)[:, :, 2::-1])
                case 1:
                    from_x, from_y = await self._unpack("HH")
                    assert from_x + width <= self.screen.shape[1]
                    assert from_y + height <= self.screen.shape[0]
                    source = self.screen[from_y : from_y + height, from_x : from_x + width]
                    self._paint(x, y, source.copy())
                case 7:
                    await self._receive_tight(x, y, width, height, update)
                case -239:
                    data = np.frombuffer(await self.receive_exactly(width * height * 4), np.uint8)
                    row_bytes = (width + 7) // 8
                    bits = np.frombuffer(await self.receive_exactly(row_bytes * height), np.uint8)
                    mask = np.unpackbits(bits.reshape(height, row_bytes), axis=1)[:, :width] * np.uint8(255)
                    colours = data.reshape(height, width, 4)[:, :, 2::-1]
                    self.cursor = x, y, np.dstack((colours, mask))
                case -314:
                    assert await self._unpack("i") == (RAW,)
                    data = np.frombuffer(await self.receive_exactly(width * height * 4), np.uint8)
                    self.cursor = x, y, data.reshape(height, width, 4)
                case -258:
                    self.has_extended_keys = True
                case -307:
                    (length,) = await self._unpack("I")
                    self.names.append((await self.receive_exactly(length)).decode())
                case -223:
                    self._resize(0, 0, width, height)
                case -308:
                    (screens,) = await self._unpack("Bxxx")
                    await self.receive_exactly(16 * screens)
                    self._resize(x, y, width, height)
                case _:
                    raise AssertionError(f"unknown encoding {encoding}")
        return update

    def _resize(self, reason: int, status: int, width: int, height: int) -> None:
        self.size_changes.append((reason, status, width, height))
        if not status and self.screen.shape[:2] != (height, width):
            self.screen = np.zeros((height, width, 3), np.uint8)

    def _paint(self, x: int, y: int, pixels: NDArray[np.uint8]) -> None:
        height, width = pixels.shape[:2]
        assert x + width <= self.screen.shape[1]
        assert y + height <= self.screen.shape[0]
        self.screen[y : y + height, x : x + width] = pixels

    async def _receive_tight(self, x: int, y: int, width: int, height: int, update: Update) -> None:
        assert width <= 2048
        (control,) = await self._unpack("B")
        for stream in range(4):
            if control >> stream & 1:
                self._inflaters[stream] = zlib.decompressobj()
        kind = control >> 4
        update.tight_kinds.append(kind)
        if kind == 8:
            colour = np.frombuffer(await self.receive_exactly(3), np.uint8)
            self._paint(x, y, np.broadcast_to(colour, (height, width, 3)))
            return
        if kind == 9:
            jpeg = await self.receive_exactly(await self._read_length())
            if self.paints:
                self._paint(x, y, simplejpeg.decode_jpeg(jpeg))
            return
        if not self.paints:
            await self._skip_basic(kind, width, height)
            return
        filter_id = (await self._unpack("B"))[0] if kind & 4 else 0
        if filter_id == 0:
            data = await self._inflate(kind & 3, width * height * 3)
            self._paint(x, y, np.frombuffer(data, np.uint8).reshape(height, width, 3))
            return
        assert filter_id == 1
        colours = (await self._unpack("B"))[0] + 1
        palette = np.frombuffer(await self.receive_exactly(3 * colours), np.uint8).reshape(colours, 3)
        if colours == 2:
            row_bytes = (width + 7) // 8
            bits = np.frombuffer(await self._inflate(kind & 3, row_bytes * height), np.uint8)
            places = np.unpackbits(bits.reshape(height, row_bytes), axis=1)[:, :width]
        else:
            data = await self._inflate(kind & 3, width * height)
            places = np.frombuffer(data, np.uint8).reshape(height, width)
        self._paint(x, y, palette[places])

    async def _skip_basic(self, kind: int, width: int, height: int) -> None:
        size = width * height * 3
        if kind & 4 and (await self._unpack("B"))[0] == 1:
            colours = (await self._unpack("B"))[0] + 1
            await self.receive_exactly(3 * colours)
            size = (width + 7) // 8 * height if colours == 2 else width * height
        await self.receive_exactly(size if size < 12 else await self._read_length())

    async def _read_length(self) -> int:
        length = 0
        for shift in (0, 7, 14):
            (byte,) = await self._unpack("B")
            length |= (byte if shift == 14 else byte & 0x7F) << shift
            if not byte & 0x80:
                break
        return length

    async def _inflate(self, stream: int, size: int) -> bytes:
        if size < 12:
            return await self.receive_exactly(size)
        packed = await self.receive_exactly(await self._read_length())
        data = self._inflaters[stream].decompress(packed)
        assert len(data) == size
        return data
