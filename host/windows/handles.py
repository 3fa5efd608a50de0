"""Files and folders of Windows by handles: the few calls that the standard library does not have."""

import sys

if sys.platform != "win32":
    raise ImportError("only for Windows")

import ctypes
from ctypes import wintypes
from pathlib import Path
from typing import Final

DELETE: Final = 0x00010000
READ_ATTRIBUTES: Final = 0x0080
LIST_FOLDER: Final = 0x0001
READ: Final = 0x80000000
WRITE: Final = 0x40000000
SHARE_READ: Final = 1
SHARE_WRITE: Final = 2
SHARE_DELETE: Final = 4
OPEN_ALWAYS: Final = 4
OPEN_EXISTING: Final = 3
OPEN_LINK_ITSELF: Final = 0x00200000
"""FILE_FLAG_OPEN_REPARSE_POINT."""
FOLDERS_TOO: Final = 0x02000000
"""FILE_FLAG_BACKUP_SEMANTICS."""
IS_IN_USE: Final = 32
"""ERROR_SHARING_VIOLATION."""

_INVALID: Final = ctypes.c_void_p(-1).value
_NORMAL: Final = 0x80
_DISPOSITION: Final = 4
_DISPOSITION_EX: Final = 21
_DELETE_AT_ONCE: Final = 0x1 | 0x2 | 0x10
"""FILE_DISPOSITION_DELETE, _POSIX_SEMANTICS, _IGNORE_READONLY_ATTRIBUTE: the name is gone when we return."""
_MAX_PATH: Final = 32768

_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_kernel32.CreateFileW.restype = wintypes.HANDLE
_kernel32.CreateFileW.argtypes = (
    wintypes.LPCWSTR,
    wintypes.DWORD,
    wintypes.DWORD,
    wintypes.LPVOID,
    wintypes.DWORD,
    wintypes.DWORD,
    wintypes.HANDLE,
)
_kernel32.CloseHandle.argtypes = (wintypes.HANDLE,)
_kernel32.GetFinalPathNameByHandleW.argtypes = (
    wintypes.HANDLE,
    wintypes.LPWSTR,
    wintypes.DWORD,
    wintypes.DWORD,
)
_kernel32.SetFileInformationByHandle.argtypes = (
    wintypes.HANDLE,
    ctypes.c_int,
    wintypes.LPVOID,
    wintypes.DWORD,
)


def open_handle(path: Path, access: int, share: int, *, how: int = OPEN_EXISTING, flags: int = 0) -> int:
    """CreateFileW. Raises OSError with `winerror`."""
    handle = _kernel32.CreateFileW(str(path), access, share, None, how, flags | _NORMAL, None)
    if handle is None or handle == _INVALID:
        raise ctypes.WinError(ctypes.get_last_error())
    return int(handle)


def close_handle(handle: int) -> None:
    """CloseHandle."""
    _kernel32.CloseHandle(handle)


def path_of(handle: int) -> Path:
    """The path by which an open file or folder can be reached, whatever links led to it."""
    buffer = ctypes.create_unicode_buffer(_MAX_PATH)
    if not _kernel32.GetFinalPathNameByHandleW(handle, buffer, _MAX_PATH, 0):
        raise ctypes.WinError(ctypes.get_last_error())
    name = buffer.value.removeprefix("\\\\?\\")
    return Path("\\\\" + name.removeprefix("UNC\\") if name.startswith("UNC\\") else name)


def delete_by_handle(handle: int) -> None:
    """Delete what was opened with DELETE, once its other users have closed it. Raises OSError."""
    at_once = wintypes.DWORD(_DELETE_AT_ONCE)
    # Systems and file systems that do not know it delete as Windows always did.
    if _kernel32.SetFileInformationByHandle(handle, _DISPOSITION_EX, ctypes.byref(at_once), 4):
        return
    plainly = wintypes.BOOLEAN(1)
    if not _kernel32.SetFileInformationByHandle(handle, _DISPOSITION, ctypes.byref(plainly), 1):
        raise ctypes.WinError(ctypes.get_last_error())
