"""What the host puts on the customer's computer, and how all of it goes away again.

Everything is written into a manifest before it is made: a crash at any point leaves a manifest that names at
least what is there. Removal deletes what the manifest names and nothing else: it walks to each thing by file
descriptors, follows no link, deletes only regular files and empty folders that belong to this user, and
looks whether they are gone. It first marks the manifest as *ending* and takes the secrets first. What
starts this program again (its copy, and a unit of systemd or an autostart entry, `host.returning`) is last:
a removal that was cut short is finished by the next start. If something cannot be removed, these last things
stay until then, it is tried once more, and then they go too.

::

    $XDG_DATA_HOME/adhoc-host/           0700; of all temporary hosts of this user, of which one may run
        lock                             held by the one that runs
        0123456789abcdef/                0700; one session, by the first 16 hex digits of SHA-256(invite)
            manifest.json
            state                        host.state
            record, chat, history, before   host.tools
            farewell                     host.farewell, from the beginning of the removal
            parts                    the unfinished uploads beside their targets, removed as well (host.parts)
            packages/                    the unpacked single file
            adhoc-host.pyz               the single file's copy, for the next start
    $XDG_CONFIG_HOME/autostart/adhoc-host-0123456789abcdef.desktop, or
    …/systemd/…/adhoc-host-0123456789abcdef.service, and its link in a folder ….wants beside it

The folders of ours are made before the first manifest can be; a crash in between leaves empty folders.

Only the standard library is used: the single file's bootstrap needs this module before anything is unpacked.
"""

import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from host import parts
from host.host_lock import HostLock
from host.layout import (
    BUNDLE_NAME,
    FAREWELL_NAME,
    MANIFEST_NAME,
    PACKAGES_NAME,
    PROGRAM_NAME,
    STATE_NAMES,
    is_begun,
    is_session_folder,
    make_folders,
    new_file,
    write_new,
)
from host.manifest import LAST, ORDER, Entry, Phase, load_manifest, save_manifest
from host.own_files import is_own

if sys.platform == "win32":
    from host.windows import safe_mode, service_manager
    from host.windows.deletion import opened_folder, remove_file, remove_folder, remove_tree
else:
    from host.deletion import opened_folder, remove_file, remove_folder, remove_link, remove_tree
    from host.returning import choose_return
    from host.systemd import find_manager, manager_of, remove_together

MAX_NAMES: Final = 32
"""In each list of a removal receipt (docs/protocol.md §7)."""

_SCRATCH_FOLDER: Final = re.compile(r"tmp\.[A-Za-z0-9]{10}")
"""What ``mktemp -d`` makes; the line that customers paste downloads into one."""
_UNPACKED_FOLDER: Final = re.compile(r"ns[A-Za-z0-9]+\.tmp")
"""What NSIS makes, with which the program for Windows unpacks itself."""


class InstallationError(Exception):
    """The host cannot be installed or found; `str(error)` is one sentence for a person."""


@dataclass(frozen=True, slots=True)
class Removal:
    """What came of a removal: names of what is verifiably gone, and of what is not; at most 32 each.

    Attributes:
        pending: what goes by itself as soon as the program has ended, which runs from it (Windows).
        is_retried: True if what is left is tried once more at the next start of the computer.
    """

    removed: list[str]
    left: list[str]
    pending: list[str] = field(default_factory=list)
    is_retried: bool = False


