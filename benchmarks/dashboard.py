"""What an open Dashboard costs the customer's computer: the CPU time of the real host process.

    ./dev bench dashboard [--json] [--quick] [--seconds S] [--rounds N] [--processes N]

A real relay, a real host and a technician's connection, on a computer with some hundreds of processes. Three
states take turns: nobody looks; the Dashboard is open, which tells the load and the busiest processes each
second; and the list of all processes is open too, which the page asks for every three seconds.
"""

import statistics
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from pathlib import Path

import psutil
import trio

from benchmarks.parts.command import main, parse, parser
from benchmarks.parts.remote_sessions import RemoteSession, open_session
from benchmarks.parts.report import Figure, Report
from peer.messages import MessageStream
from peer.tunnel import Tunnel
from relay.protocol.frames import Channel
from technician.attaching import attach, open_stream
from technician.dashboard import DashboardClient, Past
from tests.helpers.xvfb import open_xvfb

LIST_SECONDS = 3.0
"""Between two lists of all processes, as the page has it."""
SETTLE_SECONDS = 3.0
NOBODY = "nobody looks"
WANTED = "<= 2"

Looking = Callable[[Tunnel, RemoteSession], Awaitable[None]]


def measure(arguments: Sequence[str] | None = None) -> Report:
    """Measure as `arguments` say."""
    made = parser("dashboard", "What an open Dashboard costs the computer.", seconds=20.0, rounds=3)
    made.add_argument("--processes", type=int, default=200, help="besides those that run [%(default)s]")
    options = parse(made, arguments, {"seconds": 2.0, "rounds": 1, "processes": 20})
    report = Report("dashboard", "An open Dashboard", unit_of_size="processes", as_json=options.json)
    with crowd(options.processes):
        count = len(psutil.pids())
        shares = trio.run(take_turns, options.seconds, options.rounds)
    report.add(
        [
            Figure(
                name=name,
                size=count,
                value=statistics.median(values),
                unit="% of a core",
                low=min(values),
                high=max(values),
                wanted="" if name == NOBODY else WANTED,
            )
            for name, values in shares.items()
        ]
    )
    return report


@contextmanager
def crowd(count: int) -> Iterator[None]:
    """So many more processes, which do nothing."""
    sleeping = [subprocess.Popen(["sleep", "3600"]) for _ in range(count)]
    try:
        yield
    finally:
        for each in sleeping:
            each.kill()
        for each in sleeping:
            each.wait()


async def take_turns(seconds: float, rounds: int) -> dict[str, list[float]]:
    """Per cent of a core that the host used, by state, one value a round."""
    states: dict[str, list[Looking]] = {
        NOBODY: [],
        "the Dashboard is open": [watch],
        "the Dashboard and all processes": [watch, list_processes],
    }
    shares: dict[str, list[float]] = {name: [] for name in states}
    with tempfile.TemporaryDirectory() as folder:
        async with open_xvfb(800, 600) as desktop, open_session(desktop.display, Path(folder)) as session:
            for _ in range(rounds):
                for name, looking in states.items():
                    async with looked_at(session, looking):
                        await trio.sleep(SETTLE_SECONDS)
                        before = used(session.host_pid)
                        began = trio.current_time()
                        await trio.sleep(seconds)
                        passed = trio.current_time() - began
                        shares[name].append(100 * (used(session.host_pid) - before) / passed)
    return shares


@asynccontextmanager
async def looked_at(session: RemoteSession, looking: Sequence[Looking]) -> AsyncIterator[None]:
    """A technician looks for the time of the block, in each of these ways."""
    if not looking:
        yield
        return
    async with (
        attach(session.relay, session.id, [Channel.DASHBOARD]) as tunnel,
        trio.open_nursery() as nursery,
    ):
        for each in looking:
            nursery.start_soon(each, tunnel, session)
        yield
        nursery.cancel_scope.cancel()


async def open_client(tunnel: Tunnel, session: RemoteSession) -> DashboardClient:
    """One more stream of the Dashboard."""
    stream = await open_stream(
        tunnel, session.relay, session.id, Channel.DASHBOARD, session.pairing_key, session.access_password
    )
    return DashboardClient(MessageStream(stream))


async def watch(tunnel: Tunnel, session: RemoteSession) -> None:
    """The 24 hours, then the load each second."""
    client = await open_client(tunnel, session)
    async with aclosing(client.watch()) as told:
        async for each in told:
            if not isinstance(each, Past) and each.memory_total <= 0:
                raise AssertionError("the host tells no load")


async def list_processes(tunnel: Tunnel, session: RemoteSession) -> None:
    """All processes, every few seconds."""
    client = await open_client(tunnel, session)
    while True:
        if not await client.rows("processes"):
            raise AssertionError("the host tells no processes")
        await trio.sleep(LIST_SECONDS)


def used(pid: int) -> float:
    """CPU seconds of a process and of what it started and has ended."""
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system + times.children_user + times.children_system


if __name__ == "__main__":
    raise SystemExit(main(measure, limit=400))
