"""The demonstration's programs: each in a session of its own, its words in a log, ended with the block."""

import os
import signal
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import IO, Final

import trio

STOP_TIMEOUT: Final = 12.0
"""Seconds between SIGTERM and SIGKILL: the relay drains for up to 10."""


class DemoError(Exception):
    """The demonstration cannot go on; `str(error)` is one sentence for a person."""


@asynccontextmanager
async def open_program(
    command: Sequence[str | Path],
    log: Path,
    *,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    talks: bool = False,
    pass_fds: Sequence[int] = (),
) -> AsyncIterator[trio.Process]:
    """Runs a program for the time of the block; at its end it is asked to stop, then stopped.

    A Ctrl-C on the terminal does not reach it, so that the demonstration can end things in order.

    Args:
        command: program and arguments.
        log: a file for what it says; replaced.
        environment: its whole environment; by default, ours.
        folder: where it runs.
        talks: stdin and stdout are pipes for the caller; only stderr goes to `log`.
        pass_fds: file descriptors that it shares.

    Raises:
        DemoError: there is no such program.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = await _start(command, output, environment, folder, talks, pass_fds)
    try:
        yield process
    finally:
        with trio.CancelScope(shield=True):
            await _stop(process)


async def _start(
    command: Sequence[str | Path],
    output: IO[bytes],
    environment: Mapping[str, str] | None,
    folder: Path | None,
    talks: bool,
    pass_fds: Sequence[int],
) -> trio.Process:
    try:
        return await trio.lowlevel.open_process(
            [str(word) for word in command],
            stdin=subprocess.PIPE if talks else subprocess.DEVNULL,
            stdout=subprocess.PIPE if talks else output,
            stderr=output,
            env=None if environment is None else dict(environment),
            cwd=folder,
            pass_fds=pass_fds,
            start_new_session=True,
        )
    except OSError as exc:
        raise DemoError(f"{command[0]} cannot be started: {exc.strerror}.") from exc


async def _stop(process: trio.Process) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            await trio.aclose_forcefully(pipe)
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        # The whole group: a terminal takes its shell along.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal_number)
        with trio.move_on_after(STOP_TIMEOUT):
            await process.wait()
            return
