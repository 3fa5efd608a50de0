"""Where Windows keeps what belongs to the computer and not to a user."""

import sys

if sys.platform != "win32":
    raise ImportError("only for Windows")

import ctypes
from ctypes import wintypes
from pathlib import Path
from typing import Final

_COMMON_DATA: Final = 0x0023
"""CSIDL_COMMON_APPDATA."""
_PROGRAMS: Final = 0x0026
_PROGRAMS_32_BIT: Final = 0x002A
_SYSTEM: Final = 0x0025

_shell32 = ctypes.WinDLL("shell32")
_shell32.SHGetFolderPathW.argtypes = (
    wintypes.HWND,
    ctypes.c_int,
    wintypes.HANDLE,
    wintypes.DWORD,
    wintypes.LPWSTR,
)


def program_data() -> Path:
    """``C:\\ProgramData``, as Windows says and not as the environment does, which anybody may have set."""
    return _folder(_COMMON_DATA)


def program_files(*, is_32_bit: bool = False) -> Path:
    """``C:\\Program Files``, or the one of 32-bit programs."""
    return _folder(_PROGRAMS_32_BIT if is_32_bit else _PROGRAMS)


def system_folder() -> Path:
    """``C:\\Windows\\System32``."""
    return _folder(_SYSTEM)


def _folder(number: int) -> Path:
    buffer = ctypes.create_unicode_buffer(wintypes.MAX_PATH)
    if _shell32.SHGetFolderPathW(None, number, None, 0, buffer) != 0:
        raise OSError("Windows does not say where programs keep their data.")
    return Path(buffer.value)
