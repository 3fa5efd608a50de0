"""Encoding numbers, and what the server writes around the pixels (RFC 6143 §7.6-7.8; rfbproto)."""

import struct
from dataclasses import dataclass
from typing import Final

import numpy as np

from host.remote_control.desktop import Cursor
from host.remote_control.pixels import PixelFormat

RAW: Final = 0
COPY_RECT: Final = 1
TIGHT: Final = 7
DESKTOP_SIZE: Final = -223
LAST_RECT: Final = -224
CURSOR: Final = -239
QEMU_EXTENDED_KEY: Final = -258
DESKTOP_NAME: Final = -307
EXTENDED_DESKTOP_SIZE: Final = -308
FENCE: Final = -312
CONTINUOUS_UPDATES: Final = -313
CURSOR_WITH_ALPHA: Final = -314
EXTENDED_CLIPBOARD: Final = 0xC0A1E5CE - (1 << 32)

_QUALITY: Final = range(-32, -22)
_COMPRESSION: Final = range(-256, -246)

FENCE_BLOCK_BEFORE: Final = 1
FENCE_BLOCK_AFTER: Final = 2
FENCE_SYNC_NEXT: Final = 4
FENCE_REQUEST: Final = 1 << 31
FENCE_KNOWN: Final = FENCE_BLOCK_BEFORE | FENCE_BLOCK_AFTER | FENCE_SYNC_NEXT

UNKNOWN_COUNT: Final = 0xFFFF
"""The number of rectangles of an update that LastRect ends."""

RESIZE_PROHIBITED: Final = 1
"""ExtendedDesktopSize status: the customer's screen is not resized from afar."""


@dataclass(frozen=True)
class ViewerEncodings:
    """What a viewer's SetEncodings comes to."""

    known: frozenset[int] = frozenset()
    quality: int | None = None
    """JPEG quality level 0 (smallest) to 9 (best); None: the viewer takes no JPEG."""
    compression: int = 1
    """zlib level 1 to 9 asked for."""

    @classmethod
    def choose(cls, encodings: tuple[int, ...]) -> "ViewerEncodings":
        """The meaning of a list, best first: of contradicting levels the first counts."""
        quality = next((number - _QUALITY.start for number in encodings if number in _QUALITY), None)
        levels = (number - _COMPRESSION.start for number in encodings if number in _COMPRESSION)
        return cls(frozenset(encodings), quality, max(1, next(levels, 1)))

    def __contains__(self, encoding: int) -> bool:
        return encoding in self.known

    @property
    def has_continuous_updates(self) -> bool:
        """Updates may come unasked; only with fences, which are what paces them."""
        return CONTINUOUS_UPDATES in self.known and FENCE in self.known

    @property
    def can_resize(self) -> bool:
        """The viewer can follow a change of the screen's size."""
        return DESKTOP_SIZE in self.known or EXTENDED_DESKTOP_SIZE in self.known


def build_update_head(count: int) -> bytes:
    """Start of a FramebufferUpdate with `count` rectangles."""
    return struct.pack(">BxH", 0, count)


def build_rectangle_head(x: int, y: int, width: int, height: int, encoding: int) -> bytes:
    """What precedes the data of one rectangle."""
    return struct.pack(">HHHHi", x, y, width, height, encoding)


def build_copy_rectangle(x: int, y: int, width: int, height: int, source_x: int, source_y: int) -> bytes:
    """A rectangle filled from elsewhere on the viewer's screen (RFC 6143 §7.7.2)."""
    return build_rectangle_head(x, y, width, height, COPY_RECT) + struct.pack(">HH", source_x, source_y)


def build_server_init(width: int, height: int, pixel_format: PixelFormat, name: str) -> bytes:
    """ServerInit (RFC 6143 §7.3.2)."""
    return struct.pack(">HH", width, height) + pixel_format.to_bytes() + _build_name(name)


def build_desktop_name(name: str) -> bytes:
    """The rectangle of DesktopName: the desktop has another name from now on."""
    return build_rectangle_head(0, 0, 0, 0, DESKTOP_NAME) + _build_name(name)


def _build_name(name: str) -> bytes:
    encoded = name.encode()[:255].decode("utf-8", "ignore").encode()  # no half character at the end
    return struct.pack(">I", len(encoded)) + encoded


def build_fence(flags: int, payload: bytes) -> bytes:
    """ServerFence."""
    return struct.pack(">B3xIB", 248, flags, len(payload)) + payload


def build_end_of_continuous_updates() -> bytes:
    """EndOfContinuousUpdates; also what announces the extension."""
    return b"\x96"


def build_cut_text(text: str) -> bytes:
    """ServerCutText in Latin-1; what it cannot say becomes a question mark."""
    data = text.encode("latin-1", "replace")
    return struct.pack(">B3xI", 3, len(data)) + data


def build_extended_cut_text(data: bytes) -> bytes:
    """ServerCutText carrying a message of the extended clipboard."""
    return struct.pack(">B3xi", 3, -len(data)) + data


def build_extended_desktop_size(width: int, height: int, *, reason: int = 0, status: int = 0) -> bytes:
    """The rectangle of ExtendedDesktopSize: one screen that fills the framebuffer."""
    screen = struct.pack(">IHHHHI", 0, 0, 0, width, height, 0)
    head = build_rectangle_head(reason, status, width, height, EXTENDED_DESKTOP_SIZE)
    return head + struct.pack(">B3x", 1) + screen


def build_cursor(cursor: Cursor, pixel_format: PixelFormat) -> bytes:
    """The rectangle of the Cursor pseudo-encoding: colours, then one bit a pixel for "opaque".

    Without half-transparency a pixel is shown if it is at least half opaque, in its own colour (the
    captured one is multiplied by alpha).
    """
    height, width = cursor.pixels.shape
    alpha = cursor.pixels >> np.uint32(24)
    divisor = np.maximum(alpha, 1)
    colours = np.zeros_like(cursor.pixels)
    for shift in (np.uint32(16), np.uint32(8), np.uint32(0)):
        channel = (cursor.pixels >> shift) & np.uint32(255)
        colours |= np.minimum(channel * np.uint32(255) // divisor, 255).astype(np.uint32) << shift
    mask = np.packbits(alpha >= 128, axis=1).tobytes()
    head = build_rectangle_head(cursor.hot_x, cursor.hot_y, width, height, CURSOR)
    return head + pixel_format.encode(colours) + mask


def build_cursor_with_alpha(cursor: Cursor) -> bytes:
    """The rectangle of Cursor With Alpha: Raw R, G, B, A bytes, multiplied by alpha."""
    height, width = cursor.pixels.shape
    head = build_rectangle_head(cursor.hot_x, cursor.hot_y, width, height, CURSOR_WITH_ALPHA)
    channels = np.ascontiguousarray(cursor.pixels).view(np.uint8).reshape(height, width, 4)
    return head + struct.pack(">i", RAW) + channels[..., [2, 1, 0, 3]].tobytes()
