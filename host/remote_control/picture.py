"""What one viewer has on its screen, tile by tile, and what it should be sent next.

The rule: a tile is *dirty* while the viewer's picture of it may be old, *lossy* after it went out as JPEG. An
update sends the newest pixels of dirty tiles; with nothing dirty, lossy tiles that have been quiet for a
while are sent once more, exactly. Old pictures are never kept for sending, so nothing stale is ever sent.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from host.remote_control.encodings import RAW, TIGHT, ViewerEncodings, build_rectangle_head
from host.remote_control.pixels import PixelFormat, Pixels
from host.remote_control.settings import RfbSettings
from host.remote_control.tight import TightEncoder
from host.remote_control.tiles import Block, TileMap, changed_tiles, cover, map_shape


@dataclass(frozen=True)
class Plan:
    """The blocks of one update, and whether they may lose quality."""

    blocks: list[Block]
    must_be_exact: bool


class Picture:
    """One viewer's copy of a screen of one size; blocking code, no clock, one call at a time."""

    def __init__(self, width: int, height: int, settings: RfbSettings) -> None:
        self.width = width
        self.height = height
        self._settings = settings
        self._shape = map_shape(height, width)
        self._pixels: Pixels | None = None
        self._dirty = np.ones(self._shape, dtype=np.bool_)
        self._lossy = np.zeros(self._shape, dtype=np.bool_)
        self._changed_at = np.full(self._shape, -math.inf)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the tile maps."""
        return self._shape

    def look(self, pixels: Pixels, now: float) -> bool:
        """Take over a new capture; True if anything changed since the last one.

        Args:
            pixels: shape (height, width) of any size: what is missing is black, what is too much is cut
                off (a viewer that cannot follow a new screen size keeps the old one). Not changed by
                anyone afterwards.
            now: seconds on any steady clock.
        """
        if pixels.shape != (self.height, self.width):
            pixels = self._fit(pixels)
        if self._pixels is None:
            changed = np.ones(self._shape, dtype=np.bool_)
        else:
            changed = changed_tiles(self._pixels, pixels)
        self._pixels = pixels
        self._dirty |= changed
        self._changed_at[changed] = now
        return bool(changed.any())

    def _fit(self, pixels: Pixels) -> Pixels:
        fitted = np.zeros((self.height, self.width), dtype=np.uint32)
        seen = pixels[: self.height, : self.width]
        fitted[: seen.shape[0], : seen.shape[1]] = seen
        return fitted

    def mark_dirty(self, tiles: TileMap) -> None:
        """The viewer wants these tiles again, whatever it was sent."""
        self._dirty |= tiles

    def plan(self, wanted: TileMap, now: float) -> Plan | None:
        """What to send of the `wanted` tiles, or None if the viewer has it all (or nothing was captured)."""
        if self._pixels is None:
            return None
        dirty = self._dirty & wanted
        if dirty.any():
            return Plan(cover(dirty, self.height, self.width), must_be_exact=False)
        due = self._lossy & wanted & (self._changed_at <= now - self._settings.refine_after)
        if not due.any():
            return None
        due.flat[np.flatnonzero(due)[self._settings.max_refined_tiles :]] = False
        return Plan(cover(due, self.height, self.width), must_be_exact=True)

    def next_refinement(self, wanted: TileMap) -> float:
        """When the first lossy `wanted` tile is due, on the clock of `look`; inf: none is lossy."""
        waiting = self._lossy & wanted
        return float(self._changed_at[waiting].min(initial=math.inf)) + self._settings.refine_after

    def encode(
        self,
        blocks: Sequence[Block],
        encoder: TightEncoder,
        pixel_format: PixelFormat,
        encodings: ViewerEncodings,
        quality: int | None,
    ) -> bytes:
        """Complete rectangles for `blocks`, which count as sent from here on.

        Args:
            quality: the JPEG level 0 to 9, or None to send exact pixels.
        """
        if self._pixels is None:
            raise AssertionError("plan() gives no blocks before the first look()")
        parts: list[bytes] = []
        for block in blocks:
            pixels = self._pixels[block.y : block.y + block.height, block.x : block.x + block.width]
            encoding = TIGHT if TIGHT in encodings else RAW
            if encoding == TIGHT:
                data, is_exact = encoder.encode(
                    pixels, pixel_format, quality=quality, compression=encodings.compression
                )
            else:
                data, is_exact = pixel_format.encode(pixels), True
            parts += (build_rectangle_head(block.x, block.y, block.width, block.height, encoding), data)
            self._dirty[block.tiles] = False
            self._lossy[block.tiles] = not is_exact
        return b"".join(parts)
