"""How the program comes back after a restart of the computer: a unit of systemd, or the desktop's autostart.

What brings it back is removed last of all, after the program, so that a removal that is cut short at any
point is finished by the next start; and where the program is gone already, it takes away by itself what can
then still be there: a few files of known names, folders that are empty. It is a shell's script for that. On
Windows `host.windows` has its own. Standard library only.
"""

import sys

if sys.platform == "win32":
    raise ImportError("not for Windows")

import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from host.layout import (
    FOLDER_NAME,
    LOCK_NAME,
    MANIFEST_NAME,
    autostart_folder,
    make_folders,
    missing_folders,
    write_new,
)
from host.manifest import Entry
from host.systemd import Manager, make_unit


@dataclass(frozen=True, slots=True)
class Return:
    """How one session's program comes back; made by `choose_return`.

    Attributes:
        folder: the session's.
        command: what runs the program.
        program: what must be there for that.
        manager: whose unit it is; None for an autostart entry.
        path: of the unit, or of the autostart entry.
        link: that enables the unit; None for an autostart entry.
        missing: folders that have to be made for these, outermost first.
        around: folders that were made around the installation, outermost first.
    """

    folder: Path
    command: tuple[str, ...]
    program: Path
    manager: Manager | None
    path: Path
    link: Path | None
    missing: tuple[Path, ...]
    around: tuple[Path, ...]

    def entries(self) -> list[Entry]:
        """What it consists of, for the manifest."""
        path = str(self.path)
        if self.manager is None:
            return [Entry(role="autostart entry", kind="file", path=path)]
        return [
            Entry(role="service link", kind="link", path=str(self.link), files=(path,)),
            Entry(role="service", kind="file", path=path),
            Entry(role="service registration", kind="registration", path=path, files=(self.manager.kind,)),
        ]

    def make(self) -> None:
        """Make it, in place of an earlier one. Its entries and folders are in the manifest by then.

        Raises:
            OSError: something could not be written.
        """
        make_folders(self.path.parent)
        self.path.unlink(missing_ok=True)
        if self.manager is None or self.link is None:
            write_new(self.path, make_desktop_entry(["/bin/sh", "-c", self.script()]), 0o600)
            return
        write_new(self.path, make_unit(self.manager, self.script()), 0o600)
        make_folders(self.link.parent)
        self.link.unlink(missing_ok=True)
        self.link.symlink_to(self.path)
        self.manager.reload()

    def script(self) -> str:
        """What runs the program; without it, the end of a removal that was cut short after the program."""
        lock = _quoted(self.folder.parent / LOCK_NAME)
        manifest = self.folder / MANIFEST_NAME
        own = [self.path] if self.link is None else [self.link, self.path]
        folders = (self.folder.parent, *reversed(self.around), *reversed(self.missing))
        steps = (
            f"[ -e {_quoted(self.program)} ] && exec {shlex.join(self.command)}",
            "exec 2>/dev/null",
            f"rm -f -- {_quoted(manifest.with_name(f'{MANIFEST_NAME}.new'), manifest)}",
            f"rmdir -- {_quoted(self.folder)}",
            f"flock -n {lock} rm -f -- {lock}",  # another session's host may run
            f"rm -f -- {_quoted(*own)}",
            *(f"rmdir -- {_quoted(folder)}" for folder in dict.fromkeys(folders)),
        )
        return "; ".join(steps)


def choose_return(
    folder: Path, program: Path, command: Iterable[str], around: Iterable[Path], manager: Manager | None
) -> Return:
    """The way back for the session in `folder`.

    Args:
        folder: the session's.
        program: the copy that runs then.
        command: that runs it.
        around: folders that were made around the installation, outermost first.
        manager: from `host.systemd.find_manager`; None for the desktop's autostart.
    """
    name = f"{FOLDER_NAME}-{folder.name}"
    link = None
    if manager is None:
        path = autostart_folder() / f"{name}.desktop"
    else:
        path = manager.units / f"{name}.service"
        link = manager.units / f"{manager.target}.wants" / path.name
    missing = missing_folders(path.parent if link is None else link.parent)
    return Return(folder, tuple(command), program, manager, path, link, tuple(missing), tuple(around))


def _quoted(*paths: Path) -> str:
    return shlex.join(map(str, paths))


def make_desktop_entry(command: Iterable[str]) -> bytes:
    """An autostart entry that runs `command` (Desktop Entry Specification 1.5)."""
    words = " ".join(_quote_argument(word) for word in command)
    lines = (
        "[Desktop Entry]",
        "Type=Application",
        "Name=Ad hoc support",
        f"Exec={_escape_value(words)}",
        "Terminal=false",
        "NoDisplay=true",
    )
    return ("\n".join(lines) + "\n").encode("utf-8", "surrogateescape")


def _quote_argument(word: str) -> str:
    """One argument of an Exec line: quoted, its special characters escaped, no field codes."""
    escaped = re.sub(r'(["`$\\])', r"\\\1", word)
    return '"' + escaped.replace("%", "%%") + '"'


def _escape_value(value: str) -> str:
    """A value of a desktop entry, where backslashes and line breaks are special once more."""
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
