"""Throughput of one session, both ways, and of what a self-hoster could pick instead.

    ./dev bench tunnel [--json] [--rounds N] [--seconds S] [--sizes N ...] [--window BYTES] [--against FOLDER]

A host and a viewer with one stream; one end sends as fast as credit and TCP let it, the other counts. The
baselines carry the same frames without demultiplexing, credit or counters. See benchmarks/README.md.
"""

from collections.abc import Sequence
from contextlib import ExitStack

from benchmarks.parts.baselines import (
    open_direct,
    open_haproxy,
    open_nginx,
    open_pump,
    open_trio_websocket,
    open_websockify,
)
from benchmarks.parts.command import main, parse, parser
from benchmarks.parts.machine import pin_generator
from benchmarks.parts.relays import open_relay
from benchmarks.parts.report import Report
from benchmarks.parts.throughput import (
    DIRECTIONS,
    PURE_PYTHON,
    Wanted,
    measure_throughput,
    open_relays,
    open_subjects,
)
from relay.protocol.runs import take_runs, take_runs_in_python

TO_VIEWER, TO_HOST = DIRECTIONS
SIZES = (64, 16 * 1024, 64 * 1024)
WINDOW = 1024 * 1024
OPENERS = (open_direct, open_nginx, open_haproxy, open_websockify, open_trio_websocket, open_pump)
WANTED: Wanted = {
    (TO_VIEWER, 64): {"": ">= 1,500,000"},
    (f"{TO_VIEWER}, {PURE_PYTHON}", 64): {"": ">= 500,000", "trio-websocket": ">= 80"},
    (TO_VIEWER, 16 * 1024): {"nginx": ">= 1.2", "HAProxy TCP": ">= 0.6"},
    (TO_VIEWER, 64 * 1024): {"nginx": ">= 1.2", "HAProxy TCP": ">= 0.6"},
    (TO_HOST, 64 * 1024): {"nginx": ">= 1.0"},
}


def measure(arguments: Sequence[str] | None = None) -> Report:
    """Measure as `arguments` say."""
    made = parser("tunnel", "Throughput of one session, both ways.", seconds=0.5, rounds=5)
    made.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="of payloads, bytes")
    made.add_argument("--window", type=int, default=WINDOW, help="credit of the stream, bytes [%(default)s]")
    made.add_argument("--only", action="store_true", help="no baselines")
    options = parse(made, arguments, {"seconds": 0.1, "rounds": 1, "sizes": (64, 16 * 1024)})
    report = Report("tunnel", "Throughput of one session", as_json=options.json)
    pin_generator()
    with ExitStack() as stack:
        relays = open_relays(stack, options.against)
        if take_runs is take_runs_in_python:
            report.note("left out: the relay with its compiled part, which is not built; all is pure Python")
        else:
            relays[PURE_PYTHON] = stack.enter_context(open_relay(1, active=1, pure_python=True))
        subjects = open_subjects(stack, [] if options.only else OPENERS, report)
        measure_throughput(
            report,
            relays,
            subjects,
            sizes=options.sizes,
            rounds=options.rounds,
            seconds=options.seconds,
            window=options.window,
            wanted=WANTED,
        )
    report.note(f"Window {options.window:,} bytes. Below 1 KiB frames are coalesced: many in one send.")
    return report


if __name__ == "__main__":
    raise SystemExit(main(measure, limit=400))
