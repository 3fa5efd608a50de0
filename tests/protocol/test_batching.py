"""The sizes of what leaves a peer, by how fast the path takes it."""

import pytest

from relay.protocol.batching import (
    FIRST_RATE_INTERVAL,
    MAX_BATCH_BYTES,
    MAX_FILE_RECORD_BYTES,
    MIN_PIECE_BYTES,
    PIECE_SECONDS,
    RATE_INTERVAL,
    BatchSize,
    RecordSize,
)
from relay.protocol.streams import INITIAL_WINDOW_BYTES


def test_batches_shrink_on_a_slow_path_and_grow_again_on_a_fast_one() -> None:
    batches = BatchSize()
    while batches.sent(batches.size, 2 * PIECE_SECONDS):
        pass
    assert batches.size == MIN_PIECE_BYTES
    while batches.sent(batches.size, 0.0):
        pass
    assert batches.size == MAX_BATCH_BYTES


@pytest.mark.parametrize("seconds", [PIECE_SECONDS / 3, PIECE_SECONDS])
def test_a_batch_that_took_about_as_long_as_it_may_changes_nothing(seconds: float) -> None:
    batches = BatchSize()
    before = batches.size
    assert not batches.sent(before, seconds)
    assert batches.size == before


def test_a_small_batch_that_was_quick_says_nothing() -> None:
    batches = BatchSize()
    before = batches.size
    assert not batches.sent(before - 1, 0.0)
    assert batches.size == before


def records_of(rate: float) -> int:
    """The size of records after two seconds of a stream that gets rid of `rate` bytes a second."""
    records, now, size = RecordSize(), 0.0, 0
    while now < 4 * RATE_INTERVAL:
        size = records.take(1 << 30, now)
        now += size / rate
    return size


@pytest.mark.parametrize(
    ("rate", "size"),
    [
        (0.1e6, MIN_PIECE_BYTES),
        (8e6, 8e6 * PIECE_SECONDS),
        (100e6, MAX_FILE_RECORD_BYTES),
    ],
)
def test_a_record_is_what_the_path_carries_in_a_moment(rate: float, size: float) -> None:
    assert records_of(rate) == pytest.approx(size, rel=0.15)


def test_a_fast_path_has_large_records_after_a_moment() -> None:
    records, now = RecordSize(), 0.0
    while now < 0.1:
        now += records.take(1 << 30, now) / 300e6
    assert records.take(1 << 30, now) == MAX_FILE_RECORD_BYTES


def test_the_first_credit_all_at_once_is_no_fast_path() -> None:
    records = RecordSize()
    for _ in range(INITIAL_WINDOW_BYTES // MIN_PIECE_BYTES):
        records.take(1 << 30, 0.0)
    assert records.take(1 << 30, FIRST_RATE_INTERVAL) < 32 * 1024


def test_records_begin_small_and_are_never_larger_than_what_there_is() -> None:
    records = RecordSize()
    assert records.take(1 << 30, 5.0) == MIN_PIECE_BYTES
    assert records.take(10, 5.0) == 10
    assert records.take(0, 5.0) == 0
