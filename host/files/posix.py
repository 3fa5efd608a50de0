"""What the File Manager asks of a POSIX system: each call names one component in an open folder.

`host.files.system` chooses between this and `host.windows.disk`. A folder is a descriptor; links are never
followed but where a function says so.
"""

import sys

if sys.platform == "win32":
    raise ImportError("not for Windows")

import os
import pwd
import shutil
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, Final, TypeAlias
from urllib.parse import quote

from host.problems import RequestProblem
from peer.naming import Name
from peer.naming import give_name as give_name_to

Facts: TypeAlias = os.stat_result

MAX_PATH_BYTES: Final = 4096  # PATH_MAX, with the system's own terminator
MAX_NAME_BYTES: Final = 255  # NAME_MAX of every usual file system
HAS_DRIVES: Final = False
COMPUTER: Final = -1
"""The folder of drives, which only Windows has."""

_FOLDER: Final = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_READ: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
"""Without O_NONBLOCK a named pipe would hold the thread until somebody writes into it."""
_CREATE: Final = os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK

# Paths


def parse_path(path: str) -> tuple[str, ...]:
    """The names of an absolute path, from the root; none for the root itself.

    Raises:
        RequestProblem: it is not absolute, too long, or has a name that no path has.
    """
    if not path.startswith("/") or "\0" in path:
        raise RequestProblem("bad_name", "a path begins with / and has no NUL")
    names = tuple(name for name in path.split("/") if name not in ("", "."))
    for name in names:
        check_name(name)
    if len(os.fsencode(path)) >= MAX_PATH_BYTES:
        raise RequestProblem("bad_name", "the path is too long")
    return names


def check_name(name: str) -> None:
    """Refuses what cannot be one component of a path.

    Raises:
        RequestProblem: it is empty, ``.`` or ``..``, too long, or has a slash or NUL in it.
    """
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise RequestProblem("bad_name", name)
    if len(os.fsencode(name)) > MAX_NAME_BYTES:
        raise RequestProblem("bad_name", "the name is too long")


def names_of(native: str) -> tuple[str, ...]:
    """The names of an absolute path of this system."""
    return PurePosixPath(os.path.normpath(native)).parts[1:]


def wire_path(native: str) -> str:
    """An absolute path of this system, as the wire has it."""
    return native


def fold(names: Sequence[str]) -> Sequence[str]:
    """Names for comparing: as they are."""
    return names


def cut_name(name: str, tail: int) -> str:
    """The beginning of a name, with room for a tail of so many ASCII letters."""
    return os.fsdecode(os.fsencode(name)[: MAX_NAME_BYTES - tail])


# Folders


def open_path(names: Sequence[str]) -> int:
    """The folder of these names from the root, links on the way followed."""
    return os.open("/" + "/".join(names), _FOLDER)


def open_beneath(top: Sequence[str], rest: Sequence[str]) -> int:
    """The folder `rest` in the folder `top`, walked to from the root: no name on the way is a link."""
    return _walk_in(os.open("/", _FOLDER), (*top, *rest))


def open_inner(folder: int, names: Sequence[str]) -> int:
    """The folder of these names in an open one; another descriptor of itself for none."""
    return _walk_in(os.dup(folder), names)


def _walk_in(folder: int, names: Sequence[str]) -> int:
    for name in names:
        try:
            deeper = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
        finally:
            os.close(folder)
        folder = deeper
    return folder


def open_to_list(name: str, folder: int, *, follow: bool) -> int:
    """A folder that can be listed; with `follow` also one that a link leads to."""
    return os.open(name, _READ | os.O_DIRECTORY | (0 if follow else os.O_NOFOLLOW), dir_fd=folder)


def close_folder(folder: int) -> None:
    """Closes what the functions above opened."""
    os.close(folder)


def entries(folder: int, *, show_hidden: bool) -> Iterator[tuple[str, Facts, str | None]]:
    """Name, facts and, of links, the target, of what is in a folder opened to be listed; in no order."""
    with os.scandir(folder) as found:
        for each in found:
            if show_hidden or not each.name.startswith("."):
                with suppress(OSError):  # vanished between the two looks
                    target = os.readlink(each.name, dir_fd=folder) if each.is_symlink() else None
                    yield each.name, each.stat(follow_symlinks=False), target


