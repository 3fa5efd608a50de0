"""Virtual desktops for tests: Xvfb on a free display number, and programs on it.

Everything stops with the block that started it. Nothing listens on the network.
"""

import os
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import trio

_START_TIMEOUT: Final = 20.0
_STOP_TIMEOUT: Final = 5.0


@dataclass(frozen=True)
class Xvfb:
    """A running virtual desktop."""

    display: str
    """As in DISPLAY, for example ":7"."""
    width: int
    height: int
    process: trio.Process
    """The server itself; ending it is ending the desktop under everyone's feet."""

    @property
    def environment(self) -> dict[str, str]:
        """The environment for programs that shall appear on it, with UTF-8 text."""
        return {**os.environ, "DISPLAY": self.display, "LC_ALL": "C.UTF-8"}

    @asynccontextmanager
    async def open_program(self, command: Sequence[str]) -> AsyncIterator[trio.Process]:
        """A program on this desktop, ended with the block; its output is dropped."""
        async with _open_process(command, env=self.environment) as process:
            yield process

    @asynccontextmanager
    async def open_xterm(self, command: str, *, geometry: str = "80x24+0+0") -> AsyncIterator[trio.Process]:
        """An xterm that runs a shell `command`: UTF-8, black on white, its cursor steady."""
        options = ("-u8", "-geometry", geometry, "-bg", "white", "-fg", "black", "+bc")
        async with self.open_program(("xterm", *options, "-e", "sh", "-c", command)) as process:
            yield process


@asynccontextmanager
async def open_xvfb(width: int = 1024, height: int = 768, *, dpi: int = 96) -> AsyncIterator[Xvfb]:
    """A virtual desktop of this size, 24-bit colour, on a display number that was free.

    Args:
        dpi: dots an inch; 96 is usual, and 192 makes text twice as large.

    Raises:
        RuntimeError: Xvfb did not start.
    """
    readable, writable = os.pipe()
    command = (
        "Xvfb",
        "-displayfd",
        str(writable),
        "-screen",
        "0",
        f"{width}x{height}x24",
        "-dpi",
        str(dpi),
        "-nolisten",
        "tcp",
    )
    try:
        async with _open_process((*command, "-noreset"), pass_fds=(writable,)) as process:
            os.close(writable)
            writable = -1
            yield Xvfb(f":{await _read_line(readable)}", width, height, process)
    finally:
        os.close(readable)
        if writable >= 0:
            os.close(writable)


async def _read_line(descriptor: int) -> str:
    line = b""
    with trio.move_on_after(_START_TIMEOUT):
        while not line.endswith(b"\n"):
            await trio.lowlevel.wait_readable(descriptor)
            piece = os.read(descriptor, 16)
            if not piece:
                break
            line += piece
    if not line.endswith(b"\n"):
        raise RuntimeError("Xvfb did not start")
    return line.decode().strip()


@asynccontextmanager
async def _open_process(
    command: Sequence[str], *, env: dict[str, str] | None = None, pass_fds: Sequence[int] = ()
) -> AsyncIterator[trio.Process]:
    process = await trio.lowlevel.open_process(
        list(command),
        env=env,
        pass_fds=pass_fds,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        with trio.move_on_after(_STOP_TIMEOUT, shield=True) as scope:
            await process.wait()
        if scope.cancelled_caught:
            process.kill()
            with trio.CancelScope(shield=True):
                await process.wait()
