"""The host as a program: a process with a home folder of its own, spoken to through pipes."""

import os
import re
import signal
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import trio

PATIENCE = 60.0


class HostProgram:
    """A running host; made by `open_host`.

    Attributes:
        said: its standard output so far.
        complained: its standard error so far.
    """

    def __init__(self, process: trio.Process, home: Path) -> None:
        self.home = home
        self.said = ""
        self.complained = ""
        self._process = process
        self._heard = 0
        self._changed = trio.Event()

    async def listen(self) -> None:
        """Keep what it says, until it has ended."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._read, self._process.stdout, "said")
            nursery.start_soon(self._read, self._process.stderr, "complained")

    async def _read(self, stream: trio.abc.ReceiveStream | None, name: str) -> None:
        assert stream is not None
        async for data in stream:
            setattr(self, name, getattr(self, name) + data.decode())
            self._changed.set()
            self._changed = trio.Event()

    async def hear(self, pattern: str) -> str:
        """What matches `pattern` in what it said since it was last listened to, once it does."""
        with trio.fail_after(PATIENCE):
            while (found := re.compile(pattern).search(self.said, self._heard)) is None:
                await self._changed.wait()
        self._heard = found.end()
        return found.group()

    async def type(self, line: str) -> None:
        assert self._process.stdin is not None
        await self._process.stdin.send_all(line.encode() + b"\n")

    async def hang_up(self) -> None:
        """Standard input ends."""
        assert self._process.stdin is not None
        await self._process.stdin.aclose()

    async def enter_code(self, code: str) -> None:
        """Type the code when asked, and allow."""
        await self.hear("code: $")
        await self.type(code)
        await self.hear(r"\[y/N\] $")
        await self.type("y")

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def wait(self) -> int:
        """Its exit code, once it has ended."""
        with trio.fail_after(PATIENCE):
            return await self._process.wait()

    def traces(self) -> list[str]:
        """Everything in the home folder."""
        return sorted(str(path.relative_to(self.home)) for path in self.home.rglob("*"))


@asynccontextmanager
async def open_host(
    command: Sequence[str | Path], home: Path, *, display: str = ":987", **extra: str
) -> AsyncIterator[HostProgram]:
    """A host for the time of the block; killed at its end if it still runs.

    Args:
        command: with the interpreter.
        home: the customer's folder.
        display: that is offered; nothing is opened on it with ``--terminal`` until a technician comes.
        extra: more of its environment.
    """
    environment = {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "DISPLAY": display,
        "LANG": "C.UTF-8",
        "TMPDIR": str(home),
        **extra,
    }
    process = await trio.lowlevel.open_process(
        command,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    host = HostProgram(process, home)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(host.listen)
        try:
            yield host
        finally:
            if process.returncode is None:
                process.kill()
            with trio.CancelScope(shield=True):
                await process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            await pipe.aclose()
