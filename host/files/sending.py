"""Reading a file for a viewer, piece by piece, with the SHA-256 of the whole. Blocking code for a worker
thread.
"""

import hashlib
import os
import stat
from typing import Final, Self

from host.files.places import Place
from host.files.system import system
from host.problems import RequestProblem
from relay.protocol.messages import MAX_BODY_BYTES

_PIECE: Final = MAX_BODY_BYTES


class Reading:
    """A file being read; a context manager that closes it.

    Attributes:
        size: bytes, as it was when it was opened.
        modified: milliseconds since 1970, UTC.
        mode: permission bits.
    """

    def __init__(self, place: Place) -> None:
        """Opens the file.

        Raises:
            RequestProblem: it is a folder, or no file at all.
            OSError: it is missing or may not be read.
        """
        self._descriptor = place.open_to_read()
        found = system.facts_of_open(self._descriptor)
        if not stat.S_ISREG(found.st_mode):
            os.close(self._descriptor)
            raise RequestProblem("is_folder" if stat.S_ISDIR(found.st_mode) else "other", place.name)
        self.size = found.st_size
        self.modified = found.st_mtime_ns // 1_000_000
        self.mode = stat.S_IMODE(found.st_mode)
        self._before = (found.st_size, found.st_mtime_ns)
        self._hash = hashlib.sha256()
        self._left = self.size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file."""
        os.close(self._descriptor)

    def facts(self) -> dict[str, int]:
        """What the viewer is told of it."""
        return {"size": self.size, "modified": self.modified, "mode": self.mode}

    def skip(self, offset: int, prefix: bytes) -> bool:
        """Goes to `offset`, if the bytes before it have this SHA-256; else stays at the beginning.

        What a viewer has of an interrupted transfer is of use only if it is still the beginning of the file.
        """
        hashed = hashlib.sha256()
        left = offset if offset <= self.size else 0
        while left and (piece := os.read(self._descriptor, min(left, _PIECE))):
            hashed.update(piece)
            left -= len(piece)
        if offset > self.size or left or hashed.digest() != prefix:
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            return False
        self._hash = hashed
        self._left = self.size - offset
        return True

    def read(self) -> bytes:
        """The next piece of what there was at the beginning; b"" at its end."""
        piece = os.read(self._descriptor, min(_PIECE, self._left))
        self._hash.update(piece)
        self._left -= len(piece)
        return piece

    def finish(self) -> bytes:
        """The SHA-256 of all of it.

        Raises:
            RequestProblem: ``changed``, somebody wrote into it meanwhile.
        """
        found = system.facts_of_open(self._descriptor)
        if (found.st_size, found.st_mtime_ns) != self._before:
            raise RequestProblem("changed", "somebody wrote into the file while it was read")
        return self._hash.digest()
