"""How many hosts a second are admitted: a return after a restart, and first joins.

    ./dev bench connect [--json] [--rounds N] [--hosts N] [--in-flight N] [--open N ...] [--against FOLDER]

Each connection is a TCP connection, an upgrade, and a HELLO whose signature is checked; a first join is
committed to the store before WELCOME. The baseline only upgrades; the generator's own limit is what it would
reach if it never had to wait. See benchmarks/README.md.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import product
from time import monotonic, process_time

from benchmarks.parts.baselines import Subject, open_trio_websocket
from benchmarks.parts.command import main, parse, parser
from benchmarks.parts.crowd import Caller, Member, close_crowd, dial_crowd, make_caller
from benchmarks.parts.machine import cpu_seconds, pin_generator, wait_quiet
from benchmarks.parts.relays import Relay, Seat, open_relay
from benchmarks.parts.report import Report, compare
from benchmarks.parts.throughput import open_subjects, other_name
from relay.protocol.frames import SUBPROTOCOL, Welcome, decode_frame, encode_frame
from relay.protocol.websocket import WebSocketCodec

FIRST, AGAIN = "first joins, by invite", "returns, by credential"
OPEN_SESSIONS = (0, 5000)
HOSTS = 1800
"""Some 28 times as many as are on their way at once, so that beginning and end of a turn weigh little."""
GENERATOR = "generator's own limit"
MICRO = 1e6


@dataclass(frozen=True)
class Admissions:
    """So many hosts, all at once.

    Attributes:
        hosts: how many.
        seconds: until the last was admitted.
        cpu: processor seconds of whoever admitted them.
        generator: the same of who dialled.
    """

    hosts: int
    seconds: float
    cpu: float
    generator: float


def measure(arguments: Sequence[str] | None = None) -> Report:
    """Measure as `arguments` say."""
    made = parser("connect", "Hosts admitted a second.", seconds=0.0, rounds=5)
    made.add_argument("--hosts", type=int, default=HOSTS, help="a turn [%(default)s]")
    made.add_argument("--in-flight", type=int, default=64, help="at a time [%(default)s]")
    made.add_argument(
        "--open", type=int, nargs="+", default=OPEN_SESSIONS, help="sessions of others [%(default)s]"
    )
    made.add_argument("--only", action="store_true", help="no baselines")
    options = parse(made, arguments, {"rounds": 1, "hosts": 30, "open": (0, 50)})
    report = Report("connect", "Hosts admitted a second", unit_of_size="hosts", as_json=options.json)
    pin_generator()
    turns: dict[tuple[str, str, int], list[Admissions]] = {}
    baselines: dict[str, list[Admissions]] = {}
    checkouts = (
        {"": None} if options.against is None else {"": None, other_name(options.against): options.against}
    )
    with ExitStack() as stack:
        subjects = open_subjects(stack, [] if options.only else [open_trio_websocket], report)
        for _, count, (name, folder) in product(range(options.rounds), options.open, checkouts.items()):
            with open_relay(options.hosts, others=count, folder=folder) as relay:
                first, again = _at_relay(relay, options.in_flight)
            turns.setdefault((name, FIRST, count), []).append(first)
            turns.setdefault((name, AGAIN, count), []).append(again)
            for subject in subjects if name == "" else []:
                made_here = _at_subject(subject, options.hosts, options.in_flight)
                baselines.setdefault(f"{subject.name}, upgrade only", []).append(made_here)
    for kind, count in product((FIRST, AGAIN), options.open):
        others = {name: turns[name, kind, count] for name in checkouts if name}
        _add_figures(report, f"{kind}, {count:,} open", turns["", kind, count], {**others, **baselines})
    report.note(
        f"{options.in_flight} at a time; open: so many sessions of others. A first join is a committed "
        "transaction."
    )
    return report


def _add_figures(
    report: Report, name: str, turns: Sequence[Admissions], baselines: dict[str, list[Admissions]]
) -> None:
    def rates(some: Sequence[Admissions]) -> list[float]:
        return [turn.hosts / turn.seconds for turn in some]

    def costs(some: Sequence[Admissions]) -> list[float]:
        return [MICRO * turn.cpu / turn.hosts for turn in some]

    hosts = turns[0].hosts
    limits = {GENERATOR: [turn.hosts / turn.generator for turn in turns]}
    others = {other: rates(some) for other, some in baselines.items()}
    report.add(compare(name, hosts, "hosts/s", rates(turns), {**limits, **others}, {"": ">= 1,500"}))
    others = {other: costs(some) for other, some in baselines.items()}
    report.add(compare(f"{name}, processor time of each", hosts, "µs", costs(turns), others))


def _at_relay(relay: Relay, in_flight: int) -> tuple[Admissions, Admissions]:
    """First joins, then returns of the same hosts."""
    first, members = _dialled(relay.pid, relay.port, _callers(relay), in_flight)
    by_session = {seat.session: seat for seat in relay.seats}
    for member in members:
        _take_credential(by_session, member)
    close_crowd(members)
    wait_quiet(relay.pid)  # it notes in its store who has left
    again, members = _dialled(relay.pid, relay.port, _callers(relay), in_flight)
    close_crowd(members)
    return first, again


def _at_subject(subject: Subject, hosts: int, in_flight: int) -> Admissions:
    caller = make_caller(f"127.0.0.1:{subject.port}", "/", None)
    admissions, members = _dialled(subject.pid, subject.port, [caller] * hosts, in_flight)
    close_crowd(members)
    return admissions


def _dialled(
    pid: int, port: int, callers: Sequence[Caller], in_flight: int
) -> tuple[Admissions, list[Member]]:
    cpu, own, began = cpu_seconds(pid), process_time(), monotonic()
    members, _ = dial_crowd(port, callers, in_flight=in_flight)
    took, own, cpu = monotonic() - began, process_time() - own, cpu_seconds(pid) - cpu
    return Admissions(len(callers), took, cpu, own), members


def _callers(relay: Relay) -> list[Caller]:
    """What every seat's host says, built before the clock starts."""
    host = relay.origin.partition("://")[2]
    return [
        make_caller(host, "/tunnel/host", SUBPROTOCOL, encode_frame(relay.hello(seat)))
        for seat in relay.seats
    ]


def _take_credential(seats: dict[str, Seat], member: Member) -> None:
    codec = WebSocketCodec(is_client=True, max_message_bytes=1 << 16)
    (message, *_) = codec.receive_data(member.answer)
    if not isinstance(message, bytes) or not isinstance(welcome := decode_frame(message), Welcome):
        raise ConnectionError("a host was not admitted")
    credential = welcome.fields["credential"]
    if not isinstance(credential, bytes):
        raise ConnectionError("a join by invite gives a credential")
    seats[str(welcome.fields["session"])].credential = credential


if __name__ == "__main__":
    raise SystemExit(main(measure, limit=420))
