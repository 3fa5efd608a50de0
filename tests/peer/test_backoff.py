"""When a peer dials again."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from peer.backoff import FIRST_BOUND, LAST_BOUND, Backoff


def upper(low: float, high: float) -> float:
    assert low == 0.0
    return high


def test_the_bound_is_what_was_waited_so_far_up_to_the_last() -> None:
    backoff = Backoff(draw=upper)
    delays = [backoff.next_delay() for _ in range(10)]
    assert delays[:4] == [FIRST_BOUND, FIRST_BOUND, 2 * FIRST_BOUND, 4 * FIRST_BOUND]
    assert delays[-1] == LAST_BOUND


@given(st.floats(0.0, 40.0), st.integers())
def test_nobody_is_away_for_longer_than_twice_the_outage(outage: float, seed: int) -> None:
    backoff, now = Backoff(draw=Random(seed).uniform), 0.0  # noqa: S311 - repeatable, no secret
    while now <= outage:
        now += backoff.next_delay()
    assert now <= max(2 * outage, outage + FIRST_BOUND)


def test_a_good_connection_begins_the_story_anew() -> None:
    backoff = Backoff(draw=upper, last_bound=4.0)
    assert [backoff.next_delay() for _ in range(5)][-1] == 4.0
    backoff.reset()
    assert backoff.next_delay() == FIRST_BOUND


def test_delays_are_drawn_from_the_whole_interval() -> None:
    backoff = Backoff(last_bound=FIRST_BOUND)
    delays = [backoff.next_delay() for _ in range(200)]
    assert min(delays) >= 0.0
    assert max(delays) <= FIRST_BOUND
    assert max(delays) - min(delays) > FIRST_BOUND / 2


def test_a_draining_relay_is_come_back_to_within_its_time() -> None:
    assert Backoff(draw=upper).spread_over(30.0) == 30.0
