"""How files of the host's own are opened, on each system (standard library only)."""

import os
import sys
from pathlib import Path
from typing import Final

if sys.platform == "win32":
    # Who may reach them is decided by the folder's access list; nobody else can put a link into it.
    OWN_FILE: Final = os.O_BINARY | os.O_NOINHERIT
else:
    OWN_FILE: Final = os.O_NOFOLLOW | os.O_CLOEXEC
"""Flags that go with each opening: no link is followed, and no other program inherits the descriptor."""


def is_own(found: os.stat_result) -> bool:
    """True for a thing of this program's user; on Windows, where files have lists of rights, always."""
    if sys.platform == "win32":
        return True
    return found.st_uid == os.geteuid()


def sync_folder(path: Path) -> None:
    """Make names that were given in this folder survive a loss of power; Windows has no call for that."""
    if sys.platform != "win32":
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
