"""Pacing and refinement: pure books, the time an argument."""

import math
from collections import deque

import numpy as np
import pytest

from host.remote_control.encodings import ViewerEncodings
from host.remote_control.pacing import MAX_QUALITY_LOSS, Pacer
from host.remote_control.picture import Picture, Plan
from host.remote_control.pixels import CAPTURED_FORMAT
from host.remote_control.settings import RfbSettings
from host.remote_control.tight import TightEncoder

SETTINGS = RfbSettings(max_updates_in_flight=3, max_bytes_in_flight=100_000, max_refined_tiles=2)
TIGHT_JPEG = ViewerEncodings.choose((7, -26))


def test_window_is_full_after_so_many_updates_and_opens_with_a_confirmation() -> None:
    pacer = Pacer(SETTINGS)
    numbers = [pacer.sent(10, 0.0) for _ in range(3)]
    assert not pacer.has_room
    pacer.confirmed(numbers[0], 0.01)
    assert pacer.has_room


def test_window_is_full_after_so_many_bytes_but_never_without_anything_in_flight() -> None:
    pacer = Pacer(SETTINGS)
    assert pacer.has_room
    number = pacer.sent(200_000, 0.0)
    assert not pacer.has_room
    pacer.confirmed(number, 0.1)
    assert pacer.has_room


def test_numbers_never_sent_confirm_nothing() -> None:
    pacer = Pacer(SETTINGS)
    for _ in range(3):
        pacer.sent(10, 0.0)
    pacer.confirmed(99, 0.1)
    assert not pacer.has_room


def test_queueing_makes_pictures_coarser_and_swiftness_makes_them_finer_again() -> None:
    pacer = Pacer(SETTINGS)
    pacer.confirmed(pacer.sent(50_000, 0.0), 0.02)
    for _ in range(20):
        pacer.confirmed(pacer.sent(50_000, 0.0), 0.5)
    assert pacer.quality_loss == MAX_QUALITY_LOSS
    pacer.sent(10, 0.0)
    assert not pacer.has_room  # one at a time now
    pacer.all_confirmed(0.02)
    for _ in range(200):
        pacer.confirmed(pacer.sent(50_000, 0.0), 0.02)
    assert pacer.quality_loss == 0


def in_flight_of(pacer: Pacer, now: float) -> int:
    """How many updates may be in flight; fills the window."""
    count = 0
    while pacer.has_room:
        pacer.sent(10, now)
        count += 1
    return count


def test_viewer_that_paints_slowly_gets_one_update_ahead_and_no_more() -> None:
    pacer = Pacer(RfbSettings(max_updates_in_flight=8))
    pacer.confirmed(pacer.sent(10, 0.0), 0.001)
    sent, painted_at = deque[int](), 1.0
    for _ in range(60):  # sends as fast as it may; the viewer needs 30 ms for each
        while pacer.has_room:
            sent.append(pacer.sent(10, painted_at))
        painted_at += 0.03
        pacer.confirmed(sent.popleft(), painted_at)
    assert len(sent) + in_flight_of(pacer, painted_at) == 2
    assert pacer.quality_loss == 0


def test_long_way_is_filled_with_updates_that_do_not_wait_for_one_another() -> None:
    pacer = Pacer(RfbSettings(max_updates_in_flight=8))
    flying = deque[tuple[int, float]]()
    for step in range(200):  # one update each 25 ms, confirmed 200 ms later
        now = step * 0.025
        while flying and flying[0][1] <= now:
            number, confirmed_at = flying.popleft()
            pacer.confirmed(number, confirmed_at)
        if pacer.has_room:
            flying.append((pacer.sent(10, now), now + 0.2))
    assert len(flying) == 8


def test_long_way_is_no_queue() -> None:
    pacer = Pacer(SETTINGS)
    for _ in range(20):
        pacer.confirmed(pacer.sent(50_000, 0.0), 0.4)
    assert pacer.quality_loss == 0


@pytest.mark.parametrize(("idle", "seconds"), [(0.1, 1 / 60), (1, 0.1), (10, 0.25)])
def test_quiet_screens_are_looked_at_less_often(idle: float, seconds: float) -> None:
    assert RfbSettings().look_interval(idle, reports_damage=False) == seconds


# Refinement


def photograph() -> np.ndarray[tuple[int, int], np.dtype[np.uint32]]:
    """256x128 pixels, 8 tiles, of too many colours for a palette."""
    return np.random.default_rng(1).integers(0, 1 << 24, (128, 256), dtype=np.uint32)


def everything(picture: Picture) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    return np.ones(picture.shape, np.bool_)


def send(picture: Picture, plan: Plan) -> None:
    quality = None if plan.must_be_exact else 6
    picture.encode(plan.blocks, TightEncoder(), CAPTURED_FORMAT, TIGHT_JPEG, quality)


def test_nothing_is_planned_before_the_first_look() -> None:
    picture = Picture(256, 128, SETTINGS)
    assert picture.plan(everything(picture), 0.0) is None


def test_lossy_tiles_are_refined_once_after_a_while_a_few_at_a_time() -> None:
    picture = Picture(256, 128, SETTINGS)
    picture.look(photograph(), 0.0)
    first = picture.plan(everything(picture), 0.0)
    assert first is not None
    assert not first.must_be_exact
    send(picture, first)
    assert picture.plan(everything(picture), 0.4) is None
    assert picture.next_refinement(everything(picture)) == 0.5
    refinements = 0
    while (plan := picture.plan(everything(picture), 0.5)) is not None:
        assert plan.must_be_exact
        assert sum(block.width * block.height for block in plan.blocks) <= 2 * 64 * 64
        send(picture, plan)
        refinements += 1
    assert refinements == 4
    assert picture.next_refinement(everything(picture)) == math.inf


def test_new_damage_goes_before_refinement_and_delays_it_there() -> None:
    picture = Picture(256, 128, SETTINGS)
    picture.look(photograph(), 0.0)
    plan = picture.plan(everything(picture), 0.0)
    assert plan is not None
    send(picture, plan)
    changed = photograph()
    changed[0, 0] ^= 1
    assert picture.look(changed, 0.6)
    plan = picture.plan(everything(picture), 0.6)
    assert plan is not None
    assert not plan.must_be_exact
    assert [(block.x, block.y, block.width, block.height) for block in plan.blocks] == [(0, 0, 64, 64)]
    send(picture, plan)
    refined = picture.plan(everything(picture), 0.6)
    assert refined is not None
    assert refined.must_be_exact
    assert all((block.x, block.y) != (0, 0) for block in refined.blocks)


def test_viewer_that_cannot_resize_sees_its_part_of_another_screen_size() -> None:
    picture = Picture(100, 80, SETTINGS)
    picture.look(np.full((60, 300), 0x112233, np.uint32), 0.0)
    plan = picture.plan(everything(picture), 0.0)
    assert plan is not None
    raw = picture.encode(plan.blocks, TightEncoder(), CAPTURED_FORMAT, ViewerEncodings(), None)
    assert raw.count(b"\x33\x22\x11\0") == 100 * 60
    assert len(raw) == 12 + 100 * 80 * 4
