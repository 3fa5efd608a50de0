"""What Windows itself deletes at its next start, before anything else runs (`MoveFileExW`).

It goes by names alone, blindly and with the system's rights. So only names in folders where nobody but
administrators can put anything may be given to it. Standard library only.
"""

import sys

if sys.platform != "win32":
    raise ImportError("only for Windows")

import ctypes
from collections.abc import Iterable
from ctypes import wintypes
from pathlib import Path
from typing import Final

_AT_RESTART: Final = 0x4

_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_kernel32.MoveFileExW.argtypes = (wintypes.LPCWSTR, wintypes.LPCWSTR, wintypes.DWORD)


def delete_at_restart(files: Iterable[Path], folders: Iterable[Path]) -> None:
    """Have these deleted by the next start of the computer: the files, then the folders if they are empty.

    Args:
        files: whole paths.
        folders: whole paths, inner ones first.

    Raises:
        OSError: Windows does not take one of them; those before it are taken.
    """
    for path in (*files, *folders):
        if not _kernel32.MoveFileExW(str(path), None, _AT_RESTART):
            raise ctypes.WinError(ctypes.get_last_error())
