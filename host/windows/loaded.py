"""Which files this process runs from: its program, libraries, modules. Standard library only."""

import sys

if sys.platform != "win32":
    raise ImportError("only for Windows")

import ctypes
import os
from ctypes import wintypes
from pathlib import Path
from typing import Final

_MAX_LIBRARIES: Final = 2048
_MAX_PATH: Final = 32768

_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_kernel32.GetCurrentProcess.restype = wintypes.HANDLE
_kernel32.K32EnumProcessModules.argtypes = (
    wintypes.HANDLE,
    ctypes.c_void_p,
    wintypes.DWORD,
    ctypes.POINTER(wintypes.DWORD),
)
_kernel32.GetModuleFileNameW.argtypes = (ctypes.c_void_p, wintypes.LPWSTR, wintypes.DWORD)


def loaded_files() -> set[Path]:
    """What Windows lets nobody delete before this process has ended. Raises OSError."""
    libraries = (ctypes.c_void_p * _MAX_LIBRARIES)()
    needed = wintypes.DWORD()
    if not _kernel32.K32EnumProcessModules(
        _kernel32.GetCurrentProcess(), libraries, ctypes.sizeof(libraries), ctypes.byref(needed)
    ):
        raise ctypes.WinError(ctypes.get_last_error())
    count = min(needed.value // ctypes.sizeof(ctypes.c_void_p), _MAX_LIBRARIES)
    name = ctypes.create_unicode_buffer(_MAX_PATH)
    found = set()
    for library in libraries[:count]:
        if _kernel32.GetModuleFileNameW(library, name, _MAX_PATH):
            found.add(Path(os.path.normpath(name.value)))
    return found


def imported_files() -> set[Path]:
    """What another process of the same program imports to come as far as this one has."""
    found = set()
    for module in list(sys.modules.values()):
        for attribute in ("__file__", "__cached__"):
            path = getattr(module, attribute, None)
            if isinstance(path, str):
                found.add(Path(os.path.normpath(path)))
    return found
