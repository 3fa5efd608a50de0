"""The collector looks at each object once; circles that are given up later are found by a full pass."""

import gc
import sys
import weakref
from collections.abc import Iterator

import pytest
import trio
import trio.testing

from relay.cli import garbage

pytestmark = pytest.mark.slow  # some make a full pass over what the tests before have made


class Thing:
    """May refer to itself."""

    def __init__(self) -> None:
        self.other: object = None


def circle() -> "weakref.ref[Thing]":
    """Something that only the collector can free; whether it still is there."""
    thing = Thing()
    thing.other = thing
    return weakref.ref(thing)


@pytest.fixture(autouse=True)
def settled() -> Iterator[None]:
    thresholds = gc.get_threshold()
    garbage.settle()
    yield
    gc.callbacks.remove(garbage._put_survivors_aside)
    gc.set_threshold(*thresholds)
    gc.unfreeze()


def test_what_start_up_made_is_put_aside_unseen() -> None:
    alive = circle()
    garbage.settle()
    gc.callbacks.remove(garbage._put_survivors_aside)  # the second one
    assert alive() is not None
    gc.collect()
    assert alive() is not None


def test_what_lives_through_one_pass_is_not_looked_at_again() -> None:
    kept = [Thing() for _ in range(5 * garbage.YOUNG_OBJECTS)]
    assert len(gc.get_objects()) < 2 * garbage.YOUNG_OBJECTS
    assert gc.get_freeze_count() > 4 * garbage.YOUNG_OBJECTS
    alive = weakref.ref(kept[0])
    del kept
    assert alive() is None  # reference counts go on to work


def test_a_circle_that_is_given_up_young_is_found_at_once() -> None:
    alive = circle()
    kept = [Thing() for _ in range(2 * garbage.YOUNG_OBJECTS)]
    assert alive() is None
    del kept


async def test_what_is_new_is_put_aside_though_as_much_was_freed(
    autojump_clock: trio.testing.MockClock,
) -> None:
    kept = [Thing() for _ in range(5 * garbage.YOUNG_OBJECTS)]
    for index in range(len(kept)):
        kept[index] = Thing()
    assert len(gc.get_objects()) > 4 * garbage.YOUNG_OBJECTS
    async with trio.open_nursery() as nursery:
        nursery.start_soon(garbage.run_passes)
        await trio.sleep(1.5)
        assert len(gc.get_objects()) < garbage.YOUNG_OBJECTS
        nursery.cancel_scope.cancel()


async def test_one_that_is_given_up_later_is_found_within_the_hour(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(garbage, "YOUNG_INTERVAL", 60.0)
    thing = Thing()
    thing.other = thing
    alive = weakref.ref(thing)
    gc.freeze()
    del thing
    async with trio.open_nursery() as nursery:
        nursery.start_soon(garbage.run_passes)
        await trio.sleep(garbage.FULL_PASS_INTERVAL - 1)
        assert alive() is not None
        await trio.sleep(61)
        assert alive() is None
        nursery.cancel_scope.cancel()


async def test_while_very_many_are_connected_it_may_take_a_day(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = iter([1000])
    monkeypatch.setattr(sys, "getallocatedblocks", lambda: next(counts, 1001 + garbage.MAX_BLOCKS))
    passes: list[float] = []
    monkeypatch.setattr(garbage, "YOUNG_INTERVAL", 60.0)
    monkeypatch.setattr(
        gc, "collect", lambda generation=2: passes.append(trio.current_time()) if generation == 2 else None
    )
    start = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(garbage.run_passes)
        await trio.sleep(51 * garbage.FULL_PASS_INTERVAL)
        nursery.cancel_scope.cancel()
    hours = [round((at - start) / garbage.FULL_PASS_INTERVAL) for at in passes]
    assert hours == [25, 50]
