"""Windows' clocks: what survives a change of the wall clock, and which boot this is."""

import sys

if sys.platform != "win32":
    raise ImportError("only for Windows")

import ctypes
import ctypes.wintypes
import winreg
from typing import Final

_PREFETCHER: Final = r"SYSTEM\CurrentControlSet\Control\Session Manager\Memory Management\PrefetchParameters"

_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_kernel32.GetTickCount64.restype = ctypes.c_ulonglong


def boot_seconds() -> float:
    """Seconds since boot, sleep and hibernation included (GetTickCount64)."""
    return int(_kernel32.GetTickCount64()) / 1000


def read_boot_id() -> str:
    """Which boot this is: the number that Windows counts its boots with; "" where it does not tell.

    The moment of the boot, reckoned from the wall clock, would be another one after each change of that
    clock, and so no name for a boot.
    """
    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, _PREFETCHER) as key:
            number, kind = winreg.QueryValueEx(key, "BootId")
    except OSError:
        return ""
    return f"boot-{number}" if kind == winreg.REG_DWORD else ""
