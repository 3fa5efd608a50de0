"""What a window needs of the system, and Tk does not do alike everywhere: all differences are in here."""

import contextlib
import os
import sys
import tkinter as tk
from collections.abc import Callable
from typing import Final

LOOK_INTERVAL: Final = 30
"""Milliseconds between two looks at what the session says, where it cannot wake the window."""


def prepare_display() -> None:
    """Have Windows tell the truth about its screen's size; to be called before the first window.

    Without it, text is drawn small and then enlarged, blurred, and places are not where they seem to be.
    """
    if sys.platform == "win32":
        import ctypes

        with contextlib.suppress(OSError, AttributeError):
            ctypes.windll.shcore.SetProcessDpiAwareness(1)  # once for the process; again is no harm


class Waker:
    """Lets another thread wake Tk's loop: by a pipe, or where Tk can wait for nothing but its own events, by
    looking again and again.
    """

    def __init__(self) -> None:
        if sys.platform != "win32":
            self._reader, self._writer = os.pipe()
            os.set_blocking(self._writer, False)

    def wake(self) -> None:
        """Have the callback called soon, in the window's thread; any thread may call this."""
        if sys.platform != "win32":
            with contextlib.suppress(BlockingIOError):  # it is being woken already
                os.write(self._writer, b"\0")

    def attach(self, root: tk.Tk, callback: Callable[[], object]) -> None:
        """Call `callback` whenever somebody wakes, until `detach`. In the window's thread."""
        if sys.platform == "win32":

            def look() -> None:
                root.after(LOOK_INTERVAL, look)
                callback()

            look()
        else:

            def read(*_: object) -> None:
                os.read(self._reader, 4096)
                callback()

            root.tk.createfilehandler(self._reader, tk.READABLE, read)

    def detach(self, root: tk.Tk) -> None:
        """Call back no more."""
        if sys.platform != "win32":
            root.tk.deletefilehandler(self._reader)

    def close(self) -> None:
        """To be called once the window's thread has ended."""
        if sys.platform != "win32":
            os.close(self._reader)
            os.close(self._writer)
