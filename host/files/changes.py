"""Changing: folders, names, copies, deletions. Blocking code for a worker thread.

Everything is done to a name in an open folder (`host.files.places`). What is there already stays, unless the
request says that it may be replaced; a tree that holds links loses the links, never what they lead to.
"""

import sys

if sys.platform == "win32":
    raise ImportError("not for Windows")

import os
import shutil
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

from host.deletion import opened_folder
from host.files.listing import walk
from host.files.places import Place, check_name
from host.problems import RequestProblem

_PIECE_BYTES: Final = 1 << 20


def make_folder(place: Place) -> None:
    """Makes an empty folder. Raises OSError: there is something, or it may not be made."""
    os.mkdir(place.name, dir_fd=place.folder)


def move(source: Place, target: Place, *, overwrite: bool) -> None:
    """Moves or renames a thing on one disk.

    Raises:
        RequestProblem: ``exists``, unless `overwrite`.
        OSError: EXDEV, it would go to another disk: copy and delete instead.
    """
    if not overwrite:
        with suppress(FileNotFoundError):
            found = target.stat()
            same = source.stat()
            # Changing the case of a name on a disk that does not tell them apart is no replacing.
            if (found.st_dev, found.st_ino) != (same.st_dev, same.st_ino):
                raise RequestProblem("exists", target.name)
    os.rename(source.name, target.name, src_dir_fd=source.folder, dst_dir_fd=target.folder)


def copy(source: Place, target: Place, *, overwrite: bool) -> int:
    """Copies a file, a link as a link, or a whole tree with times and modes; how many things were copied.

    Raises:
        RequestProblem: ``exists``, unless `overwrite`; ``other`` for what is no file, folder or link.
        OSError: something cannot be read or written; what was copied before stays.
    """
    found = source.stat()
    if not overwrite:
        with suppress(FileNotFoundError):
            target.stat()
            raise RequestProblem("exists", target.name)
    if not stat.S_ISDIR(found.st_mode):
        _copy_one(source.folder, source.name, target.folder, target.name, found)
        return 1
    count = 1
    with suppress(FileExistsError):
        os.mkdir(target.name, 0o700, dir_fd=target.folder)
    with opened_folder(Path(target.name), above=target.folder) as top:
        made = os.stat(top)
        if (made.st_dev, made.st_ino) == (found.st_dev, found.st_ino):
            raise RequestProblem("exists", "a folder cannot be copied into itself")
        for below, folders, others, descriptor in walk(source):
            with opened_folder(Path(below), above=top) as inner:
                count += _copy_level(descriptor, inner, folders, others, made)
    os.chmod(target.name, stat.S_IMODE(found.st_mode), dir_fd=target.folder)
    return count


def _copy_level(source: int, target: int, folders: list[str], others: list[str], top: os.stat_result) -> int:
    for name in list(folders):
        found = os.stat(name, dir_fd=source, follow_symlinks=False)
        if (found.st_dev, found.st_ino) == (top.st_dev, top.st_ino):
            folders.remove(name)  # the copy itself, lying in what is copied
        elif stat.S_ISLNK(found.st_mode):
            _copy_one(source, name, target, name, found)
        else:
            with suppress(FileExistsError):
                os.mkdir(name, stat.S_IMODE(found.st_mode) | 0o700, dir_fd=target)
    for name in others:
        _copy_one(source, name, target, name, os.stat(name, dir_fd=source, follow_symlinks=False))
    return len(folders) + len(others)


def _copy_one(source: int, name: str, target: int, new_name: str, found: os.stat_result) -> None:
    """One file or link, replacing what has its name; never half of it under that name."""
    draft = f".{new_name[:100]}.{os.urandom(8).hex()}.part"
    if stat.S_ISLNK(found.st_mode):
        os.symlink(os.readlink(name, dir_fd=source), draft, dir_fd=target)
    elif stat.S_ISREG(found.st_mode):
        _copy_file(source, name, target, draft, found)
    else:
        raise RequestProblem("other", name)
    try:
        os.rename(draft, new_name, src_dir_fd=target, dst_dir_fd=target)
    except OSError:
        os.unlink(draft, dir_fd=target)
        raise


def _copy_file(source: int, name: str, target: int, draft: str, found: os.stat_result) -> None:
    reading = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=source)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        writing = os.open(draft, flags, 0o600, dir_fd=target)
        try:
            with open(reading, "rb", closefd=False) as old, open(writing, "wb", closefd=False) as new:
                shutil.copyfileobj(old, new, _PIECE_BYTES)
            os.fchmod(writing, stat.S_IMODE(found.st_mode))
            os.utime(writing, ns=(found.st_atime_ns, found.st_mtime_ns))
        except BaseException:
            os.unlink(draft, dir_fd=target)
            raise
        finally:
            os.close(writing)
    finally:
        os.close(reading)


def delete(place: Place) -> None:
    """Deletes a thing for good; a folder with all that is in it, links themselves and not what they lead to.

    Raises:
        RequestProblem: ``denied`` for a chosen folder itself or the root.
        OSError: some of it may not be deleted; what was deleted before is gone.
    """
    if place.name == ".":
        raise RequestProblem("denied", "a chosen folder itself stays")
    if stat.S_ISDIR(place.stat().st_mode):
        shutil.rmtree(place.name, dir_fd=place.folder)  # by descriptors, where dir_fd is supported
    else:
        os.unlink(place.name, dir_fd=place.folder)


def trash(place: Place, path: str) -> None:
    """Puts a thing into the user's trash (freedesktop.org Trash 1.0), where the desktop finds it.

    Args:
        place: the thing.
        path: its path, for putting it back.

    Raises:
        RequestProblem: ``no_trash``; it is on another disk than the trash, or there is no home.
        OSError: it may not be moved.
    """
    if place.name == ".":
        raise RequestProblem("denied", "a chosen folder itself stays")
    check_name(place.name)
    home = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "Trash"
    try:
        for folder in ("files", "info"):
            (home / folder).mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        raise RequestProblem("no_trash", exc.strerror or "") from exc
    if (home / "files").stat().st_dev != place.stat().st_dev:
        raise RequestProblem("no_trash", "the trash is on another disk")
    name = _free_name(home, place.name)
    deleted = time.strftime("%Y-%m-%dT%H:%M:%S")
    # The info file is made first and exclusively: it reserves the name (Trash 1.0, "contents").
    with (home / "info" / f"{name}.trashinfo").open("x") as info:
        info.write(f"[Trash Info]\nPath={quote(os.fsencode(path))}\nDeletionDate={deleted}\n")
    try:
        os.rename(place.name, home / "files" / name, src_dir_fd=place.folder)
    except OSError:
        (home / "info" / f"{name}.trashinfo").unlink()
        raise


def _free_name(home: Path, name: str) -> str:
    for number in range(1000):
        candidate = name if number == 0 else f"{name[:200]}.{number + 1}"
        if not any(
            os.path.lexists(home / folder / each)
            for folder, each in (("files", candidate), ("info", f"{candidate}.trashinfo"))
        ):
            return candidate
    raise RequestProblem("no_trash", "the trash has too many things of this name")
