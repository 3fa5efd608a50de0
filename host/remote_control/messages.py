"""What a viewer may say: the client's half of RFB as a pure parser of bytes.

Bytes come in as they arrive, whole messages come out; no I/O, no clock. The only error is
`RfbProtocolError`. What is kept between two calls is bounded by the largest message (a clipboard text of
`MAX_CUT_TEXT_BYTES`); a longer clipboard text is skipped without being stored.

    phase        bytes                                                   message
    version      "RFB 003.00x\\n"                                         ClientVersion
    security     type:1                    (3.7 and 3.8 only)            SecurityChoice
    init         shared:1                                                ClientInit
    normal  0    pad:3 format:16                                         SetPixelFormat
            2    pad:1 n:2 encoding:4*n                                  SetEncodings
            3    incremental:1 x:2 y:2 w:2 h:2                           UpdateRequest
            4    down:1 pad:2 keysym:4                                   KeyEvent
            5    buttons:1 x:2 y:2                                       PointerEvent
            6    pad:3 length:4 text (length < 0: extended clipboard)    CutText, ExtendedCutText
          150    enable:1 x:2 y:2 w:2 h:2                                ContinuousUpdates
          248    pad:3 flags:4 n:1 payload:n                             Fence
          251    pad:1 w:2 h:2 n:1 pad:1 screen:16*n                     SetDesktopSize
          255    0:1 down:2 keysym:4 scancode:4                          KeyEvent

Sources: RFC 6143 §7.1, §7.5; rfbproto for 150 and above.
"""

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, TypeAlias

from host.remote_control.errors import RfbProtocolError
from host.remote_control.pixels import PixelFormat, parse_pixel_format

MAX_CUT_TEXT_BYTES: Final = 1024 * 1024
"""Longest clipboard text taken from a viewer; what people paste is far smaller."""
MAX_ENCODINGS: Final = 256
"""Encodings in one SetEncodings; viewers list about 30."""
MAX_FENCE_BYTES: Final = 64
"""Payload of a fence (rfbproto)."""

_VERSION = re.compile(rb"RFB (\d{3})\.(\d{3})\n", re.ASCII)


@dataclass(frozen=True)
class ClientVersion:
    """The protocol version to speak: (3, 3), (3, 7) or (3, 8)."""

    version: tuple[int, int]


@dataclass(frozen=True)
class SecurityChoice:
    """The security type the viewer chose."""

    security_type: int


@dataclass(frozen=True)
class ClientInit:
    """The handshake's end; `is_shared` is ignored, several viewers may always look."""

    is_shared: bool


@dataclass(frozen=True)
class SetPixelFormat:
    """Pixels from now on in this format."""

    format: PixelFormat


@dataclass(frozen=True)
class SetEncodings:
    """Encodings and pseudo-encodings the viewer understands, best first."""

    encodings: tuple[int, ...]


@dataclass(frozen=True)
class UpdateRequest:
    """The viewer can take an update of this area; coordinates are not yet clipped to the screen."""

    is_incremental: bool
    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class KeyEvent:
    """A key went down or up; `scancode` is the XT code, or None from viewers without QEMU's extension."""

    is_down: bool
    keysym: int
    scancode: int | None


@dataclass(frozen=True)
class PointerEvent:
    """The pointer's position and its buttons (bit 0 left, 1 middle, 2 right, 3-6 wheel)."""

    x: int
    y: int
    buttons: int


@dataclass(frozen=True)
class CutText:
    """The viewer's clipboard, in the old form: Latin-1 only."""

    text: str


@dataclass(frozen=True)
class ExtendedCutText:
    """A message of the extended clipboard, still encoded; see `clipboard.parse_extended`."""

    data: bytes


@dataclass(frozen=True)
class ContinuousUpdates:
    """Send updates of this area unasked (or stop doing so)."""

    is_enabled: bool
    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Fence:
    """A fence or the answer to one, by the request bit in `flags`."""

    flags: int
    payload: bytes


@dataclass(frozen=True)
class SetDesktopSize:
    """The viewer would like another screen size."""

    width: int
    height: int


ClientMessage: TypeAlias = (
    ClientVersion
    | SecurityChoice
    | ClientInit
    | SetPixelFormat
    | SetEncodings
    | UpdateRequest
    | KeyEvent
    | PointerEvent
    | CutText
    | ExtendedCutText
    | ContinuousUpdates
    | Fence
    | SetDesktopSize
)


class _Phase(Enum):
    VERSION = auto()
    SECURITY = auto()
    INIT = auto()
    NORMAL = auto()


