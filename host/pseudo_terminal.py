"""A shell of this computer's user at a pseudo-terminal (pty(7)).

No shell code and no Python runs between fork and exec: a small `sh` opens the terminal by its name. As it was
started as the leader of a new session, that makes the terminal its controlling one; then it is the shell.
What the technician gets is what the user has: their shell, home and rights. The support program's own
environment is not passed on, only the names in `KEPT`.
"""

import sys

if sys.platform == "win32":
    raise ImportError("host.windows.pseudo_terminal is for Windows")

import errno
import fcntl
import os
import pwd
import signal
import subprocess
import termios
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil
import trio

MAX_SIDE: Final = 1000
"""Columns or rows; the largest screens with the smallest letters have fewer."""
MAX_OUTPUT_BYTES: Final = 32 * 1024
"""Read at once; a pseudo-terminal gives at most 4 KiB at a time, which would be many small records."""
HANG_UP_TIMEOUT: Final = 3.0
"""Seconds that programs have to end by themselves after a hang-up."""

KEPT: Final = frozenset(
    (
        *("HOME", "LANG", "LANGUAGE", "LOGNAME", "PATH", "TZ", "USER"),
        *("DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY"),
    )
)
"""Of the environment, beside the locale's LC_* and the desktop's XDG_*."""
PLAIN_PATH: Final = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"

_TAKE_TERMINAL: Final = 'exec 0<>"$1" 1>&0 2>&0; shift; exec "$@"'
_UTF8_INPUT: Final = 0o040000
"""IUTF8 of termios(3), which the standard library does not name: a rubbed-out letter may be several bytes."""


@dataclass(frozen=True, slots=True)
class Size:
    """Of a terminal, in letters; each 1 … `MAX_SIDE`."""

    columns: int
    rows: int


class PseudoTerminal:
    """A running shell; made by `open_shell`. `watch` must run for `read` to end.

    Concurrency: one task may read and one write at a time.
    """

    def __init__(self, master: int, slave: int, process: trio.Process) -> None:
        self._master = master
        self._slave = slave  # kept open, so that reading waits, and does not fail, until the shell has it too
        self._process = process
        self._has_exited = False
        self._waiting = trio.CancelScope()

    @property
    def status(self) -> int:
        """What it exited with, 0 … 255; of a signal 128 and its number, as shells say it."""
        status = self._process.returncode or 0
        return 128 - status if status < 0 else status

    async def read(self) -> bytes:
        """What the terminal shows next, at most `MAX_OUTPUT_BYTES`; b"" once the shell has exited."""
        while True:
            # A shell that was known to have exited has written all that is ever read.
            data = self._read_nowait()
            if data or self._has_exited:
                await trio.lowlevel.checkpoint()
                return data
            with trio.CancelScope() as self._waiting:
                await trio.lowlevel.wait_readable(self._master)

    async def write(self, data: bytes) -> None:
        """Type `data`; returns once the terminal has taken all of it, or nobody is there to read it."""
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._master, view) :]
            except BlockingIOError:
                await trio.lowlevel.wait_writable(self._master)
            except OSError:
                break  # hung up: the reader sees the end
        await trio.lowlevel.checkpoint()

    def resize(self, size: Size) -> None:
        """Programs are told of the new size (SIGWINCH)."""
        termios.tcsetwinsize(self._master, (size.rows, size.columns))

    async def watch(self) -> None:
        """Wait until the shell has exited."""
        await self._process.wait()
        self._has_exited = True
        self._waiting.cancel()

    def _read_nowait(self) -> bytes:
        """What is there now; b"" for nothing."""
        pieces: list[bytes] = []
        size = 0
        try:
            while size < MAX_OUTPUT_BYTES and (piece := os.read(self._master, MAX_OUTPUT_BYTES - size)):
                pieces.append(piece)
                size += len(piece)
        except OSError as exc:
            if exc.errno not in (errno.EAGAIN, errno.EIO):  # nothing yet; hung up
                raise
        return b"".join(pieces)

    async def _hang_up(self) -> None:
        """End everything that runs in the terminal's session; what made a session of its own is a service."""
        left = _members(self._process.pid)
        self._signal(left, signal.SIGHUP)
        self._signal(left, signal.SIGCONT)  # a stopped program would never hear of the hang-up
        os.close(self._master)
        os.close(self._slave)
        with trio.move_on_after(HANG_UP_TIMEOUT):
            await self._process.wait()
            await trio.to_thread.run_sync(_wait_gone, left, abandon_on_cancel=True)
        self._signal(_members(self._process.pid), signal.SIGKILL)
        if self._process.poll() is None:
            self._process.kill()
        await self._process.wait()

    def _signal(self, processes: list[psutil.Process], number: signal.Signals) -> None:
        for process in processes:
            with suppress(psutil.Error):  # gone, or of another user by now; the terminal is gone for it too
                process.send_signal(number)


