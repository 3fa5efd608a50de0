"""How pleasant Remote Control is, over the whole way from the host's screen to the technician's eye.

Three legs, each with the same 1920x1080 desktop and the same host code:

    direct    host → loopback TCP → Python viewer; what the way costs is told by comparing with it
    relay     real host process → sealed stream → real relay process → Python viewer
    browser   the same, to noVNC in the viewer's page in a headless Chromium, which paints

On each leg, three scenes: text that scrolls over the whole screen, text that scrolls in a window of
900x600, a video of 900x600. For each, pictures and bytes a second and what host and relay cost; for keys,
the time from press to pixels, on a quiet screen and while text scrolls over all of it. Then what a quiet
viewer costs.

    ./dev bench remote_control [--json] [--seconds S] [--keys N] [--leg NAME]...
"""

import argparse
import contextlib
import json
import os
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from subprocess import PIPE

import trio
from rich.console import Console
from rich.table import Table

from benchmarks.parts.remote_scenes import ECHO_AREA, HEIGHT, SCENES, WIDTH, open_echo, open_scene
from benchmarks.parts.remote_sessions import RemoteSession, open_session
from benchmarks.parts.remote_viewers import Viewer, open_browser_viewer, open_python_viewer
from benchmarks.parts.report import machine, versions
from host.remote_control import serve_rfb
from host.remote_control.x11 import open_desktop
from technician.remote_control import open_control
from tests.helpers.xvfb import Xvfb, open_xvfb
from tests.host.remote_control.rfb_client import TrioByteStream

LEGS = ("direct", "relay", "browser")
SETTLE_SECONDS = 2.0
WANTED_PICTURES = ">= 25"
WANTED_KEY = "<= 100"
BASELINE = "direct"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One measured value.

    Attributes:
        leg: one of `LEGS`.
        scene: one of `SCENES`, or "quiet".
        name, value, unit: what was measured.
        baseline, baseline_value: what it is compared with, and that leg's value in the same run.
        wanted: the goal in words; "" for none.
    """

    leg: str
    scene: str
    name: str
    value: float
    unit: str
    wanted: str = ""
    baseline: str = ""
    baseline_value: float | None = None


@dataclass(frozen=True)
class Leg:
    """One way from the desktop to a viewer.

    Attributes:
        open_viewer: connects a viewer that paints, or counts only.
        pids: of the processes whose cost is measured, by name.
    """

    name: str
    open_viewer: Callable[[bool], AbstractAsyncContextManager[Viewer]]
    pids: dict[str, int]


async def serve_display(display: str) -> None:
    """Be the host of the direct leg: serve a display to whoever connects, and print the port first."""
    async with open_desktop(display) as desktop:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")

        async def serve(stream: trio.SocketStream) -> None:
            with contextlib.suppress(trio.BrokenResourceError):  # the viewer left in the midst of an update
                await serve_rfb(TrioByteStream(stream), desktop, name="benchmark")

        print(listeners[0].socket.getsockname()[1], flush=True)
        await trio.serve_listeners(serve, listeners)


@asynccontextmanager
async def open_direct_leg(xvfb: Xvfb) -> AsyncIterator[Leg]:
    """A host process that listens, and nothing in between."""
    command = [sys.executable, "-m", "benchmarks.remote_control", "--serve", xvfb.display]
    process = await trio.lowlevel.open_process(command, stdout=PIPE)
    try:
        assert process.stdout is not None
        line = b""
        while not line.endswith(b"\n"):
            piece = await process.stdout.receive_some()
            if not piece:
                raise RuntimeError("the host process did not start")
            line += bytes(piece)
        port = int(line)

        @asynccontextmanager
        async def open_viewer(paints: bool) -> AsyncIterator[Viewer]:
            async with (
                await trio.open_tcp_stream("127.0.0.1", port) as stream,
                open_python_viewer(TrioByteStream(stream), paints=paints) as viewer,
            ):
                yield viewer

        yield Leg("direct", open_viewer, {"host": process.pid})
    finally:
        process.terminate()
        with trio.CancelScope(shield=True):
            await process.wait()


def relay_leg(session: RemoteSession) -> Leg:
    """Through a real session, to the Python viewer."""

    @asynccontextmanager
    async def open_viewer(paints: bool) -> AsyncIterator[Viewer]:
        async with (
            open_control(session.relay, session.id, session.pairing_key, session.access_password) as stream,
            open_python_viewer(stream, paints=paints) as viewer,
        ):
            yield viewer

    return Leg("relay", open_viewer, {"host": session.host_pid, "relay": session.relay_pid})


def browser_leg(session: RemoteSession) -> Leg:
    """Through a real session, to the page."""

    @asynccontextmanager
    async def open_viewer(_paints: bool) -> AsyncIterator[Viewer]:
        link = await trio.to_thread.run_sync(session.new_sign_in_link)
        async with open_browser_viewer() as viewer:
            url = f"{session.relay.origin}/session/{session.id}"
            await viewer.connect(url, link, session.access_password)
            yield viewer

    return Leg("browser", open_viewer, {"host": session.host_pid, "relay": session.relay_pid})


def cpu_seconds(pid: int) -> float:
    """Processor time a process has used so far, with that of threads that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measure_scene(xvfb: Xvfb, leg: Leg, scene: str, seconds: float) -> list[Figure]:
    """Pictures, bytes and costs while something goes on; "quiet" for nothing."""
    async with AsyncExitStack() as stack:
        if scene != "quiet":
            await stack.enter_async_context(open_scene(xvfb, scene))
        viewer = await stack.enter_async_context(leg.open_viewer(False))
        await viewer.count(SETTLE_SECONDS)
        before = {name: cpu_seconds(pid) for name, pid in leg.pids.items()}
        started = trio.current_time()
        pictures, size = await viewer.count(seconds)
        took = trio.current_time() - started
        figures = [Figure(leg=leg.name, scene=scene, name="bandwidth", value=size, unit="bytes per second")]
        for name, pid in leg.pids.items():
            cost = 100 * (cpu_seconds(pid) - before[name]) / took
            figures.append(
                Figure(leg=leg.name, scene=scene, name=f"{name} CPU", value=cost, unit="% of a core")
            )
    if scene != "quiet":
        figures.insert(
            0,
            Figure(
                leg=leg.name,
                scene=scene,
                name="pictures",
                value=pictures,
                unit="per second",
                wanted=WANTED_PICTURES,
            ),
        )
    return figures


