"""A Windows desktop for Remote Control: captured by GDI, driven by SendInput.

Three threads, so that a key press never waits for a capture: one captures, one types and looks at the
pointer, one has the clipboard. The first two follow the desktop that is shown (`host.windows.input_desktop`).
Windows tells nobody cheaply that the picture has changed, so `RfbSettings` says how often it is looked at.
"""

import sys

if sys.platform != "win32":
    raise ImportError("only for Windows")

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import numpy as np
import trio
from numpy.typing import NDArray

from host.remote_control.desktop import Clipping, Cursor
from host.windows.clipboard import Clipboard
from host.windows.input import Keyboard, Pointer
from host.windows.input_desktop import InputDesktop
from host.windows.screen import Area, Capturer, CursorWatch, read_area
from host.windows.worker import Worker, open_worker

LOOK_INTERVAL: Final = 0.05
"""Seconds between two looks at the pointer's shape and the screen's size; the eye sees no delay."""
_LOOKS_PER_CLIPBOARD: Final = 5
_CLEANUP_TIMEOUT: Final = 5.0
_NO_CURSOR: Final = Cursor(0, 0, 0, np.zeros((1, 1), dtype=np.uint32))


@asynccontextmanager
async def open_desktop(display: str) -> AsyncIterator["WindowsDesktop"]:
    """The desktop of this session, until the block ends.

    At the end, all keys and buttons pressed through it are released.

    Args:
        display: of no meaning here.

    Raises:
        DesktopUnavailable: it cannot be captured.

    Cancellation: at any time; errors of the block come out as they are.
    """
    async with AsyncExitStack() as stack:
        names = ("capturing", "typing", "clipboard")
        capturing, typing, copying = [await stack.enter_async_context(open_worker(name)) for name in names]
        desktop = WindowsDesktop(capturing, typing, copying, await copying.call(Clipboard))
        failure: Exception | None = None
        try:
            await desktop.look()
            await desktop.grab()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(desktop.watch)
                try:
                    yield desktop
                except Exception as error:  # only carried past the nursery, which would wrap it in a group
                    failure = error
                nursery.cancel_scope.cancel()
        finally:
            with trio.move_on_after(_CLEANUP_TIMEOUT, shield=True):
                await desktop.aclose()
        if failure is not None:
            raise failure


class WindowsDesktop:
    """`Desktop` for Windows; made by `open_desktop`.

    Concurrency: any task may call anything; input keeps the order in which it was called.
    """

    def __init__(self, capturing: Worker, typing: Worker, copying: Worker, clipboard: Clipboard) -> None:
        # Never changed.
        self._capturing, self._typing, self._copying = capturing, typing, copying
        # The capturing thread's.
        self._capturing_at = InputDesktop()
        self._capturer = Capturer()
        # The typing thread's.
        self._typing_at = InputDesktop()
        self._keyboard = Keyboard()
        self._pointer = Pointer()
        self._cursor_watch = CursorWatch()
        # The clipboard thread's.
        self._clipboard = clipboard
        # What is known of the desktop; the Trio thread's.
        self._area = Area(0, 0, 1, 1)
        self._cursor = _NO_CURSOR
        self._clipping = Clipping()
        self._serial = 0
        self._changed = trio.Event()

    @property
    def size(self) -> tuple[int, int]:
        """See `Desktop.size`."""
        return self._area.size

    @property
    def cursor(self) -> Cursor:
        """See `Desktop.cursor`."""
        return self._cursor

    @property
    def clipping(self) -> Clipping:
        """See `Desktop.clipping`."""
        return self._clipping

    @property
    def reports_damage(self) -> bool:
        """See `Desktop.reports_damage`."""
        return False

    @property
    def damage_serial(self) -> int:
        """See `Desktop.damage_serial`."""
        return 0

    @property
    def serial(self) -> int:
        """See `Desktop.serial`."""
        return self._serial

    async def wait_changed(self, seen: int) -> int:
        """See `Desktop.wait_changed`."""
        while self._serial == seen:
            await self._changed.wait()
        return self._serial

    async def watch(self) -> None:
        """Look at what changes, until cancelled; `open_desktop` runs this."""
        looks = 0
        while True:
            await trio.sleep(LOOK_INTERVAL)
            await self.look()
            looks += 1
            if looks % _LOOKS_PER_CLIPBOARD == 0:
                copied = await self._copying.call(self._clipboard.take_copied)
                if copied is not None:
                    self._clipping = Clipping(self._clipping.serial + 1, copied)
                    self._tell()

    async def look(self) -> None:
        """Look at the pointer's shape and the screen's size once."""

        def look() -> tuple[Area, Cursor | None]:
            self._typing_at.follow()
            return read_area(), self._cursor_watch.look()

        area, cursor = await self._typing.call(look)
        if area != self._area:
            self._area = area
            self._tell()
        if cursor is not None:
            self._cursor = cursor
            self._tell()

    async def grab(self) -> NDArray[np.uint8]:
        """See `Desktop.grab`."""
        area = self._area

        def capture() -> NDArray[np.uint8]:
            self._capturing_at.follow()
            return self._capturer.capture(area)

        return await self._capturing.call(capture)

    async def press_key(self, keysym: int, scancode: int | None, is_down: bool) -> None:
        """See `Desktop.press_key`."""

        def press() -> None:
            self._typing_at.follow()
            if is_down:
                self._keyboard.press(keysym, scancode)
            else:
                self._keyboard.release(keysym, scancode)

        await self._typing.call(press)

    async def pointer(self, x: int, y: int, buttons: int) -> None:
        """See `Desktop.pointer`."""
        width, height = size = self._area.size
        x, y = min(max(x, 0), width - 1), min(max(y, 0), height - 1)

        def move() -> None:
            self._typing_at.follow()
            self._pointer.move(x, y, buttons, size)

        await self._typing.call(move)

    async def set_clipboard(self, text: str) -> None:
        """See `Desktop.set_clipboard`."""
        await self._copying.call(lambda: self._clipboard.give(text))

    async def release_all(self) -> None:
        """See `Desktop.release_all`."""

        def release() -> None:
            self._keyboard.release_all()
            self._pointer.release_all()

        await self._typing.call(release)

    async def aclose(self) -> None:
        """Release everything; `open_desktop` does this."""
        await self.release_all()
        await self._typing.call(self._typing_at.leave)
        await self._capturing.call(self._capturer.close)
        await self._capturing.call(self._capturing_at.leave)

    def _tell(self) -> None:
        self._serial += 1
        self._changed.set()
        self._changed = trio.Event()
