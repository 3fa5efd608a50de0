"""The processes of the service that a session is on a customer's Windows.

::

    program service NAME FOLDER LANGUAGE   the service (host.windows.supervisor)
    program engine FOLDER LANGUAGE         in the session that has the screen (host.windows.engine)
    program window                         with the customer's rights (host.windows.window_process)
    program remover FOLDER                 when all of these have ended (host.windows.remover)

`host.windows.beginning` installs it. Windows gives a service thirty seconds to answer, also on a slow
computer whose virus scanner reads along: whatever it needs is imported after that.
"""

import sys

if sys.platform != "win32":
    raise ImportError("only for Windows")

import contextlib
import ctypes
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from host.windows.service import Words, run_service

MODULE: Final = "host.windows.program"
OPTIONS: Final = ("-B", "-X", "utf8")
_PER_MONITOR: Final = -4


def main(words: Sequence[str]) -> int:
    """One of the processes. Returns the exit code."""
    _know_pixels()
    match words:
        case ["service", name, folder, language]:
            run_service(name, lambda heard: _supervise(folder, language, heard))
            return 0
        case ["engine", folder, language]:
            from host.windows.engine import run_engine

            os.environ["LANG"] = language  # the customer's, and not the system's
            return run_engine(Path(folder), _command("window"))
        case ["window"]:
            from host.windows.window_process import run_window

            return run_window()
        case ["remover", folder]:
            from host.windows.remover import run_remover

            return run_remover(Path(folder))
    return 2


def _supervise(folder: str, language: str, heard: Words) -> bool:
    from host.windows.supervisor import supervise

    return supervise(Path(folder), _command("engine", folder, language), _command("remover", folder), heard)


def _command(*words: str) -> list[str]:
    return [sys.executable, *OPTIONS, "-m", MODULE, *words]


def _know_pixels() -> None:
    """Be told of the screen's own pixels on each monitor, and not of ones that Windows scales for us."""
    with contextlib.suppress(AttributeError, OSError):  # Windows 10 before 1703
        ctypes.windll.user32.SetProcessDpiAwarenessContext(ctypes.c_void_p(_PER_MONITOR))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
