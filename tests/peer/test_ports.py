"""443 first, then the port given; the first that answers wins, and the others are given up."""

import math
from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing

from peer.ports import PATIENCE, STAGGER, candidate_ports, first_of


@pytest.mark.parametrize(
    ("scheme", "port", "is_near", "ports"),
    [
        ("https", 443, False, [443]),
        ("https", 8443, False, [443, 8443]),
        ("wss", 8443, False, [443, 8443]),
        ("https", 8443, True, [8443]),
        ("http", 8080, False, [8080]),
        ("ws", 80, True, [80]),
    ],
)
def test_candidates(scheme: str, port: int, is_near: bool, ports: list[int]) -> None:
    assert candidate_ports(scheme, port, is_near=is_near) == ports


class Attempts:
    """Ways that take a while and then succeed or fail."""

    def __init__(self) -> None:
        self.begun: list[tuple[str, float]] = []
        self.cancelled: list[str] = []
        self.discarded: list[str] = []

    def way(self, name: str, seconds: float, *, fails: bool = False) -> Callable[[], Awaitable[str]]:
        async def run() -> str:
            self.begun.append((name, trio.current_time()))
            try:
                await trio.sleep(seconds)
            except trio.Cancelled:
                self.cancelled.append(name)
                raise
            if fails:
                raise OSError(name)
            return name

        return run

    async def first(self, *ways: Callable[[], Awaitable[str]]) -> str:
        async def discard(name: str) -> None:
            self.discarded.append(name)

        return await first_of(ways, (OSError,), discard)


@pytest.fixture
def attempts() -> Attempts:
    return Attempts()


async def test_the_first_that_answers_in_time_is_the_only_one(
    autojump_clock: trio.testing.MockClock, attempts: Attempts
) -> None:
    assert await attempts.first(attempts.way("443", 1), attempts.way("8443", 0)) == "443"
    assert [name for name, _ in attempts.begun] == ["443"]


async def test_one_that_fails_is_followed_at_once(
    autojump_clock: trio.testing.MockClock, attempts: Attempts
) -> None:
    began = trio.current_time()
    assert await attempts.first(attempts.way("443", 0.2, fails=True), attempts.way("8443", 0.1)) == "8443"
    assert trio.current_time() - began == pytest.approx(0.3)


async def test_one_that_is_slow_is_given_up_when_another_answers(
    autojump_clock: trio.testing.MockClock, attempts: Attempts
) -> None:
    began = trio.current_time()
    assert await attempts.first(attempts.way("443", math.inf), attempts.way("8443", 0.1)) == "8443"
    assert trio.current_time() - began == pytest.approx(STAGGER + 0.1)
    assert attempts.cancelled == ["443"]


async def test_one_that_is_late_may_win_all_the_same(
    autojump_clock: trio.testing.MockClock, attempts: Attempts
) -> None:
    ways = attempts.way("443", STAGGER + 1), attempts.way("8443", 0.1, fails=True)
    assert await attempts.first(*ways) == "443"


async def test_when_all_fail_it_is_the_given_ports_failure_in_good_time(
    autojump_clock: trio.testing.MockClock, attempts: Attempts
) -> None:
    began = trio.current_time()
    with pytest.raises(OSError, match="8443"):
        await attempts.first(attempts.way("443", math.inf), attempts.way("8443", 0.1, fails=True))
    assert trio.current_time() - began == pytest.approx(PATIENCE)


async def test_two_that_answer_at_once_are_not_both_kept(
    autojump_clock: trio.testing.MockClock, attempts: Attempts
) -> None:
    kept = await attempts.first(attempts.way("443", STAGGER + 1), attempts.way("8443", 1))
    assert {kept, *attempts.discarded, *attempts.cancelled} == {"443", "8443"}
    assert len(attempts.begun) == 2
