"""Scrolling: what is found to have moved, and that a viewer that is told so ends up with the exact screen."""

import math

import numpy as np
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from host.remote_control import RfbSettings
from host.remote_control.encodings import ViewerEncodings, build_update_head
from host.remote_control.picture import Picture
from host.remote_control.pixels import CAPTURED_FORMAT
from host.remote_control.scrolling import Move, apply_moves, find_moves
from host.remote_control.tight import TightEncoder
from host.remote_control.tiles import changed_tiles, tiles_in_area
from tests.host.remote_control.fake_desktop import FakeDesktop
from tests.host.remote_control.rfb_client import COPY_RECT, JPEG_QUALITY_6, LAST_RECT, TIGHT, RfbClient
from tests.host.remote_control.test_encoding import Replay
from tests.host.remote_control.test_server import open_viewer, see_all

Picture32 = NDArray[np.uint32]

SETTINGS = RfbSettings(refine_after=0.0)


def text(width: int, height: int, seed: int = 0) -> Picture32:
    """Something like lines of text: 13 rows each, the last three empty, in 6 colours."""
    generator = np.random.default_rng(seed)
    palette = generator.integers(0, 1 << 24, 6, dtype=np.uint32)
    pixels = palette[generator.integers(0, 6, (height, width))]
    pixels[np.arange(height) % 13 >= 10] = 0xFFFFFF
    return pixels


def scroll(pixels: Picture32, area: tuple[int, int, int, int], distance: int, seed: int) -> Picture32:
    """A picture in which an area has moved up (negative: down), with new text where it came from."""
    x, y, width, height = area
    scrolled = pixels.copy()
    fresh = text(width, height + abs(distance), seed)
    old = pixels[y : y + height, x : x + width]
    if distance >= 0:
        fresh[:height] = old
        scrolled[y : y + height, x : x + width] = fresh[distance : distance + height]
    else:
        fresh[-height:] = old
        scrolled[y : y + height, x : x + width] = fresh[:height]
    return scrolled


def moves_between(before: Picture32, after: Picture32) -> list[Move]:
    return find_moves(before, after, changed_tiles(before, after))


@pytest.mark.parametrize("distance", [1, 13, 91, -1, -26])
@pytest.mark.parametrize("width", [1000, 1001])
def test_scrolled_window_is_found_to_the_pixel(distance: int, width: int) -> None:
    before = text(width, 700)
    after = scroll(before, (150, 60, 611, 500), distance, seed=1)
    (move,) = moves_between(before, after)
    assert (move.x, move.width, move.distance) == (150, 611, distance)
    assert move.height >= 500 - abs(distance) - 13


def test_two_windows_may_scroll_by_different_distances() -> None:
    before = text(1280, 600)
    after = scroll(before, (0, 0, 512, 600), 26, seed=1)
    after = scroll(after, (640, 0, 640, 600), -39, seed=2)
    assert {move.distance for move in moves_between(before, after)} == {26, -39}


def test_strip_that_another_window_covers_is_left_out() -> None:
    before = text(1280, 600)
    before[200:300, 500:700] = 0xABCDEF
    after = scroll(before, (0, 0, 1280, 600), 26, seed=1)
    after[200:300, 500:700] = 0xABCDEF
    moved = before.copy()
    apply_moves(moved, moves_between(before, after))
    assert np.count_nonzero(changed_tiles(moved, after)) <= 60  # of 200, which all have changed


@pytest.mark.parametrize(
    "after",
    [
        text(1280, 600, seed=9),
        np.zeros((600, 1280), np.uint32),
        np.roll(text(1280, 600), 5, axis=1),  # to the side: not looked for
    ],
)
def test_what_has_not_scrolled_moves_nothing(after: Picture32) -> None:
    assert moves_between(text(1280, 600), after) == []


def test_small_changes_are_not_worth_a_search() -> None:
    before = text(1280, 600)
    assert moves_between(before, scroll(before, (0, 0, 192, 128), 13, seed=1)) == []


def test_picture_narrower_than_a_strip_moves_nothing() -> None:
    before = text(40, 1000)
    assert moves_between(before, scroll(before, (0, 0, 40, 1000), 13, seed=1)) == []


