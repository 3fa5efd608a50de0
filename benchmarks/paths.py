"""Files and clicks on long, slow and lossy paths, beside plain TCP on the same path.

    ./dev bench paths [--json] [--rounds N] [--seconds S] [--only delay|cable]

Long paths lead through a proxy of ours that holds every byte back (100 Mbit/s); fast, slow and lossy ones
through two network namespaces joined by a cable (Linux, root, nftables). *No limit* is a fast local network:
the programs are slower than it, and what a click waits for is what they have let pile up. What is measured on
each is told in `tests/helpers/path_ends.py`.

A lost packet holds up what is behind it on the same TCP connection, clicks among it; *64 B alone* shows what
loss does to a connection that carries nothing else. How soon it is sent again is the kernel's doing; the
relay and its peers ask it for less patience (TCP_RTO_MIN_US: of a recent Linux, others wait 200 ms).
"""

from collections.abc import Sequence

from benchmarks.parts.command import main, parse, parser
from benchmarks.parts.report import Report, compare
from tests.helpers.namespaces import Unavailable, open_cable
from tests.helpers.path_ends import CONTROL_BYTES, Plan, Turn, Way, measure_path, share

MEGA = 1e6
MILLI = 1e3
MBIT = 125_000.0
LONG_MBIT = 100
ROUND_TRIPS = (0.010, 0.050, 0.150)
CABLES: Sequence[tuple[str, float | None, int]] = (
    ("no limit", None, 0),
    ("20 Mbit/s", 20e6, 0),
    ("1 % loss", None, 1),
    ("20 Mbit/s, 1 % loss", 20e6, 1),
)
WAYS: dict[Way, str] = {"down": "host → viewer", "up": "viewer → host"}


def measure(arguments: Sequence[str] | None = None) -> Report:
    """Measure as `arguments` say."""
    made = parser("paths", "Files and clicks beside plain TCP.", seconds=5.0, rounds=3)
    made.add_argument("--only", choices=["delay", "cable"], help="some of the paths [all]")
    options = parse(made, arguments, {"seconds": 1.0, "rounds": 1, "only": "delay"})
    report = Report("paths", "Files and clicks on long, slow and lossy paths", as_json=options.json)
    for way, direction in WAYS.items():
        if options.only != "cable":
            for round_trip in ROUND_TRIPS:
                plan = Plan(
                    round_trip=round_trip,
                    bytes_per_second=LONG_MBIT * MBIT,
                    way=way,
                    seconds=options.seconds,
                    rounds=options.rounds,
                )
                name = f"{direction}, {round_trip * MILLI:.0f} ms, {LONG_MBIT} Mbit/s"
                _add(report, name, measure_path(plan))
        if options.only != "delay":
            for name, bits_per_second, loss_percent in CABLES:
                try:
                    with open_cable(bits_per_second=bits_per_second, loss_percent=loss_percent) as cable:
                        plan = Plan(
                            near=cable.near,
                            far=cable.far,
                            address=cable.address,
                            way=way,
                            seconds=options.seconds,
                            rounds=options.rounds,
                        )
                        turns = measure_path(plan)
                except Unavailable as exc:
                    report.note(f"No cables: {exc}.")
                    break
                _add(report, f"{direction}, {name}", turns)
    return report


def _add(report: Report, path: str, turns: Sequence[Turn]) -> None:
    rates = [turn.files / MEGA for turn in turns]
    plain = {"plain TCP": [turn.plain / MEGA for turn in turns]}
    report.add(compare(f"{path}: files", 16 * 1024, "MB/s", rates, plain, {"plain TCP": ">= 0.8"}))
    for part, name in ((0.5, "p50"), (0.99, "p99")):
        ours = [share(turn.control, part) * MILLI for turn in turns]
        alone = {"64 B alone": [share(turn.alone, part) * MILLI for turn in turns]}
        round_trip = min(share(turn.alone, 0.5) for turn in turns) * MILLI
        wanted = {"": f"<= {round_trip + 30:.0f}"} if part == 0.99 else {}
        report.add(compare(f"{path}: control, {name}", CONTROL_BYTES, "ms", ours, alone, wanted))


if __name__ == "__main__":
    raise SystemExit(main(measure, limit=900))