@asynccontextmanager
async def open_shell(size: Size, command: str | None = None) -> AsyncIterator[PseudoTerminal]:
    """A shell for the time of the block; nothing of it runs afterwards.

    Args:
        size: of the terminal.
        command: what the shell is to run instead of asking; its output then is not made ready for a screen.

    Raises:
        OSError: there is no terminal to be had, or nothing can be started.

    Cancellation: leaving the block, for whatever reason, takes at most twice `HANG_UP_TIMEOUT`.
    """
    account = pwd.getpwuid(os.getuid())
    environment = shell_environment(os.environ, account)
    shell = environment["SHELL"]
    arguments = [shell] if command is None else [shell, "-c", command]
    master, slave = os.openpty()
    try:
        _prepare(master, slave, size, is_plain=command is not None)
        process = await trio.lowlevel.open_process(
            ["/bin/sh", "-c", _TAKE_TERMINAL, "sh", os.ttyname(slave), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=environment["HOME"],
            env=environment,
            start_new_session=True,
        )
    except BaseException:
        os.close(master)
        os.close(slave)
        raise
    terminal = PseudoTerminal(master, slave, process)
    try:
        yield terminal
    finally:
        with trio.move_on_after(2 * HANG_UP_TIMEOUT, shield=True):
            await terminal._hang_up()


def shell_environment(ours: Mapping[str, str], account: pwd.struct_passwd) -> dict[str, str]:
    """The environment of a shell: the user's, and nothing of this program's."""
    kept = {name: value for name, value in ours.items() if name in KEPT or name.startswith(("LC_", "XDG_"))}
    home = kept.get("HOME", account.pw_dir)
    return {
        "USER": account.pw_name,
        "LOGNAME": account.pw_name,
        "PATH": PLAIN_PATH,
        **kept,
        "HOME": home if Path(home).is_dir() else "/",
        "SHELL": _choose_shell(ours.get("SHELL", ""), account.pw_shell),
        "TERM": "xterm-256color",
    }


def _choose_shell(*wanted: str) -> str:
    for path in wanted:
        if os.path.isabs(path) and os.access(path, os.X_OK):
            return path
    return "/bin/sh"


def _prepare(master: int, slave: int, size: Size, *, is_plain: bool) -> None:
    termios.tcsetwinsize(master, (size.rows, size.columns))
    modes = termios.tcgetattr(slave)
    modes[0] |= _UTF8_INPUT
    if is_plain:
        modes[1] &= ~termios.OPOST
    termios.tcsetattr(slave, termios.TCSANOW, modes)
    fcntl.fcntl(master, fcntl.F_SETFL, fcntl.fcntl(master, fcntl.F_GETFL) | os.O_NONBLOCK)


def _members(session: int) -> list[psutil.Process]:
    """The processes of a session (setsid(2)), by its leader's number."""
    found = []
    for pid in psutil.pids():
        with suppress(OSError, psutil.Error):  # ended meanwhile
            if os.getsid(pid) == session:
                found.append(psutil.Process(pid))
    return found


def _wait_gone(processes: list[psutil.Process]) -> None:
    psutil.wait_procs(processes, timeout=HANG_UP_TIMEOUT)
