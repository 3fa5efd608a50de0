"""What one viewer has on its screen, tile by tile, and what it should be sent next.

The rule: a tile is *dirty* while the viewer's picture of it may be old, *lossy* after it went out as JPEG. An
update sends the newest pixels of dirty tiles; with nothing dirty, lossy tiles that have been quiet for a
while are sent once more, exactly. Old pictures are never kept for sending, so nothing stale is ever sent.

Scrolling: while no tile is dirty, the viewer's screen is known to be the last capture (but for JPEG's
losses), so that parts of it can be moved by the viewer itself. The moves are done here too, on a copy, and
only tiles in which the result differs from the new capture are dirty. Moves are good for the very next
update only; if anything comes between, what they would have painted is dirty instead.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from host.remote_control.encodings import (
    RAW,
    TIGHT,
    ViewerEncodings,
    build_copy_rectangle,
    build_rectangle_head,
)
from host.remote_control.pixels import PixelFormat, Pixels
from host.remote_control.scrolling import Move, apply_moves, find_moves
from host.remote_control.settings import RfbSettings
from host.remote_control.tight import TightEncoder
from host.remote_control.tiles import Block, TileMap, changed_tiles, cover, map_shape, tiles_in_area


@dataclass(frozen=True)
class Plan:
    """One update: first the moves, then the blocks, and whether these may lose quality."""

    blocks: list[Block]
    must_be_exact: bool
    moves: list[Move] = field(default_factory=list)


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
        self._moves: list[Move] = []

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the tile maps."""
        return self._shape

    def look(self, pixels: Pixels, now: float, *, may_move: bool = False) -> bool:
        """Take over a new capture; True if anything changed since the last one.

        Args:
            pixels: shape (height, width) of any size: what is missing is black, what is too much is cut
                off (a viewer that cannot follow a new screen size keeps the old one). Not changed by
                anyone afterwards.
            now: seconds on any steady clock.
            may_move: the viewer can move parts of its screen.
        """
        self._give_up_moves()
        if pixels.shape != (self.height, self.width):
            pixels = self._fit(pixels)
        before, self._pixels = self._pixels, pixels
        changed = np.ones(self._shape, dtype=np.bool_) if before is None else changed_tiles(before, pixels)
        self._changed_at[changed] = now
        if may_move and before is not None and not self._dirty.any():
            self._moves = find_moves(before, pixels, changed)
        if before is not None and self._moves:
            moved = before.copy()
            apply_moves(moved, self._moves)
            self._dirty = changed_tiles(moved, pixels)
        else:
            self._dirty |= changed
        return bool(changed.any())

    def _give_up_moves(self) -> None:
        for move in self._moves:
            self._dirty |= self._tiles_of(move)
        self._moves = []

    def _tiles_of(self, move: Move) -> TileMap:
        """The tiles that a move paints."""
        return tiles_in_area(self._shape, move.x, move.y, move.width, move.height)

    def _fit(self, pixels: Pixels) -> Pixels:
        fitted = np.zeros((self.height, self.width), dtype=np.uint32)
        seen = pixels[: self.height, : self.width]
        fitted[: seen.shape[0], : seen.shape[1]] = seen
        return fitted

    def mark_dirty(self, tiles: TileMap) -> None:
        """The viewer wants these tiles again, whatever it was sent."""
        self._give_up_moves()  # what they would move may be what it has lost
        self._dirty |= tiles

    def plan(self, wanted: TileMap, now: float) -> Plan | None:
        """What to send of the `wanted` tiles, or None if the viewer has it all (or nothing was captured)."""
        if self._pixels is None:
            return None
        if any((self._tiles_of(move) & ~wanted).any() for move in self._moves):
            self._give_up_moves()
        dirty = self._dirty & wanted
        if self._moves or dirty.any():
            return Plan(cover(dirty, self.height, self.width), must_be_exact=False, moves=self._moves)
        due = self._lossy & wanted & (self._changed_at <= now - self._settings.refine_after)
        if not due.any():
            return None
        due.flat[np.flatnonzero(due)[self._settings.max_refined_tiles :]] = False
        return Plan(cover(due, self.height, self.width), must_be_exact=True)

    def next_refinement(self, wanted: TileMap) -> float:
        """When the first lossy `wanted` tile is due, on the clock of `look`; inf: none is lossy."""
        waiting = self._lossy & wanted
        return float(self._changed_at[waiting].min(initial=math.inf)) + self._settings.refine_after

    def encode_moves(self, moves: Sequence[Move]) -> bytes:
        """Complete rectangles for the moves of a plan, which count as done from here on."""
        parts: list[bytes] = []
        for move in moves:
            parts.append(build_copy_rectangle(move.x, move.y, move.width, move.height, move.x, move.source_y))
            source = tiles_in_area(self._shape, move.x, move.source_y, move.width, move.height)
            if (self._lossy & source).any():
                self._lossy |= self._tiles_of(move)
        self._moves = []
        return b"".join(parts)

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
