"""The clipboard's text. Blocking, for one thread that is on the customer's own desktop.

Windows tells by a number that something was copied; the number is looked at, which costs next to nothing
and needs no window. Somebody else may have the clipboard open for a moment: then it is tried again at the
next look.
"""

import sys

if sys.platform != "win32":
    raise ImportError("only for Windows")

import contextlib
import ctypes
import time
from collections.abc import Iterator
from ctypes import wintypes
from typing import Final

from host.remote_control.messages import MAX_CUT_TEXT_BYTES

_UNICODE_TEXT: Final = 13
_MOVABLE: Final = 0x2
_MESSAGES_ONLY: Final = -3
_OPEN_TRIES: Final = 10
_OPEN_PAUSE: Final = 0.02
"""Seconds; another program has the clipboard open for no longer."""

_user32 = ctypes.WinDLL("user32", use_last_error=True)
_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_user32.OpenClipboard.argtypes = (wintypes.HWND,)
_user32.GetClipboardData.restype = wintypes.HANDLE
_user32.GetClipboardData.argtypes = (wintypes.UINT,)
_user32.SetClipboardData.restype = wintypes.HANDLE
_user32.SetClipboardData.argtypes = (wintypes.UINT, wintypes.HANDLE)
_user32.GetClipboardSequenceNumber.restype = wintypes.DWORD
_user32.CreateWindowExW.restype = wintypes.HWND
_user32.CreateWindowExW.argtypes = (
    wintypes.DWORD,
    wintypes.LPCWSTR,
    wintypes.LPCWSTR,
    wintypes.DWORD,
    *(ctypes.c_int,) * 4,
    wintypes.HWND,
    wintypes.HMENU,
    wintypes.HINSTANCE,
    wintypes.LPVOID,
)
_user32.DestroyWindow.argtypes = (wintypes.HWND,)
_kernel32.GlobalAlloc.restype = wintypes.HANDLE
_kernel32.GlobalAlloc.argtypes = (wintypes.UINT, ctypes.c_size_t)
_kernel32.GlobalFree.argtypes = (wintypes.HANDLE,)
_kernel32.GlobalLock.restype = ctypes.c_void_p
_kernel32.GlobalLock.argtypes = (wintypes.HANDLE,)
_kernel32.GlobalUnlock.argtypes = (wintypes.HANDLE,)
_kernel32.GlobalSize.restype = ctypes.c_size_t
_kernel32.GlobalSize.argtypes = (wintypes.HANDLE,)


class Clipboard:
    """What is copied from now on."""

    def __init__(self) -> None:
        self._seen = int(_user32.GetClipboardSequenceNumber())

    def take_copied(self) -> str | None:
        """The text that was copied since the last call, with plain line feeds; None for nothing new."""
        number = int(_user32.GetClipboardSequenceNumber())
        if number == self._seen:
            return None
        with _opened(None) as is_open:
            if not is_open:
                return None
            # Once it is open nobody changes it.
            self._seen = int(_user32.GetClipboardSequenceNumber())
            return _read_text()

    def give(self, text: str) -> None:
        """Make `text` what a paste gives; it is no news for `take_copied`."""
        data = text.replace("\r\n", "\n").replace("\n", "\r\n").encode("utf-16-le", "surrogatepass") + b"\0\0"
        # The one who empties the clipboard owns it by a window, which must answer for it; so it goes at once.
        window = _user32.CreateWindowExW(
            0, "STATIC", None, 0, 0, 0, 0, 0, wintypes.HWND(_MESSAGES_ONLY), None, None, None
        )
        try:
            for _ in range(_OPEN_TRIES):
                with _opened(window) as is_open:
                    if is_open:
                        _user32.EmptyClipboard()
                        _put(data)
                        break
                time.sleep(_OPEN_PAUSE)
        finally:
            if window:
                _user32.DestroyWindow(window)
        self._seen = int(_user32.GetClipboardSequenceNumber())


@contextlib.contextmanager
def _opened(window: int | None) -> Iterator[bool]:
    is_open = bool(_user32.OpenClipboard(window))
    try:
        yield is_open
    finally:
        if is_open:
            _user32.CloseClipboard()


def _read_text() -> str | None:
    handle = _user32.GetClipboardData(_UNICODE_TEXT)
    place = _kernel32.GlobalLock(handle) if handle else None
    if not place:
        return None
    try:
        # The size is the memory's; the text ends at its NUL, if the program that copied it set one.
        size = min(int(_kernel32.GlobalSize(handle)), 2 * MAX_CUT_TEXT_BYTES)
        data = ctypes.string_at(place, size & ~1)
    finally:
        _kernel32.GlobalUnlock(handle)
    text = data.decode("utf-16-le", "replace").partition("\0")[0].replace("\r\n", "\n")
    return text.encode("utf-8", "replace")[:MAX_CUT_TEXT_BYTES].decode("utf-8", "ignore")


def _put(data: bytes) -> None:
    memory = _kernel32.GlobalAlloc(_MOVABLE, len(data))
    place = _kernel32.GlobalLock(memory) if memory else None
    if not place:
        return
    ctypes.memmove(place, data, len(data))
    _kernel32.GlobalUnlock(memory)
    if not _user32.SetClipboardData(_UNICODE_TEXT, memory):
        _kernel32.GlobalFree(memory)  # else it is the clipboard's
