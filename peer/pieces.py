"""Writing what came in pieces to a file, without putting them together first. Blocks."""

import os
import sys
from collections.abc import Sequence
from typing import Final

_MAX_GATHERED: Final = 1024  # IOV_MAX of every usual system


def write_pieces(descriptor: int, pieces: Sequence[bytes | memoryview]) -> None:
    """Append all of them.

    Raises:
        OSError: it cannot be written; some of it may be.
    """
    if sys.platform == "win32" or len(pieces) > _MAX_GATHERED:
        for piece in pieces:
            _write_all(descriptor, piece)
        return
    written = os.writev(descriptor, pieces)
    for piece in pieces:
        if written < len(piece):
            _write_all(descriptor, memoryview(piece)[written:])
        written = max(written - len(piece), 0)


def _write_all(descriptor: int, data: bytes | memoryview) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
