"""The picture of the whole virtual screen by GDI, and the pointer's shape. Blocking, for one thread."""

import sys

if sys.platform != "win32":
    raise ImportError("only for Windows")

import ctypes
from ctypes import wintypes
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from host.remote_control.desktop import Cursor
from host.remote_control.errors import DesktopUnavailable

_VIRTUAL_SCREEN: Final = (76, 77, 78, 79)
"""SM_XVIRTUALSCREEN and so on: left, top, width, height of all monitors together."""
_COPY: Final = 0x00CC0020
_IS_SHOWN: Final = 1
_MAX_CURSOR_SIDE: Final = 256
_OPAQUE: Final = np.uint32(0xFF000000)


class _BitmapHead(ctypes.Structure):
    _fields_ = (
        ("size", wintypes.DWORD),
        ("width", wintypes.LONG),
        ("height", wintypes.LONG),
        ("planes", wintypes.WORD),
        ("bits", wintypes.WORD),
        ("compression", wintypes.DWORD),
        ("image_bytes", wintypes.DWORD),
        ("x_per_meter", wintypes.LONG),
        ("y_per_meter", wintypes.LONG),
        ("used", wintypes.DWORD),
        ("important", wintypes.DWORD),
    )


class _Bitmap(ctypes.Structure):
    _fields_ = (
        ("kind", wintypes.LONG),
        ("width", wintypes.LONG),
        ("height", wintypes.LONG),
        ("row_bytes", wintypes.LONG),
        ("planes", wintypes.WORD),
        ("bits", wintypes.WORD),
        ("data", ctypes.c_void_p),
    )


class _CursorInfo(ctypes.Structure):
    _fields_ = (
        ("size", wintypes.DWORD),
        ("flags", wintypes.DWORD),
        ("cursor", wintypes.HANDLE),
        ("x", wintypes.LONG),
        ("y", wintypes.LONG),
    )


class _IconInfo(ctypes.Structure):
    _fields_ = (
        ("is_icon", wintypes.BOOL),
        ("hot_x", wintypes.DWORD),
        ("hot_y", wintypes.DWORD),
        ("mask", wintypes.HBITMAP),
        ("colour", wintypes.HBITMAP),
    )


_user32 = ctypes.WinDLL("user32", use_last_error=True)
_gdi32 = ctypes.WinDLL("gdi32", use_last_error=True)
_user32.GetDC.restype = wintypes.HDC
_user32.GetDC.argtypes = (wintypes.HWND,)
_user32.ReleaseDC.argtypes = (wintypes.HWND, wintypes.HDC)
_user32.GetCursorInfo.argtypes = (ctypes.POINTER(_CursorInfo),)
_user32.GetIconInfo.argtypes = (wintypes.HANDLE, ctypes.POINTER(_IconInfo))
_gdi32.CreateCompatibleDC.restype = wintypes.HDC
_gdi32.CreateCompatibleDC.argtypes = (wintypes.HDC,)
_gdi32.CreateDIBSection.restype = wintypes.HBITMAP
_gdi32.CreateDIBSection.argtypes = (
    wintypes.HDC,
    ctypes.POINTER(_BitmapHead),
    wintypes.UINT,
    ctypes.POINTER(ctypes.c_void_p),
    wintypes.HANDLE,
    wintypes.DWORD,
)
_gdi32.SelectObject.restype = wintypes.HANDLE
_gdi32.SelectObject.argtypes = (wintypes.HDC, wintypes.HANDLE)
_gdi32.DeleteObject.argtypes = (wintypes.HANDLE,)
_gdi32.DeleteDC.argtypes = (wintypes.HDC,)
_gdi32.GetObjectW.argtypes = (wintypes.HANDLE, ctypes.c_int, wintypes.LPVOID)
_gdi32.GetDIBits.argtypes = (
    wintypes.HDC,
    wintypes.HBITMAP,
    wintypes.UINT,
    wintypes.UINT,
    wintypes.LPVOID,
    ctypes.POINTER(_BitmapHead),
    wintypes.UINT,
)
_gdi32.BitBlt.argtypes = (
    wintypes.HDC,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_int,
    wintypes.HDC,
    ctypes.c_int,
    ctypes.c_int,
    wintypes.DWORD,
)


@dataclass(frozen=True, slots=True)
class Area:
    """The virtual screen, in pixels; its corner need not be at (0, 0), where the main monitor's is."""

    left: int
    top: int
    width: int
    height: int

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.width, self.height


def read_area() -> Area:
    """The virtual screen now."""
    left, top, width, height = (int(_user32.GetSystemMetrics(number)) for number in _VIRTUAL_SCREEN)
    return Area(left, top, max(1, width), max(1, height))


