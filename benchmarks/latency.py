"""One-way latency of a 64-byte frame: idle, and while a files stream of the same viewer saturates the relay.

    ./dev bench latency [--json] [--rounds N] [--seconds S] [--count N] [--window BYTES] [--against FOLDER]

Idle, one frame is under way at a time, host to viewer, with a pause between them. Loaded, files flow from
host to viewer as fast as their window lets them while control frames travel both ways on the same two
connections. See benchmarks/README.md.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack

from benchmarks.parts.baselines import (
    Subject,
    open_direct,
    open_haproxy,
    open_nginx,
    open_pump,
    open_trio_websocket,
    open_websockify,
)
from benchmarks.parts.command import main, parse, parser
from benchmarks.parts.machine import pin_generator
from benchmarks.parts.pinging import CONTROL_BYTES, Pings, ping_alone, ping_under_load
from benchmarks.parts.relays import Relay
from benchmarks.parts.report import Report, compare
from benchmarks.parts.throughput import MEGA, open_relays, open_subjects
from relay.protocol.frames import Channel
from relay.protocol.streams import INITIAL_WINDOW_BYTES

OPENERS = (open_direct, open_nginx, open_haproxy, open_websockify, open_trio_websocket, open_pump)
PAUSE = 0.002
IDLE_P50, IDLE_P99 = "idle, p50", "idle, p99"


def measure(arguments: Sequence[str] | None = None) -> Report:
    """Measure as `arguments` say."""
    made = parser("latency", "One-way latency of a 64-byte frame.", seconds=3.0, rounds=5)
    made.add_argument("--count", type=int, default=500, help="of idle frames a turn [%(default)s]")
    made.add_argument(
        "--window", type=int, default=INITIAL_WINDOW_BYTES, help="credit of the files, bytes [%(default)s]"
    )
    made.add_argument("--only", action="store_true", help="no baselines")
    options = parse(made, arguments, {"seconds": 0.2, "rounds": 1, "count": 20})
    report = Report("latency", "One-way latency of a 64-byte frame", as_json=options.json)
    pin_generator()
    with ExitStack() as stack:
        relays = open_relays(stack, options.against)
        subjects = open_subjects(stack, [] if options.only else OPENERS, report)
        idle: dict[str, list[list[float]]] = {}
        loaded: dict[str, list[Pings]] = {}
        for _ in range(options.rounds):
            for name, relay in relays.items():
                idle.setdefault(name, []).append(_idle_relay(relay, options.count))
                loaded.setdefault(name, []).append(_loaded(relay, options.seconds, options.window))
            for subject in subjects:
                idle.setdefault(subject.name, []).append(_idle(subject, options.count))
    _add_idle(report, idle)
    _add_loaded(report, idle[""], loaded)
    report.note(f"Window of the files {options.window:,} bytes; files in frames of 64 KiB.")
    return report


def _idle_relay(relay: Relay, count: int) -> list[float]:
    with relay.connected(relay.seats[0], Channel.CONTROL) as (stream,):
        return ping_alone(stream.to_viewer(), count, PAUSE)


def _idle(subject: Subject, count: int) -> list[float]:
    path = subject.open_path()
    try:
        return ping_alone(path, count, PAUSE)
    finally:
        path.close()


def _loaded(relay: Relay, seconds: float, window: int) -> Pings:
    with relay.connected(relay.seats[0], Channel.CONTROL, Channel.FILES, window=window) as (control, files):
        return ping_under_load(control, files, seconds, relay.pid)


def _add_idle(report: Report, idle: dict[str, list[list[float]]]) -> None:
    for name, share, wanted in ((IDLE_P50, 0.5, {"nginx": "<= 1.3"}), (IDLE_P99, 0.99, {})):
        ours = _shares(idle[""], share)
        baselines = {other: _shares(turns, share) for other, turns in idle.items() if other}
        report.add(compare(name, CONTROL_BYTES, "µs", ours, baselines, wanted))


def _add_loaded(report: Report, idle: list[list[float]], loaded: dict[str, list[Pings]]) -> None:
    def add(name: str, of: Callable[[Pings], list[float]], share: float) -> None:
        baselines = {
            other: _shares([of(pings) for pings in turns], share) for other, turns in loaded.items() if other
        }
        is_tail = share == 0.99
        if is_tail:
            baselines["idle p99"] = _shares(idle, share)
        wanted = {"": "<= 3,000", "idle p99": "<= 5"} if is_tail else {}
        ours = _shares([of(pings) for pings in loaded[""]], share)
        report.add(compare(name, CONTROL_BYTES, "µs", ours, baselines, wanted))

    for share, name in ((0.5, "p50"), (0.99, "p99")):
        add(f"viewer → host against files, {name}", lambda pings: pings.to_host, share)
        add(f"host → viewer among files, {name}", lambda pings: pings.to_viewer, share)
    rates = [pings.files_bytes_per_second / MEGA for pings in loaded[""]]
    others = {
        other: [pings.files_bytes_per_second / MEGA for pings in turns]
        for other, turns in loaded.items()
        if other
    }
    report.add(compare("files meanwhile", 64 * 1024, "MB/s", rates, others))
    shares = [100 * pings.cpu_share for pings in loaded[""]]
    report.add(compare("relay's processor meanwhile", 64 * 1024, "% of a core", shares))


def _shares(turns: Sequence[Sequence[float]], share: float) -> list[float]:
    """Of each turn, the latency that `share` of its frames did not exceed, in microseconds."""
    return [sorted(turn)[min(len(turn) - 1, int(share * len(turn)))] * MEGA for turn in turns]


if __name__ == "__main__":
    raise SystemExit(main(measure, limit=240))
