"""Several sessions saturating the relay at once, and one of them whose viewer reads nothing.

    ./dev bench fairness [--json] [--rounds N] [--seconds S] [--sessions N] [--window N] [--against FOLDER]

First all viewers read: the slowest session's throughput by the fastest's. Then the last viewer stops reading:
what the others lose, and how much the relay's memory grows, which credit should bound. See
benchmarks/README.md.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from benchmarks.parts.load import forked, make_load, measure_flow, run_source
from benchmarks.parts.machine import pin_generator, resident_bytes
from benchmarks.parts.relays import OpenStream, Relay
from benchmarks.parts.report import Report, compare, parser
from benchmarks.parts.throughput import MEGA, open_relays, other_name
from relay.protocol.frames import Channel

PAYLOAD_BYTES = 64 * 1024
SESSIONS = 8
WINDOW = 1024 * 1024
MEBI = 1024 * 1024


@dataclass(frozen=True)
class Turn:
    """One turn at one relay.

    Attributes:
        fairness: slowest by fastest, while all read.
        total: throughput of all then, bytes per second.
        without: throughput of all but the last, which is not there.
        beside: the same while the last is there and reads nothing.
        growth: bytes of memory that the relay took on meanwhile.
    """

    fairness: float
    total: float
    without: float
    beside: float
    growth: float


def measure(arguments: Sequence[str] | None = None) -> Report:
    """Measure as `arguments` say."""
    made = parser("fairness", "Several sessions at once.", seconds=3.0, rounds=3)
    made.add_argument("--sessions", type=int, default=SESSIONS, help="at least 2 [%(default)s]")
    made.add_argument("--window", type=int, default=WINDOW, help="credit of each, bytes [%(default)s]")
    options = made.parse_args(arguments)
    report = Report("fairness", "Several sessions at once", unit_of_size="sessions", as_json=options.json)
    pin_generator()
    turns: dict[str, list[Turn]] = {}
    with ExitStack() as stack:
        count = options.sessions
        relays = open_relays(stack, options.against, sessions=count, active=count)
        for _ in range(options.rounds):
            for number, relay in enumerate(relays):
                name = other_name(options.against) if number else ""
                turns.setdefault(name, []).append(_turn(relay, options.seconds, options.window))
    _add_figures(report, turns, options.sessions, options.window)
    return report


def _turn(relay: Relay, seconds: float, window: int) -> Turn:
    def flow_of(streams: Sequence[OpenStream]) -> list[float]:
        paths = [stream.to_viewer() for stream in streams]
        return [flow.bytes_per_second for flow in measure_flow(paths, PAYLOAD_BYTES, seconds)]

    with _streams(relay, window) as streams:
        without = flow_of(streams[:-1])
    with _streams(relay, window) as streams:
        before = resident_bytes(relay.pid)
        stalled = streams[-1].to_viewer()
        with forked(run_source, stalled, make_load(PAYLOAD_BYTES, stalled.stream, window)):
            beside = flow_of(streams[:-1])
            growth = resident_bytes(relay.pid) - before
    with _streams(relay, window) as streams:
        rates = flow_of(streams)
    return Turn(min(rates) / max(rates), sum(rates), sum(without), sum(beside), growth)


@contextmanager
def _streams(relay: Relay, window: int) -> Iterator[list[OpenStream]]:
    """A files stream of every session of the relay."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(relay.connected(seat, Channel.FILES, window=window))[0]
            for seat in relay.seats
        ]


def _add_figures(report: Report, turns: dict[str, list[Turn]], sessions: int, window: int) -> None:
    def add(name: str, unit: str, of: Callable[[Turn], float], wanted: str = "") -> None:
        values = {other: [of(turn) for turn in some] for other, some in turns.items()}
        ours = values.pop("")
        report.add(compare(name, sessions, unit, ours, values, {"": wanted}))

    bound = sessions * window / MEBI
    add("slowest by fastest", "ratio", lambda turn: turn.fairness, ">= 0.8")
    add("throughput of all", "MB/s", lambda turn: turn.total / MEGA)
    add("the others beside one that stalls", "of without", lambda turn: turn.beside / turn.without, ">= 0.95")
    add("memory growth meanwhile", "MiB", lambda turn: turn.growth / MEBI, f"<= {bound:g}, open credit")


if __name__ == "__main__":
    measure().print()
