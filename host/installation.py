"""What the host puts on the customer's computer, and how all of it goes away again.

Everything is written into a manifest before it is made: a crash at any point leaves a manifest that names at
least what is there. Removal deletes what the manifest names and nothing else: it walks to each thing by file
descriptors, follows no link, deletes only regular files and empty folders that belong to this user, and
looks whether they are gone. It first marks the manifest as *ending*, takes the secrets first and the two
things that start this program again (its copy and the autostart entry) last, so that a removal which was cut
short is finished by the next start of any temporary host of this user.

::

    $XDG_DATA_HOME/adhoc-host/           0700; of all temporary hosts of this user, of which one may run
        lock                             held by the one that runs
        0123456789abcdef/                0700; one session, by the first 16 hex digits of SHA-256(invite)
            manifest.json
            state                        host.state
            record, chat, history, before   host.tools
            parts                    the unfinished uploads beside their targets, removed as well (host.parts)
            packages/                    the unpacked single file
            adhoc-host.pyz               the single file's copy, for autostart
    $XDG_CONFIG_HOME/autostart/adhoc-host-0123456789abcdef.desktop

The folders of ours are made before the first manifest can be; a crash in between leaves empty folders.

Only the standard library is used: the single file's bootstrap needs this module before anything is unpacked.
"""

import contextlib
import hashlib
import json
import os
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

from host import parts
from host.locking import open_locked
from host.own_files import OWN_FILE, is_own, sync_folder

if sys.platform == "win32":
    from host.windows.deletion import (
        check_ours,
        open_file,
        opened_folder,
        remove_file,
        remove_folder,
        remove_tree,
    )
    from host.windows.folders import program_data
else:
    from host.deletion import check_ours, open_file, opened_folder, remove_file, remove_folder, remove_tree

FOLDER_NAME: Final = "adhoc-host"
LOCK_NAME: Final = "lock"
MANIFEST_NAME: Final = "manifest.json"
PACKAGES_NAME: Final = "packages"
PROGRAM_NAME: Final = "adhoc-host.pyz"
STATE_NAMES: Final = ("state", "state.new", "record", "chat", "history", "before", "parts.new")
"""The state file, the name under which the next one is written, and what `host.tools` keeps."""

MAX_NAMES: Final = 32
"""In each list of a removal receipt (docs/protocol.md §7)."""
MAX_MANIFEST_BYTES: Final = 4 * 1024 * 1024

_SESSION_FOLDER: Final = re.compile(r"[0-9a-f]{16}")
_SCRATCH_FOLDER: Final = re.compile(r"tmp\.[A-Za-z0-9]{10}")
"""What ``mktemp -d`` makes; the line that customers paste downloads into one."""

_NEW_FILE_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | OWN_FILE

Kind = Literal["file", "folder", "tree", "parts"]
Role = Literal[
    "state",
    "unfinished files",
    "packages",
    "download",
    "download folder",
    "program",
    "autostart entry",
    "surrounding folder",
]
_ORDER: Final[tuple[Role, ...]] = (
    "state",
    "unfinished files",
    "packages",
    "download",
    "download folder",
    "program",
    "autostart entry",
    "surrounding folder",
)
"""Of removal: secrets first, what starts the program again late, the folders around everything last."""


class InstallationError(Exception):
    """The host cannot be installed or found; `str(error)` is one sentence for a person."""


class AlreadyRunning(InstallationError):
    """Another temporary host runs for this user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing of the manifest.

    Attributes:
        role: what it is; also its name in the receipt.
        kind: a file; a folder, removed if it is empty; a folder with exactly `files` in it; or a list of
            parts, which go with it.
        path: absolute, without links at the time of writing.
        files: of a tree: relative paths with slashes.
        identity: device and inode, for a file that is replaced by others under the same name.
    """

    role: Role
    kind: Kind
    path: str
    files: tuple[str, ...] = ()
    identity: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Removal:
    """What came of a removal: names of what is verifiably gone, and of what is not; at most 32 each."""

    removed: list[str]
    left: list[str]


