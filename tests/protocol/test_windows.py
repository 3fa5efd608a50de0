"""How a receiver's window grows towards what the path needs: a sender, a path and a consumer on paper."""

import heapq
import math
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.protocol.close_reasons import CloseReason
from relay.protocol.errors import RemoteProtocolError
from relay.protocol.streams import (
    INITIAL_WINDOW_BYTES,
    LEAST_ROUND_TRIP,
    MAX_GROWTH_BYTES,
    MAX_WINDOW_BYTES,
    GrowthAllowance,
    ReceiveWindow,
    Window,
)

MBIT = 125_000.0
FRAME_BYTES = (16 * 1024 + 30, 64 * 1024 + 30)


@dataclass
class Path:
    """One stream from a sender that always has more, over a path, to a consumer; all in one's head.

    Attributes:
        rate: the path's, bytes a second.
        round_trip: seconds, half of it each way.
        frame_bytes: size of the sender's frames.
        consumed_per_second: the consumer's rate, bytes.
    """

    rate: float
    round_trip: float
    frame_bytes: int = FRAME_BYTES[1]
    consumed_per_second: float = math.inf
    sent_per_second: float = math.inf
    window: ReceiveWindow = field(default_factory=lambda: ReceiveWindow(allowance=GrowthAllowance()))
    consumed_bytes: int = 0
    now: float = 0.0

    def __post_init__(self) -> None:
        self.credit = Window(INITIAL_WINDOW_BYTES)
        self._events: list[tuple[float, int, str, int]] = []
        self._path_free = self._consumer_free = self._sender_free = 0.0
        self._count = 0
        self.window.granted_first(-self.round_trip)
        self.window.answered_first(0.0)
        self._send()

    def run(self, seconds: float) -> float:
        """Let time pass; the share of the path's rate that was consumed meanwhile."""
        end, before = self.now + seconds, self.consumed_bytes
        while self._events and self._events[0][0] <= end:
            self.now, _, kind, amount = heapq.heappop(self._events)
            if kind == "data":
                self.window.received(amount, self.now)
                start = max(self._consumer_free, self.now)
                self._consumer_free = start + amount / self.consumed_per_second
                self._at(self._consumer_free, "consumed", amount)
            elif kind == "consumed":
                self.consumed_bytes += amount
                grant = self.window.consumed(amount, self.now)
                if grant:
                    self._at(self.now + self.round_trip / 2, "credit", grant)
            else:
                self.credit.grant(amount)
                self._send()
        self.now = end
        return (self.consumed_bytes - before) / seconds / self.rate

    def pause(self, seconds: float) -> None:
        """The sender has nothing to say for a while."""
        self._sender_free = self.now + seconds

    def _send(self) -> None:
        while self.credit.available >= self.frame_bytes:
            self.credit.spend(self.frame_bytes)
            start = max(self._sender_free, self.now)
            self._sender_free = start + self.frame_bytes / self.sent_per_second
            self._path_free = max(self._path_free, self._sender_free) + self.frame_bytes / self.rate
            self._at(self._path_free + self.round_trip / 2, "data", self.frame_bytes)

    def _at(self, time: float, kind: str, amount: int) -> None:
        self._count += 1
        heapq.heappush(self._events, (time, self._count, kind, amount))


@pytest.mark.parametrize("frame_bytes", FRAME_BYTES)
@pytest.mark.parametrize("round_trip", [0.010, 0.050, 0.150])
@pytest.mark.parametrize("rate", [20 * MBIT, 100 * MBIT, 200 * MBIT])
def test_a_window_grows_until_the_path_is_full_and_no_further(
    rate: float, round_trip: float, frame_bytes: int
) -> None:
    path = Path(rate, round_trip, frame_bytes)
    path.run(12 * round_trip)
    assert path.run(2) > 0.95
    assert path.window.size <= max(INITIAL_WINDOW_BYTES, 4 * rate * round_trip)
    assert path.window.round_trip == pytest.approx(round_trip, abs=1e-6)


