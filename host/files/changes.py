"""Changing: folders, names, copies, deletions. Blocking code for a worker thread.

Everything is done to a name in an open folder (`host.files.places`). What is there already stays, unless the
request says that it may be replaced; a tree that holds links loses the links, never what they lead to.
"""

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from host.files.listing import walk
from host.files.places import Place
from host.files.system import system
from host.problems import RequestProblem

_PIECE_BYTES: Final = 1 << 20


def make_folder(place: Place) -> None:
    """Makes an empty folder. Raises OSError: there is something, or it may not be made."""
    system.make_folder(place.name, place.folder)


def move(source: Place, target: Place, *, overwrite: bool) -> None:
    """Moves or renames a thing on one disk.

    Raises:
        RequestProblem: ``exists``, unless `overwrite`.
        OSError: EXDEV, it would go to another disk: copy and delete instead.
    """
    if not overwrite:
        with suppress(FileNotFoundError):
            found = target.facts()
            same = source.facts()
            # Changing the case of a name on a disk that does not tell them apart is no replacing.
            if (found.st_dev, found.st_ino) != (same.st_dev, same.st_ino):
                raise RequestProblem("exists", target.name)
    for place in (source, target):
        _check_inner(place)
    system.rename(source.name, source.folder, target.name, target.folder)


def copy(source: Place, target: Place, *, overwrite: bool) -> int:
    """Copies a file, a link as a link, or a whole tree with times and modes; how many things were copied.

    Raises:
        RequestProblem: ``exists``, unless `overwrite`; ``other`` for what is no file, folder or link.
        OSError: something cannot be read or written; what was copied before stays.
    """
    _check_inner(target)
    found = source.facts()
    if not overwrite:
        with suppress(FileNotFoundError):
            target.facts()
            raise RequestProblem("exists", target.name)
    if not stat.S_ISDIR(found.st_mode):
        _copy_one(source.folder, source.name, target.folder, target.name, found)
        return 1
    count = 1
    with suppress(FileExistsError):
        system.make_folder(target.name, target.folder, 0o700)
    with _inner(target.folder, (target.name,)) as top:
        made = system.facts_of_folder(top)
        if (made.st_dev, made.st_ino) == (found.st_dev, found.st_ino):
            raise RequestProblem("exists", "a folder cannot be copied into itself")
        for below, folders, others, folder in walk(source):
            with _inner(top, below.parts) as inner:
                count += _copy_level(folder, inner, folders, others, made)
    system.copy_folder_facts(found, target.name, target.folder)
    return count


def _check_inner(place: Place) -> None:
    """Raises RequestProblem for a chosen folder itself or the root, which is no name in another folder."""
    if place.name == ".":
        raise RequestProblem("denied", "a chosen folder itself stays")


@contextmanager
def _inner(folder: int, names: tuple[str, ...]) -> Iterator[int]:
    inner = system.open_inner(folder, names)
    try:
        yield inner
    finally:
        system.close_folder(inner)


def _copy_level(source: int, target: int, folders: list[str], others: list[str], top: system.Facts) -> int:
    for name in list(folders):
        found = system.facts(name, source)
        if (found.st_dev, found.st_ino) == (top.st_dev, top.st_ino):
            folders.remove(name)  # the copy itself, lying in what is copied
        elif stat.S_ISLNK(found.st_mode):
            _copy_one(source, name, target, name, found)
        else:
            with suppress(FileExistsError):
                system.make_folder(name, target, stat.S_IMODE(found.st_mode) | 0o700)
    for name in others:
        _copy_one(source, name, target, name, system.facts(name, source))
    return len(folders) + len(others)


def _copy_one(source: int, name: str, target: int, new_name: str, found: system.Facts) -> None:
    """One file or link, replacing what has its name; never half of it under that name."""
    draft = f".{new_name[:100]}.{os.urandom(8).hex()}.part"
    if stat.S_ISLNK(found.st_mode):
        system.copy_link(name, source, draft, target)
    elif stat.S_ISREG(found.st_mode):
        _copy_file(source, name, target, draft, found)
    else:
        raise RequestProblem("other", name)
    try:
        system.rename(draft, target, new_name, target)
    except OSError:
        system.remove_file(draft, target)
        raise


def _copy_file(source: int, name: str, target: int, draft: str, found: system.Facts) -> None:
    reading = system.open_to_read(name, source, follow=False)
    try:
        writing = system.create(draft, target, is_new=True)
        try:
            with open(reading, "rb", closefd=False) as old, open(writing, "wb", closefd=False) as new:
                shutil.copyfileobj(old, new, _PIECE_BYTES)
            system.copy_facts(found, writing)
        except BaseException:
            system.remove_file(draft, target)
            raise
        finally:
            os.close(writing)
    finally:
        os.close(reading)


def is_folder(place: Place) -> bool:
    """Whether a folder is there, and no link to one. Raises OSError: nothing is there."""
    return stat.S_ISDIR(place.facts().st_mode)


def delete(place: Place) -> None:
    """Deletes a thing for good; a folder with all that is in it, links themselves and not what they lead to.

    Raises:
        RequestProblem: ``denied`` for a chosen folder itself or the root.
        OSError: some of it may not be deleted; what was deleted before is gone.
    """
    if place.name == ".":
        raise RequestProblem("denied", "a chosen folder itself stays")
    if is_folder(place):
        system.remove_tree(place.name, place.folder)
    else:
        system.remove_file(place.name, place.folder)


def trash(place: Place, path: str) -> None:
    """Puts a thing into the user's trash.

    Args:
        place: the thing.
        path: its path, for putting it back.

    Raises:
        RequestProblem: ``no_trash``: there is none for its disk.
        OSError: it may not be moved.
    """
    if place.name == ".":
        raise RequestProblem("denied", "a chosen folder itself stays")
    system.check_name(place.name)
    system.trash(place.name, place.folder, path, is_limited=not place.follows_links)
