"""The customer before the host's window in wine: it is seen on the X display, and used with mouse and keys.

Nothing of the program is asked: which page the window shows is known by its colours.
"""

import os
import subprocess
import time
from collections.abc import Callable
from enum import Enum, auto
from typing import Final

from host.texts import Texts
from host.window_style import ACCENT, CARE_PAPER, DANGER, GOOD
from tests.helpers.desktops import Desktop, Pixels
from tests.helpers.programs import wait_until
from tests.helpers.wine_story import SLOWLY

TITLE: Final = Texts("en").get("title")
KEY_SECONDS: Final = 20.0
"""After which keys are taken for lost: without a window manager, wine loses some."""
A_BUTTON: Final = 4000
"""Pixels: a button has more of its colour; lines and letters have less."""


class Page(Enum):
    """What the window shows."""

    CODE = auto()
    WHOLE_CODE = auto()
    ALLOW = auto()
    ACTIVE = auto()
    CONFIRM = auto()
    FINAL = auto()
    OTHER = auto()


class WindowInWine:
    """The window on a display, as soon as it is there. Everything here blocks."""

    def __init__(self, desktop: Desktop) -> None:
        self._desktop = desktop
        self._id = ""
        wait_until(self._find, "the window", within=2 * SLOWLY)

    def type_code(self, code: str) -> None:
        """Type it into the field in the last line, and go on."""
        self.wait_for(Page.CODE)

        def type_all() -> None:
            _, _, width, height = self._place()
            self._click(width // 4, height - 45)
            self._use("key", "ctrl+a")
            self._use("type", "--delay", "30", code)

        self._until(type_all, lambda: self.page() is Page.WHOLE_CODE)
        self._until(lambda: self._use("key", "Return"), lambda: self.page() is not Page.WHOLE_CODE)

    def press(self, letter: str, page: Page) -> None:
        """Press a button of a page by its letter; returns when there is another page."""
        self.wait_for(page)

        def press() -> None:
            self._click(8, 8)  # there is nothing, but the window gets the keyboard
            self._use("key", f"alt+{letter}")

        self._until(press, lambda: self.page() is not page)

    def wait_for(self, page: Page) -> None:
        """Return when this page is there."""
        wait_until(lambda: self._find() and self.page() is page, f"the page {page.name}", within=SLOWLY)

    def page(self) -> Page:
        """What the window shows now."""
        pixels = self.pixels()
        has_care, has_good = _count(pixels, CARE_PAPER) > A_BUTTON, _count(pixels, GOOD) > 50
        has_main, has_danger = _count(pixels, ACCENT) > A_BUTTON, _count(pixels, DANGER) > A_BUTTON
        match has_care, has_good, has_main, has_danger:
            case True, False, False, False:
                return Page.CODE
            case True, False, True, False:
                return Page.WHOLE_CODE
            case False, True, True, False:
                return Page.ALLOW
            case False, True, False, True:
                return Page.ACTIVE
            case False, False, False, True:
                return Page.CONFIRM
            case False, False, True, False:
                return Page.FINAL
        return Page.OTHER

    def pixels(self) -> Pixels:
        """What of the screen is the window."""
        left, top, width, height = self._place()
        return self._desktop.pixels()[max(0, top) : top + height, max(0, left) : left + width]

    def _click(self, x: int, y: int) -> None:
        self._use("mousemove", "--window", self._id, str(x), str(y), "click", "1")

    def _place(self) -> tuple[int, int, int, int]:
        """Left, top, width, height; nothing of a window that is gone."""
        told = self._use("getwindowgeometry", "--shell", self._id)
        facts = dict(line.split("=", 1) for line in told.splitlines())
        left, top, width, height = (int(facts.get(name, 0)) for name in ("X", "Y", "WIDTH", "HEIGHT"))
        return left, top, width, height

    def _find(self) -> bool:
        """Whether it is there; each process shows one of its own."""
        self._id = self._use("search", "--onlyvisible", "--name", TITLE).partition("\n")[0]
        return bool(self._id)

    def _use(self, *words: str) -> str:
        done = subprocess.run(
            ["xdotool", *words],
            env={**os.environ, "DISPLAY": self._desktop.name},
            check=False,  # a search without a result is a failure to it
            capture_output=True,
            text=True,
            timeout=SLOWLY,
        )
        return done.stdout

    def _until(self, act: Callable[[], object], is_so: Callable[[], bool]) -> None:
        end = time.monotonic() + SLOWLY
        while True:
            act()
            try:
                return wait_until(is_so, "an answer to keys", within=KEY_SECONDS)
            except AssertionError:
                if time.monotonic() > end:
                    raise


def _count(pixels: Pixels, colour: str) -> int:
    """How many have a colour, ``#rrggbb``."""
    return int((pixels == tuple(bytes.fromhex(colour[1:]))).all(axis=2).sum())