def data_folder(data_home: Path | None = None) -> Path:
    """Where the temporary hosts of this user live.

    Args:
        data_home: instead of ``$XDG_DATA_HOME`` (XDG Base Directory Specification) or ``~/.local/share``;
            on Windows ``%ProgramData%``.
    """
    if sys.platform == "win32":
        home = data_home or program_data()
    else:
        home = data_home or _xdg_folder("XDG_DATA_HOME", ".local/share")
    return Path(os.path.realpath(home)) / FOLDER_NAME


def autostart_folder() -> Path:
    """Where this user's desktop looks for what to start (Desktop Application Autostart Specification)."""
    return Path(os.path.realpath(_xdg_folder("XDG_CONFIG_HOME", ".config"))) / "autostart"


def session_folder(base: Path, invite: bytes) -> Path:
    """The folder of the session that `invite` (16 bytes) leads to."""
    return base / hashlib.sha256(invite).hexdigest()[:16]


def is_session_folder(path: Path) -> bool:
    """True for a path that `session_folder` may have given."""
    return path.parent.name == FOLDER_NAME and _SESSION_FOLDER.fullmatch(path.name) is not None


def is_begun(folder: Path) -> bool:
    """True if a session was begun from this folder."""
    return (folder / STATE_NAMES[0]).exists()


