"""One temporary host at a time (standard library only)."""

import contextlib
import os
import sys
from pathlib import Path

from host.layout import LOCK_NAME, make_folders
from host.locking import open_locked

if sys.platform == "win32":
    from host.windows.deletion import opened_folder, remove_file, remove_folder
    from host.windows.rights import take_over
else:
    from host.deletion import opened_folder, remove_file, remove_folder


class AlreadyRunning(Exception):
    """Another temporary host runs for this user."""


class HostLock:
    """The right to be this user's only running temporary host; held until the process ends or `release`.

    Raises:
        AlreadyRunning: another one has it.
        OSError: the lock file cannot be made.
    """

    def __init__(self, base: Path) -> None:
        self._path = base / LOCK_NAME
        self.made_folders = make_folders(base)
        if sys.platform == "win32":
            take_over(base)
        while True:
            file = open_locked(self._path)
            if file is None:
                raise AlreadyRunning("Another temporary support session is running on this computer.")
            self._file = file
            if self._is_current():
                return
            # The one that had it removed the file between our two calls: what we locked is nobody's.
            os.close(self._file)
            make_folders(base)

    def release(self, *, remove: bool) -> None:
        """Give the lock back; with `remove`, its file and, if nothing else is in it, its folder go too."""
        if remove:
            with contextlib.suppress(OSError), opened_folder(self._path.parent) as folder:
                remove_file(LOCK_NAME, folder)
            if sys.platform == "win32":  # where the name of an open file may stay until it is closed
                os.close(self._file)
                self._file = os.open(os.devnull, os.O_RDONLY)
            with contextlib.suppress(OSError):
                remove_folder(self._path.parent)
        os.close(self._file)

    def _is_current(self) -> bool:
        try:
            now = os.stat(self._path, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return os.path.samestat(now, os.fstat(self._file))
