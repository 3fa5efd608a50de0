"""A virtual desktop for tests without an event loop: painted on, typed into and looked at through X11."""

import os
import shlex
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from Xlib import X, display
from Xlib.error import BadWindow

from tests.helpers.programs import Program, wait_until

WIDTH: Final = 800
HEIGHT: Final = 600
SQUARE: Final = 40
"""Pixels; both sides of the desktop are multiples of it."""

_LINE: Final = 10
"""Pixels; what is lower than this is a line and no area."""

Pixels = NDArray[np.uint8]
"""Shape (height, width, 3) for red, green, blue."""
Samples = NDArray[np.int16]
"""One colour for each square's middle: shape (rows, columns, 3) for red, green, blue, 0 … 255."""


class Desktop:
    """An Xvfb of 800 by 600 pixels in 24-bit colour, for the time of the block, off the network.

    Attributes:
        name: as in DISPLAY, for example ":7".
    """

    def __init__(self) -> None:
        screen = f"{WIDTH}x{HEIGHT}x24"
        command = ["Xvfb", "-displayfd", "1", "-screen", "0", screen, "-nolisten", "tcp", "-noreset"]
        self._server = Program(command)
        try:
            self.name = ":" + self._server.out.wait_for(r"(\d+)\n").group(1)
            self._connection = display.Display(self.name)
        except BaseException:
            self._server.stop()
            raise
        self._root: Any = self._connection.screen().root
        self._windows: list[Any] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()
        self._server.stop()

    def paint(self, seed: int) -> None:
        """Cover everything with squares of colours that `seed` chooses."""
        colours = np.random.default_rng(seed).integers(0, 1 << 24, (HEIGHT // SQUARE, WIDTH // SQUARE))
        window = self._root.create_window(0, 0, WIDTH, HEIGHT, 0, X.CopyFromParent, override_redirect=True)
        window.map()
        pen = window.create_gc()
        for (row, column), colour in np.ndenumerate(colours):
            pen.change(foreground=int(colour))
            window.fill_rectangle(pen, column * SQUARE, row * SQUARE, SQUARE, SQUARE)
        self._windows.append(window)
        self._connection.sync()

    def clear(self) -> None:
        """Take away everything that was painted."""
        for window in self._windows:
            window.destroy()
        self._windows.clear()
        self._connection.sync()

    def samples(self) -> Samples:
        """What is on the screen."""
        middle = SQUARE // 2
        return self.pixels()[middle::SQUARE, middle::SQUARE].astype(np.int16)

    def pixels(self) -> Pixels:
        """All that is on the screen."""
        image = self._root.get_image(0, 0, WIDTH, HEIGHT, X.ZPixmap, 0xFFFFFFFF)
        return np.frombuffer(image.data, np.uint8).reshape(HEIGHT, WIDTH, 4)[:, :, 2::-1]

    def find(self, colour: tuple[int, int, int]) -> tuple[int, int] | None:
        """The middle of what has this colour and is higher than a line; None if nothing has."""
        has_colour = (self.pixels() == colour).all(axis=2)
        rows, columns = np.nonzero(has_colour[_LINE:] & has_colour[:-_LINE])
        if rows.size == 0:
            return None
        return int(columns.min() + columns.max()) // 2, int(rows.min() + rows.max() + _LINE) // 2

    @property
    def pointer(self) -> tuple[int, int]:
        """Where the pointer is."""
        found = self._root.query_pointer()
        return found.root_x, found.root_y

    def open_terminal(self, command: str) -> Program:
        """An xterm in the upper left corner that runs a shell command, when its window is shown."""
        before = self._shown_windows()
        terminal = Program(
            [
                "xterm",
                "-u8",
                "-geometry",
                "80x24+0+0",
                "-bg",
                "white",
                "-fg",
                "black",
                "-e",
                "sh",
                "-c",
                command,
            ],
            environment={**os.environ, "DISPLAY": self.name, "LC_ALL": "C.UTF-8"},
        )
        wait_until(lambda: bool(self._shown_windows() - before), "a terminal's window")
        return terminal

    def _shown_windows(self) -> set[int]:
        """The ids of all that can be clicked on and typed into. A window is made before it is shown."""
        shown = set()
        for window in self._root.query_tree().children:
            with suppress(BadWindow):  # it was closed just now
                if window.get_attributes().map_state == X.IsViewable:
                    shown.add(window.id)
        return shown

    def open_line(self, file: Path) -> Program:
        """A terminal, when it reads, that writes the first line typed into it to `file`, and closes."""
        name, ready = shlex.quote(str(file)), file.with_name(f"{file.name}.ready")
        terminal = self.open_terminal(
            f": > {shlex.quote(str(ready))}; IFS= read -r line && printf '%s' \"$line\" > {name}"
        )
        wait_until(ready.exists, "a shell in the terminal")
        return terminal
