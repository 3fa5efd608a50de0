"""Several sessions saturating the relay at once, and one of them whose viewer reads nothing.

    ./dev bench fairness [--json] [--rounds N] [--seconds S] [--sessions N] [--window N] [--against FOLDER]

Each turn measures, one after the other: all but the last session; the same while the last one's viewer grants
all the credit there is and reads nothing (and comes back whenever the relay has closed it for that), or the
other way round; then all of them. So the stalled viewer is there for S seconds in each of N turns: one minute
by default. What it costs the others is a ratio within the turn; memory is looked at all the while. See
benchmarks/README.md.
"""

import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from benchmarks.parts.command import main, parse, parser
from benchmarks.parts.load import Flow, make_load, measure_flow, measuring_flow, receive_result
from benchmarks.parts.machine import pin_generator, resident_bytes
from benchmarks.parts.relays import OpenStream, Relay, Seat
from benchmarks.parts.report import Report, compare
from benchmarks.parts.throughput import MEGA, open_relays
from relay.protocol.frames import Channel, Notice, decode_frame
from relay.protocol.streams import MAX_WINDOW_BYTES

PAYLOAD_BYTES = 64 * 1024
SESSIONS = 8
WINDOW = 1024 * 1024
MEBI = 1024 * 1024
LOOK_INTERVAL = 0.5
"""Seconds between looks at the relay's memory; each costs it some 2 ms."""
FAIR_SECONDS = 3.0
"""Of a turn in which all read, at most: the ratio settles sooner than memory."""


@dataclass(frozen=True)
class Turn:
    """One turn at one relay.

    Attributes:
        fairness: slowest by fastest, while all read.
        total: throughput of all then, bytes per second.
        without: throughput of all but the last, which is not there.
        beside: the same while the last is there and reads nothing.
        growth_without, growth: the most memory that the relay took on meanwhile, bytes.
        stalls: how often the viewer that reads nothing was closed.
    """

    fairness: float
    total: float
    without: float
    beside: float
    growth_without: float
    growth: float
    stalls: int


def measure(arguments: Sequence[str] | None = None) -> Report:
    """Measure as `arguments` say."""
    made = parser("fairness", "Several sessions at once.", seconds=13.0, rounds=5)
    made.add_argument("--sessions", type=int, default=SESSIONS, help="at least 2 [%(default)s]")
    made.add_argument("--window", type=int, default=WINDOW, help="credit of each, bytes [%(default)s]")
    options = parse(made, arguments, {"seconds": 1.0, "rounds": 1, "sessions": 3})
    report = Report("fairness", "Several sessions at once", unit_of_size="sessions", as_json=options.json)
    pin_generator()
    turns: dict[str, list[Turn]] = {}
    with ExitStack() as stack:
        count = options.sessions
        relays = open_relays(stack, options.against, sessions=count, active=count)
        for number in range(options.rounds):
            for name, relay in relays.items():
                # The order changes from turn to turn, so that what drifts harms both alike.
                turn = _turn(relay, options.seconds, options.window, is_stalled_first=bool(number % 2))
                turns.setdefault(name, []).append(turn)
    _add_figures(report, turns, options.sessions, options.window)
    stalls = sum(turn.stalls for turn in turns[""])
    report.note(
        f"Window {options.window:,} bytes; of the viewer that reads nothing {MAX_WINDOW_BYTES:,}. It was "
        f"there {options.rounds} x {options.seconds:g} s, was closed {stalls} times, and came back each time."
    )
    return report


def _turn(relay: Relay, seconds: float, window: int, *, is_stalled_first: bool) -> Turn:
    *others, last = relay.seats
    seen = {}
    for stalled in (last, None) if is_stalled_first else (None, last):
        with _streams(relay, others, window) as streams:
            seen[stalled is last] = _watched(relay, streams, seconds, stalled)
    without, growth_without, _ = seen[False]
    beside, growth, stalls = seen[True]
    with _streams(relay, relay.seats, window) as streams:
        paths = [stream.to_viewer() for stream in streams]
        rates = [
            flow.bytes_per_second for flow in measure_flow(paths, PAYLOAD_BYTES, min(seconds, FAIR_SECONDS))
        ]
    return Turn(min(rates) / max(rates), sum(rates), without, beside, growth_without, growth, stalls)


