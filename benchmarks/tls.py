"""Throughput of one session with TLS on both legs.

    ./dev bench tls [--json] [--rounds N] [--seconds S] [--sizes N ...] [--window BYTES] [--against FOLDER]

As `benchmarks.tunnel`, with the relay's own listener speaking TLS. The generator encrypts too: look at the
figures per CPU second where it is short of processors. See benchmarks/README.md.
"""

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.parts.baselines import open_direct, open_nginx, open_pump
from benchmarks.parts.command import main, parse, parser
from benchmarks.parts.machine import pin_generator
from benchmarks.parts.relays import open_relay
from benchmarks.parts.report import Report
from benchmarks.parts.throughput import (
    DIRECTIONS,
    PURE_PYTHON,
    Wanted,
    measure_throughput,
    open_relays,
    open_subjects,
)
from relay.transport import ServerTls
from tests.helpers.certificates import make_certificate

SIZES = (16 * 1024, 64 * 1024)
WINDOW = 1024 * 1024
OPENERS = (open_direct, open_nginx, open_pump)
WANTED: Wanted = {(DIRECTIONS[0], 64 * 1024): {"nginx": ">= 0.8", "trio.SSLStream pump": ">= 3"}}


def measure(arguments: Sequence[str] | None = None) -> Report:
    """Measure as `arguments` say."""
    made = parser("tls", "Throughput of one session with TLS on both legs.", seconds=0.5, rounds=5)
    made.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="of payloads, bytes")
    made.add_argument("--window", type=int, default=WINDOW, help="credit of the stream, bytes [%(default)s]")
    made.add_argument("--only", action="store_true", help="no baselines")
    options = parse(made, arguments, {"seconds": 0.1, "rounds": 1, "sizes": (16 * 1024,)})
    report = Report("tls", "Throughput of one session, TLS on both legs", as_json=options.json)
    pin_generator()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-tls-")))
        certificate = make_certificate(folder)
        relays = open_relays(stack, options.against, certificate=certificate)
        if ServerTls.load(certificate.certificate, certificate.key).compiled is None:
            report.note("left out: the relay with its compiled part, which is not built; all is pure Python")
        else:
            relays[PURE_PYTHON] = stack.enter_context(
                open_relay(1, active=1, certificate=certificate, pure_python=True)
            )
        subjects = open_subjects(stack, [] if options.only else OPENERS, report, certificate)
        measure_throughput(
            report,
            relays,
            subjects,
            sizes=options.sizes,
            rounds=options.rounds,
            seconds=options.seconds,
            window=options.window,
            wanted=WANTED,
        )
    report.note(f"Window {options.window:,} bytes.")
    return report


if __name__ == "__main__":
    raise SystemExit(main(measure, limit=200))