class HostLock:
    """The right to be this user's only running temporary host; held until the process ends or `release`.

    Raises:
        AlreadyRunning: another one has it.
        OSError: the lock file cannot be made.
    """

    def __init__(self, base: Path) -> None:
        self._path = base / LOCK_NAME
        self.made_folders = _make_folders(base)
        while True:
            file = open_locked(self._path)
            if file is None:
                raise AlreadyRunning("Another temporary support session is running on this computer.")
            self._file = file
            if self._is_current():
                return
            # The one that had it removed the file between our two calls: what we locked is nobody's.
            os.close(self._file)
            _make_folders(base)

    def release(self, *, remove: bool) -> None:
        """Give the lock back; with `remove`, its file and, if nothing else is in it, its folder go too."""
        if remove:
            with contextlib.suppress(OSError), opened_folder(self._path.parent) as folder:
                remove_file(LOCK_NAME, folder)
            with contextlib.suppress(OSError):
                remove_folder(self._path.parent)
        os.close(self._file)

    def _is_current(self) -> bool:
        try:
            now = os.stat(self._path, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return os.path.samestat(now, os.fstat(self._file))


class Installation:
    """One session's things on this computer. Made by `create` or `open`; its user holds the `HostLock`."""

    def __init__(self, folder: Path, entries: list[Entry], *, is_ending: bool) -> None:
        self.folder = folder
        self._entries = entries
        self._is_ending = is_ending

    @classmethod
    def create(cls, folder: Path, made_folders: Iterable[Path] = ()) -> "Installation":
        """The installation in `folder`, new unless there is one.

        Args:
            folder: from `session_folder`.
            made_folders: that were made on the way to it, outermost first.

        Raises:
            InstallationError: the manifest there is damaged.
            OSError: it cannot be made.
        """
        made = [*made_folders, *_make_folders(folder)]
        if (folder / MANIFEST_NAME).exists():
            return cls.open(folder)
        installation = cls(folder, [], is_ending=False)
        for name in STATE_NAMES:
            installation._entries.append(Entry(role="state", kind="file", path=str(folder / name)))
        listed = str(folder / parts.FILE_NAME)
        installation._entries.append(Entry(role="unfinished files", kind="parts", path=listed))
        own = (folder, folder.parent)
        installation._note_folders(path for path in made if path not in own)
        installation._save()
        return installation

    @classmethod
    def open(cls, folder: Path) -> "Installation":
        """The installation in `folder`.

        Raises:
            InstallationError: there is none, or its manifest is damaged.
        """
        try:
            with opened_folder(folder) as descriptor:
                manifest = json.loads(_read_file(MANIFEST_NAME, descriptor))
            entries = [_read_entry(fields) for fields in manifest["entries"]]
            return cls(folder, entries, is_ending=manifest["state"] == "ending")
        except (OSError, ValueError, LookupError, TypeError) as exc:
            raise InstallationError("There is no temporary support session of this name.") from exc

    @property
    def is_ending(self) -> bool:
        """True if its removal has begun; all that may be done with it is `remove`."""
        return self._is_ending

    @property
    def has_state(self) -> bool:
        """True if a session was begun from here."""
        return is_begun(self.folder)

    @property
    def packages(self) -> Path:
        """Where the single file is unpacked."""
        return self.folder / PACKAGES_NAME

    def unpack(self, files: Iterable[str], read: Callable[[str], bytes]) -> None:
        """Unpack the single file's packages, in place of what an earlier start unpacked.

        Args:
            files: relative paths with slashes, of a builder's making.
            read: gives a file's content.

        Raises:
            OSError: they could not be written.
        """
        for known in [entry for entry in self._entries if entry.role == "packages"]:
            with contextlib.suppress(OSError):
                self._remove_entry(known)
            self._entries.remove(known)
        names = tuple(sorted(files))
        self._note(Entry(role="packages", kind="tree", path=str(self.packages), files=names))
        for name in names:
            path = self.packages / name
            _make_folders(path.parent)
            # Not made durable one by one: the next start unpacks them again.
            with open(os.open(path, _NEW_FILE_FLAGS, 0o600), "wb") as file:
                file.write(read(name))

    def note_download(self, file: Path) -> None:
        """Take over the single file that the customer downloaded and started: it goes with everything else.

        A file of another user is left alone, as is the copy that autostart runs, which is known already.

        Raises:
            OSError: the manifest could not be written.
        """
        path = Path(os.path.realpath(file))
        found = path.stat()
        if not is_own(found) or path.parent == self.folder:
            return
        identity = (found.st_dev, found.st_ino)
        self._note(Entry(role="download", kind="file", path=str(path), identity=identity))
        scratch = path.parent
        if _SCRATCH_FOLDER.fullmatch(scratch.name) and is_own(scratch.stat()):
            self._note(Entry(role="download folder", kind="folder", path=str(scratch)))

    def enable_return(self, program: Path, python: str) -> None:
        """Make the program come back when the customer signs in again, e.g. after a restart of the computer.

        Args:
            program: the single file that runs now; it is copied.
            python: the interpreter's path.

        Raises:
            OSError: something could not be written.
        """
        copy = self.folder / PROGRAM_NAME
        entry = autostart_folder() / f"{FOLDER_NAME}-{self.folder.name}.desktop"
        self._entries = [known for known in self._entries if known.role not in ("program", "autostart entry")]
        self._entries.append(Entry(role="program", kind="file", path=str(copy)))
        self._note(Entry(role="autostart entry", kind="file", path=str(entry)))
        if not copy.exists() or not copy.samefile(program):
            copy.unlink(missing_ok=True)
            _write_new(copy, program.read_bytes(), 0o700)
        self._note_folders(_make_folders(entry.parent))
        self._save()
        entry.unlink(missing_ok=True)
        _write_new(entry, make_desktop_entry(copy, [python, str(copy), "--resume", str(self.folder)]), 0o600)

    def remove(self) -> Removal:
        """Delete everything that the manifest names, then the manifest. Blocks; raises nothing.

        A folder of ours that holds something of somebody else stays, and is named in `left`.
        """
        self._is_ending = True
        with contextlib.suppress(OSError):  # a full disk must not keep the secrets alive
            self._save()
        removed: list[str] = []
        left: list[str] = []
        own = [entry for entry in self._entries if entry.role != "surrounding folder"]
        for entry in sorted(own, key=lambda entry: _ORDER.index(entry.role)):
            if entry.kind == "parts" and not os.path.lexists(entry.path):
                continue  # nobody uploaded anything
            name = entry.role
            try:
                self._remove_entry(entry)
            except OSError:
                left.append(name)
            else:
                removed.append(name)
        try:
            self._remove_own_folder()
        except OSError:
            left.append("program folder")
        else:
            removed.append("program folder")
        return Removal(_unique(name for name in removed if name not in left), _unique(left))

    def remove_surroundings(self) -> None:
        """Delete the folders that had to be made around ours, as far as they are empty now."""
        folders = [entry.path for entry in self._entries if entry.role == "surrounding folder"]
        for path in sorted(folders, key=len, reverse=True):
            with contextlib.suppress(OSError):
                remove_folder(Path(path))

    # Removing

    def _remove_entry(self, entry: Entry) -> None:
        path = Path(entry.path)
        with contextlib.suppress(FileNotFoundError):
            match entry.kind:
                case "file":
                    with opened_folder(path.parent) as folder:
                        remove_file(path.name, folder, entry.identity)
                case "folder":
                    remove_folder(path)
                case "tree":
                    remove_tree(path, entry.files)
                case "parts":
                    self._remove_parts(path)

    def _remove_parts(self, path: Path) -> None:
        with opened_folder(path.parent) as folder:
            try:
                parts.remove_parts(path)
            finally:  # what could not be removed is named to the customer; the list is of no more use
                remove_file(path.name, folder)

    def _remove_own_folder(self) -> None:
        try:
            with opened_folder(self.folder) as folder:
                for name in (f"{MANIFEST_NAME}.new", MANIFEST_NAME):
                    with contextlib.suppress(FileNotFoundError):
                        remove_file(name, folder)
            remove_folder(self.folder)
        except FileNotFoundError:
            return

    # The manifest

    def _note(self, entry: Entry) -> None:
        self._entries = [
            known for known in self._entries if (known.role, known.path) != (entry.role, entry.path)
        ]
        self._entries.append(entry)
        self._save()

    def _note_folders(self, folders: Iterable[Path]) -> None:
        self._entries += [Entry(role="surrounding folder", kind="folder", path=str(path)) for path in folders]

    def _save(self) -> None:
        manifest = {
            "state": "ending" if self._is_ending else "open",
            "entries": [asdict(entry) for entry in self._entries],
        }
        new = self.folder / f"{MANIFEST_NAME}.new"
        new.unlink(missing_ok=True)
        _write_new(new, json.dumps(manifest).encode(), 0o600)
        new.replace(self.folder / MANIFEST_NAME)
        sync_folder(self.folder)


def finish_removals(base: Path, *, besides: Path) -> None:
    """Finish every removal below `base` that was cut short, but for the session folder `besides`."""
    for folder in sorted(base.iterdir()):
        if is_session_folder(folder) and folder != besides:
            with contextlib.suppress(InstallationError):
                installation = Installation.open(folder)
                if installation.is_ending:
                    installation.remove()


def make_desktop_entry(program: Path, command: Iterable[str]) -> bytes:
    """An autostart entry that runs `command` while `program` exists (Desktop Entry Specification 1.5)."""
    words = " ".join(_quote_argument(word) for word in command)
    lines = (
        "[Desktop Entry]",
        "Type=Application",
        "Name=Ad hoc support",
        f"TryExec={_escape_value(str(program))}",
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


def _xdg_folder(variable: str, default: str) -> Path:
    """The specification says that a relative path in there is to be ignored."""
    path = Path(os.environ.get(variable, ""))
    return path if path.is_absolute() else Path.home() / default


def _make_folders(path: Path) -> list[Path]:
    """Make a folder and what is missing above it, for this user only; what was made, outermost first."""
    missing = []
    while not path.is_dir():
        missing.append(path)
        path = path.parent
    made = []
    for folder in reversed(missing):
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            made.append(folder)
    return made


def _write_new(path: Path, data: bytes, mode: int) -> None:
    """Write a file that must not be there yet, durably."""
    with open(os.open(path, _NEW_FILE_FLAGS, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _read_file(name: str, folder: int) -> bytes:
    descriptor = open_file(name, folder)
    with open(descriptor, "rb") as file:
        check_ours(os.fstat(descriptor))
        return file.read(MAX_MANIFEST_BYTES)


def _read_entry(fields: dict[str, Any]) -> Entry:
    identity = fields["identity"]
    entry = Entry(
        role=fields["role"],
        kind=fields["kind"],
        path=str(fields["path"]),
        files=tuple(map(str, fields["files"])),
        identity=None if identity is None else (int(identity[0]), int(identity[1])),
    )
    _ORDER.index(entry.role)
    if not os.path.isabs(entry.path) or any(map(os.path.isabs, entry.files)):
        raise ValueError("the manifest has a path of the wrong kind")
    if any(".." in Path(name).parts for name in (entry.path, *entry.files)):
        raise ValueError("the manifest leads outside")
    return entry


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))[:MAX_NAMES]
