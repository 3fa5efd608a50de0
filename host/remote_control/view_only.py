"""A desktop that can be watched and nothing else: for a viewer who was let in to look on."""

import numpy as np
from numpy.typing import NDArray

from host.remote_control.desktop import Clipping, Cursor, Desktop


class ViewOnlyDesktop:
    """A `Desktop` that shows `desktop` and passes nothing on to it.

    Whatever the viewer's program sends is taken and dropped, as noVNC and others do not know that they may
    only watch. The clipboard is not shown either: what somebody copies is not what they show.
    """

    def __init__(self, desktop: Desktop) -> None:
        self._desktop = desktop
        self._clipping = Clipping()

    @property
    def size(self) -> tuple[int, int]:
        """See `Desktop`, as for all of these."""
        return self._desktop.size

    @property
    def cursor(self) -> Cursor:
        """The pointer's shape."""
        return self._desktop.cursor

    @property
    def clipping(self) -> Clipping:
        """Always empty."""
        return self._clipping

    @property
    def reports_damage(self) -> bool:
        """As the desktop's."""
        return self._desktop.reports_damage

    @property
    def damage_serial(self) -> int:
        """As the desktop's."""
        return self._desktop.damage_serial

    @property
    def serial(self) -> int:
        """As the desktop's."""
        return self._desktop.serial

    async def wait_changed(self, seen: int) -> int:
        """As the desktop's."""
        return await self._desktop.wait_changed(seen)

    async def grab(self) -> NDArray[np.uint8]:
        """The picture now."""
        return await self._desktop.grab()

    async def press_key(self, keysym: int, scancode: int | None, is_down: bool) -> None:
        """Nothing."""

    async def pointer(self, x: int, y: int, buttons: int) -> None:
        """Nothing."""

    async def set_clipboard(self, text: str) -> None:
        """Nothing."""

    async def release_all(self) -> None:
        """Nothing: nothing was pressed."""