class Capturer:
    """Copies the screen; keeps a bitmap of its size between copies."""

    def __init__(self) -> None:
        self._size = (0, 0)
        self._context: int | None = None
        self._bitmap: int | None = None
        self._before: int | None = None
        self._memory: NDArray[np.uint8] = np.zeros((0, 0, 4), dtype=np.uint8)

    def capture(self, area: Area) -> NDArray[np.uint8]:
        """The picture of `area`, shape (height, width, 4), bytes B, G, R, unused; a new array.

        A screen that may not be looked at now is black.

        Raises:
            DesktopUnavailable: there is no memory for it.
        """
        screen = _user32.GetDC(None)
        if not screen:
            return np.zeros((area.height, area.width, 4), dtype=np.uint8)
        try:
            if self._size != area.size:
                self._prepare(screen, area)
            copied = _gdi32.BitBlt(
                self._context, 0, 0, area.width, area.height, screen, area.left, area.top, _COPY
            )
            _gdi32.GdiFlush()
        finally:
            _user32.ReleaseDC(None, screen)
        return self._memory.copy() if copied else np.zeros_like(self._memory)

    def close(self) -> None:
        """Give the bitmap back."""
        self._memory = np.zeros((0, 0, 4), dtype=np.uint8)
        if self._context is not None and self._before is not None:
            _gdi32.SelectObject(self._context, self._before)
        if self._bitmap is not None:
            _gdi32.DeleteObject(self._bitmap)
        if self._context is not None:
            _gdi32.DeleteDC(self._context)
        self._size, self._context, self._bitmap, self._before = (0, 0), None, None, None

    def _prepare(self, screen: int, area: Area) -> None:
        self.close()
        self._context = _gdi32.CreateCompatibleDC(screen)
        place = ctypes.c_void_p()
        head = _head(*area.size)
        self._bitmap = _gdi32.CreateDIBSection(
            self._context, ctypes.byref(head), 0, ctypes.byref(place), None, 0
        )
        if not self._bitmap or not place.value:
            self.close()
            raise DesktopUnavailable("There is no memory for a picture of the screen.")
        self._before = _gdi32.SelectObject(self._context, self._bitmap)
        raw = (ctypes.c_uint8 * (area.width * area.height * 4)).from_address(place.value)
        self._memory = np.frombuffer(memoryview(raw), dtype=np.uint8).reshape(area.height, area.width, 4)
        self._size = area.size


class CursorWatch:
    """The pointer's shape, looked at again when it is another one."""

    def __init__(self) -> None:
        self._handle: int | None = -1
        self._serial = 0

    def look(self) -> Cursor | None:
        """The shape if it is another than at the last look; None if not, or if it cannot be told."""
        info = _CursorInfo(size=ctypes.sizeof(_CursorInfo))
        if not _user32.GetCursorInfo(ctypes.byref(info)):
            return None
        handle: int | None = info.cursor if info.flags & _IS_SHOWN else None
        if handle == self._handle:
            return None
        shape = _nothing() if handle is None else _read_shape(handle)
        if shape is None:
            return None
        self._handle = handle
        self._serial += 1
        hot_x, hot_y, pixels = shape
        return Cursor(self._serial, hot_x, hot_y, pixels)


_Shape = tuple[int, int, NDArray[np.uint32]]


def _nothing() -> _Shape:
    return 0, 0, np.zeros((1, 1), dtype=np.uint32)


def _read_shape(handle: int) -> _Shape | None:
    info = _IconInfo()
    if not _user32.GetIconInfo(handle, ctypes.byref(info)):
        return None
    context = _gdi32.CreateCompatibleDC(None)
    try:
        mask = _read_bitmap(context, info.mask)
        if mask is None:
            return None
        if info.colour:
            colour = _read_bitmap(context, info.colour)
            pixels = None if colour is None else blend(colour, mask)
        else:
            pixels = blend_monochrome(mask)
    finally:
        _gdi32.DeleteDC(context)
        for bitmap in (info.mask, info.colour):
            if bitmap:
                _gdi32.DeleteObject(bitmap)
    return None if pixels is None else (int(info.hot_x), int(info.hot_y), pixels)


def _read_bitmap(context: int, bitmap: int) -> NDArray[np.uint32] | None:
    told = _Bitmap()
    if not _gdi32.GetObjectW(bitmap, ctypes.sizeof(told), ctypes.byref(told)):
        return None
    width, height = int(told.width), int(told.height)
    if not (0 < width <= _MAX_CURSOR_SIDE and 0 < height <= 2 * _MAX_CURSOR_SIDE):
        return None
    pixels = np.zeros((height, width), dtype=np.uint32)
    head = _head(width, height)
    if not _gdi32.GetDIBits(context, bitmap, 0, height, pixels.ctypes.data, ctypes.byref(head), 0):
        return None
    return pixels


def blend(colour: NDArray[np.uint32], mask: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """A coloured shape, 0xAARRGGBB multiplied by alpha; without an alpha of its own the mask decides."""
    rgb = colour & ~_OPAQUE
    if (colour & _OPAQUE).any():
        alpha = colour >> 24
        parts = [((rgb >> shift & 0xFF) * alpha // 255) << shift for shift in (0, 8, 16)]
        return np.asarray(parts[0] | parts[1] | parts[2] | alpha << 24, dtype=np.uint32)
    is_shown = (mask[: colour.shape[0]] & ~_OPAQUE) == 0
    return np.where(is_shown, rgb | _OPAQUE, 0).astype(np.uint32)


def blend_monochrome(mask: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """A shape of two masks above each other; what inverts the screen is black, as it mostly is on paper."""
    half = mask.shape[0] // 2
    keeps = (mask[:half] & ~_OPAQUE) != 0
    paints = (mask[half:] & ~_OPAQUE) != 0
    white, black = np.uint32(0xFFFFFFFF), _OPAQUE
    return np.where(keeps, np.where(paints, black, 0), np.where(paints, white, black)).astype(np.uint32)


def _head(width: int, height: int) -> _BitmapHead:
    """Rows from the top, 32 bits a pixel."""
    size = ctypes.sizeof(_BitmapHead)
    return _BitmapHead(size=size, width=width, height=-height, planes=1, bits=32)
