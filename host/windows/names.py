"""Which paths and names are good on Windows. Pure text; what they lead to is the business of handles.

On the wire a path of Windows is written like any other: ``/C:/Users/ann``; ``/`` is the computer, whose
folders are the drives. No other form reaches a file: no UNC or device path, no drive's current folder.

A name that would mean something else to Windows than the text says is refused: devices (``NUL``,
``com1.txt``), alternate streams (``a:b``), what Win32 would cut off (``a.``, ``a ``), signs that no name has.
Such names can be on a disk (made by other systems); they are shown, and nothing is done to them.
"""

import unicodedata
from collections.abc import Sequence
from typing import Final

from host.problems import RequestProblem

MAX_NAME_UNITS: Final = 255
"""Of UTF-16, for NTFS and exFAT."""
MAX_PATH_UNITS: Final = 32_000
"""Windows' own limit is 32 767, for the form with which we open them."""

_FORBIDDEN: Final = frozenset('<>:"/\\|?*') | frozenset(map(chr, range(32)))
_DEVICES: Final = frozenset(
    (
        *("CON", "PRN", "AUX", "NUL", "CLOCK$", "CONIN$", "CONOUT$"),
        *(f"{port}{digit}" for port in ("COM", "LPT") for digit in range(10)),
    )
)
_DRIVES: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")


def parse_path(path: str) -> tuple[str, ...]:
    """The names of a path of the wire: the drive (``C:``) and what follows; none for the computer.

    Raises:
        RequestProblem: it does not begin with ``/`` and a drive, is too long, or has a bad name in it.
    """
    if not path.startswith("/") or path.startswith("//") or "\0" in path:
        raise RequestProblem("bad_name", "a path begins with one / and has no NUL")
    drive, *names = [name for name in path.split("/") if name not in ("", ".")] or [""]
    if not drive:
        return ()
    if len(drive) != 2 or drive[0].upper() not in _DRIVES or drive[1] != ":":
        raise RequestProblem("bad_name", "a path begins with a drive, like /C:/")
    for name in names:
        check_name(name)
    if _units(path) > MAX_PATH_UNITS:
        raise RequestProblem("bad_name", "the path is too long")
    return (drive.upper(), *names)


def check_name(name: str) -> None:
    """Refuses what is not one component of a path that means itself.

    Raises:
        RequestProblem: ``bad_name``.
    """
    if name in ("", ".", "..") or not _FORBIDDEN.isdisjoint(name):
        raise RequestProblem("bad_name", name)
    if name[-1] in ". ":
        raise RequestProblem("bad_name", "Windows cuts off dots and spaces at the end of a name")
    if is_device(name):
        raise RequestProblem("bad_name", "this is the name of a device")
    if _units(name) > MAX_NAME_UNITS:
        raise RequestProblem("bad_name", "the name is too long")


def is_device(name: str) -> bool:
    """Whether Windows, or a program on it, may take a name for a device.

    What follows the first dot does not matter to it, nor spaces before that, and superscript digits count as
    digits. Programs without Unicode also get the nearest plain letters, so all compatible forms are devices.
    """
    base = unicodedata.normalize("NFKC", name.partition(".")[0]).partition(".")[0]
    return base.strip().upper() in _DEVICES


def names_of(native: str) -> tuple[str, ...]:
    r"""The names of an absolute path of Windows' own (``C:\Users\ann``), as `parse_path` has them.

    Raises:
        RequestProblem: it is no such path; a network folder is none.
    """
    return parse_path("/" + native.removeprefix("\\\\?\\").replace("\\", "/"))


def native_path(names: Sequence[str]) -> str:
    r"""Windows' own path for names with a drive, in the form that is taken as it is: ``\\?\C:\Users``."""
    return "\\\\?\\" + names[0] + "\\" + "\\".join(names[1:])


def wire_path(native: str) -> str:
    r"""An absolute path of Windows' own as the wire has it."""
    return "/" + native.replace("\\", "/").rstrip("/")


def fold(names: Sequence[str]) -> tuple[str, ...]:
    """Names for comparing without regard to case. Only chooses which folder is meant; handles decide."""
    return tuple(name.casefold() for name in names)


def cut(name: str, units: int) -> str:
    """The beginning of a name, of at most so many units of UTF-16."""
    while _units(name) > units:
        name = name[:-1]
    return name


def _units(text: str) -> int:
    return len(text) + sum(letter > "\uffff" for letter in text)