@pytest.mark.parametrize("frame_bytes", FRAME_BYTES)
@pytest.mark.parametrize(("round_trip", "wanted"), [(0.050, 0.93), (0.150, 0.71), (0.300, 0.44)])
def test_of_the_first_two_seconds_little_is_lost_to_growing(
    round_trip: float, wanted: float, frame_bytes: int
) -> None:
    # A window that doubled each time would reach 0.89, 0.46 and 0.08 with frames of 64 KiB.
    assert Path(100 * MBIT, round_trip, frame_bytes).run(2) > wanted


@dataclass
class Turns:
    """A window of 1 000 bytes on a path with a measured round trip, whose turns take as long as one says.

    Attributes:
        round_trip: seconds.
    """

    round_trip: float = 1.0
    allowance: GrowthAllowance = field(default_factory=GrowthAllowance)

    def __post_init__(self) -> None:
        self.window = ReceiveWindow(1000, allowance=self.allowance)
        self.window.granted_first(0.0)
        self.now = self.round_trip
        self.window.answered_first(self.now)

    def take(self, seconds: float) -> int:
        """All that may come, at once and after so long; the window's size then."""
        self.now += seconds
        quarter = self.window.size // 4
        for _ in range(4):
            self.window.received(quarter, self.now)
            self.window.consumed(quarter, self.now)
        return self.window.size


@pytest.mark.parametrize(("took", "factor"), [(1.05, 8), (1.2, 4), (1.9, 2), (2.1, 1)])
def test_a_window_grows_to_what_its_turn_proves_to_fit(took: float, factor: int) -> None:
    assert Turns().take(took) == factor * 1000


def test_what_had_piled_up_makes_no_window_grow() -> None:
    turns = Turns()
    assert turns.take(3.5) == 1000
    assert turns.take(1.0) == 1000  # who consumes was held up, and then had all at once
    assert turns.take(1.9) == 2000


def test_a_round_trip_that_was_not_measured_proves_no_more_than_a_doubling() -> None:
    assert Turns(LEAST_ROUND_TRIP / 4).take(LEAST_ROUND_TRIP) == 2000


def test_a_window_shrinks_by_a_quarter_after_two_slow_turns() -> None:
    turns = Turns()
    assert turns.take(1.05) == 8000
    assert turns.take(3.5) == 8000  # which may be a pause
    assert turns.take(3.5) == 6000
    assert turns.take(2.5) == 6000
    assert turns.take(3.5) == 6000
    assert turns.allowance.left == MAX_GROWTH_BYTES - 5000


def test_a_window_never_falls_below_its_first_size() -> None:
    turns = Turns()
    turns.take(1.9)
    for _ in range(20):
        turns.take(100)
    assert turns.window.size == 1000
    assert turns.allowance.left == MAX_GROWTH_BYTES


@pytest.mark.parametrize("frame_bytes", FRAME_BYTES)
def test_on_a_path_that_becomes_slower_little_waits(frame_bytes: int) -> None:
    path = Path(200 * MBIT, 0.100, frame_bytes)
    path.run(5)
    assert path.window.size >= 2 * 200 * MBIT * 0.100
    path.rate = 50 * MBIT
    path.run(10)
    assert path.window.size <= 3.5 * 50 * MBIT * 0.100
    assert path.run(2) > 0.95
    path.rate = 200 * MBIT
    path.run(5)
    assert path.run(2) > 0.95


def test_a_window_stops_at_its_cap() -> None:
    path = Path(1000 * MBIT, 0.150)
    path.run(5)
    assert path.window.size == MAX_WINDOW_BYTES


def test_on_a_path_of_no_length_a_window_holds_what_is_carried_in_two_milliseconds() -> None:
    path = Path(2000 * MBIT, 0.0004)
    path.run(2)
    assert 2000 * MBIT * LEAST_ROUND_TRIP <= path.window.size <= 4 * 2000 * MBIT * LEAST_ROUND_TRIP


def test_a_slow_consumer_makes_no_window_grow() -> None:
    path = Path(1000 * MBIT, 0.050, consumed_per_second=INITIAL_WINDOW_BYTES / 0.110)
    path.run(20)
    assert path.window.size == INITIAL_WINDOW_BYTES


