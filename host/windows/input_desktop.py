"""Following the desktop that the person sees: theirs, UAC's question, the lock screen.

Windows has several desktops in one session and shows one of them. A thread captures and types on the one
that it is on, so a thread that calls `follow` before each look is always on the one that is shown, as far as
it has the right to: the ordinary desktop is open to the customer's programs, the secure ones to the system.
"""

import sys

if sys.platform != "win32":
    raise ImportError("only for Windows")

import ctypes
from ctypes import wintypes
from typing import Final

_ALL: Final = 0x01FF
"""Every right to a desktop but those to change its security."""
_NAME: Final = 2
_MAX_NAME: Final = 256

_user32 = ctypes.WinDLL("user32", use_last_error=True)
_user32.OpenInputDesktop.restype = wintypes.HANDLE
_user32.OpenInputDesktop.argtypes = (wintypes.DWORD, wintypes.BOOL, wintypes.DWORD)
_user32.SetThreadDesktop.argtypes = (wintypes.HANDLE,)
_user32.CloseDesktop.argtypes = (wintypes.HANDLE,)
_user32.GetUserObjectInformationW.argtypes = (
    wintypes.HANDLE,
    ctypes.c_int,
    wintypes.LPVOID,
    wintypes.DWORD,
    ctypes.POINTER(wintypes.DWORD),
)


class InputDesktop:
    """One thread's place; that thread alone may call. The thread must have no window."""

    def __init__(self) -> None:
        self._handle: int | None = None
        self._name = ""

    def follow(self) -> bool:
        """Move this thread to the desktop that is shown now; False if it is shut to this program."""
        handle = _user32.OpenInputDesktop(0, False, _ALL)
        if not handle:
            return False
        name = _name_of(handle)
        if name == self._name or not _user32.SetThreadDesktop(handle):
            _user32.CloseDesktop(handle)
            return name == self._name
        self.leave()
        self._handle, self._name = handle, name
        return True

    def leave(self) -> None:
        """Forget the desktop; the thread stays where it is."""
        if self._handle is not None:
            _user32.CloseDesktop(self._handle)
        self._handle, self._name = None, ""


def _name_of(desktop: int) -> str:
    buffer = ctypes.create_unicode_buffer(_MAX_NAME)
    needed = wintypes.DWORD()
    size = ctypes.sizeof(buffer)
    if not _user32.GetUserObjectInformationW(desktop, _NAME, buffer, size, ctypes.byref(needed)):
        return "?"
    return buffer.value
