"""What idle hosts cost: memory of each, and processor time of all of them being pinged.

    ./dev bench idle [--json] [--hosts N] [--tls-hosts N] [--seconds S] [--against FOLDER]

N hosts join and say nothing but pings and pongs. Memory is the process's Rss, after minus before, by the
number of hosts; processor time is counted while nothing else happens. See benchmarks/README.md.
"""

import argparse
import resource
import ssl
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.parts.baselines import Subject, open_trio_websocket
from benchmarks.parts.command import main, parse, parser
from benchmarks.parts.crowd import Caller, Member, close_crowd, dial_crowd, make_caller, stay_quiet
from benchmarks.parts.machine import cpu_seconds, pin_generator, resident_bytes
from benchmarks.parts.relays import Relay, open_relay
from benchmarks.parts.report import Report, compare
from benchmarks.parts.throughput import open_subjects, other_name
from relay.protocol.frames import SUBPROTOCOL, encode_frame
from tests.helpers.certificates import Certificate, make_certificate

KIB = 1024
WARM_UP_HOSTS = 32
"""Joined before memory is first looked at, so that what is made once is not counted for each."""
SETTLE_SECONDS = 0.5
HOSTS_AT_A_TIME = 500
BASELINE_SECONDS = 10.0
"""Of the baseline's pings, at most: its figure is there for the memory."""


@dataclass(frozen=True)
class Cost:
    """Of a crowd, by its parts and by spans of time.

    Attributes:
        memory: KiB for each host, of each part of the crowd as it joined.
        memory_after: KiB for each host of the whole crowd, after all the pings.
        cpu: per cent of a core for all of them, of each span.
    """

    memory: list[float]
    memory_after: float
    cpu: list[float]


def measure(arguments: Sequence[str] | None = None) -> Report:
    """Measure as `arguments` say."""
    made = parser("idle", "What idle hosts cost.", seconds=60.0, rounds=5)
    made.add_argument("--hosts", type=int, default=5000, help="connected, plain [%(default)s]")
    made.add_argument("--tls-hosts", type=int, default=5000, help="connected with TLS [%(default)s]")
    made.add_argument("--only", action="store_true", help="no baselines")
    options = parse(made, arguments, {"seconds": 1.0, "rounds": 1, "hosts": 50, "tls_hosts": 10})
    _allow_descriptors(max(options.hosts, options.tls_hosts) + 1000)
    report = Report("idle", "What idle hosts cost", unit_of_size="hosts", as_json=options.json)
    pin_generator()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-tls-")))
        crowds = {"plain": (options.hosts, None), "TLS": (options.tls_hosts, make_certificate(folder))}
        for transport, (hosts, certificate) in crowds.items():
            if hosts:
                costs = _costs(report, hosts, certificate, options)
                _add_figures(report, transport, hosts, costs)
    report.note(
        f"Memory as the crowd joins in {options.rounds} equal parts; pings for {options.seconds:g} s, "
        f"in {options.rounds} equal spans. trio-websocket's server sends no pings of its own."
    )
    return report


def _costs(
    report: Report, hosts: int, certificate: Certificate | None, options: argparse.Namespace
) -> dict[str, Cost]:
    """Of the relay, called "", and of what it is compared with."""
    costs = {}
    checkouts = (
        {"": None} if options.against is None else {"": None, other_name(options.against): options.against}
    )
    for name, folder in checkouts.items():
        with open_relay(hosts + WARM_UP_HOSTS, certificate=certificate, folder=folder) as relay:
            costs[name] = _cost_at_relay(relay, hosts, options)
    if certificate is None and not options.only:
        with ExitStack() as stack:
            for subject in open_subjects(stack, [open_trio_websocket], report):
                costs[subject.name] = _cost_at_subject(subject, hosts, options)
    return costs


def _add_figures(report: Report, transport: str, hosts: int, costs: dict[str, Cost]) -> None:
    others = {name: cost for name, cost in costs.items() if name}
    memory = {name: cost.memory for name, cost in others.items()}
    after = {name: [cost.memory_after] for name, cost in others.items()}
    cpu = {name: cost.cpu for name, cost in others.items()}
    goal, ours = {"": "<= 12"} if transport == "plain" else {"": ""}, costs[""]
    report.add(compare(f"memory of each, {transport}", hosts, "KiB", ours.memory, memory, goal))
    report.add(
        compare(f"memory of each, {transport}, after pings", hosts, "KiB", [ours.memory_after], after, goal)
    )
    report.add(compare(f"processor time, {transport}", hosts, "% of a core", ours.cpu, cpu, {"": "<= 4"}))


def _cost_at_relay(relay: Relay, hosts: int, options: argparse.Namespace) -> Cost:
    host = relay.origin.partition("://")[2]
    callers = [
        make_caller(host, "/tunnel/host", SUBPROTOCOL, encode_frame(relay.hello(seat)))
        for seat in relay.seats[: WARM_UP_HOSTS + hosts]
    ]
    return _cost(relay.pid, relay.port, relay.tls, callers, options.seconds, options.rounds)


def _cost_at_subject(subject: Subject, hosts: int, options: argparse.Namespace) -> Cost:
    caller = make_caller(f"127.0.0.1:{subject.port}", "/", None)
    seconds = min(options.seconds, BASELINE_SECONDS)
    return _cost(subject.pid, subject.port, None, [caller] * (WARM_UP_HOSTS + hosts), seconds, options.rounds)


def _cost(
    pid: int, port: int, tls: ssl.SSLContext | None, callers: Sequence[Caller], seconds: float, rounds: int
) -> Cost:
    members: list[Member] = []

    def join(some: Sequence[Caller]) -> int:
        """Dial them; memory then. Who waits for the rest answers pings, so as not to be taken for dead."""
        for start in range(0, len(some), HOSTS_AT_A_TIME):
            members.extend(dial_crowd(port, some[start : start + HOSTS_AT_A_TIME], tls=tls)[0])
            stay_quiet(members, time.monotonic() + SETTLE_SECONDS)
        return resident_bytes(pid)

    try:
        start = before = join(callers[:WARM_UP_HOSTS])
        hosts = callers[WARM_UP_HOSTS:]
        memory = []
        for number in range(rounds):
            part = hosts[number * len(hosts) // rounds : (number + 1) * len(hosts) // rounds]
            after = join(part)
            memory.append((after - before) / len(part) / KIB)
            before = after
        cpu = []
        for _ in range(rounds):
            used, began = cpu_seconds(pid), time.monotonic()
            stay_quiet(members, began + seconds / rounds)
            cpu.append(100 * (cpu_seconds(pid) - used) / (time.monotonic() - began))
        return Cost(memory, (resident_bytes(pid) - start) / len(hosts) / KIB, cpu)
    finally:
        close_crowd(members)


def _allow_descriptors(count: int) -> None:
    """Raise this process's and its children's limit as far as it may go."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(soft, count) if hard == resource.RLIM_INFINITY else min(max(soft, count), hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


if __name__ == "__main__":
    raise SystemExit(main(measure, limit=420))
