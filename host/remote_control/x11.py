"""An X11 desktop for Remote Control: captured with mss (MIT-SHM), driven through XTest.

Two connections to the display, each used by one worker thread at a time: mss's own for capturing, python-
xlib's for everything else, so that a key press never waits for a capture. What python-xlib's connection
tells is taken over in the Trio thread; all properties are plain values there.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, TypeVar

import mss
import numpy as np
import trio
from mss.exception import ScreenShotError
from numpy.typing import NDArray
from Xlib.error import ConnectionClosedError

from host.remote_control.desktop import Clipping, Cursor
from host.remote_control.errors import DesktopUnavailable
from host.remote_control.x11_display import News, X11Display

_Result = TypeVar("_Result")

_CAPTURE_TRIES: Final = 4
"""The screen may change its size between asking for it and capturing; hardly ever twice in a row."""
_CLEANUP_TIMEOUT: Final = 5.0


@asynccontextmanager
async def open_desktop(display: str) -> AsyncIterator["X11Desktop"]:
    """The desktop of an X display such as ":0", until the block ends.

    At the end, all keys and buttons pressed through it are released.

    Raises:
        DesktopUnavailable: the display cannot be opened, cannot be used, or went away.

    Cancellation: at any time; errors of the block come out as they are.
    """
    limiter = trio.CapacityLimiter(1)
    connection, news = await trio.to_thread.run_sync(_connect, display, limiter=limiter)
    desktop = X11Desktop(display, connection, news, limiter)
    failure: Exception | None = None
    try:
        async with trio.open_nursery() as nursery:

            async def watch() -> None:
                nonlocal failure
                try:
                    await desktop.watch()
                except DesktopUnavailable as error:
                    failure = error
                    nursery.cancel_scope.cancel()

            nursery.start_soon(watch)
            try:
                await desktop.grab()
                yield desktop
            except Exception as error:  # only carried past the nursery, which would wrap it in a group
                failure = failure or error
            nursery.cancel_scope.cancel()
    finally:
        with trio.move_on_after(_CLEANUP_TIMEOUT, shield=True):
            await desktop.aclose()
    if failure is not None:
        raise failure


def _connect(display: str) -> tuple[X11Display, News]:
    connection = X11Display(display)
    return connection, connection.collect()


class X11Desktop:
    """`Desktop` for X11; made by `open_desktop`.

    Concurrency: any task may call anything; input keeps the order in which it was called.
    """

    def __init__(self, name: str, connection: X11Display, news: News, limiter: trio.CapacityLimiter) -> None:
        # Never changed.
        self._name = name
        self._connection = connection
        self._limiter = limiter
        self._capture_limiter = trio.CapacityLimiter(1)
        # The capturing thread's.
        self._capturer: mss.MSS | None = None
        self._capturer_size = (0, 0)
        # What is known of the display; the Trio thread's.
        if news.size is None or news.cursor is None:
            raise AssertionError("the first look at a display brings its size and cursor")
        self._size = news.size
        self._cursor = news.cursor
        self._clipping = Clipping()
        self._damage_serial = 0
        self._must_rearm = True
        self._serial = 0
        self._changed = trio.Event()

    @property
    def size(self) -> tuple[int, int]:
        """See `Desktop.size`."""
        return self._size

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
        return self._connection.reports_damage

    @property
    def damage_serial(self) -> int:
        """See `Desktop.damage_serial`."""
        return self._damage_serial

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
        """Take over what the display tells, until cancelled; `open_desktop` runs this."""
        while True:
            await trio.lowlevel.wait_readable(self._connection.fileno())
            await self._call(lambda: None)

    async def grab(self) -> NDArray[np.uint8]:
        """See `Desktop.grab`."""
        for _ in range(_CAPTURE_TRIES):
            if self._must_rearm:
                self._must_rearm = False
                await self._call(self._connection.rearm_damage)
            try:
                return await trio.to_thread.run_sync(self._capture, self._size, limiter=self._capture_limiter)
            except ScreenShotError:
                size = await self._call(self._connection.read_size)
                self._take_over(News(size=size))
        raise DesktopUnavailable("The screen cannot be captured.")

    def _capture(self, size: tuple[int, int]) -> NDArray[np.uint8]:
        """One capture, in the capturing thread."""
        width, height = size
        if self._capturer is None or self._capturer_size != size:
            # mss keeps a buffer of the size the screen had when it connected.
            self._close_capturer()
            self._capturer = mss.MSS(display=self._name)
            self._capturer_size = size
        area = {"left": 0, "top": 0, "width": width, "height": height}
        raw = self._capturer.grab(area).raw
        return np.frombuffer(raw, dtype=np.uint8).reshape(height, width, 4)

    def _close_capturer(self) -> None:
        if self._capturer is not None:
            self._capturer.close()
            self._capturer = None

    async def press_key(self, keysym: int, scancode: int | None, is_down: bool) -> None:
        """See `Desktop.press_key`."""
        await self._call(lambda: self._connection.press_key(keysym, scancode, is_down))

    async def pointer(self, x: int, y: int, buttons: int) -> None:
        """See `Desktop.pointer`."""
        width, height = self._size
        x, y = min(max(x, 0), width - 1), min(max(y, 0), height - 1)
        await self._call(lambda: self._connection.pointer(x, y, buttons))

    async def set_clipboard(self, text: str) -> None:
        """See `Desktop.set_clipboard`."""
        await self._call(lambda: self._connection.set_clipboard(text))

    async def release_all(self) -> None:
        """See `Desktop.release_all`."""
        await self._call(self._connection.release_all)

    async def aclose(self) -> None:
        """Release everything and disconnect; `open_desktop` does this."""
        await trio.to_thread.run_sync(self._close_capturer, limiter=self._capture_limiter)
        await trio.to_thread.run_sync(self._connection.close, limiter=self._limiter)

    async def _call(self, action: Callable[[], _Result]) -> _Result:
        """Run `action` in the worker thread, and take over what the display told meanwhile."""

        def act_and_collect() -> tuple[_Result, News]:
            return action(), self._connection.collect()

        try:
            result, news = await trio.to_thread.run_sync(act_and_collect, limiter=self._limiter)
        except ConnectionClosedError as error:
            raise DesktopUnavailable(f"The display {self._name} is gone.") from error
        self._take_over(news)
        return result

    def _take_over(self, news: News) -> None:
        """Note what changed, and wake everyone who waits for it."""
        before = self._serial
        if news.is_damaged:
            self._must_rearm = True
            self._damage_serial += 1
            self._serial += 1
        if news.size is not None and news.size != self._size:
            self._size = news.size
            self._serial += 1
        if news.cursor is not None:
            self._cursor = news.cursor
            self._serial += 1
        if news.copied is not None:
            self._clipping = Clipping(self._clipping.serial + 1, news.copied)
            self._serial += 1
        if self._serial != before:
            self._changed.set()
            self._changed = trio.Event()
