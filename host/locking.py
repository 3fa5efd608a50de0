"""A file that one program at a time may have open (standard library only)."""

import os
import sys
from pathlib import Path

if sys.platform == "win32":
    from host.windows.locking import open_locked
else:
    import fcntl

    from host.own_files import OWN_FILE

    def open_locked(path: Path) -> int | None:
        """Open a file, made if need be, so that nobody else can until it is closed; None if somebody has it.

        Raises:
            OSError: it cannot be made.
        """
        file = os.open(path, os.O_RDWR | os.O_CREAT | OWN_FILE, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return None
        return file


__all__ = ["open_locked"]
