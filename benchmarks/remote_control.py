"""How pleasant Remote Control is: scrolling, a key press on its way to the eye, the cost of being idle.

A host process serves a 1920x1080 Xvfb desktop over loopback TCP; this process is the viewer, with continuous
updates, fences, Tight and JPEG as a browser uses them. An xterm that fills the screen is the program.

    scrolling   a seeded stream of coloured text runs through the xterm for some seconds; the viewer
                confirms updates without painting them, as Python would paint slower than the host sends
    latency     a key is typed at an echoing prompt; the time until the first update with other pixels
    idle        nothing happens for some seconds

    python -m benchmarks.remote_control [--json] [--seconds S] [--keys N]
"""

import argparse
import contextlib
import json
import os
import statistics
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from subprocess import PIPE

import numpy as np
import trio
from rich.console import Console
from rich.table import Table

from host.remote_control import serve_rfb
from host.remote_control.x11 import open_desktop
from tests.helpers.xvfb import Xvfb, open_xvfb
from tests.host.remote_control.rfb_client import (
    CONTINUOUS_UPDATES,
    CURSOR,
    EXTENDED_KEY,
    FENCE,
    JPEG_QUALITY_6,
    LAST_RECT,
    TIGHT,
    RfbClient,
    TrioByteStream,
)

WIDTH, HEIGHT = 1920, 1080
FULL_SCREEN = "318x82+0+0"
"""The xterm's size in characters of its default font: all but a margin of 1920x1080."""
SCROLLING_TEXT = """
import random, sys, time
generator = random.Random(7)
words = "relay host technician viewer customer session stream channel frame payload".split()
while True:
    line = " ".join(f"\\033[3{generator.randrange(8)}m{generator.choice(words)}" for _ in range(36))
    sys.stdout.write(line + "\\033[0m\\n")
    sys.stdout.flush()
    time.sleep(0.005)
"""


@dataclass(frozen=True)
class Figure:
    """One measured value."""

    name: str
    value: float
    unit: str
    wanted: str = ""


async def serve_display(display: str) -> None:
    """Be the host: serve the display to whoever connects, and print the port first."""
    async with open_desktop(display) as desktop:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")

        async def serve(stream: trio.SocketStream) -> None:
            with contextlib.suppress(trio.BrokenResourceError):  # the viewer left in the midst of an update
                await serve_rfb(TrioByteStream(stream), desktop, name="benchmark")

        print(listeners[0].socket.getsockname()[1], flush=True)
        await trio.serve_listeners(serve, listeners)


@asynccontextmanager
async def open_host(xvfb: Xvfb) -> AsyncIterator[tuple[int, int]]:
    """A host process for the desktop: its process id and its port."""
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
        yield process.pid, int(line)
    finally:
        process.terminate()
        with trio.CancelScope(shield=True):
            await process.wait()


@asynccontextmanager
async def open_viewer(port: int) -> AsyncIterator[RfbClient]:
    """A viewer with continuous updates, its first full picture received."""
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        client = RfbClient(TrioByteStream(stream))
        pseudo = (FENCE, CONTINUOUS_UPDATES, CURSOR, EXTENDED_KEY, LAST_RECT)
        await client.connect(TIGHT, JPEG_QUALITY_6, *pseudo)
        while not client.may_be_continuous:
            await client.receive_message()
        await client.request(incremental=False)
        await client.receive_update()
        await client.enable_continuous_updates()
        yield client


def cpu_seconds(pid: int) -> float:
    """Processor time a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def watch(client: RfbClient, seconds: float) -> tuple[int, int]:
    """Number and bytes of the updates that arrive within so many seconds."""
    updates = size = 0
    end = trio.current_time() + seconds
    while trio.current_time() < end:
        with trio.move_on_at(end) as scope:
            await client.wait_message()
        if scope.cancelled_caught:
            break
        update = await client.receive_message()
        if update is not None and any(encoding >= 0 for encoding in update.encodings):
            updates += 1
            size += update.size
    return updates, size


async def measure_scrolling(xvfb: Xvfb, pid: int, port: int, seconds: float) -> list[Figure]:
    command = f"exec {sys.executable} -c '{SCROLLING_TEXT}'"
    async with xvfb.open_xterm(command, geometry=FULL_SCREEN), open_viewer(port) as client:
        client.paints = False
        await watch(client, 2.0)
        before, started = cpu_seconds(pid), trio.current_time()
        updates, size = await watch(client, seconds)
        took = trio.current_time() - started
        return [
            Figure("scrolling updates", updates / took, "per second", ">= 25"),
            Figure("scrolling bandwidth", size / took, "bytes per second"),
            Figure("scrolling host CPU", 100 * (cpu_seconds(pid) - before) / took, "% of a core"),
        ]


async def measure_keys(xvfb: Xvfb, port: int, keys: int) -> list[Figure]:
    delays = []
    async with xvfb.open_xterm("cat", geometry=FULL_SCREEN), open_viewer(port) as client:
        await client.pointer(400, 400)
        await watch(client, 2.0)
        for number in range(keys):
            before = client.screen.copy()
            started = trio.current_time()
            letter = ord("a") + number % 26
            await client.key(letter, True)
            await client.key(letter, False)
            with trio.fail_after(5):
                while np.array_equal(before, client.screen):
                    await client.receive_update()
            delays.append(1000 * (trio.current_time() - started))
            await watch(client, 0.05 + 0.15 * (number % 4))  # also after some quiet
    delays.sort()
    return [
        Figure("key press to pixels, median", statistics.median(delays), "ms", "<= 100"),
        Figure("key press to pixels, 95 %", delays[int(0.95 * (len(delays) - 1))], "ms", "<= 100"),
    ]


async def measure_idle(pid: int, port: int, seconds: float) -> list[Figure]:
    async with open_viewer(port) as client:
        await watch(client, 2.0)
        before, started = cpu_seconds(pid), trio.current_time()
        _, size = await watch(client, seconds)
        took = trio.current_time() - started
    return [
        Figure("idle host CPU", 100 * (cpu_seconds(pid) - before) / took, "% of a core"),
        Figure("idle bandwidth", size / took, "bytes per second"),
    ]


async def measure(seconds: float, keys: int) -> list[Figure]:
    """All figures, one after the other on one desktop."""
    async with open_xvfb(WIDTH, HEIGHT) as xvfb, open_host(xvfb) as (pid, port):
        figures = await measure_scrolling(xvfb, pid, port, seconds)
        figures += await measure_keys(xvfb, port, keys)
        figures += await measure_idle(pid, port, seconds)
        return figures


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    parser = argparse.ArgumentParser(prog="remote_control", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON line per figure")
    parser.add_argument("--seconds", type=float, default=8.0, help="length of each measurement")
    parser.add_argument("--keys", type=int, default=60, help="keys typed")
    parser.add_argument("--serve", metavar="DISPLAY", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.serve:
        trio.run(serve_display, options.serve)
        return 0
    figures = trio.run(measure, options.seconds, options.keys)
    if options.json:
        for figure in figures:
            print(json.dumps({"benchmark": "remote_control", **asdict(figure)}))
        return 0
    table = Table(title="Remote Control, 1920x1080 over loopback")
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("unit")
    table.add_column("wanted")
    for figure in figures:
        table.add_row(figure.name, f"{figure.value:,.1f}", figure.unit, figure.wanted)
    Console().print(table)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
