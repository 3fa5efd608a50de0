"""The desktop behind Remote Control as the RFB server sees it, without any system's library."""

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Cursor:
    """The pointer's shape. `pixels`: (height, width) uint32, 0xAARRGGBB, colours multiplied by alpha."""

    serial: int
    """Differs from shape to shape."""
    hot_x: int
    hot_y: int
    pixels: NDArray[np.uint32]


@dataclass(frozen=True)
class Clipping:
    """What was copied on the desktop last."""

    serial: int = 0
    """Grows with each copy; 0: nothing was copied since the desktop was opened."""
    text: str = field(default="", repr=False)


class Desktop(Protocol):
    """A screen to show and a keyboard, pointer and clipboard to use.

    One desktop may serve several viewers at once: what it knows is read from properties, and
    `wait_changed` tells all of them when to look again. Every method may raise `DesktopUnavailable`.
    """

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""

    @property
    def cursor(self) -> Cursor:
        """The pointer's shape now."""

    @property
    def clipping(self) -> Clipping:
        """What was copied on the desktop last."""

    @property
    def reports_damage(self) -> bool:
        """True if the system tells when the picture changes, so that looking often is not needed."""

    @property
    def damage_serial(self) -> int:
        """Grows when the picture is known to have changed since the last `grab`."""

    @property
    def serial(self) -> int:
        """Grows whenever any other property changes."""

    async def wait_changed(self, seen: int) -> int:
        """`serial`, as soon as it differs from `seen`."""

    async def grab(self) -> NDArray[np.uint8]:
        """The picture now, shape (height, width, 4), bytes B, G, R, unused; a new array each time."""

    async def press_key(self, keysym: int, scancode: int | None, is_down: bool) -> None:
        """Press or release a key: by its X keysym (0: unknown) and, if known, by its XT scancode."""

    async def pointer(self, x: int, y: int, buttons: int) -> None:
        """Move the pointer and set its buttons (RFB's mask); the position is clipped to the screen."""

    async def set_clipboard(self, text: str) -> None:
        """Make `text` what a paste on the desktop gives."""

    async def release_all(self) -> None:
        """Release every key and button that is down through this desktop object."""
