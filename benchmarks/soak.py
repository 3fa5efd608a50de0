"""Many sessions' lives, good and bad, for as long as you like; afterwards nothing may be left of them.

    ./dev bench soak [--minutes N] [--workers N] [--seed N] [--json]

So many workers lead the lives of `benchmarks.parts.lives` side by side, each of a fresh session: hosts and
viewers come and go, sessions are ended by people and by the clock, connections break in mid-transfer, viewers
stall, tickets and codes are wrong, frames are bad. Every two seconds the relay's memory and descriptors are
noted. At the end everything is ended and the relay is asked what it still has. The exit status is 1 if

- a life did not go as it should, or the relay met an error nobody expected (`relay_crashes_total`);
- a host, viewer, tunnel, stream, queued byte or open session is left (the relay's own metrics);
- it has more descriptors open than before (those of its database apart: the store keeps a connection for each
  of its threads, and opens one when it first needs it);
- its memory grew faster in the second half than is allowed, by more than twice the slope's noise.
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from benchmarks.parts.command import main, parse, parser
from benchmarks.parts.lives import LIVES, Life, stalls, warm_up
from benchmarks.parts.machine import descriptors, pin_generator, resident_bytes
from benchmarks.parts.relays import DATABASE, Relay, Terms, open_relay
from benchmarks.parts.report import Figure, Report
from benchmarks.parts.trends import trend

SEED = 7
LOOK_SECONDS = 2.0
LIFETIME = 20.0
"""Of sessions, from activation; and until they lapse."""
ALLOWED_KIB_PER_MINUTE = 128.0
"""Some two hundred bytes for each connection, of several hundred in a minute: no leak hides below that."""
MAX_OF_DATABASE = 16
"""Descriptors: a writer and four readers (`relay.store`), each of file, log and index."""
KIB = 1024
MAX_FAILURES = 20
"""Shown: the first ones tell the story."""
GAUGES = (
    *(f'relay_connections{{role="{role}"}}' for role in ("host", "viewer", "handshaking", "events")),
    *(f'relay_sessions{{state="{state}"}}' for state in ("prepared", "waiting", "active")),
    *("relay_tunnels", "relay_streams", "relay_queued_bytes"),
)
"""What must be 0 (or not there) when everybody has gone."""


@dataclass
class Log:
    """What the workers did. Each appends; nothing is read before they have ended, but the number of lives."""

    lives: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Sample:
    """The relay at a moment.

    Attributes:
        at: seconds since the start.
        memory: bytes.
        descriptors: open, without the database's.
        of_database: open descriptors of the database's files.
    """

    at: float
    memory: int
    descriptors: int
    of_database: int


def measure(arguments: Sequence[str] | None = None) -> Report:
    """Measure as `arguments` say."""
    made = parser(
        "soak", "Many sessions' lives; nothing may be left of them.", seconds=LOOK_SECONDS, rounds=1
    )
    made.add_argument("--minutes", type=float, default=10.0, help="[%(default)s]")
    made.add_argument("--workers", type=int, default=16, help="lives at a time [%(default)s]")
    made.add_argument("--seed", type=int, default=SEED, help="of chance [%(default)s]")
    made.add_argument("--lifetime", type=float, default=LIFETIME, help="of sessions, seconds [%(default)s]")
    made.add_argument(
        "--allowed", type=float, default=ALLOWED_KIB_PER_MINUTE, help="growth, KiB/minute [%(default)s]"
    )
    options = parse(
        made,
        arguments,
        {"minutes": 0.1, "workers": 3, "lifetime": 10.0, "seconds": 0.25, "allowed": float("inf")},
    )
    report = Report(
        "soak", f"Soak, {options.minutes:g} minutes", unit_of_size="workers", as_json=options.json
    )
    pin_generator()
    terms = Terms(room=10_000, lifetime=options.lifetime, preparation_timeout=options.lifetime)
    with open_relay(0, terms=terms) as relay:
        log = Log()
        with _living(relay, options.workers, options.seed, log, [warm_up], once=True):
            pass
        _wait_empty(relay, options.lifetime)
        before = _look(relay, 0.0)
        # A stalled viewer takes longer than a short life.
        lives = [life for life in LIVES if life is not stalls or options.lifetime >= LIFETIME]
        began = relay.metrics()
        with _living(relay, options.workers, options.seed, log, lives):
            samples = _watch(relay, options.minutes * 60, options.seconds)
        left = _wait_empty(relay, options.lifetime)
        after = _wait_descriptors(relay, before.descriptors)
        ended = relay.metrics()
    _add_figures(report, options.workers, options.allowed, [before, *samples, after], left)
    counts = _counts(began, ended)
    report.add(
        [
            _figure(name, options.workers, value, "", "<= 0" if name == "crashes" else "")
            for name, value in counts.items()
        ]
    )
    report.add([_figure("lives that went wrong", options.workers, len(log.failures), "", "<= 0")])
    report.note("Lives: " + ", ".join(f"{count} {name}" for name, count in sorted(log.lives.items())))
    report.failures += log.failures[:MAX_FAILURES]
    report.failures += [
        f"{figure.name}: {figure.value:g} {figure.unit}, wanted {figure.wanted}"
        for figure in report.figures
        if figure.is_reached is False
    ]
    return report


@contextmanager
def _living(
    relay: Relay, workers: int, seed: int, log: Log, lives: Sequence[Life], *, once: bool = False
) -> Iterator[None]:
    """Workers that lead lives until the block ends, or one each."""
    done = threading.Event()

    def work(chance: random.Random) -> None:
        while True:
            life = chance.choices(lives, [LIVES.get(life, 1) for life in lives])[0]
            try:
                life(relay, chance)
            except Exception as error:  # one life's failure is what is being looked for; the others go on
                log.failures.append(f"{life.__name__}: {type(error).__name__}: {error}")
            log.lives[life.__name__] += 1
            if once or done.is_set():
                return

    threads = [
        threading.Thread(target=work, args=[random.Random(seed + number)], daemon=True)
        for number in range(workers)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        done.set()
    for thread in threads:
        thread.join()


def _watch(relay: Relay, seconds: float, interval: float) -> list[Sample]:
    """Samples at this interval for so long."""
    began = time.monotonic()
    samples = []
    while (at := time.monotonic() - began) < seconds:
        samples.append(_look(relay, at))
        time.sleep(interval)
    return samples


def _look(relay: Relay, at: float) -> Sample:
    of_database, others = descriptors(relay.pid, DATABASE)
    return Sample(at, resident_bytes(relay.pid), others, of_database)


def _wait_empty(relay: Relay, lifetime: float) -> dict[str, float]:
    """What is left in the relay once nothing is, or once even the clock should have ended it all."""
    deadline = time.monotonic() + lifetime + 10
    while True:
        metrics = relay.metrics()
        left = {name: metrics[name] for name in GAUGES if metrics.get(name)}
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.2)


def _wait_descriptors(relay: Relay, wanted: int) -> Sample:
    """The relay once it has no more descriptors open than wanted, or after some seconds."""
    deadline = time.monotonic() + 10
    while (sample := _look(relay, 0.0)).descriptors > wanted and time.monotonic() < deadline:
        time.sleep(0.2)
    return sample


def _counts(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """What happened in between, by the relay's own count."""

    def count(prefix: str) -> float:
        return sum(value - before.get(name, 0) for name, value in after.items() if name.startswith(prefix))

    return {
        "connections closed": count("relay_teardowns_total{"),
        "of these, stalled": sum(
            value - before.get(name, 0)
            for name, value in after.items()
            if name.startswith("relay_teardowns_total{") and 'reason="stalled"' in name
        ),
        "peers refused": count("relay_handshake_failures_total{"),
        "frames forwarded": count("relay_tunnel_frames_total{"),
        "crashes": count("relay_crashes_total{"),
    }


