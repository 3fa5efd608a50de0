"""Where a temporary host puts its things, and how one of them is made there (standard library only)."""

import contextlib
import hashlib
import os
import re
import sys
from pathlib import Path
from typing import Final

from host.own_files import OWN_FILE

if sys.platform == "win32":
    from host.windows.folders import program_data
    from host.windows.rights import make_folder

FOLDER_NAME: Final = "adhoc-host"
LOCK_NAME: Final = "lock"
MANIFEST_NAME: Final = "manifest.json"
PACKAGES_NAME: Final = "packages"
PROGRAM_NAME: Final = "adhoc-host.pyz"
BUNDLE_NAME: Final = "adhoc-host"
"""Of a program that brings its own Python along."""
STATE_NAMES: Final = ("state", "state.new", "record", "chat", "history", "before", "parts.new")
"""The state file, the name under which the next one is written, and what `host.tools` keeps."""
FAREWELL_NAME: Final = "farewell"
"""What `host.farewell` keeps."""
SYSTEM_UNITS: Final = Path("/etc/systemd/system")
SYSTEM_DATA: Final = Path("/var/lib")
"""Where root's are, if the program shall run as a service of the system: nobody else's home folder."""

_SESSION_FOLDER: Final = re.compile(r"[0-9a-f]{16}")
_NEW_FILE_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | OWN_FILE


def data_folder(data_home: Path | None = None) -> Path:
    """Where the temporary hosts of this user live.

    Args:
        data_home: instead of ``$XDG_DATA_HOME`` (XDG Base Directory Specification) or ``~/.local/share``; of
            root, where systemd runs, ``/var/lib``; on Windows ``%ProgramData%``.
    """
    if sys.platform == "win32":
        home = data_home or program_data()
    elif data_home is None and is_for_system() and not os.environ.get("XDG_DATA_HOME"):
        home = SYSTEM_DATA
    else:
        home = data_home or xdg_folder("XDG_DATA_HOME", ".local/share")
    return Path(os.path.realpath(home)) / FOLDER_NAME


def is_for_system() -> bool:
    """True where the host may be a service of the whole system: systemd runs it, and this is root."""
    if sys.platform == "win32":
        return True
    return os.geteuid() == 0 and Path("/run/systemd/system").is_dir()


def autostart_folder() -> Path:
    """Where this user's desktop looks for what to start (Desktop Application Autostart Specification)."""
    return Path(os.path.realpath(xdg_folder("XDG_CONFIG_HOME", ".config"))) / "autostart"


def xdg_folder(variable: str, default: str) -> Path:
    """A user's folder; the specification says that a relative path in the variable is to be ignored."""
    path = Path(os.environ.get(variable, ""))
    return path if path.is_absolute() else Path.home() / default


def session_folder(base: Path, invite: bytes) -> Path:
    """The folder of the session that `invite` (16 bytes) leads to."""
    return base / hashlib.sha256(invite).hexdigest()[:16]


def is_session_folder(path: Path) -> bool:
    """True for a path that `session_folder` may have given."""
    return path.parent.name == FOLDER_NAME and _SESSION_FOLDER.fullmatch(path.name) is not None


def is_begun(folder: Path) -> bool:
    """True if a session was begun from this folder."""
    return (folder / STATE_NAMES[0]).exists()


def make_folders(path: Path) -> list[Path]:
    """Make a folder and what is missing above it, for this user only; what was made, outermost first."""
    missing = []
    while not path.is_dir():
        missing.append(path)
        path = path.parent
    made = []
    for folder in reversed(missing):
        with contextlib.suppress(FileExistsError):
            if sys.platform == "win32":
                make_folder(folder)
            else:
                folder.mkdir(mode=0o700)
            made.append(folder)
    return made


def missing_folders(path: Path) -> list[Path]:
    """What `make_folders` would make, outermost first."""
    missing: list[Path] = []
    while not path.is_dir():
        missing.insert(0, path)
        path = path.parent
    return missing


def new_file(path: Path, mode: int) -> int:
    """A descriptor to write a file that must not be there yet."""
    return os.open(path, _NEW_FILE_FLAGS, mode)


def write_new(path: Path, data: bytes, mode: int) -> None:
    """Write a file that must not be there yet, durably."""
    with open(new_file(path, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
