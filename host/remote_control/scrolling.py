"""Scrolling by comparison: which parts of a picture are parts of the last one, moved up or down.

A viewer can move what it has (CopyRect, RFC 6143 §7.7.2), so that of a scrolling window only the new lines
need to be encoded. Both pictures are cut into strips one tile wide, and each row of a strip gets a hash. In
the strip that changed most, rows whose hash occurs once before and once after tell how far they have moved;
what most of them say is the distance. Rows that fit it are joined to runs, and runs widened, strip by strip
and then pixel by pixel, as far as they fit. Then the next strip that is not explained yet.

What is found is a proposal, and a wrong one would do no harm: `Picture` applies it to its copy of the
viewer's screen and sends whatever still differs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from host.remote_control.pixels import Pixels
from host.remote_control.tiles import TILE, TileMap

MIN_TILES: Final = 8
"""Fewer changed tiles are encoded in less time than it takes to find a movement in them."""
_MAX_STRIPS: Final = 4
"""Strips looked at one after the other: as many windows may scroll at once, or one that others overlap."""
_MIN_WITNESSES: Final = 8
"""Rows that must agree on a distance; fewer do so by chance."""
_MIN_RUN: Final = 24
"""Rows moved together; shorter runs are mostly chance, or cheaper to encode."""

_MIN_SHARE: Final = 0.9
"""Rows of a neighbouring strip that must fit for it to join a run; the others make the run shorter."""

_Hashes = NDArray[np.uint64]

_WEIGHTS: Final = np.random.default_rng(2).integers(0, 1 << 63, TILE, dtype=np.uint64) | np.uint64(1)


@dataclass(frozen=True)
class Move:
    """A rectangle of pixels that were `distance` rows further down (negative: up) before."""

    x: int
    y: int
    width: int
    height: int
    distance: int

    @property
    def source_y(self) -> int:
        """The first row it comes from."""
        return self.y + self.distance


def find_moves(before: Pixels, after: Pixels, changed: TileMap) -> list[Move]:
    """Moves that make much of `before` look like `after`, in the order in which they have to be done.

    Args:
        before, after: shape (height, width), both the same.
        changed: the tiles in which they differ.
    """
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    if np.count_nonzero(changed) < MIN_TILES:
        return []
    top, bottom = int(rows[0]) * TILE, min(int(rows[-1] + 1) * TILE, after.shape[0])
    left, right = int(columns[0]) * TILE, min(int(columns[-1] + 1) * TILE, after.shape[1] // TILE * TILE)
    if left >= right:
        return []
    hashes_before = _hash_strips(before[top:bottom, left:right])
    hashes_after = _hash_strips(after[top:bottom, left:right])
    found = [
        _widen(before[top:bottom], after[top:bottom], left, run)
        for run in _find_runs(hashes_before, hashes_after)
    ]
    moves = [Move(move.x, move.y + top, move.width, move.height, move.distance) for move in found]
    return _in_order(moves)


def apply_moves(pixels: Pixels, moves: Sequence[Move]) -> None:
    """Do with `pixels` what a viewer does with CopyRect."""
    for move in moves:
        columns = slice(move.x, move.x + move.width)
        source = pixels[move.source_y : move.source_y + move.height, columns]
        pixels[move.y : move.y + move.height, columns] = source.copy()


def _hash_strips(pixels: Pixels) -> _Hashes:
    """One hash for each row of each strip, shape (rows, strips)."""
    height, width = pixels.shape
    if pixels.strides[0] % 8 == 0:  # two pixels at a time
        pairs = pixels.view(np.uint64).reshape(height, width // TILE, TILE // 2)
        return pairs @ _WEIGHTS[: TILE // 2]
    return pixels.reshape(height, width // TILE, TILE).astype(np.uint64) @ _WEIGHTS


@dataclass(frozen=True)
class _Run:
    """Rows `top` to `bottom` of the strips `first` to `last` (both ends but the first excluded)."""

    top: int
    bottom: int
    first: int
    last: int
    distance: int


def _find_runs(before: _Hashes, after: _Hashes) -> Iterator[_Run]:
    unexplained = before != after
    for _ in range(_MAX_STRIPS):
        strip = int(unexplained.sum(axis=0).argmax())
        distance = _vote(before[:, strip], after[:, strip], unexplained[:, strip])
        if distance:
            fits = _fits(before, after, distance)
            for top, bottom in _runs(fits[:, strip]):
                first, last = _neighbours(fits[top:bottom].mean(axis=0) >= _MIN_SHARE, strip)
                for start, end in _runs(np.logical_and.reduce(fits[top:bottom, first:last], axis=1)):
                    explained = unexplained[top + start : top + end, first:last]
                    if np.count_nonzero(explained) >= _MIN_RUN:
                        explained[:] = False
                        yield _Run(top + start, top + end, first, last, distance)
        unexplained[:, strip] = False


def _neighbours(is_in: NDArray[np.bool_], place: int) -> tuple[int, int]:
    """First and last (excluded) of those around `place`, which is one of them."""
    first = place - int(np.argmin(np.append(is_in[:place][::-1], False)))
    return first, place + int(np.argmin(np.append(is_in[place:], False)))


def _vote(before: NDArray[np.uint64], after: NDArray[np.uint64], to_explain: NDArray[np.bool_]) -> int:
    """How far most rows of a strip have moved; 0 if they do not agree."""
    candidates = np.flatnonzero(to_explain)
    if len(candidates) < _MIN_RUN:
        return 0
    old, old_rows = _once(before)
    new, new_rows = _once(after[candidates])
    _, old_places, new_places = np.intersect1d(old, new, assume_unique=True, return_indices=True)
    distances = old_rows[old_places] - candidates[new_rows[new_places]]
    if len(distances) < _MIN_WITNESSES:
        return 0
    values, counts = np.unique(distances, return_counts=True)
    best = counts.argmax()
    return int(values[best]) if counts[best] >= _MIN_WITNESSES else 0


def _once(hashes: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.intp]]:
    """The hashes that occur once, and where."""
    values, places, counts = np.unique(hashes, return_index=True, return_counts=True)
    return values[counts == 1], places[counts == 1]


def _fits(before: _Hashes, after: _Hashes, distance: int) -> NDArray[np.bool_]:
    """Which rows of which strips are explained by this distance."""
    fits = np.zeros(after.shape, dtype=np.bool_)
    if distance > 0:
        fits[:-distance] = after[:-distance] == before[distance:]
    else:
        fits[-distance:] = after[-distance:] == before[:distance]
    return fits


def _runs(fits: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """First and last row (excluded) of each long enough run."""
    edges = np.flatnonzero(np.diff(fits, prepend=False, append=False))
    for top, bottom in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if bottom - top >= _MIN_RUN:
            yield top, bottom


def _widen(before: Pixels, after: Pixels, left: int, run: _Run) -> Move:
    """The run in pixels, with the columns beside its strips that have moved with it."""
    x, right = left + run.first * TILE, left + run.last * TILE
    new = after[run.top : run.bottom]
    old = before[run.top + run.distance : run.bottom + run.distance]
    margin = slice(max(0, x - TILE), x)
    beside = (new[:, margin] == old[:, margin]).all(axis=0)
    x -= int(np.argmin(np.append(beside[::-1], False)))
    margin = slice(right, right + TILE)
    beside = (new[:, margin] == old[:, margin]).all(axis=0)
    right += int(np.argmin(np.append(beside, False)))
    return Move(x, run.top, right - x, run.bottom - run.top, run.distance)


def _in_order(moves: list[Move]) -> list[Move]:
    """So that a move does not overwrite where another of the same distance comes from."""
    up = sorted((move for move in moves if move.distance > 0), key=lambda move: move.y)
    down = sorted((move for move in moves if move.distance < 0), key=lambda move: -move.y)
    return up + down