class Mirror:
    """A picture, and a client that is given its updates."""

    def __init__(self, width: int, height: int, *encodings: int) -> None:
        self.picture = Picture(width, height, SETTINGS)
        self.encoder = TightEncoder()
        self.chosen = ViewerEncodings.choose((COPY_RECT, TIGHT, *encodings))
        self.client = RfbClient(Replay(b""))
        self.client.screen = np.zeros((height, width, 3), np.uint8)
        self.copies = 0

    async def update(self, area: tuple[int, int, int, int] | None = None, now: float = 0.0) -> bool:
        """Give the client one update of an area, everything by default; False if it lacks nothing."""
        wanted = tiles_in_area(self.picture.shape, *(area or (0, 0, 9999, 9999)))
        plan = self.picture.plan(wanted, now)
        if plan is None:
            return False
        quality = None if plan.must_be_exact else self.chosen.quality
        moves = self.picture.encode_moves(plan.moves)
        blocks = self.picture.encode(plan.blocks, self.encoder, CAPTURED_FORMAT, self.chosen, quality)
        head = build_update_head(len(plan.moves) + len(plan.blocks))
        self.client.replace_stream(Replay(head + moves + blocks))
        self.copies += (await self.client.receive_update()).encodings.count(COPY_RECT)
        return True

    def shows(self, pixels: Picture32) -> bool:
        return np.array_equal(
            self.client.screen, np.dstack([pixels >> 16 & 255, pixels >> 8 & 255, pixels & 255])
        )


AREAS = st.tuples(st.integers(0, 200), st.integers(0, 150), st.integers(130, 380), st.integers(130, 330))
STEPS = st.lists(st.tuples(AREAS, st.integers(-120, 120), st.booleans(), AREAS), min_size=1, max_size=6)


@settings(max_examples=40)
@given(steps=STEPS)
def test_any_scrolling_leaves_the_viewer_with_the_exact_screen(
    steps: list[tuple[tuple[int, int, int, int], int, bool, tuple[int, int, int, int]]],
) -> None:
    """Updates may be left out, or cover only a part of the screen, between one capture and the next."""

    async def check() -> None:
        mirror = Mirror(580, 480)
        pixels = text(580, 480)
        mirror.picture.look(pixels, 0.0)
        await mirror.update()
        for seed, (area, distance, is_whole, wanted) in enumerate(steps, 1):
            pixels = scroll(pixels, area, distance, seed)
            mirror.picture.look(pixels, 0.0, may_move=True)
            await mirror.update(None if is_whole else wanted)
            if is_whole:
                assert mirror.shows(pixels)
        await mirror.update()
        assert mirror.shows(pixels)

    trio.run(check)


async def test_scrolling_costs_a_fraction_of_the_bytes_and_is_exact() -> None:
    mirror = Mirror(1280, 720)
    pixels = text(1280, 720)
    mirror.picture.look(pixels, 0.0)
    await mirror.update()
    for seed in range(1, 6):
        pixels = scroll(pixels, (100, 50, 900, 600), 26, seed)
        mirror.picture.look(pixels, 0.0, may_move=True)
        await mirror.update()
        assert mirror.shows(pixels)
    assert mirror.copies >= 5


async def test_moved_losses_of_jpeg_are_refined_where_they_have_gone() -> None:
    mirror = Mirror(640, 512, JPEG_QUALITY_6)
    photograph = np.random.default_rng(1).integers(0, 1 << 24, (1024, 640), dtype=np.uint32)
    mirror.picture.look(photograph[:512], 0.0)
    await mirror.update()
    for top in (40, 90, 200):
        pixels = photograph[top : top + 512].copy()
        mirror.picture.look(pixels, 0.0, may_move=True)
        await mirror.update()
        assert not mirror.shows(pixels)
    assert mirror.copies == 3
    while await mirror.update(now=1.0):
        pass
    assert mirror.shows(pixels)


async def test_nothing_is_moved_from_what_the_viewer_has_asked_for_again() -> None:
    mirror = Mirror(640, 512)
    pixels = text(640, 512)
    mirror.picture.look(pixels, 0.0)
    await mirror.update()
    pixels = scroll(pixels, (0, 0, 640, 512), 26, seed=1)
    mirror.picture.look(pixels, 0.0, may_move=True)
    mirror.client.screen[:] = 0  # it has lost everything, and asks for the upper half
    mirror.picture.mark_dirty(tiles_in_area(mirror.picture.shape, 0, 0, 640, 256))
    await mirror.update()
    assert mirror.copies == 0
    assert mirror.shows(pixels)


@pytest.mark.parametrize("encodings", [(COPY_RECT, TIGHT, LAST_RECT), (TIGHT, LAST_RECT), (COPY_RECT,)])
async def test_server_moves_only_for_viewers_that_can(encodings: tuple[int, ...]) -> None:
    desktop = FakeDesktop(800, 600)
    desktop.paint(0, 0, text(800, 600))
    unhurried = RfbSettings(look_interval_with_damage=math.inf)
    async with open_viewer(desktop, *encodings, settings=unhurried) as client:
        await see_all(client)
        desktop.paint(0, 0, scroll(desktop.pixels, (0, 0, 800, 600), 26, seed=1))
        await client.request()
        update = await client.receive_update()
        assert (COPY_RECT in update.encodings) == (COPY_RECT in encodings)
        assert np.array_equal(client.screen, desktop.rgb)
