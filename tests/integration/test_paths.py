"""Files fill the path and clicks do not wait for them: on long, slow and lossy paths, beside plain TCP.

Ratios of two measurements in one run are asserted, and of times what a person would feel; a machine that has
other work to do for seconds fails these, so they are for a quiet one (`slow`).
"""

import pytest

from tests.helpers.namespaces import Unavailable, check_available, open_cable
from tests.helpers.path_ends import Plan, Turn, Way, measure_path, share

pytestmark = [pytest.mark.slow, pytest.mark.sockets]

MBIT = 125_000.0
LEAST_SHARE = 0.8
"""Of what plain TCP carries on the same path."""
FELT_SECONDS = 0.030
"""By which a click beside files may come back later than the path's round trip."""


def check(turn: Turn, round_trip: float) -> None:
    assert turn.files >= LEAST_SHARE * turn.plain, turn
    slowest = share(turn.control, 0.99)
    assert slowest <= round_trip + FELT_SECONDS, f"{slowest * 1000:.0f} ms of {len(turn.control)}"


@pytest.mark.parametrize("way", ["down", "up"])
@pytest.mark.parametrize("round_trip", [0.010, 0.050, 0.150])
def test_files_fill_a_long_path_and_clicks_do_not_wait(round_trip: float, way: Way) -> None:
    plan = Plan(round_trip=round_trip, bytes_per_second=100 * MBIT, way=way, seconds=5.0)
    (turn,) = measure_path(plan)
    check(turn, round_trip)


@pytest.fixture(autouse=True)
def _needs_namespaces(request: pytest.FixtureRequest) -> None:
    if "cable" in request.node.name:
        try:
            check_available()
        except Unavailable as exc:
            pytest.skip(str(exc))


@pytest.mark.parametrize("way", ["down", "up"])
@pytest.mark.parametrize("loss_percent", [0, 1])
def test_files_fill_a_slow_cable_though_some_is_lost(loss_percent: int, way: Way) -> None:
    with open_cable(bits_per_second=20e6, loss_percent=loss_percent) as cable:
        plan = Plan(near=cable.near, far=cable.far, address=cable.address, way=way, seconds=5.0)
        (turn,) = measure_path(plan)
    assert turn.files >= LEAST_SHARE * turn.plain, turn


def test_clicks_do_not_wait_for_files_on_a_slow_cable() -> None:
    with open_cable(bits_per_second=20e6) as cable:
        plan = Plan(near=cable.near, far=cable.far, address=cable.address, way="up", seconds=5.0)
        (turn,) = measure_path(plan)
    check(turn, share(turn.alone, 0.5))
