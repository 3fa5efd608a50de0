"""Pixel formats: from the captured screen to what the viewer asked for (RFC 6143 §7.4).

Everywhere in this package a picture is a numpy array of shape (height, width), dtype uint32, one
0xXXRRGGBB value a pixel (bytes B, G, R, X in memory); the top byte means nothing.
"""

import struct
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from host.remote_control.errors import RfbProtocolError

Pixels: TypeAlias = NDArray[np.uint32]

_WIRE = struct.Struct(">BBBBHHHBBB3x")


@dataclass(frozen=True)
class PixelFormat:
    """A true-colour PIXEL_FORMAT.

    Maxima are 2ⁿ-1; each channel fits into `bits_per_pixel` (8, 16 or 32) after its shift.
    """

    bits_per_pixel: int = 32
    depth: int = 24
    is_big_endian: bool = False
    red_max: int = 255
    green_max: int = 255
    blue_max: int = 255
    red_shift: int = 16
    green_shift: int = 8
    blue_shift: int = 0

    def to_bytes(self) -> bytes:
        """The 16 bytes of PIXEL_FORMAT."""
        return _WIRE.pack(
            self.bits_per_pixel,
            self.depth,
            self.is_big_endian,
            1,
            self.red_max,
            self.green_max,
            self.blue_max,
            self.red_shift,
            self.green_shift,
            self.blue_shift,
        )

    @cached_property
    def is_captured_format(self) -> bool:
        """True if a captured pixel is already a pixel of this format."""
        return (
            self.bits_per_pixel == 32
            and not self.is_big_endian
            and self._has_8_bit_channels
            and (self.red_shift, self.green_shift, self.blue_shift) == (16, 8, 0)
        )

    @cached_property
    def has_short_tight_pixels(self) -> bool:
        """True if Tight's TPIXEL is three bytes R, G, B instead of a whole pixel (rfbproto, Tight)."""
        return self.bits_per_pixel == 32 and self.depth == 24 and self._has_8_bit_channels

    @property
    def _has_8_bit_channels(self) -> bool:
        return self.red_max == self.green_max == self.blue_max == 255

    @cached_property
    def _tables(self) -> tuple[Pixels, Pixels, Pixels]:
        """For red, green and blue: the scaled and shifted value of each of the 256 intensities."""
        channels = (
            (self.red_max, self.red_shift),
            (self.green_max, self.green_shift),
            (self.blue_max, self.blue_shift),
        )
        levels = np.arange(256, dtype=np.uint32)
        red, green, blue = (
            ((levels * np.uint32(maximum) + np.uint32(127)) // np.uint32(255)) << np.uint32(shift)
            for maximum, shift in channels
        )
        return red, green, blue

    @property
    def _dtype(self) -> np.dtype[np.generic]:
        return np.dtype(f"{'>' if self.is_big_endian else '<'}u{self.bits_per_pixel // 8}")

    def encode(self, pixels: Pixels) -> bytes:
        """PIXELs of `pixels` in this format, row by row, as in the Raw encoding."""
        if self.is_captured_format:
            return pixels.tobytes()
        red, green, blue = self._tables
        byte = np.uint32(255)
        values = (
            red[(pixels >> np.uint32(16)) & byte]
            | green[(pixels >> np.uint32(8)) & byte]
            | blue[pixels & byte]
        )
        data: bytes = values.astype(self._dtype).tobytes()
        return data

    def encode_tight(self, pixels: Pixels) -> bytes:
        """TPIXELs of `pixels`: the same, but R, G, B bytes where `has_short_tight_pixels`."""
        if not self.has_short_tight_pixels:
            return self.encode(pixels)
        channels = np.ascontiguousarray(pixels).view(np.uint8).reshape(*pixels.shape, 4)
        return channels[..., 2::-1].tobytes()


CAPTURED_FORMAT = PixelFormat()
"""What the server announces: no conversion needed."""


def parse_pixel_format(data: bytes) -> PixelFormat:
    """The format in the 16 bytes `data`.

    Raises:
        RfbProtocolError: not true colour, or fields that contradict each other.
    """
    bits, depth, big_endian, true_colour, *rest = _WIRE.unpack(data)
    maxima, shifts = rest[:3], rest[3:]
    if bits not in (8, 16, 32):
        raise RfbProtocolError(f"A pixel cannot have {bits} bits.")
    if not true_colour:
        raise RfbProtocolError("Colour maps are not offered, only true colour.")
    for maximum, shift in zip(maxima, shifts, strict=True):
        if not maximum or maximum & (maximum + 1) or maximum.bit_length() + shift > bits:
            raise RfbProtocolError(f"A channel up to {maximum} at bit {shift} does not fit {bits} bits.")
    return PixelFormat(bits, depth, bool(big_endian), *maxima, *shifts)
