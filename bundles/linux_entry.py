"""The first code of the Linux executable: what its start has left behind is put in order, then it is the
host.

The executable is two processes: one that unpacks what Python needs (no Python was there before that) into a
folder of its own below the temporary folder, waits for the other, and takes the folder away; and the other,
which runs this. Nobody asked before that folder was made; so the manifest names it as the first thing of all,
together with what an earlier one may have left that was killed before it came that far.
"""

import contextlib
import ctypes
import ctypes.util
import fcntl
import os
import re
import signal
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from host.installation import Installation

MARKER: Final = "adhoc-host.bundle"
"""A file in the unpacked folder: no other program's folder has one. Locked by the one that runs from
there."""

MAX_FOLDERS: Final = 8
"""So many unpacked folders are taken away at most, our own included."""

_FOLDER: Final = re.compile(r"_MEI[A-Za-z0-9]{6,24}")
_PR_SET_PDEATHSIG: Final = 1


def main() -> int:
    """Returns the exit code."""
    folder = Path(sys._MEIPASS)  # type: ignore[attr-defined]
    restore_environment()
    if "--terminal" not in sys.argv:
        prepare_window(folder)
    find_bundled_libraries(folder)
    waiting = os.getppid()
    if waiting > 1:
        # Whoever kills the waiting process means the host; without it nobody would wait for this one.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    from host.bundled import run

    def note(installation: "Installation") -> None:
        installation.note_unpacked(list(unpacked_folders(folder)))

    try:
        with lock(folder):
            return run(Path(sys.executable), sys.argv[1:], note)
    finally:
        # The waiting process complains if it has nothing to take away.
        if os.getppid() == waiting and not folder.exists():
            folder.mkdir(mode=0o700)


def restore_environment() -> None:
    """Programs that this one starts get their own libraries, not those in the bundle."""
    for name in [name for name in os.environ if name.startswith("_PYI_")]:
        del os.environ[name]
    before = os.environ.pop("LD_LIBRARY_PATH_ORIG", None)
    os.environ.pop("LD_LIBRARY_PATH", None)
    if before is not None:
        os.environ["LD_LIBRARY_PATH"] = before


def prepare_window(folder: Path) -> None:
    """What Tk in the bundle needs to know, told to the C library alone: `os.environ` is what a shell gets."""
    library = ctypes.CDLL(None)
    for name in ("TCL_LIBRARY", "TK_LIBRARY"):
        value = os.environ.pop(name, None)
        if value is not None:
            library.setenv(name.encode(), os.fsencode(value), 1)
    find_fonts(folder)


def find_fonts(folder: Path) -> None:
    """Look through the computer's fonts now: their cache is in our folder before the manifest names that.

    The library remembers what it found; Tk, which uses the same one, does not look again.
    """
    path = folder / "libfontconfig.so.1"
    if path.exists():
        library = ctypes.CDLL(None)
        library.setenv(b"FONTCONFIG_FILE", os.fsencode(folder / "fonts.conf"), 1)
        library.setenv(b"XDG_CACHE_HOME", os.fsencode(folder), 1)
        ctypes.CDLL(str(path)).FcInit()
        before = os.environ.get("XDG_CACHE_HOME")
        if before is None:
            library.unsetenv(b"XDG_CACHE_HOME")
        else:
            library.setenv(b"XDG_CACHE_HOME", os.fsencode(before), 1)


def find_bundled_libraries(folder: Path) -> None:
    """Let `ctypes.util.find_library` find a library in the bundle where the computer has none of this
    name."""
    of_system = ctypes.util.find_library

    def find(name: str) -> str | None:
        bundled = sorted(folder.glob(f"lib{name}.so.*"))
        return of_system(name) or (str(bundled[0]) if bundled else None)

    ctypes.util.find_library = find


@contextlib.contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Hold the folder's marker while this program runs from there."""
    with open(folder / MARKER, "rb") as marker:
        fcntl.flock(marker, fcntl.LOCK_SH)
        yield


def unpacked_folders(own: Path) -> Iterator[tuple[Path, list[str]]]:
    """Our folder, and those beside it that nobody runs from, with the relative paths of the files in them."""
    others = (path for path in sorted(own.parent.iterdir()) if path != own and is_left_behind(path))
    for _, folder in zip(range(MAX_FOLDERS), (own, *others), strict=False):
        names = [
            os.path.relpath(os.path.join(at, name), folder)
            for at, _, files in os.walk(folder)
            for name in files
        ]
        yield folder, sorted(names)


def is_left_behind(folder: Path) -> bool:
    """True for a folder that an executable of this kind and user has made, and none runs from."""
    if _FOLDER.fullmatch(folder.name) is None:
        return False
    try:
        found = os.stat(folder, follow_symlinks=False)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            return False
        descriptor = os.open(folder / MARKER, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    sys.exit(main())
