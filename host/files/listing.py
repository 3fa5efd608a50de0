"""Looking: roots, folders, single things, sizes, searches. Blocking, for a worker thread; changes nothing."""

import sys

if sys.platform == "win32":
    raise ImportError("not for Windows")

import fnmatch
import os
import pwd
import stat
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from itertools import islice
from pathlib import PurePosixPath
from typing import Any, Final

from host.files.places import Place, Places, kind_of
from host.problems import RequestProblem
from host.requests import wire_name

PAGE_ENTRIES: Final = 500
MAX_ENTRIES: Final = 200_000
"""Of one folder or search: more is nothing that a person looks at, and a viewer must not be flooded."""
MAX_DEPTH: Final = 100

Entry = dict[str, Any]


def roots(places: Places) -> list[Entry]:
    """Where looking begins: the chosen folders, or the user's home, the root and mounted disks."""
    if places.limit is not None:
        return [{"path": wire_name(folder), "kind": "chosen"} for folder in places.limit]
    found: list[Entry] = [{"path": wire_name(os.path.expanduser("~")), "kind": "home"}]
    found += [{"path": "/", "kind": "root"}]
    found += [{"path": wire_name(path), "kind": "mount"} for path in _mounts()]
    for root in found:
        with suppress(OSError):
            space = os.statvfs(root["path"])
            root["total"], root["free"] = space.f_blocks * space.f_frsize, space.f_bavail * space.f_frsize
    return found


def _mounts() -> list[str]:
    """Mounted disks that a person put there (fstab(5), udisks): below /media, /mnt and /run/media."""
    try:
        with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as lines:
            points = [line.split(" ")[1].encode().decode("unicode_escape") for line in lines]
    except (OSError, IndexError, UnicodeError):
        return []
    return sorted(point for point in set(points) if point.startswith(("/media/", "/mnt/", "/run/media/")))


def entry(name: str, found: os.stat_result, target: str | None = None) -> Entry:
    """What is told of one thing. Sizes are bytes, times milliseconds since 1970 in UTC."""
    told: Entry = {
        "name": wire_name(name),
        "kind": kind_of(found.st_mode),
        "size": found.st_size if stat.S_ISREG(found.st_mode) else 0,
        "modified": found.st_mtime_ns // 1_000_000,
        "mode": stat.S_IMODE(found.st_mode),
        "owner": _owner(found.st_uid),
        "hidden": name.startswith("."),
    }
    if target is not None:
        told["target"] = wire_name(target)
    return told


@lru_cache(maxsize=256)
def _owner(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def stat_one(place: Place, name: str) -> Entry:
    """What is at a place.

    Raises:
        OSError: nothing, or nothing that may be seen.
    """
    found = place.stat()
    target = None
    if stat.S_ISLNK(found.st_mode):
        with suppress(OSError):
            target = os.readlink(place.name, dir_fd=place.folder)
    return entry(name, found, target)


def list_folder(place: Place, *, show_hidden: bool) -> Iterator[list[Entry]]:
    """Pages of a folder's entries, in no order.

    Raises:
        OSError: it is none, or may not be read.
    """
    descriptor = place.open_to_read(os.O_DIRECTORY)
    try:
        with os.scandir(descriptor) as found:
            told = (_told(each, descriptor) for each in found if show_hidden or not each.name.startswith("."))
            entries = islice((each for each in told if each is not None), MAX_ENTRIES)
            while page := list(islice(entries, PAGE_ENTRIES)):
                yield page
    finally:
        os.close(descriptor)


def _told(found: "os.DirEntry[str]", folder: int) -> Entry | None:
    """None for what vanished between the two looks."""
    try:
        target = os.readlink(found.name, dir_fd=folder) if found.is_symlink() else None
        return entry(found.name, found.stat(follow_symlinks=False), target)
    except OSError:
        return None


def walk(place: Place) -> Iterator[tuple[PurePosixPath, list[str], list[str], int]]:
    """A tree, by descriptors, links not followed: path below the top, folders, others, descriptor.

    Whoever walks may take names out of the list of folders. Folders that may not be read are passed over.

    Raises:
        OSError: the top is no folder, or may not be read.
        RequestProblem: it is deeper than `MAX_DEPTH`.
    """
    top = place.open_to_read(os.O_DIRECTORY)
    try:
        for path, folders, others, descriptor in os.fwalk(".", dir_fd=top, follow_symlinks=False):
            below = PurePosixPath(path)
            if len(below.parts) > MAX_DEPTH:
                raise RequestProblem("too_deep", str(below))
            yield below, folders, others, descriptor
    finally:
        os.close(top)


def measure(place: Place) -> Iterator[tuple[int, int, int]]:
    """Bytes, files and folders of a tree so far, after each folder of it."""
    size = files = count = 0
    for _, folders, others, descriptor in walk(place):
        count += len(folders)
        for name in others:
            with suppress(OSError):
                found = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                files += 1
                size += found.st_size if stat.S_ISREG(found.st_mode) else 0
        yield size, files, count


def search(place: Place, pattern: str, *, show_hidden: bool) -> Iterator[list[Entry]]:
    """Pages of what has a name like `pattern` (``*``, ``?``, ``[…]``; else any part of it), below a folder.

    Each entry's ``below`` says where: the folder's path from the top.
    """
    wanted = pattern.casefold()
    if not any(sign in wanted for sign in "*?["):
        wanted = f"*{wanted}*"
    told = 0
    for below, folders, others, descriptor in walk(place):
        if not show_hidden:
            folders[:] = [name for name in folders if not name.startswith(".")]
            others = [name for name in others if not name.startswith(".")]
        page: list[Entry] = []
        for name in (*folders, *others):
            if fnmatch.fnmatchcase(name.casefold(), wanted):
                with suppress(OSError):
                    found = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                    page.append(entry(name, found) | {"below": wire_name(str(below))})
        for start in range(0, len(page), PAGE_ENTRIES):
            yield page[start : start + PAGE_ENTRIES]
        told += len(page)
        if told > MAX_ENTRIES:
            return
        if not page:
            yield []  # a chance to stop
