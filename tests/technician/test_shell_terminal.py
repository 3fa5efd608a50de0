"""``technician shell`` at a real terminal: keys go as they are, the size follows, the end undoes it all."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest
import trio

from tests.helpers.active_story import ActiveSession, open_active_session, technician_environment
from tests.helpers.desktops import Desktop
from tests.helpers.programs import PATIENCE

pytestmark = [pytest.mark.sockets, pytest.mark.slow]

RAW = termios.ECHO | termios.ICANON | termios.ISIG
LOCAL_FLAGS = 3
PROMPT = r"[$#%>] ?$"


@pytest.fixture(scope="module")
def desktop() -> Iterator[Desktop]:
    """The customer's desktop."""
    with Desktop() as running:
        yield running


class Terminal:
    """A terminal with ``technician shell`` in it, as a terminal emulator makes one. Blocks; a context manager
    that ends the program and closes the terminal.

    Attributes:
        before: the terminal's settings before the program began.
    """

    def __init__(self, environment: dict[str, str], columns: int, rows: int) -> None:
        self._ours, self._its = pty.openpty()
        self.before = termios.tcgetattr(self._its)
        self.shown = ""
        self._heard = 0
        self.resize(columns, rows)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "technician", "shell"],
            stdin=self._its,
            stdout=self._its,
            stderr=self._its,
            env=environment,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # only then come signals
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._ours)
        os.close(self._its)

    def settings(self) -> list[object]:
        """Of the terminal, now."""
        return list(termios.tcgetattr(self._its))

    def resize(self, columns: int, rows: int) -> None:
        """The window has another size; the kernel tells the program."""
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._ours, keys.encode())

    def hear(self, pattern: str) -> str:
        """Wait until the terminal shows something like that, after what was heard last."""
        deadline = time.monotonic() + PATIENCE
        while (found := re.compile(pattern).search(self.shown, self._heard)) is None:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._ours], [], [], left)[0]:
                raise AssertionError(f"The terminal does not show {pattern!r}: {self.shown[-2000:]!r}")
            self.shown += os.read(self._ours, 65536).decode(errors="replace")
        self._heard = found.end()
        return found.group()

    def wait_gone(self) -> int:
        """The program's exit code, while what it says is read."""
        deadline = time.monotonic() + PATIENCE
        while self._process.poll() is None:
            assert time.monotonic() < deadline, self.shown[-2000:]
            if select.select([self._ours], [], [], 0.05)[0]:
                self.shown += os.read(self._ours, 65536).decode(errors="replace")
        return self._process.returncode


def open_terminal(session: ActiveSession, folder: Path) -> Terminal:
    """A terminal whose shell has shown its prompt."""
    terminal = Terminal(technician_environment(session, folder), 100, 30)
    terminal.hear(PROMPT)
    return terminal


def is_raw(terminal: Terminal) -> bool:
    flags = terminal.settings()[LOCAL_FLAGS]
    return isinstance(flags, int) and not flags & RAW


async def test_keys_size_and_end(tmp_path: Path, desktop: Desktop) -> None:
    def use(session: ActiveSession) -> None:
        with open_terminal(session, tmp_path / "config") as terminal:
            assert is_raw(terminal)
            terminal.type("stty size\r")
            terminal.hear(r"30 100")
            terminal.type("sh -c 'echo rea''dy; exec cat'\r")
            terminal.hear(r"[\r\n]ready\r")
            terminal.type("\x03")  # Ctrl+C is for the program there
            terminal.hear(PROMPT)
            terminal.type("echo $((6 * 7))\r")
            terminal.hear(r"[\r\n]42\r")
            terminal.type("sh -c 'trap \"stty size; kill $!; exit\" WINCH; echo rea''dy; sleep 60 & wait'\r")
            terminal.hear(r"[\r\n]ready\r")
            terminal.resize(120, 40)
            terminal.hear(r"[\r\n]40 120\r")
            terminal.type("exit 5\r")
            assert terminal.wait_gone() == 5
            assert terminal.settings() == terminal.before

    async with open_active_session(tmp_path, desktop) as session:
        await trio.to_thread.run_sync(use, session)


async def test_who_leaves_gets_the_terminal_back(tmp_path: Path, desktop: Desktop) -> None:
    def use(session: ActiveSession) -> None:
        with open_terminal(session, tmp_path / "config") as terminal:
            terminal.type("\r~.")
            assert terminal.wait_gone() == 0
            assert "You left the shell" in terminal.shown
            assert terminal.settings() == terminal.before

    async with open_active_session(tmp_path, desktop) as session:
        await trio.to_thread.run_sync(use, session)


async def test_a_lost_connection_gives_the_terminal_back(tmp_path: Path, desktop: Desktop) -> None:
    def use(session: ActiveSession) -> None:
        with open_terminal(session, tmp_path / "config") as terminal:
            assert is_raw(terminal)
            session.host.kill()
            assert terminal.wait_gone() == 1
            assert "technician: " in terminal.shown
            assert terminal.settings() == terminal.before

    async with open_active_session(tmp_path, desktop) as session:
        await trio.to_thread.run_sync(use, session)
