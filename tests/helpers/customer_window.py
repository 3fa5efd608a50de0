"""The customer before the host's own window, on a desktop without an event loop: eyes, hands and keyboard.

What they find, they find by how it looks: the button that is to be pressed is the one in colour.
"""

import os
import subprocess
from typing import Final

from host.window_style import ACCENT
from tests.helpers.desktops import Desktop
from tests.helpers.programs import PATIENCE, wait_until

CLASS: Final = "Adhoc-host"
_RGB: Final = (int(ACCENT[1:3], 16), int(ACCENT[3:5], 16), int(ACCENT[5:7], 16))


class CustomerWindow:
    """The window of the one host on `desktop`, and who sits before it. There is no window manager."""

    def __init__(self, desktop: Desktop) -> None:
        self._desktop = desktop
        found = self._run("search", "--sync", "--onlyvisible", "--class", CLASS)
        self._window = found.split()[0]

    def type(self, text: str) -> None:
        """Type, into whatever has the focus in the window."""
        self._run("windowfocus", "--sync", self._window, "type", "--delay", "1", text)

    def press(self, *keys: str) -> None:
        """Press keys, one after the other."""
        self._run("windowfocus", "--sync", self._window, "key", "--delay", "1", *keys)

    @property
    def main_button(self) -> tuple[int, int] | None:
        """The middle of the button that is to be pressed, if it can be, on the screen."""
        return self._desktop.find(_RGB)

    def wait_main_button(self) -> tuple[int, int]:
        """Wait until there is a button to be pressed; where."""
        wait_until(lambda: self.main_button is not None, "the customer's window has a main button")
        place = self.main_button
        assert place is not None
        return place

    def click(self, x: int, y: int) -> None:
        """Click there with the customer's own mouse."""
        self._run("mousemove", "--sync", str(x), str(y), "click", "1")

    def _run(self, *command: str) -> str:
        done = subprocess.run(
            ["xdotool", *command],
            env={**os.environ, "DISPLAY": self._desktop.name},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=True,
        )
        return done.stdout
