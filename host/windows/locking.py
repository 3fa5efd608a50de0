"""A file that one program at a time may have open: on Windows, opening it without sharing is the lock."""

import sys

if sys.platform != "win32":
    raise ImportError("only for Windows")

import msvcrt
import os
from pathlib import Path

from host.windows.handles import (
    IS_IN_USE,
    OPEN_ALWAYS,
    OPEN_LINK_ITSELF,
    READ,
    SHARE_DELETE,
    WRITE,
    open_handle,
)


def open_locked(path: Path) -> int | None:
    """See `host.locking.open_locked`. The file may be deleted by whoever has it open."""
    try:
        handle = open_handle(path, READ | WRITE, SHARE_DELETE, how=OPEN_ALWAYS, flags=OPEN_LINK_ITSELF)
    except OSError as exc:
        if exc.winerror == IS_IN_USE:
            return None
        raise
    return msvcrt.open_osfhandle(handle, os.O_RDWR | os.O_NOINHERIT)
