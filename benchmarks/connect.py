"""How many hosts a second are admitted: a return after a restart, and first joins.

    ./dev bench connect [--json] [--rounds N] [--hosts N] [--in-flight N] [--against FOLDER]

Each connection is a TCP connection, an upgrade, and a HELLO whose signature is checked and whose admission is
committed to the store before WELCOME. The baselines only upgrade. See benchmarks/README.md.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from time import monotonic

from benchmarks.parts.baselines import Subject, open_trio_websocket
from benchmarks.parts.crowd import Caller, Member, close_crowd, dial_crowd, make_caller
from benchmarks.parts.machine import pin_generator, wait_quiet
from benchmarks.parts.relays import Relay, Seat, open_relay
from benchmarks.parts.report import Report, compare, parser
from benchmarks.parts.throughput import open_subjects, other_name
from relay.protocol.frames import SUBPROTOCOL, Welcome, decode_frame, encode_frame
from relay.protocol.websocket import WebSocketCodec

FIRST, AGAIN = "first joins, by invite", "returns, by credential"


def measure(arguments: Sequence[str] | None = None) -> Report:
    """Measure as `arguments` say."""
    made = parser("connect", "Hosts admitted a second.", seconds=0.0, rounds=3)
    made.add_argument("--hosts", type=int, default=400, help="a turn [%(default)s]")
    made.add_argument("--in-flight", type=int, default=64, help="at a time [%(default)s]")
    options = made.parse_args(arguments)
    report = Report("connect", "Hosts admitted a second", unit_of_size="hosts", as_json=options.json)
    pin_generator()
    rates: dict[str, dict[str, list[float]]] = {FIRST: {}, AGAIN: {}}
    with ExitStack() as stack:
        subjects = open_subjects(stack, [open_trio_websocket], report)
        for _ in range(options.rounds):
            for folder in [None] if options.against is None else [None, options.against]:
                first, again = _at_relay(folder, options.hosts, options.in_flight)
                name = other_name(options.against) if folder else ""
                rates[FIRST].setdefault(name, []).append(first)
                rates[AGAIN].setdefault(name, []).append(again)
            for subject in subjects:
                rate = _at_subject(subject, options.hosts, options.in_flight)
                for kind in rates.values():
                    kind.setdefault(f"{subject.name}, upgrade only", []).append(rate)
    for name, values in rates.items():
        ours = values.pop("")
        report.add(compare(name, options.hosts, "hosts/s", ours, values, {"": ">= 1,500"}))
    report.note(f"{options.in_flight} at a time. Every admission is a committed transaction.")
    return report


def _at_relay(folder: Path | None, hosts: int, in_flight: int) -> tuple[float, float]:
    with open_relay(hosts, folder=folder) as relay:
        callers = _callers(relay)
        first, members = _timed(lambda: dial_crowd(relay.port, callers, in_flight=in_flight)[0])
        by_session = {seat.session: seat for seat in relay.seats}
        for member in members:
            _take_credential(by_session, member)
        close_crowd(members)
        wait_quiet(relay.pid)  # it notes in its store who has left
        callers_again = _callers(relay)
        again, members = _timed(lambda: dial_crowd(relay.port, callers_again, in_flight=in_flight)[0])
        close_crowd(members)
    return hosts / first, hosts / again


def _at_subject(subject: Subject, hosts: int, in_flight: int) -> float:
    caller = make_caller(f"127.0.0.1:{subject.port}", "/", None)
    seconds, members = _timed(lambda: dial_crowd(subject.port, [caller] * hosts, in_flight=in_flight)[0])
    close_crowd(members)
    return hosts / seconds


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


def _timed(work: Callable[[], list[Member]]) -> tuple[float, list[Member]]:
    began = monotonic()
    members = work()
    return monotonic() - began, members


if __name__ == "__main__":
    measure().print()
