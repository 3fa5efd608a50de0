"""What every benchmark has on its command line: the arguments they share, ``--quick``, and a time limit."""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.parts.report import Report


class OutOfTime(Exception):
    """The benchmark took longer than its ``--limit``."""


def parser(name: str, description: str, *, seconds: float, rounds: int) -> argparse.ArgumentParser:
    """The arguments every benchmark has; `main` takes ``--limit`` out before."""
    made = argparse.ArgumentParser(
        prog=f"./dev bench {name}",
        description=description,
        epilog="--limit S gives up, with exit status 1, after so many seconds.",
    )
    made.add_argument("--json", action="store_true", help="one JSON line a figure")
    made.add_argument("--quick", action="store_true", help="a smoke run: everything once, and small")
    made.add_argument("--seconds", type=float, default=seconds, help="of each measurement [%(default)s]")
    made.add_argument(
        "--rounds", type=int, default=rounds, help="turns, each with every baseline [%(default)s]"
    )
    made.add_argument(
        "--against", metavar="FOLDER", type=Path, help="another checkout, whose relay is one more baseline"
    )
    return made


def parse(
    made: argparse.ArgumentParser, arguments: Sequence[str] | None, quick: Mapping[str, object]
) -> argparse.Namespace:
    """Parse; with ``--quick``, what is not given explicitly is as in `quick`."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    if "--quick" in words:
        made.set_defaults(**quick)
    return made.parse_args(words)


def main(measure: Callable[[Sequence[str]], Report], *, limit: float) -> int:
    """Run a benchmark as a program; returns the exit status: 1 if it is over its limit or has failed.

    Args:
        measure: does it, as the arguments say.
        limit: seconds after which it is given up, unless ``--limit`` says otherwise.
    """
    made = argparse.ArgumentParser(add_help=False)
    made.add_argument("--limit", type=float, default=limit)
    options, arguments = made.parse_known_args()
    try:
        with time_limit(options.limit):
            report = measure(arguments)
    except OutOfTime as error:
        print(error, file=sys.stderr)
        return 1
    report.print()
    return int(bool(report.failures))


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `OutOfTime` in the main thread once the block has taken so long. Children are not concerned."""
    owner = os.getpid()

    def give_up(signum: int, frame: object) -> None:
        if os.getpid() == owner:
            raise OutOfTime(f"given up after {seconds:g} s (--limit)")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
