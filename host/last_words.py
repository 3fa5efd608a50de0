"""Why the program does not begin, for whoever started it: a line in the terminal, or a window without one.

A file that is opened by a double click has nobody who reads its standard error. Nor has one that a script or
a service started, and there nobody closes a window either: it goes by itself. Standard library only.
"""

import contextlib
import faulthandler
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from host.link_question import own_file
from host.texts import Texts

SHOWN_FOR: Final = 300.0
"""Seconds that the window waits for somebody to close it."""
DISPLAY_TIMEOUT: Final = 30.0
"""… that a display may take beside that, which may take our connection and say nothing."""


def complain(program: str, sentence: str) -> None:
    """Say it on one line; and, where nobody would read that, in a window until it is closed, or for a while.

    Where the display does not answer the program ends with exit code 1 instead: Tk waits for it without an
    end, and lets no other thread of Python run meanwhile.
    """
    print(f"{program}: {sentence}", file=sys.stderr)
    if not _has_reader():
        with contextlib.suppress(ImportError):  # many systems have Python without Tk
            from host.link_window import WindowUnavailable, show_sentence

            with contextlib.suppress(WindowUnavailable), _end_after(SHOWN_FOR + DISPLAY_TIMEOUT):
                show_sentence(Texts.of_environment(), sentence, os.environ.get("DISPLAY", ""), SHOWN_FOR)


@contextlib.contextmanager
def _end_after(seconds: float) -> Iterator[None]:
    """The program is over if the block takes longer. What watches is no thread of Python's."""
    with Path(os.devnull).open("w") as nowhere:
        faulthandler.dump_traceback_later(seconds, exit=True, file=nowhere)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()


def _has_reader() -> bool:
    """False for the single file without any terminal, and with a display."""
    if own_file() is None or not (os.environ.get("DISPLAY") or sys.platform == "win32"):
        return True
    return any(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))