class Installation:
    """One session's things on this computer. Made by `create` or `open`; its user holds the `HostLock`."""

    def __init__(self, folder: Path, entries: list[Entry], phase: Phase) -> None:
        self.folder = folder
        self._entries = entries
        self._phase: Phase = phase

    @classmethod
    def create(cls, folder: Path, made_folders: Iterable[Path] = ()) -> "Installation":
        """The installation in `folder`, new unless there is one.

        Args:
            folder: from `host.layout.session_folder`.
            made_folders: that were made on the way to it, outermost first.

        Raises:
            InstallationError: the manifest there is damaged.
            OSError: it cannot be made.
        """
        made = [*made_folders, *make_folders(folder)]
        if (folder / MANIFEST_NAME).exists():
            return cls.open(folder)
        installation = cls(folder, [], "open")
        for name in STATE_NAMES:
            installation._entries.append(Entry(role="state", kind="file", path=str(folder / name)))
        for name in (FAREWELL_NAME, f"{FAREWELL_NAME}.new"):
            installation._entries.append(Entry(role="receipt key", kind="file", path=str(folder / name)))
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
            return cls(folder, *load_manifest(folder))
        except (OSError, ValueError, LookupError, TypeError) as exc:
            raise InstallationError("There is no temporary support session of this name.") from exc

    @property
    def is_ending(self) -> bool:
        """True if its removal has begun; all that may be done with it is to go on with that."""
        return self._phase != "open"

    @property
    def phase(self) -> Phase:
        """How far its removal has come."""
        return self._phase

    @property
    def has_state(self) -> bool:
        """True if a session was begun from here."""
        return is_begun(self.folder)

    @property
    def has_farewell(self) -> bool:
        """True if its removal has begun, and can be reported to the relay when it is over."""
        return self.is_ending and (self.folder / FAREWELL_NAME).exists()

    @property
    def way_back(self) -> Literal["boot", "sign_in", ""]:
        """When the program comes back after a restart of the computer; "" for not by itself."""
        if not any(entry.role in LAST for entry in self._entries):
            return ""
        return "boot" if self.is_service else "sign_in"

    @property
    def is_service(self) -> bool:
        """True if the system starts the program, not a desktop: there may be none."""
        return any(
            entry.kind == "windows service"
            or (entry.role == "service registration" and entry.files == ("system",))
            for entry in self._entries
        )

    def start_service(self) -> None:
        """Have the system start the program, once this one ends. Blocks; a system that goes down does not."""
        for entry in self._entries:
            if entry.kind == "registration" and sys.platform != "win32":
                manager = manager_of(entry.files[0])
                if manager is not None and self.is_service:
                    manager.start(Path(entry.path).name)

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
        self._remove_packages()
        names = tuple(sorted(files))
        self._note(Entry(role="packages", kind="tree", path=str(self.packages), files=names))
        for name in names:
            path = self.packages / name
            make_folders(path.parent)
            # Not made durable one by one: the next start unpacks them again.
            with open(new_file(path, 0o600), "wb") as file:
                file.write(read(name))

    def note_unpacked(self, folders: Iterable[tuple[Path, Iterable[str]]]) -> None:
        """Take over what was unpacked before this program could say where, in place of what an earlier start
        noted: folders, and the relative paths of the files in each.

        Raises:
            OSError: the manifest could not be written.
        """
        self._remove_packages()
        for folder, files in folders:
            path = os.path.realpath(folder)
            self._entries.append(Entry(role="packages", kind="tree", path=path, files=tuple(files)))
        self._save()

    def note_download(self, file: Path) -> None:
        """Take over the single file that the customer downloaded and started: it goes with everything else.

        A file of another user is left alone, as is the copy that is started again, which is known already.

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

    def note_unpacked_download(self, folder: Path, files: Iterable[str]) -> None:
        """Take over what the downloaded program has unpacked for itself and takes away itself, unless it is
        killed: `files` in `folder`, and the folder around that (Windows).

        Raises:
            OSError: the manifest could not be written.
        """
        if _UNPACKED_FOLDER.fullmatch(folder.parent.name):
            tree = Entry(role="download folder", kind="tree", path=str(folder), files=tuple(files))
            self._note(tree)
            self._note(Entry(role="download folder", kind="folder", path=str(folder.parent)))

    def enable_return(self, program: Path, python: str | None) -> None:
        """Make the program come back after a restart of the computer, or when the customer signs in again.

        Args:
            program: the single file that runs now; it is copied.
            python: the interpreter's path; None for a program that brings its own.

        Raises:
            OSError: something could not be written.
        """
        copy = self.folder / (BUNDLE_NAME if python is None else PROGRAM_NAME)
        command = [*(() if python is None else (python,)), str(copy), "--resume", str(self.folder)]
        around = [Path(entry.path) for entry in self._entries if entry.role == "surrounding folder"]
        if sys.platform == "win32":
            raise OSError("On Windows a service brings the program back (host.windows.beginning).")
        else:
            way = choose_return(self.folder, copy, command, around, find_manager())
            self._entries = [known for known in self._entries if known.role not in ("program", *LAST)]
            self._entries += [Entry(role="program", kind="file", path=str(copy)), *way.entries()]
            self._note_folders(way.missing)
            self._save()
            if not copy.exists() or not copy.samefile(program):
                copy.unlink(missing_ok=True)
                write_new(copy, program.read_bytes(), 0o700)
            way.make()

    def note_service(self, name: str) -> None:
        """Write down the service that is about to bring the program back on Windows. Raises OSError."""
        self._note(Entry(role="service", kind="windows service", path=str(self.folder / name)))

    @property
    def needs_usual_start(self) -> bool:
        """True if Windows was made to start in safe mode for this session."""
        return any(entry.role == "safe mode" for entry in self._entries)

    def note_safe_mode(self, name: str) -> None:
        """Write down that Windows is about to start in safe mode, with the service `name`. Raises OSError."""
        self._note(Entry(role="safe mode", kind="safe mode", path=str(self.folder / name)))

    # Removing

    def remove(self, lock: HostLock | None) -> Removal:
        """Remove everything that the manifest names. Blocks; raises nothing.

        A folder of ours that holds something of somebody else stays, and is named in `left`. If there is
        anything left, and something that starts this program again, that stays until the next start.

        Args:
            lock: is given back; None if it is another session's.
        """
        is_retry = self._phase in ("retrying", "finishing")
        self._set_phase("retrying" if is_retry else "ending")
        outcome = _Outcome()
        own = [entry for entry in self._entries if entry.role in ORDER]
        runs_from_here = self._serves_windows()
        if runs_from_here:
            own = [entry for entry in own if entry.role != "packages"]
        # The customer's program, which waits for this one, takes away what this one runs from.
        own = [entry for entry in own if entry.role != "download folder" or not _is_running_from(entry.path)]
        for entry in sorted(own, key=lambda entry: ORDER.index(entry.role)):
            if entry.kind != "parts" or os.path.lexists(entry.path):  # else nobody uploaded anything
                self._try(outcome, entry)
        last = [entry for entry in self._entries if entry.role in LAST]
        if outcome.left and last and not is_retry:
            self._set_phase("retrying")
            if lock is not None:
                lock.release(remove=False)
            outcome.left += ["program", *(entry.role for entry in last), "program folder"]
            return outcome.removal(is_retried=True)
        if runs_from_here:
            self._set_phase("finishing")
            if lock is not None:
                lock.release(remove=True)
            return outcome.removal(pending=["program", "service", "program folder"])
        self._remove_last(outcome, sorted(last, key=lambda entry: LAST.index(entry.role)), lock)
        return outcome.removal()

    def packed_files(self) -> list[Path]:
        """The program's files, as far as they were unpacked for this session."""
        trees = [entry for entry in self._entries if entry.role == "packages"]
        return [Path(entry.path) / name for entry in trees for name in entry.files]

    def _serves_windows(self) -> bool:
        """True as long as there is a service of Windows that runs from here: what it runs from goes after it
        (`host.windows.remover`)."""
        names = [Path(entry.path).name for entry in self._entries if entry.kind == "windows service"]
        if sys.platform == "win32":
            with contextlib.suppress(OSError):
                return any(service_manager.service_state(name) is not None for name in names)
        return bool(names)

    def _remove_last(self, outcome: "_Outcome", last: list[Entry], lock: HostLock | None) -> None:
        """From where on the program is gone, `host.returning` can finish it by itself."""
        for role in ("receipt key", "program"):
            for entry in self._entries:
                if entry.role == role:
                    self._try(outcome, entry)
        try:
            self._remove_own_folder()
        except OSError:
            outcome.left.append("program folder")
        else:
            outcome.removed.append("program folder")
        if lock is not None:
            lock.release(remove=True)
        # The outermost folders may be above those of ours and above those of what comes now.
        self._remove_surroundings()
        if sys.platform != "win32":
            remove_together([Path(entry.path) for entry in last if entry.role in ("service link", "service")])
        for entry in last:
            self._try(outcome, entry)
        self._remove_surroundings()

    def _remove_surroundings(self) -> None:
        """Delete the folders that had to be made around ours, as far as they are empty now."""
        folders = [entry.path for entry in self._entries if entry.role == "surrounding folder"]
        for path in sorted(folders, key=len, reverse=True):
            with contextlib.suppress(OSError):
                remove_folder(Path(path))

    def _try(self, outcome: "_Outcome", entry: Entry) -> None:
        try:
            self._remove_entry(entry)
        except OSError:
            outcome.left.append(entry.role)
        else:
            outcome.removed.append(entry.role)

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
                case "windows service" if sys.platform == "win32":
                    service_manager.delete_service(path.name)
                    if service_manager.service_state(path.name) is not None:
                        raise OSError("The service is still there.")
                case "safe mode" if sys.platform == "win32":
                    safe_mode.leave(path.name)
                case "link" if sys.platform != "win32":
                    with opened_folder(path.parent) as folder:
                        remove_link(path.name, folder, entry.files[0])
                case "registration" if sys.platform != "win32":
                    manager = manager_of(entry.files[0])
                    if manager is not None:
                        manager.forget(path.name)

    def _remove_packages(self) -> None:
        for known in [entry for entry in self._entries if entry.role == "packages"]:
            with contextlib.suppress(OSError):
                self._remove_entry(known)
            self._entries.remove(known)

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
        known = {entry.path for entry in self._entries if entry.role == "surrounding folder"}
        new = [path for path in map(str, folders) if path not in known]
        self._entries += [Entry(role="surrounding folder", kind="folder", path=path) for path in new]

    def _set_phase(self, phase: Phase) -> None:
        self._phase = phase
        with contextlib.suppress(OSError):  # a full disk must not keep the secrets alive
            self._save()

    def _save(self) -> None:
        save_manifest(self.folder, self._entries, self._phase)


class _Outcome:
    """What a removal has come to so far."""

    def __init__(self) -> None:
        self.removed: list[str] = []
        self.left: list[str] = []

    def removal(self, pending: Iterable[str] = (), *, is_retried: bool = False) -> Removal:
        gone = (name for name in self.removed if name not in self.left)
        return Removal(_unique(gone), _unique(self.left), list(pending), is_retried)


def _is_running_from(folder: str) -> bool:
    """Whether the Python that runs this is in the folder."""
    return Path(sys.prefix).is_relative_to(folder)


def finish_removals(base: Path, *, besides: Path) -> None:
    """Go on with every removal below `base` that was cut short, but for the session folder `besides`."""
    for folder in sorted(base.iterdir()):
        if is_session_folder(folder) and folder != besides:
            with contextlib.suppress(InstallationError):
                installation = Installation.open(folder)
                if installation.is_ending:
                    installation.remove(None)


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))[:MAX_NAMES]
