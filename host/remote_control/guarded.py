"""A desktop whose input can be held back: while the customer is asked, nobody but they may answer."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import trio

from host.remote_control.desktop import Clipping, Desktop
from host.remote_control.errors import DesktopUnavailable
from host.remote_control.view_only import ViewOnlyDesktop

RELEASE_TIMEOUT: Final = 2.0
"""Seconds that a desktop may take to let go of what is pressed, before the question is shown all the same."""


class InputGate:
    """Whether viewers' keyboards and pointers reach the desktop; open at first."""

    def __init__(self) -> None:
        self._holds = 0
        self._changed = trio.Event()
        self._guarded: set[GuardedDesktop] = set()

    @property
    def is_closed(self) -> bool:
        """True while somebody holds it closed."""
        return self._holds > 0

    async def wait_changed(self) -> None:
        """Return when it was opened or closed next."""
        await self._changed.wait()

    def _hold(self, change: int) -> None:
        before = self.is_closed
        self._holds += change
        if self.is_closed is not before:
            self._changed.set()
            self._changed = trio.Event()

    @asynccontextmanager
    async def closed(self) -> AsyncIterator[None]:
        """Hold it closed for the block, which begins once nothing is pressed through it any more."""
        self._hold(1)
        try:
            with trio.move_on_after(RELEASE_TIMEOUT):
                for desktop in list(self._guarded):
                    with contextlib.suppress(DesktopUnavailable):
                        await desktop.release_all()
            yield
        finally:
            self._hold(-1)

    @contextmanager
    def guard(self, desktop: Desktop) -> Iterator["GuardedDesktop"]:
        """`desktop` behind this gate, for the time of the block."""
        guarded = GuardedDesktop(desktop, self)
        self._guarded.add(guarded)
        try:
            yield guarded
        finally:
            self._guarded.discard(guarded)


class GuardedDesktop(ViewOnlyDesktop):
    """Shows `desktop`, and passes input on to it while the gate is open; meanwhile it is dropped."""

    def __init__(self, desktop: Desktop, gate: InputGate) -> None:
        super().__init__(desktop)
        self._gate = gate

    @property
    def clipping(self) -> Clipping:
        """As the desktop's."""
        return self._desktop.clipping

    async def press_key(self, keysym: int, scancode: int | None, is_down: bool) -> None:
        """See `Desktop`, as for all of these."""
        if not self._gate.is_closed:
            await self._desktop.press_key(keysym, scancode, is_down)

    async def pointer(self, x: int, y: int, buttons: int) -> None:
        """Move the pointer and set its buttons."""
        if not self._gate.is_closed:
            await self._desktop.pointer(x, y, buttons)

    async def set_clipboard(self, text: str) -> None:
        """Make `text` what a paste gives."""
        if not self._gate.is_closed:
            await self._desktop.set_clipboard(text)

    async def release_all(self) -> None:
        """Release every key and button, also while the gate is closed."""
        await self._desktop.release_all()
