"""Looking: roots, folders, single things, sizes, searches. Blocking, for a worker thread; changes nothing."""

import fnmatch
import stat
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import PurePosixPath
from typing import Any, Final

from host.files.places import Place, Places, kind_of
from host.files.system import system
from host.problems import RequestProblem
from host.requests import wire_name

PAGE_ENTRIES: Final = 500
MAX_ENTRIES: Final = 200_000
"""Of one folder or search: more is nothing that a person looks at, and a viewer must not be flooded."""
MAX_DEPTH: Final = 100

Entry = dict[str, Any]


def roots(places: Places) -> list[Entry]:
    """Where looking begins: the chosen folders, or the user's home, the root, drives and mounted disks."""
    if places.limit is not None:
        return [{"path": wire_name(folder), "kind": "chosen"} for folder in places.limit]
    return [{**root, "path": wire_name(root["path"])} for root in system.roots()]


def entry(name: str, found: system.Facts, target: str | None = None) -> Entry:
    """What is told of one thing. Sizes are bytes, times milliseconds since 1970 in UTC."""
    told: Entry = {
        "name": wire_name(name),
        "kind": kind_of(found.st_mode),
        "size": found.st_size if stat.S_ISREG(found.st_mode) else 0,
        "modified": found.st_mtime_ns // 1_000_000,
        "mode": stat.S_IMODE(found.st_mode),
        "owner": system.owner_of(found),
        "hidden": system.is_hidden(name, found),
    }
    if target is not None:
        told["target"] = wire_name(target)
    return told


def stat_one(place: Place, name: str) -> Entry:
    """What is at a place.

    Raises:
        OSError: nothing, or nothing that may be seen.
    """
    if place.is_computer:
        return _drive("")
    found = place.facts()
    target = system.link_target(place.name, place.folder) if stat.S_ISLNK(found.st_mode) else None
    return entry(name, found, target)


def list_folder(place: Place, *, show_hidden: bool) -> Iterator[list[Entry]]:
    """Pages of a folder's entries, in no order.

    Raises:
        OSError: it is none, or may not be read.
    """
    if place.is_computer:
        yield [_drive(drive) for drive in system.drives()]
        return
    with place.listed() as folder:
        told = (entry(*each) for each in system.entries(folder, show_hidden=show_hidden))
        entries = islice(told, MAX_ENTRIES)
        while page := list(islice(entries, PAGE_ENTRIES)):
            yield page


def _drive(name: str) -> Entry:
    """A drive, or the computer that has them."""
    told: Entry = {"name": name, "kind": "folder", "owner": "", "hidden": False}
    return told | dict.fromkeys(("size", "modified", "mode"), 0)


def walk(
    place: Place, *, show_hidden: bool = True
) -> Iterator[tuple[PurePosixPath, list[str], list[str], int]]:
    """A tree, by open folders, links not followed: path below the top, folders, others, folder.

    Whoever walks may take names out of the list of folders. Folders that may not be read are passed over.

    Raises:
        OSError: the top is no folder, or may not be read.
        RequestProblem: it is deeper than `MAX_DEPTH`.
    """
    with place.listed() as top:
        for path, folders, others, folder in system.walk(top, show_hidden=show_hidden):
            below = PurePosixPath(path)
            if len(below.parts) > MAX_DEPTH:
                raise RequestProblem("too_deep", str(below))
            yield below, folders, others, folder


def measure(place: Place) -> Iterator[tuple[int, int, int]]:
    """Bytes, files and folders of a tree so far, after each folder of it."""
    size = files = count = 0
    for _, folders, others, folder in walk(place):
        count += len(folders)
        for name in others:
            with suppress(OSError):
                found = system.facts(name, folder)
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
    for below, folders, others, folder in walk(place, show_hidden=show_hidden):
        page: list[Entry] = []
        for name in (*folders, *others):
            if fnmatch.fnmatchcase(name.casefold(), wanted):
                with suppress(OSError):
                    found = system.facts(name, folder)
                    page.append(entry(name, found) | {"below": wire_name(str(below))})
        for start in range(0, len(page), PAGE_ENTRIES):
            yield page[start : start + PAGE_ENTRIES]
        told += len(page)
        if told > MAX_ENTRIES:
            return
        if not page:
            yield []  # a chance to stop