def walk(top: int, *, show_hidden: bool) -> Iterator[tuple[str, list[str], list[str], int]]:
    """A tree: path below the top, folders, others, folder. Whoever walks may take folders out of the list.

    Folders that may not be read are passed over.
    """
    for path, folders, others, folder in os.fwalk(".", dir_fd=top, follow_symlinks=False):
        if not show_hidden:
            folders[:] = [name for name in folders if not name.startswith(".")]
            others = [name for name in others if not name.startswith(".")]
        yield path, folders, others, folder


# Things


def facts(name: str, folder: int) -> Facts:
    """Of the thing itself, never of what a link leads to."""
    return os.stat(name, dir_fd=folder, follow_symlinks=False)


def facts_of_open(descriptor: int) -> Facts:
    """Of an open file."""
    return os.fstat(descriptor)


def facts_of_folder(folder: int) -> Facts:
    """Of an open folder."""
    return os.fstat(folder)


def owner_of(found: Facts) -> str:
    """The name of a thing's owner."""
    return _user_name(found.st_uid)


@lru_cache(maxsize=256)
def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def is_hidden(name: str, found: Facts) -> bool:
    """Whether a thing is shown only on demand."""
    return name.startswith(".")


def is_own(found: Facts) -> bool:
    """Whether it is a plain file of this user, with one name only."""
    return stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and found.st_nlink == 1


def link_target(name: str, folder: int) -> str | None:
    """Where a link leads; None where that is not known."""
    with suppress(OSError):
        return os.readlink(name, dir_fd=folder)
    return None


def room(descriptor: int) -> int:
    """Bytes that this user may still write to the disk of an open file."""
    found = os.fstatvfs(descriptor)
    return found.f_bavail * found.f_frsize


# Files


def open_to_read(name: str, folder: int, *, follow: bool) -> int:
    """A descriptor of a thing, or, with `follow`, of what it leads to.

    Raises:
        OSError: it is missing, denied, or a link that is not followed (ELOOP).
    """
    return os.open(name, _READ | (0 if follow else os.O_NOFOLLOW), dir_fd=folder)


def create(name: str, folder: int, *, is_new: bool) -> int:
    """A descriptor to read and write a file, which is made if it is missing; and must be, if `is_new`."""
    return os.open(name, os.O_RDWR | _CREATE | (os.O_EXCL if is_new else 0), 0o600, dir_fd=folder)


def set_facts(descriptor: int, modified: int, mode: int | None) -> None:
    """Time (milliseconds since 1970) and mode of an open file; None for what new files usually have."""
    os.fchmod(descriptor, 0o666 & ~_umask() if mode is None else mode & 0o777)
    os.utime(descriptor, ns=(modified * 1_000_000, modified * 1_000_000))


def copy_facts(found: Facts, descriptor: int) -> None:
    """Times and mode of another file."""
    os.fchmod(descriptor, stat.S_IMODE(found.st_mode))
    os.utime(descriptor, ns=(found.st_atime_ns, found.st_mtime_ns))


def copy_folder_facts(found: Facts, name: str, folder: int) -> None:
    """The mode of another folder."""
    os.chmod(name, stat.S_IMODE(found.st_mode), dir_fd=folder)


def _umask() -> int:
    """The process's; there is no way to read it without setting it, but this file of the kernel's."""
    with suppress(OSError, ValueError, StopIteration), open("/proc/self/status", encoding="ascii") as lines:
        return int(next(line for line in lines if line.startswith("Umask:")).split()[1], 8)
    return 0o022


# Changing


def make_folder(name: str, folder: int, mode: int = 0o777) -> None:
    """Makes an empty folder. Raises OSError: there is something, or it may not be made."""
    os.mkdir(name, mode, dir_fd=folder)


