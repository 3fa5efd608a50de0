"""`relay.limits`: buckets and caps at their edges, and their invariants under any order of calls."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.errors import LimitExceeded
from relay.limits import (
    BucketStatistics,
    Cap,
    CapStatistics,
    KeyedBuckets,
    KeyedCaps,
    TokenBucket,
    address_key,
)


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("in memory", "in memory"),
    ],
)
def test_addresses_count_by_ipv4_address_and_ipv6_network(address: str, key: str) -> None:
    assert address_key(address) == key


def test_bucket_grants_its_burst_and_then_names_the_wait() -> None:
    bucket = TokenBucket(rate_per_second=2, burst=3, now=10)
    assert [bucket.take(10) for _ in range(4)] == [0, 0, 0, 0.5]
    assert bucket.take(10.25) == 0.25
    assert bucket.take(10.5) == 0


def test_bucket_never_holds_more_than_its_burst() -> None:
    bucket = TokenBucket(rate_per_second=100, burst=3, now=0)
    assert bucket.available(1e6) == 3
    assert bucket.take(1e6, cost=3) == 0
    assert bucket.take(1e6, cost=3) == 0.03


def test_cost_above_the_burst_is_never_granted_and_takes_nothing() -> None:
    bucket = TokenBucket(rate_per_second=1, burst=2, now=0)
    assert bucket.take(0, cost=3) == math.inf
    assert bucket.available(0) == 2


def test_clock_going_back_adds_nothing() -> None:
    bucket = TokenBucket(rate_per_second=1, burst=2, now=100)
    bucket.take(100, cost=2)
    assert bucket.take(50) == 1
    assert bucket.take(100) == 1
    assert bucket.take(101) == 0


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (-1, 1), (math.nan, 1), (1, 0.5), (1, 0)])
def test_bucket_refuses_settings_that_make_no_sense(rate: float, burst: float) -> None:
    with pytest.raises(ValueError, match="must be"):
        TokenBucket(rate_per_second=rate, burst=burst, now=0)
    with pytest.raises(ValueError, match="must be"):
        KeyedBuckets("tries", rate_per_second=rate, burst=burst)


def test_bucket_refuses_a_cost_of_nothing() -> None:
    with pytest.raises(ValueError, match="cost must be above 0"):
        TokenBucket(rate_per_second=1, burst=1, now=0).take(0, cost=0)


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0.01, 4)), max_size=60))
def test_bucket_never_grants_more_than_burst_and_rate_allow(steps: list[tuple[float, float]]) -> None:
    bucket = TokenBucket(rate_per_second=2, burst=3, now=0)
    now = granted = 0.0
    for pause, cost in steps:
        now += pause
        wait = bucket.take(now, cost)
        if wait == 0:
            granted += cost
        elif math.isfinite(wait):
            assert bucket.available(now + wait) == pytest.approx(cost)
        assert granted <= 3 + 2 * now + 1e-6
        assert 0 <= bucket.available(now) <= 3


def test_keys_have_buckets_of_their_own() -> None:
    buckets = KeyedBuckets("tries", rate_per_second=1, burst=1)
    buckets.take("a", 0)
    buckets.take("b", 0)
    with pytest.raises(LimitExceeded) as refusal:
        buckets.take("a", 0.25)
    assert refusal.value.limit == "tries"
    assert refusal.value.retry_after == 0.75
    assert buckets.statistics() == BucketStatistics(keys=2, taken=2, refused=1, evicted=0)


def test_no_wait_is_named_where_none_helps() -> None:
    with pytest.raises(LimitExceeded) as refusal:
        KeyedBuckets("tries", rate_per_second=1, burst=1).take("a", 0, cost=2)
    assert refusal.value.retry_after is None


def test_full_table_forgets_the_key_unused_for_longest() -> None:
    buckets = KeyedBuckets("tries", rate_per_second=0.001, burst=2, max_keys=2)
    buckets.take("a", 0)
    buckets.take("b", 0)
    buckets.take("a", 0)  # "a" is empty, and used later than "b"
    buckets.take("c", 0)  # "b" goes
    with pytest.raises(LimitExceeded):
        buckets.take("a", 0)
    assert buckets.statistics() == BucketStatistics(keys=2, taken=4, refused=1, evicted=1)


def test_forgotten_key_starts_with_a_full_bucket() -> None:
    buckets = KeyedBuckets("tries", rate_per_second=1, burst=1)
    buckets.take("a", 0)
    buckets.forget("a")
    buckets.forget("never seen")
    buckets.take("a", 0)
    assert buckets.statistics().taken == 2


@given(st.lists(st.text(max_size=3), max_size=200))
def test_table_of_buckets_stays_within_its_bound(keys: list[str]) -> None:
    buckets = KeyedBuckets("tries", rate_per_second=1, burst=1, max_keys=5)
    for now, key in enumerate(keys):
        buckets.take(key, now)  # one second apart: always granted
        assert buckets.statistics().keys <= 5
    assert buckets.statistics().taken == len(keys)


@pytest.mark.parametrize("max_keys", [0, -1])
def test_table_without_room_is_refused(max_keys: int) -> None:
    with pytest.raises(ValueError, match="max_keys must be above 0"):
        KeyedBuckets("tries", rate_per_second=1, burst=1, max_keys=max_keys)


def test_cap_is_exact_and_places_come_back() -> None:
    cap = Cap("max_things", 2, retry_after=3)
    cap.acquire()
    with cap.held():
        with pytest.raises(LimitExceeded) as refusal:
            cap.acquire()
        assert refusal.value.limit == "max_things"
        assert refusal.value.retry_after == 3
    cap.acquire()
    cap.release()
    cap.release()
    assert cap.statistics() == CapStatistics(held=0, keys=0, peak=2, refused=1)


def test_place_comes_back_after_an_error() -> None:
    cap = Cap("max_things", 1)
    with pytest.raises(RuntimeError, match="inside"), cap.held():
        raise RuntimeError("inside")
    assert cap.statistics().held == 0


def test_releasing_too_often_is_an_error() -> None:
    with pytest.raises(ValueError, match="released more often"):
        Cap("max_things", 1).release()


@pytest.mark.parametrize("max_held", [0, -3])
def test_cap_without_places_is_refused(max_held: int) -> None:
    with pytest.raises(ValueError, match="max_held must be above 0"):
        Cap("max_things", max_held)


@given(st.lists(st.tuples(st.booleans(), st.sampled_from("abc")), max_size=200))
def test_keyed_caps_count_exactly(steps: list[tuple[bool, str]]) -> None:
    caps = KeyedCaps("max_things", 3)
    held = {"a": 0, "b": 0, "c": 0}
    for is_acquire, key in steps:
        if is_acquire and held[key] < 3:
            caps.acquire(key)
            held[key] += 1
        elif is_acquire:
            with pytest.raises(LimitExceeded):
                caps.acquire(key)
        elif held[key] > 0:
            caps.release(key)
            held[key] -= 1
        else:
            with pytest.raises(ValueError, match="released"):
                caps.release(key)
    statistics = caps.statistics()
    assert statistics.held == sum(held.values())
    assert statistics.keys == sum(count > 0 for count in held.values())
    assert statistics.peak >= statistics.held