def _watched(
    relay: Relay, streams: Sequence[OpenStream], seconds: float, stalled: Seat | None
) -> tuple[float, int, int]:
    """Saturate `streams`, beside a viewer that reads nothing if there is a seat for it.

    Returns:
        Their throughput together, the most memory that the relay took on, how often it closed that viewer.
    """
    before = most = resident_bytes(relay.pid)
    stalls = 0
    paths = [stream.to_viewer() for stream in streams]
    with measuring_flow(paths, PAYLOAD_BYTES, seconds) as result, ExitStack() as stack:
        stream = stack.enter_context(_stalled(relay, stalled)) if stalled else None
        while not result.poll(LOOK_INTERVAL):
            most = max(most, resident_bytes(relay.pid))
            if stalled and stream and _is_closed(stream):
                stack.close()
                stalls += 1
                stream = stack.enter_context(_stalled(relay, stalled))
        flows: list[Flow] = receive_result(result)
    return sum(flow.bytes_per_second for flow in flows), most - before, stalls


@contextmanager
def _stalled(relay: Relay, seat: Seat) -> Iterator[OpenStream]:
    """A stream whose host has sent as much as credit allows, to a viewer that reads nothing."""
    with relay.connected(seat, Channel.FILES, window=MAX_WINDOW_BYTES) as (stream,):
        load = make_load(PAYLOAD_BYTES, stream.number, stream.window)
        available = stream.window - stream.host.spent
        for _ in range(available // (load.message_bytes * load.frames)):
            stream.host.sock.sendall(load.batch)
        yield stream


def _is_closed(stream: OpenStream) -> bool:
    """Whether the relay has closed the viewer. The host is told; at the viewer's own end, unread bytes stand
    before the news."""
    try:
        data = stream.host.sock.recv(65536, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    if not data:
        raise ConnectionError("a host was closed instead of its viewer")
    frames = map(decode_frame, stream.host.messages(data))
    return any(isinstance(frame, Notice) and frame.name == "detached" for frame in frames)


@contextmanager
def _streams(relay: Relay, seats: Sequence[Seat], window: int) -> Iterator[list[OpenStream]]:
    """A files stream of each seat's session."""
    with ExitStack() as stack:
        yield [stack.enter_context(relay.connected(seat, Channel.FILES, window=window))[0] for seat in seats]


def _add_figures(report: Report, turns: Mapping[str, Sequence[Turn]], sessions: int, window: int) -> None:
    def add(name: str, unit: str, of: Callable[[Turn], float], wanted: str = "") -> None:
        values = {other: [of(turn) for turn in some] for other, some in turns.items()}
        ours = values.pop("")
        report.add(compare(name, sessions, unit, ours, values, {"": wanted}))

    open_credit = ((sessions - 1) * window + MAX_WINDOW_BYTES) / MEBI
    add("slowest by fastest", "ratio", lambda turn: turn.fairness, ">= 0.8")
    add("throughput of all", "MB/s", lambda turn: turn.total / MEGA)
    add("the others beside one that stalls", "of without", lambda turn: turn.beside / turn.without, ">= 0.95")
    add("memory growth without it", "MiB", lambda turn: turn.growth_without / MEBI)
    add("memory growth beside it", "MiB", lambda turn: turn.growth / MEBI, f"<= {open_credit:g}")
    report.note(f"Memory growth: the most in a turn; wanted: the sum of open credit, {open_credit:g} MiB.")


if __name__ == "__main__":
    raise SystemExit(main(measure, limit=300))
