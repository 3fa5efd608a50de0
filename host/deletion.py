"""Deleting by descriptors: never through a link, never what belongs to somebody else (standard library only).

Somebody who can write into a folder on the way could swap it for a link between a check and a deletion. So
each step of the way is opened relative to the one before, with `O_NOFOLLOW`, and deletions name one component
only.
"""

import sys

if sys.platform == "win32":
    raise ImportError("host.windows.deletion is for Windows")

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_FOLDER_FLAGS: Final = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class NotOurs(OSError):
    """At the path of a thing of ours there is something else."""


@contextmanager
def opened_folder(path: Path, above: int | None = None) -> Iterator[int]:
    """A folder by the names on the way to it, none of which may be a link.

    Args:
        path: absolute, or relative to the folder `above`.
    """
    folder = os.open("/", _FOLDER_FLAGS) if above is None else os.dup(above)
    try:
        for name in path.relative_to("/").parts if above is None else path.parts:
            inner = os.open(name, _FOLDER_FLAGS, dir_fd=folder)
            os.close(folder)
            folder = inner
        yield folder
    finally:
        os.close(folder)


def folder_path(folder: int) -> Path:
    """Where an opened folder is."""
    return Path(os.readlink(f"/proc/self/fd/{folder}"))


def open_file(name: str, folder: int) -> int:
    """A descriptor to read a file in a folder, of which `check_ours` must think well."""
    return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)


def check_ours(found: os.stat_result) -> None:
    """Raises NotOurs unless this is a regular file of this user."""
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
        raise NotOurs("not a file of ours")


def remove_file(name: str, folder: int, identity: tuple[int, int] | None = None) -> None:
    """Remove a file of ours, and look whether it is gone.

    Args:
        name: one component.
        folder: descriptor of the folder that it is in.
        identity: device and inode that it must have; another file of this name stays, and that is no error.

    Raises:
        FileNotFoundError: it is gone already.
        NotOurs: there is something else of this name, or again.
        OSError: it cannot be removed.
    """
    found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if identity not in (None, (found.st_dev, found.st_ino)):
        return  # ours is gone, and another one has its name
    check_ours(found)
    os.unlink(name, dir_fd=folder)
    with contextlib.suppress(FileNotFoundError):
        os.stat(name, dir_fd=folder, follow_symlinks=False)
        raise NotOurs("it is there again")


def remove_link(name: str, folder: int, target: str) -> None:
    """Remove a symbolic link of ours to exactly `target`, and look whether it is gone.

    Raises:
        FileNotFoundError: it is gone already.
        NotOurs: there is something else of this name, or again.
        OSError: it cannot be removed.
    """
    found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if not stat.S_ISLNK(found.st_mode) or found.st_uid != os.geteuid():
        raise NotOurs("not a link of ours")
    if os.readlink(name, dir_fd=folder) != target:
        raise NotOurs("a link to something else")
    os.unlink(name, dir_fd=folder)
    with contextlib.suppress(FileNotFoundError):
        os.stat(name, dir_fd=folder, follow_symlinks=False)
        raise NotOurs("it is there again")


def remove_folder(path: Path) -> None:
    """Remove an empty folder of ours. Raises OSError if it is not one."""
    with opened_folder(path.parent) as above:
        found = os.stat(path.name, dir_fd=above, follow_symlinks=False)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise NotOurs("not a folder of ours")
        os.rmdir(path.name, dir_fd=above)


def remove_tree(root: Path, files: Iterable[str]) -> None:
    """Remove these files (relative to `root`, with slashes) and the folders that hold them.

    What cannot be removed does not keep the rest from being removed; then OSError is raised at the end.
    """
    failure: OSError | None = None
    by_folder: dict[Path, list[str]] = {Path(): []}
    for name in files:
        path = Path(name)
        for folder in path.parents:
            by_folder.setdefault(folder, [])
        by_folder[path.parent].append(path.name)
    with opened_folder(root) as top:
        for folder in sorted(by_folder, key=lambda folder: len(folder.parts), reverse=True):
            try:
                _remove_level(top, folder, by_folder[folder])
            except FileNotFoundError:
                continue
            except OSError as exc:
                failure = exc
    if failure is not None:
        raise failure
    remove_folder(root)


def _remove_level(top: int, folder: Path, names: Iterable[str]) -> None:
    failure: OSError | None = None
    with opened_folder(folder, top) as descriptor:
        for name in names:
            try:
                remove_file(name, descriptor)
            except FileNotFoundError:
                continue
            except OSError as exc:
                failure = exc
    if failure is not None:
        raise failure
    if folder.parts:
        with opened_folder(folder.parent, top) as above:
            os.rmdir(folder.name, dir_fd=above)