def test_a_slow_sender_makes_no_window_grow() -> None:
    path = Path(1000 * MBIT, 0.050, sent_per_second=INITIAL_WINDOW_BYTES / 0.110)
    path.run(20)
    assert path.window.size == INITIAL_WINDOW_BYTES


def test_a_path_that_the_first_window_fills_makes_none_grow() -> None:
    path = Path(20 * MBIT, 0.040)
    path.run(20)
    assert path.window.size == INITIAL_WINDOW_BYTES


def test_a_pause_neither_shrinks_a_window_nor_makes_it_grow() -> None:
    path = Path(100 * MBIT, 0.050)
    path.run(2)
    size, round_trip = path.window.size, path.window.round_trip
    for _ in range(10):
        path.pause(30)
        path.run(32)
    assert path.window.size == size
    assert path.window.round_trip <= round_trip
    path.run(1)
    assert path.run(1) > 0.95


def test_a_stream_that_begins_with_a_pause_grows_all_the_same() -> None:
    window = ReceiveWindow(allowance=GrowthAllowance())
    path = Path(100 * MBIT, 0.050, window=window)
    path.pause(30)
    path.run(31)
    assert path.run(1) > 0.95


def test_without_a_measured_round_trip_nothing_grows() -> None:
    window = ReceiveWindow(allowance=GrowthAllowance())
    for _ in range(40):
        window.received(10_000, 1.0)
        window.consumed(10_000, 1.0)
    assert window.size == INITIAL_WINDOW_BYTES


def test_the_first_frame_ends_the_measurement_that_accept_began() -> None:
    window = ReceiveWindow(allowance=GrowthAllowance())
    window.granted_first(10.0)
    window.received(1, 10.25)
    assert window.round_trip == 0.25
    window.answered_first(10.5)
    assert window.round_trip == 0.25


def test_only_a_frame_that_needed_the_grant_ends_its_measurement() -> None:
    window = ReceiveWindow(100, allowance=GrowthAllowance())
    window.received(40, 0.0)
    assert window.consumed(40, 1.0) == 40
    window.received(50, 1.1)
    assert window.round_trip == math.inf
    window.received(11, 1.5)  # 10 were left of the old credit
    assert window.round_trip == 0.5


def test_a_window_without_allowance_stays_as_it_was() -> None:
    path = Path(100 * MBIT, 0.150, window=ReceiveWindow())
    path.run(5)
    assert path.window.size == INITIAL_WINDOW_BYTES


def test_windows_of_one_connection_share_what_they_may_grow_by() -> None:
    allowance = GrowthAllowance()
    paths = [Path(1000 * MBIT, 0.150, window=ReceiveWindow(allowance=allowance)) for _ in range(4)]
    for path in paths:
        path.run(5)
    assert sum(path.window.size - INITIAL_WINDOW_BYTES for path in paths) == MAX_GROWTH_BYTES
    assert allowance.left == 0
    for path in paths:
        path.window.end()
        path.window.end()
    assert allowance.left == MAX_GROWTH_BYTES


@given(
    st.lists(st.tuples(st.integers(1, 60_000), st.floats(0, 1), st.booleans()), max_size=300),
)
def test_whatever_happens_sender_and_relay_agree_with_the_receiver(
    steps: list[tuple[int, float, bool]],
) -> None:
    receiving, relay = ReceiveWindow(allowance=GrowthAllowance()), Window(INITIAL_WINDOW_BYTES)
    receiving.granted_first(0.0)
    now, unread = 0.0, list[int]()
    for size, elapsed, is_read in steps:
        now += elapsed * 0.01
        if size <= relay.available:
            relay.spend(size)
            receiving.received(size, now)
            unread.append(size)
        while is_read and unread:
            grant = receiving.consumed(unread.pop(0), now)
            if grant:
                relay.grant(grant)
        assert relay.available + sum(unread) <= receiving.size <= MAX_WINDOW_BYTES
    with pytest.raises(RemoteProtocolError) as caught:
        receiving.received(relay.available + 1, now)
    assert caught.value.close_reason is CloseReason.CREDIT_EXCEEDED
