"""What idle hosts cost: memory of each, and processor time of all of them being pinged.

    ./dev bench idle [--json] [--hosts N] [--tls-hosts N] [--seconds S] [--against FOLDER]

N hosts join and say nothing but pings and pongs. Memory is what the process has for itself in RAM, after
minus before, by the number of hosts; processor time is counted while nothing else happens. See
benchmarks/README.md.
"""

import resource
import ssl
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.parts.baselines import Subject, open_trio_websocket
from benchmarks.parts.certificates import Certificate, make_certificate
from benchmarks.parts.crowd import Caller, Member, close_crowd, dial_crowd, make_caller, stay_quiet
from benchmarks.parts.machine import cpu_seconds, pin_generator, resident_bytes
from benchmarks.parts.relays import Relay, open_relay
from benchmarks.parts.report import Report, compare, parser
from benchmarks.parts.throughput import open_subjects, other_name
from relay.protocol.frames import SUBPROTOCOL, encode_frame

KIB = 1024
WARM_UP_HOSTS = 32
"""Joined before memory is first looked at, so that what is made once is not counted for each."""
SETTLE_SECONDS = 0.5
HOSTS_AT_A_TIME = 500


@dataclass(frozen=True)
class Cost:
    """Of a crowd: KiB of memory for each, per cent of a core for all."""

    memory: float
    cpu: float


def measure(arguments: Sequence[str] | None = None) -> Report:
    """Measure as `arguments` say."""
    made = parser("idle", "What idle hosts cost.", seconds=20.0, rounds=1)
    made.add_argument("--hosts", type=int, default=1000, help="connected, plain; at most 5000 [%(default)s]")
    made.add_argument("--tls-hosts", type=int, default=500, help="connected with TLS [%(default)s]")
    options = made.parse_args(arguments)
    _allow_descriptors(max(options.hosts, options.tls_hosts) + 1000)
    report = Report("idle", "What idle hosts cost", unit_of_size="hosts", as_json=options.json)
    pin_generator()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-tls-")))
        certificate = make_certificate(folder)
        for transport, hosts, shown in (
            ("plain", options.hosts, None),
            ("TLS", options.tls_hosts, certificate),
        ):
            if hosts:
                _measure_crowd(
                    report, transport, hosts, shown, options.seconds, options.rounds, options.against
                )
    report.note("trio-websocket's server only holds the connections; it sends no pings of its own.")
    return report


def _measure_crowd(
    report: Report,
    transport: str,
    hosts: int,
    certificate: Certificate | None,
    seconds: float,
    rounds: int,
    against: Path | None,
) -> None:
    costs: dict[str, list[Cost]] = {}
    for _ in range(rounds):
        for folder in [None] if against is None else [None, against]:
            with open_relay(hosts + WARM_UP_HOSTS, certificate=certificate, folder=folder) as relay:
                name = other_name(against) if folder else ""
                costs.setdefault(name, []).append(_cost_at_relay(relay, hosts, seconds))
        if certificate is None:
            with ExitStack() as stack:
                for subject in open_subjects(stack, [open_trio_websocket], report):
                    costs.setdefault(subject.name, []).append(_cost_at_subject(subject, hosts, seconds))
    for name, unit, wanted in (("memory of each", "KiB", "<= 12"), ("processor time", "% of a core", "<= 4")):
        values = {
            other: [cost.memory if unit == "KiB" else cost.cpu for cost in turns]
            for other, turns in costs.items()
        }
        ours = values.pop("")
        report.add(compare(f"{name}, {transport}", hosts, unit, ours, values, {"": wanted}))


def _cost_at_relay(relay: Relay, hosts: int, seconds: float) -> Cost:
    host = relay.origin.partition("://")[2]
    callers = [
        make_caller(host, "/tunnel/host", SUBPROTOCOL, encode_frame(relay.hello(seat)))
        for seat in relay.seats[: WARM_UP_HOSTS + hosts]
    ]
    return _cost(relay.pid, relay.port, relay.tls, callers, seconds)


def _cost_at_subject(subject: Subject, hosts: int, seconds: float) -> Cost:
    caller = make_caller(f"127.0.0.1:{subject.port}", "/", None)
    return _cost(subject.pid, subject.port, None, [caller] * (WARM_UP_HOSTS + hosts), seconds)


def _cost(pid: int, port: int, tls: ssl.SSLContext | None, callers: Sequence[Caller], seconds: float) -> Cost:
    members: list[Member] = []
    before = 0
    try:
        for start in (0, *range(WARM_UP_HOSTS, len(callers), HOSTS_AT_A_TIME)):
            end = WARM_UP_HOSTS if start == 0 else start + HOSTS_AT_A_TIME
            members += dial_crowd(port, callers[start:end], tls=tls)[0]
            # Those who wait for the rest answer pings meanwhile; else they would be taken for dead.
            stay_quiet(members, time.monotonic() + SETTLE_SECONDS)
            before = before or resident_bytes(pid)
        memory = (resident_bytes(pid) - before) / (len(callers) - WARM_UP_HOSTS) / KIB
        cpu, began = cpu_seconds(pid), time.monotonic()
        stay_quiet(members, began + seconds)
        return Cost(memory, 100 * (cpu_seconds(pid) - cpu) / (time.monotonic() - began))
    finally:
        close_crowd(members)


def _allow_descriptors(count: int) -> None:
    """Raise this process's and its children's limit as far as it may go."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(soft, count) if hard == resource.RLIM_INFINITY else min(max(soft, count), hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


if __name__ == "__main__":
    measure().print()
