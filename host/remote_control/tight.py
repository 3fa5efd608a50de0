"""The Tight encoding (rfbproto, Tight Encoding): each block of the screen in the cheapest fitting way.

    one colour          fill             1 + TPIXEL
    two colours         palette, 1 bit   zlib stream 1
    up to 256 colours   palette, 8 bits  zlib stream 2
    more                JPEG, or without loss as TPIXELs in zlib stream 0

Text and drawn surfaces nearly always fall into the first three, and so arrive exactly; JPEG is left for
photographs and video. Finding a palette is made cheap by looking at a sample of the pixels first.
"""

import struct
import zlib
from typing import Final

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from host.remote_control.pixels import PixelFormat, Pixels

_FILL: Final = 0x80
_JPEG: Final = 0x90
_WITH_FILTER: Final = 0x40
_PALETTE_FILTER: Final = 1
_FULL_STREAM, _MONO_STREAM, _PALETTE_STREAM = range(3)

_MIN_COMPRESSED_BYTES: Final = 12
"""Shorter data is sent as it is, without a length (rfbproto)."""
_MAX_SAMPLED_COLOURS: Final = 96
"""More colours than this in the sample: certainly a photograph, hardly ever anti-aliased text."""
_SAMPLE_STEP: Final = 5
"""Every fifth pixel each way; odd, so that it does not fall in step with what is drawn."""
_JPEG_QUALITY: Final = (20, 30, 40, 50, 60, 70, 78, 85, 91, 96)
"""libjpeg's quality for the protocol's levels 0 to 9."""
_FIRST_SHARP_LEVEL: Final = 7
"""From this level on colours keep their full resolution."""


def encode_length(length: int) -> bytes:
    """Tight's compact form of a length from 0 to 4194303: one to three bytes, low bits first."""
    if length < 0x80:
        return bytes((length,))
    if length < 0x4000:
        return bytes((length & 0x7F | 0x80, length >> 7))
    if length < 0x400000:
        return bytes((length & 0x7F | 0x80, length >> 7 & 0x7F | 0x80, length >> 14))
    raise ValueError(f"Tight cannot carry {length} bytes at once.")


class TightEncoder:
    """Tight for one viewer. Its zlib streams live as long as the connection.

    Concurrency: one call at a time, from any thread; what it returns must reach the viewer in order.
    """

    def __init__(self) -> None:
        self._level = 1
        self._streams = [zlib.compressobj(self._level) for _ in range(3)]
        self._to_reset = 0
        # Colour -> place in the palette of the block at hand, zero between blocks. Its 16 MB are never
        # touched but where colours are used, and so cost little real memory.
        self._places = np.zeros(1 << 24, dtype=np.uint8)

    def encode(
        self, block: Pixels, pixel_format: PixelFormat, *, quality: int | None, compression: int = 1
    ) -> tuple[bytes, bool]:
        """The data of one rectangle, at most 2048 pixels wide, and whether it is exact.

        Args:
            block: the pixels.
            pixel_format: the viewer's; JPEG is not used with 8 bits a pixel.
            quality: JPEG level 0 to 9, or None to keep every pixel.
            compression: zlib level 1 to 9.
        """
        self._set_level(compression)
        colours = block & np.uint32(0xFFFFFF)
        sample = np.unique(colours[::_SAMPLE_STEP, ::_SAMPLE_STEP])
        if len(sample) <= 2:
            data = self._encode_mono(colours, pixel_format)
            if data is not None:
                return data, True
        if len(sample) <= _MAX_SAMPLED_COLOURS:
            found = self._find_palette(colours, sample)
            if found is not None:
                palette, places = found
                return self._palette_block(_PALETTE_STREAM, pixel_format, palette, places.tobytes()), True
        if quality is not None and pixel_format.bits_per_pixel != 8:
            return self._jpeg_block(block, quality), False
        data = self._compress(_FULL_STREAM, pixel_format.encode_tight(colours))
        return self._control(_FULL_STREAM << 4) + data, True

    def _encode_mono(self, colours: Pixels, pixel_format: PixelFormat) -> bytes | None:
        """A block of one or two colours; None if it has more."""
        first = colours[0, 0]
        others = colours != first
        if not others.any():
            return self._control(_FILL) + pixel_format.encode_tight(colours[:1, :1])
        second = colours.flat[others.argmax()]
        if np.count_nonzero(colours == second) != np.count_nonzero(others):
            return None
        palette = np.array([[first, second]], dtype=np.uint32)
        return self._palette_block(_MONO_STREAM, pixel_format, palette, np.packbits(others, axis=1).tobytes())

    def _find_palette(self, colours: Pixels, palette: Pixels) -> tuple[Pixels, NDArray[np.uint8]] | None:
        """At most 256 colours, shape (1, n), and each pixel's place among them; None if there are more.

        Args:
            colours: the block, its unused bytes zero.
            palette: some of its colours, ascending, at most 255.
        """
        self._places[palette] = np.arange(1, len(palette) + 1, dtype=np.uint8)
        places = self._places[colours]
        self._places[palette] = 0
        missing = places == 0
        if missing.any():
            # The sample missed some. Keep places from 0, so that 256 of them fit into a byte.
            rest = np.unique(colours[missing])
            palette = np.concatenate((palette, rest))
            if len(palette) > 256:
                return None
            self._places[palette] = np.arange(len(palette), dtype=np.uint8)
            places = self._places[colours]
            self._places[palette] = 0
            return palette[np.newaxis], places
        return palette[np.newaxis], places - np.uint8(1)

    def _palette_block(self, stream: int, pixel_format: PixelFormat, palette: Pixels, data: bytes) -> bytes:
        return (
            self._control(stream << 4 | _WITH_FILTER)
            + bytes((_PALETTE_FILTER, palette.size - 1))
            + pixel_format.encode_tight(palette)
            + self._compress(stream, data)
        )

    def _jpeg_block(self, block: Pixels, quality: int) -> bytes:
        height, width = block.shape
        channels = block.view(np.uint8).reshape(height, width, 4)
        subsampling = "444" if quality >= _FIRST_SHARP_LEVEL else "420"
        jpeg: bytes = simplejpeg.encode_jpeg(channels, _JPEG_QUALITY[quality], "BGRX", subsampling, True)
        return self._control(_JPEG) + encode_length(len(jpeg)) + jpeg

    def _control(self, method: int) -> bytes:
        """The compression-control byte, with the streams to reset (any method may carry them)."""
        control, self._to_reset = method | self._to_reset, 0
        return struct.pack("B", control)

    def _compress(self, stream: int, data: bytes) -> bytes:
        if len(data) < _MIN_COMPRESSED_BYTES:
            return data
        compressor = self._streams[stream]
        packed = compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH)
        return encode_length(len(packed)) + packed

    def _set_level(self, level: int) -> None:
        if level != self._level:
            self._level = level
            self._streams = [zlib.compressobj(level) for _ in range(3)]
            self._to_reset = 0b111
