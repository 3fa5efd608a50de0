"""Files fill the path and clicks do not wait for them: on long, slow and lossy paths, beside plain TCP.

Asserted are ratios of two measurements in one run, and the median of what a click takes beside files: before
batches followed the path it was above the bound. The tail, which is what is promised for a machine that has
nothing else to do, is measured by `./dev bench paths`.
"""

import pytest

from tests.helpers.namespaces import Unavailable, open_cable
from tests.helpers.path_ends import Plan, Turn, Way, measure_path, share

pytestmark = [pytest.mark.slow, pytest.mark.sockets]

MBIT = 125_000.0
LEAST_SHARE = 0.8
"""Of what plain TCP carries on the same path."""
FELT_SECONDS = 0.030
"""By which a click beside files may come back later than the path's round trip."""


def check(turn: Turn) -> None:
    assert turn.files >= LEAST_SHARE * turn.plain, turn
    round_trip, usual = share(turn.alone, 0.5), share(turn.control, 0.5)
    assert usual <= round_trip + FELT_SECONDS, f"{usual * 1000:.0f} ms of {len(turn.control)}"


@pytest.mark.parametrize(("round_trip", "way"), [(0.010, "down"), (0.050, "up"), (0.150, "down")])
def test_files_fill_a_long_path_and_clicks_do_not_wait(round_trip: float, way: Way) -> None:
    plan = Plan(round_trip=round_trip, bytes_per_second=100 * MBIT, way=way)
    (turn,) = measure_path(plan)
    check(turn)


def measure_cable(way: Way, loss_percent: int) -> Turn:
    try:
        with open_cable(bits_per_second=20e6, loss_percent=loss_percent) as cable:
            plan = Plan(near=cable.near, far=cable.far, address=cable.address, way=way)
            (turn,) = measure_path(plan)
    except Unavailable as exc:
        pytest.skip(str(exc))
    return turn


@pytest.mark.parametrize("way", ["down", "up"])
def test_files_fill_a_slow_cable_and_clicks_do_not_wait(way: Way) -> None:
    check(measure_cable(way, 0))


def test_files_fill_a_slow_cable_though_packets_are_lost() -> None:
    # How long clicks wait among lost packets is measured by `./dev bench paths`, and promised by nobody.
    turn = measure_cable("down", 1)
    assert turn.files >= LEAST_SHARE * turn.plain, turn
