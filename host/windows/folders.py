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
    buffer = ctypes.create_unicode_buffer(wintypes.MAX_PATH)
    if _shell32.SHGetFolderPathW(None, _COMMON_DATA, None, 0, buffer) != 0:
        raise OSError("Windows does not say where programs keep their data.")
    return Path(buffer.value)
