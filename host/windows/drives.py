"""Where looking begins on Windows: the user's home and the drives."""

import sys

if sys.platform != "win32":
    raise ImportError("only for Windows")

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import wintypes
from typing import Any, Final

from host.windows.names import wire_path

_KINDS: Final = {2: "removable", 3: "drive", 4: "network", 5: "disc", 6: "drive"}
"""Of GetDriveTypeW; others (1: nothing is there) are left out."""
_NO_QUESTIONS: Final = 0x1
"""SEM_FAILCRITICALERRORS: no window asks the customer for a disk."""

_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_kernel32.GetLogicalDrives.restype = wintypes.DWORD
_kernel32.GetDriveTypeW.argtypes = (wintypes.LPCWSTR,)
_kernel32.GetVolumeInformationW.argtypes = (
    wintypes.LPCWSTR,
    wintypes.LPWSTR,
    wintypes.DWORD,
    wintypes.LPVOID,
    wintypes.LPVOID,
    wintypes.LPVOID,
    wintypes.LPVOID,
    wintypes.DWORD,
)
_kernel32.GetDiskFreeSpaceExW.argtypes = (
    wintypes.LPCWSTR,
    ctypes.POINTER(ctypes.c_ulonglong),
    ctypes.POINTER(ctypes.c_ulonglong),
    ctypes.c_void_p,
)
_kernel32.SetThreadErrorMode.argtypes = (wintypes.DWORD, ctypes.POINTER(wintypes.DWORD))


def roots() -> list[dict[str, Any]]:
    """The user's home, the computer and its drives: maps of path, kind, and where known name, total, free."""
    home = os.path.expanduser("~")
    found: list[dict[str, Any]] = [{"path": wire_path(home), "kind": "home"}, {"path": "/", "kind": "root"}]
    with _no_questions():
        _add_space(found[0], os.path.splitdrive(home)[0])
        for drive in drives():
            kind = _KINDS[_drive_type(drive)]
            root = {"path": f"/{drive}", "kind": kind}
            if kind != "network":  # one that is not in reach takes half a minute to say so
                label = ctypes.create_unicode_buffer(261)
                if _kernel32.GetVolumeInformationW(f"{drive}\\", label, 261, None, None, None, None, 0):
                    root["name"] = label.value
                _add_space(root, drive)
            found.append(root)
    return found


def drives() -> list[str]:
    """The drives that there are: ``C:``."""
    present = int(_kernel32.GetLogicalDrives())
    letters = [f"{chr(ord('A') + number)}:" for number in range(26) if present >> number & 1]
    return [drive for drive in letters if _drive_type(drive) in _KINDS]


def drive_kind(drive: str) -> str:
    """``drive``, ``removable``, ``network``, ``disc``, or "" for none."""
    return _KINDS.get(_drive_type(drive), "")


def _drive_type(drive: str) -> int:
    return int(_kernel32.GetDriveTypeW(f"{drive}\\"))


def _add_space(root: dict[str, Any], drive: str) -> None:
    free, total = ctypes.c_ulonglong(), ctypes.c_ulonglong()
    if _kernel32.GetDiskFreeSpaceExW(f"{drive}\\", ctypes.byref(free), ctypes.byref(total), None):
        root["total"], root["free"] = total.value, free.value


@contextmanager
def _no_questions() -> Iterator[None]:
    before = wintypes.DWORD()
    _kernel32.SetThreadErrorMode(_NO_QUESTIONS, ctypes.byref(before))
    try:
        yield
    finally:
        _kernel32.SetThreadErrorMode(before, None)
