"""A desktop in memory: the test paints it and reads what was typed."""

from typing import TypeVar

import numpy as np
import trio
from numpy.typing import NDArray

from host.remote_control import Clipping, Cursor

_Note = TypeVar("_Note")


class FakeDesktop:
    """`Desktop` without a system behind it; the test changes it through the methods at the end."""

    def __init__(self, width: int = 200, height: int = 150) -> None:
        self.pixels: NDArray[np.uint32] = np.zeros((height, width), np.uint32)
        self.cursor = Cursor(1, 0, 0, np.full((2, 3), 0xFF123456, np.uint32))
        self.clipping = Clipping()
        self.reports_damage = True
        self.damage_serial = 0
        self.serial = 0
        self.keys: list[tuple[int, int | None, bool]] = []
        self.pointers: list[tuple[int, int, int]] = []
        self.pasted: list[str] = []
        self.releases = 0
        self.grabs = 0
        self._changed = trio.Event()

    @property
    def size(self) -> tuple[int, int]:
        return self.pixels.shape[1], self.pixels.shape[0]

    async def wait_changed(self, seen: int) -> int:
        while self.serial == seen:
            await self._changed.wait()
        return self.serial

    async def grab(self) -> NDArray[np.uint8]:
        await trio.lowlevel.checkpoint()
        self.grabs += 1
        return self.pixels.copy().view(np.uint8).reshape(*self.pixels.shape, 4)

    async def press_key(self, keysym: int, scancode: int | None, is_down: bool) -> None:
        await self._note(self.keys, (keysym, scancode, is_down))

    async def pointer(self, x: int, y: int, buttons: int) -> None:
        await self._note(self.pointers, (x, y, buttons))

    async def set_clipboard(self, text: str) -> None:
        await self._note(self.pasted, text)

    async def release_all(self) -> None:
        self.releases += 1
        await trio.lowlevel.checkpoint()

    async def _note(self, notes: list[_Note], note: _Note) -> None:
        notes.append(note)
        await trio.lowlevel.checkpoint()
        self._tell()

    def _tell(self) -> None:
        self.serial += 1
        self._changed.set()
        self._changed = trio.Event()

    @property
    def rgb(self) -> NDArray[np.uint8]:
        """What a viewer should see: shape (height, width, 3)."""
        return self.pixels.view(np.uint8).reshape(*self.pixels.shape, 4)[:, :, 2::-1]

    def paint(
        self, x: int, y: int, pixels: NDArray[np.uint32] | int, width: int = 1, height: int = 1
    ) -> None:
        """Draw a picture, or a rectangle of one colour."""
        if not isinstance(pixels, int):
            height, width = pixels.shape
        self.pixels[y : y + height, x : x + width] = pixels
        self.damage_serial += 1
        self._tell()

    def resize(self, width: int, height: int) -> None:
        """Another screen size, all black."""
        self.pixels = np.zeros((height, width), np.uint32)
        self.damage_serial += 1
        self._tell()

    def copy(self, text: str) -> None:
        """As if somebody copied `text` on the desktop."""
        self.clipping = Clipping(self.clipping.serial + 1, text)
        self._tell()

    def change_cursor(self, cursor: Cursor) -> None:
        """Another pointer shape."""
        self.cursor = cursor
        self._tell()
