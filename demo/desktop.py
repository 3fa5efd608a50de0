"""The computer that is helped: a virtual desktop with a few everyday programs on it."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import trio

from demo.processes import DemoError, open_program

WIDTH: Final = 1440
HEIGHT: Final = 900
START_TIMEOUT: Final = 20.0
BACKGROUND: Final = "#2f5d62"

WELCOME: Final = """\
Welcome to the demonstration computer.

This is a real desktop without a screen. Type here, draw a
window around, calculate something: it is all live.

Nothing here belongs to anybody. End the session in the
console, and the temporary host removes itself.
"""


@asynccontextmanager
async def open_desktop(folder: Path, logs: Path) -> AsyncIterator[str]:
    """A virtual desktop with a window manager, a terminal, an editor, a calculator and a clock.

    Args:
        folder: home of the desktop's person; made if missing.
        logs: where the programs' words go.

    Yields:
        The display, for example ``:5``.

    Raises:
        DemoError: a program is missing or does not start.
    """
    welcome = await trio.to_thread.run_sync(_furnish, folder)
    async with AsyncExitStack() as stack:
        display = await stack.enter_async_context(_open_screen(logs))
        environment = make_environment(folder, display)
        rules = Path(__file__).with_name("openbox.xml")
        terminal = ["xterm", "-fa", "DejaVu Sans Mono", "-fs", "11", "-bg", "#fbfbf8", "-fg", "#22272b"]
        programs: dict[str, list[str | Path]] = {
            "openbox": ["openbox", "--config-file", rules],
            "xsetroot": ["xsetroot", "-solid", BACKGROUND, "-cursor_name", "left_ptr"],
            "xclock": ["xclock", "-geometry", "180x180-60+50", "-update", "1", "-title", "Clock"],
            "xterm": [*terminal, "-geometry", "84x22+60+50", "-title", "Terminal", "-e", "bash", "--norc"],
            "galculator": ["galculator"],
            "l3afpad": ["l3afpad", welcome],
        }
        for name, command in programs.items():
            log = logs / f"desktop-{name}.log"
            await stack.enter_async_context(
                open_program(command, log, environment=environment, folder=folder)
            )
        yield display


def _furnish(home: Path) -> Path:
    """Makes the folder of the desktop's person; returns the text that lies open there."""
    (home / ".config").mkdir(parents=True, exist_ok=True)
    welcome = home / "welcome.txt"
    welcome.write_text(WELCOME)
    return welcome


def make_environment(home: Path, display: str) -> dict[str, str]:
    """A clean environment of somebody who lives in `home` and works at `display`."""
    kept: Mapping[str, str] = {name: os.environ[name] for name in ("PATH", "TZ") if name in os.environ}
    return {
        **kept,
        "HOME": str(home),
        "DISPLAY": display,
        "LC_ALL": "C.UTF-8",
        "TERM": "xterm-256color",
        "PS1": "customer@demo:\\w$ ",
        # GTK programs would look for services that a bare desktop does not run.
        "DBUS_SESSION_BUS_ADDRESS": "disabled:",
        "GSETTINGS_BACKEND": "memory",
        "NO_AT_BRIDGE": "1",
    }


@asynccontextmanager
async def _open_screen(logs: Path) -> AsyncIterator[str]:
    readable, writable = os.pipe()
    command = [
        "Xvfb",
        "-displayfd",
        str(writable),
        "-screen",
        "0",
        f"{WIDTH}x{HEIGHT}x24",
        "-nolisten",
        "tcp",
    ]
    async with trio.lowlevel.FdStream(readable) as announcement, AsyncExitStack() as stack:
        try:
            # It neither goes blank after ten minutes nor starts afresh when its last window is closed.
            command += ["-s", "0", "-noreset"]
            await stack.enter_async_context(
                open_program(command, logs / "desktop-xvfb.log", pass_fds=[writable])
            )
        finally:
            os.close(writable)
        number = b""
        with trio.move_on_after(START_TIMEOUT):
            while not number.endswith(b"\n") and (data := await announcement.receive_some()):
                number += bytes(data)
        if not number.endswith(b"\n"):
            raise DemoError(f"The virtual desktop does not start; see {logs / 'desktop-xvfb.log'}.")
        yield f":{number.decode().strip()}"
