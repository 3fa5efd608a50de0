"""Deleting on Windows by handles: never through a link, never what is not a plain file or folder.

See `host.deletion`, whose functions these are. A folder is an open handle; as long as it is open, Windows
lets nobody rename or delete the folder or one of those above it, since these are held open too and none is
shared for deleting. So a name in it is what it was when it was looked at.
"""

import sys

if sys.platform != "win32":
    raise ImportError("only for Windows")

import contextlib
import msvcrt
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from host.windows.handles import (
    DELETE,
    FOLDERS_TOO,
    LIST_FOLDER,
    OPEN_LINK_ITSELF,
    READ,
    READ_ATTRIBUTES,
    SHARE_DELETE,
    SHARE_READ,
    SHARE_WRITE,
    close_handle,
    delete_by_handle,
    open_handle,
    path_of,
)

_ITSELF: Final = OPEN_LINK_ITSELF | FOLDERS_TOO
_SHARED: Final = SHARE_READ | SHARE_WRITE | SHARE_DELETE


class NotOurs(OSError):
    """At the path of a thing of ours there is something else."""


@contextmanager
def opened_folder(path: Path, above: int | None = None) -> Iterator[int]:
    """A folder by the names on the way to it, none of which may be a link.

    Args:
        path: absolute, or relative to the folder `above`.
    """
    with ExitStack() as stack:
        way = Path(path.anchor) if above is None else path_of(above)
        handle = _held(way, stack)
        for name in path.parts[1:] if above is None else path.parts:
            way /= name
            handle = _held(way, stack)
        yield handle


def _held(path: Path, stack: ExitStack) -> int:
    handle = open_handle(path, LIST_FOLDER | READ_ATTRIBUTES, SHARE_READ | SHARE_WRITE, flags=_ITSELF)
    stack.callback(close_handle, handle)
    if not stat.S_ISDIR(_stat(path).st_mode) or _is_link(_stat(path)):
        raise NotOurs(f"{path} is not a plain folder")
    return handle


def _stat(path: Path) -> os.stat_result:
    return os.stat(path, follow_symlinks=False)


def _is_link(found: os.stat_result) -> bool:
    """Links, junctions and whatever else sends a path elsewhere."""
    return bool(found.st_file_attributes & stat.FILE_ATTRIBUTE_REPARSE_POINT)


def folder_path(folder: int) -> Path:
    """Where an opened folder is."""
    return path_of(folder)


def open_file(name: str, folder: int) -> int:
    """A descriptor to read a file in a folder, of which `check_ours` must think well."""
    handle = open_handle(path_of(folder) / name, READ, _SHARED, flags=OPEN_LINK_ITSELF)
    return msvcrt.open_osfhandle(handle, os.O_RDONLY | os.O_BINARY | os.O_NOINHERIT)


def check_ours(found: os.stat_result) -> None:
    """Raises NotOurs unless this is a plain file."""
    if not stat.S_ISREG(found.st_mode) or _is_link(found):
        raise NotOurs("not a file of ours")


def remove_file(name: str, folder: int, identity: tuple[int, int] | None = None) -> None:
    """Remove a file of ours, and look whether it is gone. See `host.deletion.remove_file`."""
    path = path_of(folder) / name
    handle = open_handle(path, DELETE | READ_ATTRIBUTES, _SHARED, flags=_ITSELF)
    descriptor = msvcrt.open_osfhandle(handle, os.O_RDONLY | os.O_NOINHERIT)
    try:
        found = os.fstat(descriptor)
        if identity not in (None, (found.st_dev, found.st_ino)):
            return  # ours is gone, and another one has its name
        check_ours(_stat(path))
        delete_by_handle(handle)
    finally:
        os.close(descriptor)
    _check_gone(path)


def remove_folder(path: Path) -> None:
    """Remove an empty folder of ours. Raises OSError if it is not one."""
    with opened_folder(path.parent):
        _remove_empty(path)


def _remove_empty(path: Path) -> None:
    handle = open_handle(path, DELETE | READ_ATTRIBUTES, _SHARED, flags=_ITSELF)
    try:
        found = _stat(path)
        if not stat.S_ISDIR(found.st_mode) or _is_link(found):
            raise NotOurs("not a folder of ours")
        delete_by_handle(handle)
    finally:
        close_handle(handle)
    _check_gone(path)


def _check_gone(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        _stat(path)
        raise NotOurs("it is there again, or still in use")


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
    with opened_folder(folder, top) as handle:
        for name in names:
            try:
                remove_file(name, handle)
            except FileNotFoundError:
                continue
            except OSError as exc:
                failure = exc
    if failure is not None:
        raise failure
    if folder.parts:
        with opened_folder(folder.parent, top) as above:
            _remove_empty(path_of(above) / folder.name)
