"""Throughput of the relay and of everything it is compared with, measured turn by turn."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.parts.baselines import Missing, Opener, Subject
from benchmarks.parts.certificates import Certificate
from benchmarks.parts.load import Flow, measure_flow
from benchmarks.parts.relays import Relay, open_relay
from benchmarks.parts.report import Report, compare
from relay.protocol.frames import Channel

MEGA = 1e6
SMALL_BYTES = 1024
"""Payloads below this are counted by the frame, larger ones by the byte."""
DIRECTIONS = ("host → viewer", "viewer → host")
PER_CPU = "per CPU second"

Turns = dict[str, list[Flow]]
Wanted = Mapping[tuple[str, int], dict[str, str]]
"""Goals by direction and size, then by the baseline's name ("" for the value itself)."""


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
) -> list[Relay]:
    """The relay, and the one of another checkout if there is one to compare with."""
    folders = [None] if against is None else [None, against]
    return [
        stack.enter_context(open_relay(sessions, active=active, certificate=certificate, folder=folder))
        for folder in folders
    ]


def other_name(against: Path | None, suffix: str = "") -> str:
    """What the relay of another checkout is called in a report."""
    return f"relay of {against.name if against else 'here'}{suffix}"


def measure_throughput(
    report: Report,
    relays: Sequence[Relay],
    subjects: Sequence[Subject],
    *,
    sizes: Sequence[int],
    rounds: int,
    seconds: float,
    window: int,
    wanted: Wanted,
    against: Path | None = None,
) -> None:
    """Saturate one stream, in one direction at a time, with each size of payload.

    Args:
        report: gets the figures.
        relays: the one that is measured and maybe the one of another checkout; each with one active session.
        subjects: the baselines.
        sizes: of payloads.
        rounds, seconds: turns and the length of each.
        window: the stream's credit, bytes.
        wanted: goals.
        against: what the second relay is called after.
    """
    for size in sizes:
        turns: Turns = {}
        for _ in range(rounds):
            for number, relay in enumerate(relays):
                for direction in DIRECTIONS:
                    name = direction if number == 0 else other_name(against, direction)
                    turns.setdefault(name, []).append(_through_relay(relay, direction, size, seconds, window))
            for subject in subjects:
                turns.setdefault(subject.name, []).append(_through(subject, size, seconds))
        for direction in DIRECTIONS:
            baselines = {subject.name: turns[subject.name] for subject in subjects}
            if len(relays) > 1:
                baselines[other_name(against)] = turns[other_name(against, direction)]
            _add_figures(report, direction, size, turns[direction], baselines, wanted)


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
    direction: str,
    size: int,
    turns: Sequence[Flow],
    baselines: Mapping[str, Sequence[Flow]],
    wanted: Wanted,
) -> None:
    unit = "frames/s" if size < SMALL_BYTES else "MB/s"

    def rate(flow: Flow) -> float:
        return flow.frames_per_second if size < SMALL_BYTES else flow.bytes_per_second / MEGA

    def rate_per_cpu(flow: Flow) -> float:
        return rate(flow) / flow.cpu_share if flow.cpu_share else 0.0

    report.add(
        compare(
            direction,
            size,
            unit,
            [rate(flow) for flow in turns],
            {name: [rate(flow) for flow in flows] for name, flows in baselines.items()},
            wanted.get((direction, size)),
        )
    )
    report.add(
        compare(
            f"{direction}, {PER_CPU}",
            size,
            unit,
            [rate_per_cpu(flow) for flow in turns],
            {name: [rate_per_cpu(flow) for flow in flows] for name, flows in baselines.items()},
        )
    )
