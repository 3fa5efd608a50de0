"""What the service does: it keeps the engine running where the screen is, and has the program taken away.

::

    service     the system's, in a session without a screen     this module
    └─ engine   the system's, in the session with the screen    host.windows.engine
       └─ window   the customer's own rights                    host.windows.window_process

The engine is told to stop by the end of its input. It goes on with a session from what is on the disk, so it
may be ended and started at any time. What it cannot remove is what it runs from: its files, and the service.
These are taken away when it and the service have ended, by a last process (`host.windows.remover`).
"""

import sys

if sys.platform != "win32":
    raise ImportError("only for Windows")

import contextlib
import os
import queue
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from host.installation import Installation, InstallationError
from host.windows import sessions
from host.windows.folders import system_folder
from host.windows.service import Word, Words

LOOK_INTERVAL: Final = 0.5
"""Seconds between two looks whether the engine still runs, while Windows has nothing to say."""
RESTART_DELAY: Final = 5.0
STOP_TIMEOUT: Final = 15.0
"""Seconds that the engine has to say good-bye."""
DETACHED: Final = 0x00000008 | 0x00000200 | 0x08000000
"""Flags of a process without a console, which goes on when the one that has started it ends."""


def supervise(folder: Path, engine: Sequence[str | Path], remover: Sequence[str], words: Words) -> bool:
    """Keep the session in `folder` alive until its end, or until told to stop. Returns whether all went well.

    Args:
        folder: of the session.
        engine: the command that runs it.
        remover: the command that takes the program and the service away.
        words: of the service manager.
    """
    while True:
        phase = _phase(folder)
        if phase in ("gone", "finishing"):
            return _start_remover(remover)
        session = sessions.screen_session()
        if session == sessions.NO_SESSION:
            if _waited(words, RESTART_DELAY) is Word.STOP:
                return True
            continue
        try:
            with sessions.system_token(session) as token:
                process = sessions.start_process(token, engine, system_folder())
        except OSError:
            if _waited(words, RESTART_DELAY) is Word.STOP:
                return True
            continue
        try:
            if _watch(process, session, words):
                return True
        finally:
            process.close()
        match _phase(folder):
            case "retrying":
                return True  # something could not be removed: once more after the next start of the computer
            case "open" | "ending":
                if _waited(words, RESTART_DELAY) is Word.STOP:
                    return True


def service_name(folder: Path) -> str:
    """Of the service of the session in `folder`."""
    return f"{folder.parent.name}-{folder.name}"


def _start_remover(command: Sequence[str]) -> bool:
    """False if it cannot be started: then the service has failed, and is started again."""
    try:
        subprocess.Popen(  # noqa: S603 - a program of our own, by its whole path
            command,
            cwd=system_folder(),
            creationflags=DETACHED,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        return False
    return True


def _phase(folder: Path) -> str:
    """How far the session's removal is; "gone" where there is no installation any more."""
    try:
        return Installation.open(folder).phase
    except InstallationError:
        return "gone"


def _watch(process: sessions.Process, session: int, words: Words) -> bool:
    """Until the engine has ended; True if the service is to stop."""
    while process.wait(0) is None:
        word = _waited(words, LOOK_INTERVAL)
        if word is Word.STOP or (
            word is Word.SESSION_CHANGED and sessions.screen_session() not in (session, sessions.NO_SESSION)
        ):
            os.close(process.writing)
            if process.wait(STOP_TIMEOUT) is None:
                process.end()
            return word is Word.STOP
    return False


def _waited(words: Words, seconds: float) -> Word | None:
    """The service manager's next word, within so many seconds."""
    with contextlib.suppress(queue.Empty):
        return words.get(timeout=seconds)
    return None
