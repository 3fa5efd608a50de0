"""One X11 display through python-xlib: input, pointer shape, damage, size and clipboard.

Everything here blocks and none of it is thread-safe: `x11.X11Desktop` calls it from one worker thread at a
time. After each call `collect` has what the server told meanwhile.
"""

import contextlib
from dataclasses import dataclass
from typing import Final

import numpy as np
from Xlib import X, display, error
from Xlib.ext import damage, xfixes
from Xlib.protocol import rq

from host.remote_control.desktop import Cursor
from host.remote_control.errors import DesktopUnavailable
from host.remote_control.x11_keyboard import Keyboard
from host.remote_control.x11_selection import Selection

_BUTTONS: Final = 7
"""RFB's mask has left, middle, right and four directions of the wheel, in X11's order."""


@dataclass
class News:
    """What changed on the display since the last look; None and False: nothing."""

    is_damaged: bool = False
    size: tuple[int, int] | None = None
    cursor: Cursor | None = None
    copied: str | None = None


class X11Display:
    """An open connection to a display.

    Raises:
        DesktopUnavailable: no such display, or it lacks XTEST, XFIXES or 24-bit colour.
    """

    def __init__(self, name: str) -> None:
        try:
            self._display = display.Display(name)
        except (error.DisplayError, OSError) as problem:
            raise DesktopUnavailable(f"The display {name} cannot be opened.") from problem
        try:
            self._set_up(name)
        except BaseException:
            self._display.close()
            raise

    def _set_up(self, name: str) -> None:
        for extension in ("XTEST", "XFIXES"):
            if not self._display.has_extension(extension):
                raise DesktopUnavailable(f"The display {name} lacks the extension {extension}.")
        screen = self._display.screen()
        if screen.root_depth not in (24, 32):
            raise DesktopUnavailable(f"The display {name} has {screen.root_depth}-bit colour; 24 is needed.")
        self._root = screen.root
        # Errors of requests without a reply concern windows that vanished meanwhile: nothing to be done.
        self._display.set_error_handler(lambda _error, _request: None)
        self._display.xfixes_query_version()
        self._display.xfixes_select_cursor_input(self._root, xfixes.XFixesDisplayCursorNotifyMask)
        self._root.change_attributes(event_mask=X.StructureNotifyMask)
        self._keyboard = Keyboard(self._display)
        self._selection = Selection(self._display)
        # python-xlib makes its own copies of event classes: events are known by their codes.
        self._cursor_event: tuple[int, int] = self._display.extension_event.DisplayCursorNotify
        self._damage_event: int | None = None
        self._damage: int | None = None
        if self._display.has_extension("DAMAGE"):
            self._display.damage_query_version()
            self._damage_event = self._display.extension_event.DamageNotify
            self._damage = self._root.damage_create(damage.DamageReportNonEmpty)
        self._buttons = 0
        self._has_new_cursor = self._has_new_layout = False
        self._news = News(size=self.read_size(), cursor=self._read_cursor())

    @property
    def reports_damage(self) -> bool:
        """The server has the DAMAGE extension."""
        return self._damage is not None

    def fileno(self) -> int:
        """The connection's socket: readable when there are events to `collect`."""
        return self._display.fileno()

    def close(self) -> None:
        """Leave nothing pressed and no keycode changed, and disconnect."""
        with contextlib.suppress(error.ConnectionClosedError):
            self.release_all()
            self._keyboard.give_back()
            self._display.sync()
        try:
            self._display.close()
        except error.ConnectionClosedError:
            # Then python-xlib has left its socket open.
            self._display.display.close_internal("client")

    def collect(self) -> News:
        """What the server told since the last call; flushes requests on the way.

        Whatever asks the server something may also read events that came before the answer, and then the
        socket will not be readable for them again. So this ends only when looking found nothing to do.
        """
        while True:
            while self._display.pending_events():
                self._handle(self._display.next_event())
            if self._has_new_layout:
                self._has_new_layout = False
                self._keyboard.refresh()
            elif self._has_new_cursor:
                self._has_new_cursor = False
                self._news.cursor = self._read_cursor()
            else:
                self._display.flush()
                if not self._display.pending_events():
                    break
        self._news.copied = self._selection.take_copied()
        news, self._news = self._news, News()
        return news

    def _handle(self, event: rq.Event) -> None:
        if event.type == self._cursor_event[0] and event.sub_code == self._cursor_event[1]:
            self._has_new_cursor = True
        elif event.type == self._damage_event:
            self._news.is_damaged = True
        elif event.type == X.ConfigureNotify and event.window == self._root:
            self._news.size = event.width, event.height
        elif event.type == X.MappingNotify:
            self._has_new_layout |= event.request != X.MappingPointer
        else:
            self._selection.handle(event)

    def rearm_damage(self) -> None:
        """Be told of the next damage; what is drawn after this returns is told of."""
        if self._damage is not None:
            self._display.damage_subtract(self._damage)
            self._display.sync()

    def read_size(self) -> tuple[int, int]:
        """Width and height of the screen now."""
        geometry = self._root.get_geometry()
        return geometry.width, geometry.height

    def _read_cursor(self) -> Cursor:
        image = self._display.xfixes_get_cursor_image(self._root)
        pixels = np.array(image.cursor_image, dtype=np.uint32).reshape(image.height, image.width)
        return Cursor(image.cursor_serial, image.xhot, image.yhot, pixels)

    def press_key(self, keysym: int, scancode: int | None, is_down: bool) -> None:
        """See `Desktop.press_key`."""
        if is_down:
            self._keyboard.press(keysym, scancode)
        else:
            self._keyboard.release(keysym, scancode)

    def pointer(self, x: int, y: int, buttons: int) -> None:
        """See `Desktop.pointer`; the position must lie on the screen."""
        self._display.xtest_fake_input(X.MotionNotify, x=x, y=y)
        self._set_buttons(buttons)

    def _set_buttons(self, buttons: int) -> None:
        for bit in range(_BUTTONS):
            if (self._buttons ^ buttons) >> bit & 1:
                kind = X.ButtonPress if buttons >> bit & 1 else X.ButtonRelease
                self._display.xtest_fake_input(kind, bit + 1)
        self._buttons = buttons

    def set_clipboard(self, text: str) -> None:
        """See `Desktop.set_clipboard`."""
        self._selection.give(text)

    def release_all(self) -> None:
        """See `Desktop.release_all`."""
        self._keyboard.release_all()
        self._set_buttons(0)
