"""Which unfinished uploads lie on this computer, so that none of them outlives the session.

The path of a part is written down before the part is made, and forgotten once it has its final name or is
gone. What a crash leaves is a list that names at least what is there. Standard library only: removals need it
before anything is unpacked.
"""

import contextlib
import errno
import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Final

from host.record import append_lines, read_lines

if sys.platform == "win32":
    from host.windows.deletion import NotOurs, folder_path, opened_folder, remove_file
else:
    from host.deletion import NotOurs, folder_path, opened_folder, remove_file

FILE_NAME: Final = "parts"
MAX_PARTS: Final = 4096
"""Unfinished at once; who leaves more behind has to finish or drop some."""
MAX_STALE_LINES: Final = 4096
"""Of parts that are gone, before the list is written anew."""

_PART_NAME: Final = re.compile(r"\..*\.[0-9a-f]{32}\.part", re.DOTALL)


class Parts:
    """The list of one session. Any thread may call.

    Args:
        path: of its file, one JSON array a line; None keeps it in memory. Not synced: a part that was lost
            with the power is not worth a sync for each of thousands of small files.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = Lock()
        listed = [str(found) for (found,) in read_lines(path, 1)]
        self._known = dict.fromkeys(found for found in listed if os.path.lexists(found))
        self._stale_lines = len(listed) - len(self._known)

    def begin(self, folder: int, name: str) -> str:
        """Write a part down that is about to be made.

        Args:
            folder: descriptor of the folder that it will be in; on Windows its handle.
            name: one component.

        Returns:
            What to give to `forget`.

        Raises:
            OSError: it cannot be written down, or there are too many (EBUSY).
        """
        (path,) = self.begin_all(folder, [name])
        return path

    def begin_all(self, folder: int, names: Sequence[str]) -> list[str]:
        """As `begin`, for several parts in one folder: all of them are written down, or none."""
        # The real path, whatever links led to it: the removal follows none.
        top = folder_path(folder)
        paths = [os.path.join(top, name) for name in names]
        with self._lock:
            new = [path for path in paths if path not in self._known]
            if len(self._known) + len(new) > MAX_PARTS:
                raise OSError(errno.EBUSY, "There are too many unfinished files.")
            if self._path is not None and new:
                append_lines(self._path, [[path] for path in new])
            self._known.update(dict.fromkeys(new))
        return paths

    def forget(self, path: str) -> None:
        """The part is finished or gone."""
        self.forget_all([path])

    def forget_all(self, paths: Sequence[str]) -> None:
        """As `forget`, for several parts."""
        with self._lock:
            for path in paths:
                self._known.pop(path, None)
            self._stale_lines += len(paths)
            if self._path is not None and self._stale_lines >= MAX_STALE_LINES:
                with contextlib.suppress(OSError):  # a list that is too long is as good
                    self._write_anew(self._path)

    def _write_anew(self, path: Path) -> None:
        new = path.with_name(f"{path.name}.new")
        new.unlink(missing_ok=True)
        new.touch(0o600, exist_ok=False)
        with new.open("w", encoding="ascii") as file:
            file.writelines(f"{json.dumps([known])}\n" for known in self._known)
        new.replace(path)
        self._stale_lines = 0


def remove_parts(path: Path) -> None:
    """Remove the parts that the list names, as far as they are ours.

    Raises:
        OSError: one of them could not be removed; the others are gone.
    """
    failure: OSError | None = None
    for (found,) in read_lines(path, 1):
        part = Path(str(found))
        if not part.is_absolute() or ".." in part.parts or not _PART_NAME.fullmatch(part.name):
            continue
        try:
            with opened_folder(part.parent) as folder:
                remove_file(part.name, folder)
        except (FileNotFoundError, NotOurs):  # gone, and perhaps something else has its name
            continue
        except OSError as exc:
            failure = exc
    if failure is not None:
        raise failure
