"""Files of the host's with secrets in them: readable by their user only, on Windows by this computer only."""

import os
import sys
from pathlib import Path

from host.own_files import OWN_FILE

if sys.platform == "win32":
    from host.windows.secrets import protect as _sealed
    from host.windows.secrets import unprotect as _opened
else:

    def _sealed(data: bytes) -> bytes:
        return data

    def _opened(data: bytes) -> bytes:
        return data


def replace_sealed(path: Path, data: bytes) -> None:
    """Write a file anew in one step, by way of one beside it with the ending ``.new``.

    Raises:
        OSError: it could not be written; the old file is untouched.
    """
    temporary = path.with_name(f"{path.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | OWN_FILE, 0o600)
    with open(descriptor, "wb") as file:
        file.write(_sealed(data))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def read_sealed(path: Path) -> bytes:
    """What `replace_sealed` has written. Raises OSError, also if it was changed since (Windows)."""
    return _opened(path.read_bytes())
