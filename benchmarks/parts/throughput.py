"""Throughput of the relay and of everything it is compared with, measured turn by turn."""

import statistics
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.parts.baselines import Missing, Opener, Subject
from benchmarks.parts.load import Flow, measure_flow
from benchmarks.parts.relays import Relay, open_relay
from benchmarks.parts.report import Report, compare
from relay.protocol.frames import Channel
from tests.helpers.certificates import Certificate

MEGA = 1e6
SMALL_BYTES = 1024
"""Payloads below this are counted by the frame, larger ones by the byte."""
DIRECTIONS = ("host → viewer", "viewer → host")
PER_CPU = "per CPU second"
PURE_PYTHON = "in pure Python"
"""What the relay without its compiled part is called."""
BUSY_SHARE = 0.95
"""Of its core: a generator that takes more is what the figure measures."""

Turns = dict[str, list[Flow]]
Wanted = Mapping[tuple[str, int], dict[str, str]]
"""Goals by the figure's name and size, then by the baseline's name ("" for the value itself)."""


def open_subjects(
    stack: ExitStack, openers: Sequence[Opener], report: Report, certificate: Certificate | None = None
) -> list[Subject]:
    """The baselines that are installed; a note in `report` for each that is not."""
    subjects = []
    for opener in openers:
        try:
            subjects.append(stack.enter_context(opener(certificate)))
        except Missing as missing:
            report.note(str(missing))
    return subjects


def open_relays(
    stack: ExitStack,
    against: Path | None,
    *,
    sessions: int = 1,
    active: int = 1,
    certificate: Certificate | None = None,
) -> dict[str, Relay]:
    """The relay, called "", and by its name the one of another checkout if there is one to compare with."""

    def opened(folder: Path | None) -> Relay:
        return stack.enter_context(
            open_relay(sessions, active=active, certificate=certificate, folder=folder)
        )

    relays = {"": opened(None)}
    if against is not None:
        relays[other_name(against)] = opened(against)
    return relays


def other_name(against: Path | None) -> str:
    """What the relay of another checkout is called in a report."""
    return f"relay of {against.name if against else 'here'}"


def measure_throughput(
    report: Report,
    relays: Mapping[str, Relay],
    subjects: Sequence[Subject],
    *,
    sizes: Sequence[int],
    rounds: int,
    seconds: float,
    window: int,
    wanted: Wanted,
) -> None:
    """Saturate one stream, in one direction at a time, with each size of payload.

    Args:
        report: gets the figures.
        relays: the one that is measured, called "", and others by name; each with one active session.
        subjects: the baselines.
        sizes: of payloads.
        rounds, seconds: turns and the length of each.
        window: the stream's credit, bytes.
        wanted: goals.
    """
    for size in sizes:
        ours: dict[tuple[str, str], list[Flow]] = {}
        theirs: Turns = {}
        for _ in range(rounds):
            for name, relay in relays.items():
                for direction in DIRECTIONS:
                    flow = _through_relay(relay, direction, size, seconds, window)
                    ours.setdefault((name, direction), []).append(flow)
            for subject in subjects:
                theirs.setdefault(subject.name, []).append(_through(subject, size, seconds))
        for direction in DIRECTIONS:
            others = {name: ours[name, direction] for name in relays if name}
            _add_figures(report, direction, size, ours["", direction], {**theirs, **others}, wanted)
            if PURE_PYTHON in others:
                name = f"{direction}, {PURE_PYTHON}"
                _add_figures(report, name, size, others[PURE_PYTHON], theirs, wanted)


def _through_relay(relay: Relay, direction: str, size: int, seconds: float, window: int) -> Flow:
    with relay.connected(relay.seats[0], Channel.FILES, window=window) as (stream,):
        path = stream.to_viewer() if direction == DIRECTIONS[0] else stream.to_host()
        return measure_flow([path], size, seconds, relay.pid)[0]


def _through(subject: Subject, size: int, seconds: float) -> Flow:
    path = subject.open_path()
    try:
        return measure_flow([path], size, seconds, subject.pid)[0]
    finally:
        path.close()


def _add_figures(
    report: Report,
    name: str,
    size: int,
    turns: Sequence[Flow],
    baselines: Mapping[str, Sequence[Flow]],
    wanted: Wanted,
) -> None:
    unit = "frames/s" if size < SMALL_BYTES else "MB/s"
    busiest = statistics.median(flow.generator_share for flow in turns)
    if busiest > BUSY_SHARE:
        report.note(
            f"{name}, {size:,} bytes: the generator took {busiest:.0%} of its core; it was the bottleneck."
        )

    def rate(flow: Flow) -> float:
        return flow.frames_per_second if size < SMALL_BYTES else flow.bytes_per_second / MEGA

    def rate_per_cpu(flow: Flow) -> float:
        return rate(flow) / flow.cpu_share if flow.cpu_share else 0.0

    report.add(
        compare(
            name,
            size,
            unit,
            [rate(flow) for flow in turns],
            {other: [rate(flow) for flow in flows] for other, flows in baselines.items()},
            wanted.get((name, size)),
        )
    )
    report.add(
        compare(
            f"{name}, {PER_CPU}",
            size,
            unit,
            [rate_per_cpu(flow) for flow in turns],
            {other: [rate_per_cpu(flow) for flow in flows] for other, flows in baselines.items()},
        )
    )
