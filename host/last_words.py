"""Why the program does not begin, for whoever started it: a line in the terminal, or a window without one.

A file that is opened by a double click has nobody who reads its standard error. Standard library only.
"""

import contextlib
import os
import sys

from host.link_question import own_file
from host.texts import Texts


def complain(program: str, sentence: str) -> None:
    """Say it on one line; and, where nobody would read that, in a window until it is closed."""
    print(f"{program}: {sentence}", file=sys.stderr)
    if not _has_reader():
        with contextlib.suppress(ImportError):  # many systems have Python without Tk
            from host.link_window import WindowUnavailable, show_sentence

            with contextlib.suppress(WindowUnavailable):
                show_sentence(Texts.of_environment(), sentence, os.environ.get("DISPLAY", ""))


def _has_reader() -> bool:
    """False for the single file without any terminal, and with a display."""
    if own_file() is None or not (os.environ.get("DISPLAY") or sys.platform == "win32"):
        return True
    return any(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))
