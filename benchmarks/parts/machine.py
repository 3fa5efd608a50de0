"""Processes and processors: who runs where, how much processor time and memory a program took."""

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

START_TIMEOUT = 30.0
STOP_TIMEOUT = 5.0
QUIET_TIMEOUT = 60.0


_ALL_CORES = os.sched_getaffinity(0)
SUBJECT_CORE = min(_ALL_CORES)
"""The core of what is measured."""
GENERATOR_CORES = _ALL_CORES - {SUBJECT_CORE} or _ALL_CORES
"""The cores of the load generator: all others, or the only one there is."""


def pin_generator() -> None:
    """Keep this process, and what it forks, away from the core of what is measured."""
    os.sched_setaffinity(0, GENERATOR_CORES)


def processes_of(pid: int) -> list[int]:
    """A process and everything it has started that still runs."""
    found = [pid]
    for parent in found:
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{parent}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
    return found


def cpu_seconds(pid: int) -> float:
    """Processor time that a process, with all threads it ever had, and its children have used so far.

    Exact to microseconds, unlike ``/proc/PID/stat``, and complete, unlike the sum over ``/proc/PID/task``.
    """
    total = 0.0
    for process in processes_of(pid):
        with contextlib.suppress(OSError):
            # What clock_getcpuclockid(3) returns for a process (CPUCLOCK_SCHED of the kernel's posix-timers).
            total += time.clock_gettime(~process << 3 | 2)
    return total


def wait_quiet(pid: int) -> None:
    """Return once a process has next to nothing to do: less than 2 % of a core for a fifth of a second.

    Raises:
        RuntimeError: it was busy for `QUIET_TIMEOUT`.
    """
    deadline = time.monotonic() + QUIET_TIMEOUT
    before = cpu_seconds(pid)
    while time.monotonic() < deadline:
        time.sleep(0.2)
        now = cpu_seconds(pid)
        if now - before < 0.02 * 0.2:
            return
        before = now
    raise RuntimeError(f"process {pid} does not come to rest")


def resident_bytes(pid: int) -> int:
    """Memory a process and its children have in RAM (``Rss`` of ``/proc/PID/smaps_rollup``)."""
    total = 0
    for process in processes_of(pid):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Rss:"):
                total += int(line.split()[1]) * 1024
    return total


def descriptors(pid: int, database: str) -> tuple[int, int]:
    """How many descriptors a process has open: of files whose name begins with `database`, and all others."""
    names = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):  # closed meanwhile
            names.append(os.readlink(link))
    files = sum(Path(name).name.startswith(database) for name in names)
    return files, len(names) - files


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now, for programs that cannot be asked which they took."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@contextlib.contextmanager
def running(
    command: Sequence[str | Path],
    *,
    output: IO[bytes] | None = None,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """A program on the core of what is measured, until the block ends.

    Args:
        command: program and arguments.
        output: where its standard error goes; nowhere by default. Its standard output is a pipe.
        folder: where it runs.
        environment: its variables; by default, those of this process.
    """
    program = subprocess.Popen(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=output or subprocess.DEVNULL,
        cwd=folder,
        env=environment,
    )
    # At once, so that threads and children inherit it.
    os.sched_setaffinity(program.pid, {SUBJECT_CORE})
    try:
        yield program
    finally:
        program.terminate()
        try:
            program.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            program.kill()
            program.wait()
        if program.stdout is not None:
            program.stdout.close()


def first_line(program: subprocess.Popen[bytes]) -> str:
    """What a program says first on standard output.

    Raises:
        RuntimeError: it ended without a word.
    """
    if program.stdout is None:
        raise AssertionError("started by `running`, which makes a pipe")
    line = program.stdout.readline()
    if not line:
        raise RuntimeError(f"{program.args!r} ended before it was ready")
    return line.decode().strip()


def wait_listening(port: int, program: subprocess.Popen[bytes]) -> None:
    """Return once something accepts connections on the port.

    Raises:
        RuntimeError: nothing did within `START_TIMEOUT`, or the program ended.
    """
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline and program.poll() is None:
        if _is_listening(port):
            return
        time.sleep(0.02)
    raise RuntimeError(f"{program.args!r} does not listen on port {port}")


def _is_listening(port: int) -> bool:
    """Whether somebody does; looked up, as trying would cost a forwarder a connection to its far end."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, _, state, *_ = line.split()
        if state == "0A" and int(local.partition(":")[2], 16) == port:
            return True
    return False