async def measure_keys(xvfb: Xvfb, leg: Leg, scene: str, keys: int) -> list[Figure]:
    """The way of a key press to the screen and back, while something goes on; "quiet" for nothing."""
    async with AsyncExitStack() as stack:
        if scene != "quiet":
            await stack.enter_async_context(open_scene(xvfb, scene))
            await trio.sleep(SETTLE_SECONDS)  # so that the echo comes to lie above it
        await stack.enter_async_context(open_echo(xvfb))
        await trio.sleep(SETTLE_SECONDS)
        viewer = await stack.enter_async_context(leg.open_viewer(True))
        x, y, _, height = ECHO_AREA
        await viewer.point(x + 10, y + height // 2)
        delays = []
        for number in range(keys):
            delays.append(1000 * await viewer.time_key(chr(ord("a") + number % 26)))
            await viewer.count(0.05 + 0.15 * (number % 4))  # also after some quiet
    delays.sort()
    middle, high = statistics.median(delays), delays[int(0.95 * (len(delays) - 1))]
    return [
        Figure(leg=leg.name, scene=scene, name=name, value=value, unit="ms", wanted=WANTED_KEY)
        for name, value in (("key to pixels, median", middle), ("key to pixels, 95 %", high))
    ]


async def measure_leg(xvfb: Xvfb, leg: Leg, seconds: float, keys: int) -> list[Figure]:
    """All figures of one leg."""
    figures = []
    for scene in (*SCENES, "quiet"):
        figures += await measure_scene(xvfb, leg, scene, seconds)
    for scene in ("quiet", "text"):
        figures += await measure_keys(xvfb, leg, scene, keys)
    return figures


async def measure(legs: Sequence[str], seconds: float, keys: int) -> list[Figure]:
    """All figures of some legs, one after the other on one desktop."""
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder:
        async with open_xvfb(WIDTH, HEIGHT) as xvfb:
            if "direct" in legs:
                async with open_direct_leg(xvfb) as leg:
                    figures += await measure_leg(xvfb, leg, seconds, keys)
            if "relay" in legs or "browser" in legs:
                async with open_session(xvfb.display, Path(folder)) as session:
                    for leg in (relay_leg(session), browser_leg(session)):
                        if leg.name in legs:
                            figures += await measure_leg(xvfb, leg, seconds, keys)
    return compare(figures)


def compare(figures: Sequence[Figure]) -> list[Figure]:
    """The figures, each with the direct leg's value beside it."""
    direct = {(figure.scene, figure.name): figure.value for figure in figures if figure.leg == BASELINE}
    return [
        figure
        if figure.leg == BASELINE or (figure.scene, figure.name) not in direct
        else replace(figure, baseline=BASELINE, baseline_value=direct[figure.scene, figure.name])
        for figure in figures
    ]


def print_table(figures: Sequence[Figure]) -> None:
    """For people."""
    table = Table(title="Remote Control, 1920x1080")
    for column in ("leg", "scene", "figure"):
        table.add_column(column)
    table.add_column("value", justify="right")
    table.add_column("direct", justify="right")
    table.add_column("unit")
    table.add_column("wanted")
    for figure in figures:
        baseline = "" if figure.baseline_value is None else f"{figure.baseline_value:,.1f}"
        table.add_row(
            figure.leg,
            figure.scene,
            figure.name,
            f"{figure.value:,.1f}",
            baseline,
            figure.unit,
            figure.wanted,
        )
    Console(width=None if sys.stdout.isatty() else 120).print(table)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    parser = argparse.ArgumentParser(prog="./dev bench remote_control", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON line a figure")
    parser.add_argument("--seconds", type=float, default=6.0, help="of each measurement [%(default)s]")
    parser.add_argument("--keys", type=int, default=40, help="typed for each measurement [%(default)s]")
    parser.add_argument("--leg", action="append", choices=LEGS, help="only this one; may be repeated")
    parser.add_argument("--serve", metavar="DISPLAY", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.serve:
        trio.run(serve_display, options.serve)
        return 0
    load_before = os.getloadavg()[0]
    figures = trio.run(measure, options.leg or LEGS, options.seconds, options.keys)
    if not options.json:
        print_table(figures)
        return 0
    packages = {name: version(name) for name in ("numpy", "simplejpeg", "mss")}
    about = {"machine": machine(load_before), "versions": {**versions(), **packages}}
    for figure in figures:
        print(json.dumps({"benchmark": "remote_control", **asdict(figure), **about}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