class ClientParser:
    """Turns a viewer's bytes into messages; one per connection."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._phase = _Phase.VERSION
        self._to_skip = 0

    def feed(self, data: bytes) -> list[ClientMessage]:
        """The messages completed by `data`, in order.

        Raises:
            RfbProtocolError: the bytes are no RFB; the parser is of no further use.
        """
        self._buffer += data
        messages: list[ClientMessage] = []
        while True:
            if self._to_skip:
                skipped = min(self._to_skip, len(self._buffer))
                del self._buffer[:skipped]
                self._to_skip -= skipped
            step = self._parse_one()
            if step is None:
                return messages
            size, message = step
            del self._buffer[:size]
            if message is not None:
                messages.append(message)

    def _parse_one(self) -> tuple[int, ClientMessage | None] | None:
        """Size and meaning of the message at the buffer's start, or None if it is not all there."""
        if not self._buffer:
            return None
        match self._phase:
            case _Phase.VERSION:
                return self._parse_version()
            case _Phase.SECURITY:
                self._phase = _Phase.INIT
                return 1, SecurityChoice(self._buffer[0])
            case _Phase.INIT:
                self._phase = _Phase.NORMAL
                return 1, ClientInit(bool(self._buffer[0]))
            case _Phase.NORMAL:
                kind = self._buffer[0]
                known = _PARSERS.get(kind)
                if known is None:
                    raise RfbProtocolError(f"There is no client message {kind}.")
                head_bytes, parse = known
                return parse(self) if len(self._buffer) >= head_bytes else None

    def _parse_version(self) -> tuple[int, ClientMessage] | None:
        if not b"RFB ".startswith(self._buffer[:4]):
            raise RfbProtocolError("The viewer does not speak RFB.")
        if len(self._buffer) < 12:
            return None
        found = _VERSION.fullmatch(self._buffer[:12])
        if found is None or int(found[1]) != 3:
            raise RfbProtocolError("The viewer's RFB version is not understood.")
        # RFC 6143 §7.1.1: anything else is to be treated as 3.3; Apple says 3.889 and speaks 3.8.
        minor = int(found[2])
        version = (3, 8) if minor >= 8 else (3, 7) if minor == 7 else (3, 3)
        self._phase = _Phase.INIT if version == (3, 3) else _Phase.SECURITY
        return 12, ClientVersion(version)

    def _parse_pixel_format(self) -> tuple[int, ClientMessage]:
        return 20, SetPixelFormat(parse_pixel_format(bytes(self._buffer[4:20])))

    def _parse_encodings(self) -> tuple[int, ClientMessage] | None:
        (count,) = struct.unpack_from(">H", self._buffer, 2)
        if count > MAX_ENCODINGS:
            raise RfbProtocolError(f"A viewer may list {MAX_ENCODINGS} encodings, not {count}.")
        size = 4 + 4 * count
        if len(self._buffer) < size:
            return None
        return size, SetEncodings(struct.unpack_from(f">{count}i", self._buffer, 4))

    def _parse_update_request(self) -> tuple[int, ClientMessage]:
        incremental, *area = struct.unpack_from(">BHHHH", self._buffer, 1)
        return 10, UpdateRequest(bool(incremental), *area)

    def _parse_key(self) -> tuple[int, ClientMessage]:
        down, keysym = struct.unpack_from(">B2xI", self._buffer, 1)
        return 8, KeyEvent(bool(down), keysym, None)

    def _parse_pointer(self) -> tuple[int, ClientMessage]:
        buttons, x, y = struct.unpack_from(">BHH", self._buffer, 1)
        return 6, PointerEvent(x, y, buttons)

    def _parse_cut_text(self) -> tuple[int, ClientMessage | None] | None:
        (length,) = struct.unpack_from(">i", self._buffer, 4)
        size = 8 + abs(length)
        if abs(length) > MAX_CUT_TEXT_BYTES:
            self._to_skip = size - 8
            return 8, None
        if len(self._buffer) < size:
            return None
        data = bytes(self._buffer[8:size])
        return size, ExtendedCutText(data) if length < 0 else CutText(data.decode("latin-1"))

    def _parse_continuous_updates(self) -> tuple[int, ClientMessage]:
        enable, *area = struct.unpack_from(">BHHHH", self._buffer, 1)
        return 10, ContinuousUpdates(bool(enable), *area)

    def _parse_fence(self) -> tuple[int, ClientMessage] | None:
        flags, length = struct.unpack_from(">IB", self._buffer, 4)
        if length > MAX_FENCE_BYTES:
            raise RfbProtocolError(f"A fence carries at most {MAX_FENCE_BYTES} bytes, not {length}.")
        if len(self._buffer) < 9 + length:
            return None
        return 9 + length, Fence(flags, bytes(self._buffer[9 : 9 + length]))

    def _parse_desktop_size(self) -> tuple[int, ClientMessage] | None:
        width, height, screens = struct.unpack_from(">HHB", self._buffer, 2)
        size = 8 + 16 * screens
        return (size, SetDesktopSize(width, height)) if len(self._buffer) >= size else None

    def _parse_qemu(self) -> tuple[int, ClientMessage] | None:
        if self._buffer[1] != 0:
            raise RfbProtocolError(f"There is no QEMU message {self._buffer[1]} here.")
        if len(self._buffer) < 12:
            return None
        down, keysym, scancode = struct.unpack_from(">HII", self._buffer, 2)
        return 12, KeyEvent(bool(down), keysym, scancode)


_Parse: TypeAlias = Callable[[ClientParser], "tuple[int, ClientMessage | None] | None"]

_PARSERS: Final[dict[int, tuple[int, _Parse]]] = {
    # message type: (bytes needed to begin, parser)
    0: (20, ClientParser._parse_pixel_format),
    2: (4, ClientParser._parse_encodings),
    3: (10, ClientParser._parse_update_request),
    4: (8, ClientParser._parse_key),
    5: (6, ClientParser._parse_pointer),
    6: (8, ClientParser._parse_cut_text),
    150: (10, ClientParser._parse_continuous_updates),
    248: (9, ClientParser._parse_fence),
    251: (8, ClientParser._parse_desktop_size),
    255: (2, ClientParser._parse_qemu),
}