def copy_link(name: str, folder: int, new: str, new_folder: int) -> None:
    """Makes a link to the same target."""
    os.symlink(os.readlink(name, dir_fd=folder), new, dir_fd=new_folder)


def rename(name: str, folder: int, new: str, new_folder: int) -> None:
    """Gives a thing another name on the same disk, replacing what has it.

    Raises:
        OSError: EXDEV, …
    """
    os.rename(name, new, src_dir_fd=folder, dst_dir_fd=new_folder)


def give_name(part: str, name: str, folder: int, *, overwrite: bool, keep: tuple[str, int] | None) -> None:
    """Gives a part beside its target the target's name, at once; see `peer.naming.give_name`.

    Args:
        keep: name and folder that what is replaced gets before.
    """
    give_name_to(
        Name(part, folder),
        Name(name, folder),
        overwrite=overwrite,
        keep=None if keep is None else Name(*keep),
    )


def remove_file(name: str, folder: int) -> None:
    """Deletes what is no folder; a link itself."""
    os.unlink(name, dir_fd=folder)


def remove_tree(name: str, folder: int) -> None:
    """Deletes a folder with all that is in it; what a failure leaves stays."""
    shutil.rmtree(name, dir_fd=folder)  # by descriptors, where dir_fd is supported


def trash(name: str, folder: int, path: str, *, is_limited: bool) -> None:
    """Puts a thing into the user's trash (freedesktop.org Trash 1.0), where the desktop finds it.

    Args:
        path: of the thing, for putting it back.
        is_limited: no link may lead out; here that is so anyway.

    Raises:
        RequestProblem: ``no_trash``; it is on another disk than the trash, or there is no home.
        OSError: it may not be moved.
    """
    home = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "Trash"
    try:
        for inner in ("files", "info"):
            (home / inner).mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        raise RequestProblem("no_trash", exc.strerror or "") from exc
    if (home / "files").stat().st_dev != facts(name, folder).st_dev:
        raise RequestProblem("no_trash", "the trash is on another disk")
    trashed = _free_name(home, name)
    deleted = time.strftime("%Y-%m-%dT%H:%M:%S")
    # The info file is made first and exclusively: it reserves the name (Trash 1.0, "contents").
    with (home / "info" / f"{trashed}.trashinfo").open("x") as info:
        info.write(f"[Trash Info]\nPath={quote(os.fsencode(path))}\nDeletionDate={deleted}\n")
    try:
        os.rename(name, home / "files" / trashed, src_dir_fd=folder)
    except OSError:
        (home / "info" / f"{trashed}.trashinfo").unlink()
        raise


def _free_name(home: Path, name: str) -> str:
    for number in range(1000):
        candidate = name if number == 0 else f"{name[:200]}.{number + 1}"
        if not any(
            os.path.lexists(home / inner / each)
            for inner, each in (("files", candidate), ("info", f"{candidate}.trashinfo"))
        ):
            return candidate
    raise RequestProblem("no_trash", "the trash has too many things of this name")


# Where looking begins


def roots() -> list[dict[str, Any]]:
    """The user's home, the root and mounted disks: maps of path, kind, and total and free bytes."""
    found: list[dict[str, Any]] = [{"path": os.path.expanduser("~"), "kind": "home"}]
    found += [{"path": "/", "kind": "root"}]
    found += [{"path": path, "kind": "mount"} for path in _mounts()]
    for root in found:
        with suppress(OSError):
            space = os.statvfs(root["path"])
            root["total"], root["free"] = space.f_blocks * space.f_frsize, space.f_bavail * space.f_frsize
    return found


def drives() -> list[str]:
    """The folders of the computer: none, the root is one of a disk."""
    return []


def _mounts() -> list[str]:
    """Mounted disks that a person put there (fstab(5), udisks): below /media, /mnt and /run/media."""
    try:
        with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as lines:
            points = [line.split(" ")[1].encode().decode("unicode_escape") for line in lines]
    except (OSError, IndexError, UnicodeError):
        return []
    return sorted(point for point in set(points) if point.startswith(("/media/", "/mnt/", "/run/media/")))