def _add_figures(
    report: Report, workers: int, allowed: float, samples: Sequence[Sample], left: dict[str, float]
) -> None:
    """What the samples say: the first is from before, the last from after everything."""
    before, *during, after = samples
    grown = trend([(sample.at / 60, sample.memory / KIB) for sample in during[len(during) // 2 :]])
    limit = allowed + 2 * grown.noise
    report.add(
        [
            Figure(
                name="memory slope, second half",
                size=workers,
                value=grown.slope,
                unit="KiB/minute",
                low=grown.slope - grown.noise,
                high=grown.slope + grown.noise,
                # What may be chance is allowed too.
                wanted=f"<= {limit:,.0f}" if limit < float("inf") else "",
            ),
            _figure("memory before", workers, before.memory / KIB, "KiB"),
            _figure("memory, most", workers, max(sample.memory for sample in samples) / KIB, "KiB"),
            _figure("memory after", workers, after.memory / KIB, "KiB"),
            _figure("descriptors before", workers, before.descriptors, ""),
            _figure("descriptors, most", workers, max(sample.descriptors for sample in samples), ""),
            _figure("descriptors after", workers, after.descriptors, "", f"<= {before.descriptors}"),
            _figure(
                "descriptors of the database after", workers, after.of_database, "", f"<= {MAX_OF_DATABASE}"
            ),
            _figure("left in the registry", workers, sum(left.values()), "", "<= 0"),
        ]
    )
    report.note(
        f"Slope: of the least values, standard error {grown.noise:,.0f} KiB/minute"
        + ("; too much to say anything: take more minutes." if grown.noise > allowed else ".")
    )
    if left:
        report.failures.append(f"left: {left}")


def _figure(name: str, workers: int, value: float, unit: str, wanted: str = "") -> Figure:
    return Figure(name=name, size=workers, value=value, unit=unit, low=value, high=value, wanted=wanted)


if __name__ == "__main__":
    raise SystemExit(main(measure, limit=24 * 3600))
