"""What the File Manager asks of Windows: the functions of `host.files.posix`, by handles.

Each name on a way beneath a chosen folder is opened in the handle of the one before, as itself; a link or
junction is refused once it is open, so that nobody can swap one in between. What is reached is compared
with where it should be, for file systems that hide their links.
"""

import sys

if sys.platform != "win32":
    raise ImportError("only for Windows")

import errno
import msvcrt
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Final

from host.problems import RequestProblem
from host.windows import opened
from host.windows.drives import drives as drives
from host.windows.drives import roots as roots
from host.windows.names import check_name as check_name
from host.windows.names import cut, native_path
from host.windows.names import fold as fold
from host.windows.names import names_of as names_of
from host.windows.names import parse_path as parse_path
from host.windows.names import wire_path as wire_path
from host.windows.recycle_bin import recycle
from host.windows.structures import HIDDEN, READ_ONLY, SYSTEM, Facts, filetime, parse_listing

__all__ = ["Facts", "check_name", "drives", "fold", "names_of", "parse_path", "roots", "wire_path"]

HAS_DRIVES: Final = True
COMPUTER: Final = -1
"""The folder of drives: no handle."""
MAX_NAME_UNITS: Final = 255
MAX_TREE_DEPTH: Final = 300
"""Of a folder that is deleted with all that is in it."""
_ARCHIVE: Final = 0x20
_NORMAL: Final = 0x80
_KEPT_ATTRIBUTES: Final = READ_ONLY | HIDDEN | SYSTEM | _ARCHIVE


def cut_name(name: str, tail: int) -> str:
    """The beginning of a name, with room for a tail of so many ASCII letters."""
    return cut(name, MAX_NAME_UNITS - tail)


# Folders


def open_path(names: Sequence[str]) -> int:
    """The folder of these names, the first a drive, links on the way followed."""
    if not names:
        return COMPUTER
    return _as_folder(opened.open_by_path(native_path(names), 0))


def open_beneath(top: Sequence[str], rest: Sequence[str]) -> int:
    """The folder `rest` in the folder `top`, which is walked to from its drive: no name on the way is a link.

    Raises:
        OSError: ELOOP, there is a link; or it is missing.
    """
    return _walk_in(opened.open_by_path(native_path(top[:1]), 0), (*top[1:], *rest))


def open_inner(folder: int, names: Sequence[str]) -> int:
    """The folder of these names in an open one; another handle of itself for none."""
    return _walk_in(opened.open_at(folder, "", 0, options=opened.MUST_BE_FOLDER), names)


def _walk_in(folder: int, names: Sequence[str]) -> int:
    try:
        begin = _final(folder)
        for name in names:
            deeper = _open_itself(name, folder, 0, options=opened.MUST_BE_FOLDER)
            opened.close(folder)
            folder = deeper
        _check_way(folder, begin)
    except BaseException:
        opened.close(folder)
        raise
    return folder


def _open_itself(name: str, folder: int, access: int, *, options: int = 0) -> int:
    """A thing that is no link. Raises OSError: ELOOP, it is one."""
    handle = opened.open_at(folder, "" if name == "." else name, access, options=options)
    try:
        found = opened.facts(handle)
        if stat.S_ISLNK(found.st_mode):
            raise OSError(errno.ELOOP, "a link is not followed")
        if not found.tag:
            return handle
        # Something of a cloud or of deduplication, whose contents come through its filter only: opened once
        # more, as itself, and then it must still be what it was.
        through = opened.open_at(handle, "", access, options=options, follow=True)
    except BaseException:
        opened.close(handle)
        raise
    opened.close(handle)
    if _identity(opened.facts(through)) != _identity(found):
        opened.close(through)
        raise OSError(errno.ELOOP, "a link is not followed")
    return through


def _identity(found: Facts) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def _final(handle: int) -> str:
    return opened.final_path(handle).rstrip("\\") + "\\"


def _check_way(handle: int, begin: str) -> None:
    """Raises OSError unless something open really lies beneath where the way began."""
    if not _final(handle).startswith(begin):
        raise OSError(errno.ELOOP, "the way leads elsewhere")


def _as_folder(handle: int) -> int:
    if stat.S_ISDIR(opened.facts(handle).st_mode):
        return handle
    opened.close(handle)
    raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))


def open_to_list(name: str, folder: int, *, follow: bool) -> int:
    """A folder that can be listed; with `follow` also one that a link leads to."""
    return _as_folder(_open(name, folder, opened.READ_DATA, follow=follow))


def _open(name: str, folder: int, access: int, *, follow: bool) -> int:
    try:
        handle = _open_itself(name, folder, access)
    except OSError as exc:
        if exc.errno != errno.ELOOP or not follow:
            raise
        return opened.open_by_path(_final(folder) + name, access)
    if not follow and name != ".":
        try:
            _check_way(handle, _final(folder))
        except BaseException:
            opened.close(handle)
            raise
    return handle


def close_folder(folder: int) -> None:
    """Closes what the functions above opened."""
    if folder != COMPUTER:
        opened.close(folder)


def entries(folder: int, *, show_hidden: bool) -> Iterator[tuple[str, Facts, str | None]]:
    """Name, facts and, of links, the target, of what is in a folder opened to be listed; in no order."""
    from_start = True
    while (buffer := opened.listing(folder, from_start=from_start)) is not None:
        from_start = False
        for name, found in parse_listing(buffer):
            if show_hidden or not is_hidden(name, found):
                target = link_target(name, folder) if stat.S_ISLNK(found.st_mode) else None
                yield name, found, target


def walk(top: int, *, show_hidden: bool, below: str = ".") -> Iterator[tuple[str, list[str], list[str], int]]:
    """A tree: path below the top, folders, others, folder. Whoever walks may take folders out of the list."""
    folders: list[str] = []
    others: list[str] = []
    for name, found, _ in entries(top, show_hidden=show_hidden):
        (folders if stat.S_ISDIR(found.st_mode) else others).append(name)
    yield below, folders, others, top
    for name in folders:
        try:
            inner = _as_folder(_open(name, top, opened.READ_DATA, follow=False))
        except OSError:
            continue  # it may not be read, or has become a link
        try:
            yield from walk(inner, show_hidden=show_hidden, below=f"{below}/{name}")
        finally:
            opened.close(inner)


# Things


def facts(name: str, folder: int) -> Facts:
    """Of the thing itself, never of what a link leads to."""
    handle = opened.open_at(folder, "" if name == "." else name, 0)
    try:
        return opened.facts(handle)
    finally:
        opened.close(handle)


def facts_of_open(descriptor: int) -> Facts:
    """Of an open file."""
    return opened.facts(msvcrt.get_osfhandle(descriptor))


def facts_of_folder(folder: int) -> Facts:
    """Of an open folder."""
    return opened.facts(folder)


def owner_of(found: Facts) -> str:
    """Windows does not tell owners in listings; they rarely say more than "Administrators"."""
    return ""


def is_hidden(name: str, found: Facts) -> bool:
    """Whether a thing is shown only on demand."""
    return bool(found.attributes & (HIDDEN | SYSTEM))


def is_own(found: Facts) -> bool:
    """Whether it is a plain file with one name only."""
    return stat.S_ISREG(found.st_mode) and found.st_nlink == 1 and not found.tag


def link_target(name: str, folder: int) -> str | None:
    """Where a link leads; None where that is not known."""
    with suppress(OSError):
        handle = opened.open_at(folder, name, 0)
        try:
            return opened.link_target(handle)
        finally:
            opened.close(handle)
    return None


def room(descriptor: int) -> int:
    """Bytes that this user may still write to the disk of an open file."""
    return opened.space(msvcrt.get_osfhandle(descriptor))[1]


# Files


def open_to_read(name: str, folder: int, *, follow: bool) -> int:
    """A descriptor of a thing, or, with `follow`, of what it leads to.

    Raises:
        OSError: it is missing, denied, in use (EBUSY), or a link that is not followed (ELOOP).
    """
    return _descriptor(_open(name, folder, opened.GENERIC_READ, follow=follow), os.O_RDONLY)


def create(name: str, folder: int, *, is_new: bool) -> int:
    """A descriptor to read and write a file, which is made if it is missing; and must be, if `is_new`."""
    access = opened.GENERIC_READ | opened.GENERIC_WRITE
    how = opened.CREATE if is_new else opened.OPEN_IF
    handle = opened.open_at(folder, name, access, how=how, options=opened.MUST_BE_FILE)
    return _descriptor(handle, os.O_RDWR)


def _descriptor(handle: int, flags: int) -> int:
    try:
        return msvcrt.open_osfhandle(handle, flags | os.O_BINARY | os.O_NOINHERIT)
    except BaseException:
        opened.close(handle)
        raise


def set_facts(descriptor: int, modified: int, mode: int | None) -> None:
    """The time (milliseconds since 1970) of an open file; its permissions come from its folder."""
    opened.set_basic(msvcrt.get_osfhandle(descriptor), modified=filetime(modified))


def copy_facts(found: Facts, descriptor: int) -> None:
    """Time and attributes of another file."""
    opened.set_basic(
        msvcrt.get_osfhandle(descriptor),
        modified=filetime(found.st_mtime_ns // 1_000_000),
        attributes=found.attributes & _KEPT_ATTRIBUTES or _NORMAL,
    )


def copy_folder_facts(found: Facts, name: str, folder: int) -> None:
    """The attributes of another folder."""
    handle = opened.open_at(folder, name, opened.WRITE_ATTRIBUTES, options=opened.MUST_BE_FOLDER)
    try:
        opened.set_basic(handle, attributes=found.attributes & _KEPT_ATTRIBUTES or _NORMAL)
    finally:
        opened.close(handle)


# Changing


def make_folder(name: str, folder: int, mode: int = 0o777) -> None:
    """Makes an empty folder; its permissions come from the one it is in.

    Raises:
        OSError: there is something, or it may not be made.
    """
    opened.close(opened.open_at(folder, name, 0, how=opened.CREATE, options=opened.MUST_BE_FOLDER))


def copy_link(name: str, folder: int, new: str, new_folder: int) -> None:
    """Makes a link to the same target, which for symbolic links takes rights that few users have."""
    source = opened.open_at(folder, name, 0)
    try:
        data, is_folder = opened.read_link(source), opened.facts(source).attributes & 0x10
    finally:
        opened.close(source)
    made = opened.open_at(
        new_folder,
        new,
        opened.GENERIC_WRITE | opened.DELETE,
        how=opened.CREATE,
        options=opened.MUST_BE_FOLDER if is_folder else opened.MUST_BE_FILE,
    )
    try:
        opened.write_link(made, data)
    except OSError:
        opened.delete(made)
        raise
    finally:
        opened.close(made)


def rename(name: str, folder: int, new: str, new_folder: int) -> None:
    """Gives a thing another name on the same disk, replacing a file that has it.

    Raises:
        OSError: EXDEV, EEXIST for a folder, EBUSY, …
    """
    _move(name, folder, new, new_folder, replace=True)


def _move(name: str, folder: int, new: str, new_folder: int, *, replace: bool) -> None:
    handle = opened.open_at(folder, name, opened.DELETE)
    try:
        opened.move(handle, new_folder, new, replace=replace)
    except OSError as exc:
        if exc.errno == errno.EACCES:
            _check_replaceable(new, new_folder)
        raise
    finally:
        opened.close(handle)


def _check_replaceable(name: str, folder: int) -> None:
    """Say why a thing cannot be replaced, for which Windows itself always says "denied".

    Raises:
        OSError: EEXIST, it is a folder; EBUSY, it is in use.
    """
    with suppress(FileNotFoundError):
        handle = opened.open_at(folder, name, opened.DELETE)
        try:
            if stat.S_ISDIR(opened.facts(handle).st_mode):
                raise OSError(errno.EEXIST, os.strerror(errno.EEXIST))
        finally:
            opened.close(handle)


def give_name(part: str, name: str, folder: int, *, overwrite: bool, keep: tuple[str, int] | None) -> None:
    """Gives a part beside its target the target's name, at once.

    Args:
        keep: name and folder that what is replaced gets before; where the file system lets a file have two
            names there is no moment without either.

    Raises:
        OSError: EEXIST, something has the name, or the one under which it was to be kept.
    """
    if keep is not None:
        with suppress(FileNotFoundError):
            _add_name(name, folder, *keep)
    _move(part, folder, name, folder, replace=overwrite)


def _add_name(name: str, folder: int, new: str, new_folder: int) -> None:
    handle = opened.open_at(folder, name, opened.DELETE | opened.WRITE_ATTRIBUTES)
    try:
        if not opened.link(handle, new_folder, new):
            opened.move(handle, new_folder, new, replace=False)
    finally:
        opened.close(handle)


def remove_file(name: str, folder: int) -> None:
    """Deletes what is no folder, or a link of either kind, itself."""
    handle = opened.open_at(folder, name, opened.DELETE | opened.WRITE_ATTRIBUTES)
    try:
        found = opened.facts(handle)
        if stat.S_ISDIR(found.st_mode):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
        _delete(handle, found)
    finally:
        opened.close(handle)


def remove_tree(name: str, folder: int) -> None:
    """Deletes a folder with all that is in it; what a failure leaves stays.

    Raises:
        RequestProblem: ``too_deep``.
    """
    _remove(name, folder, 0)


def _remove(name: str, folder: int, depth: int) -> None:
    if depth > MAX_TREE_DEPTH:
        raise RequestProblem("too_deep", name)
    handle = opened.open_at(folder, name, opened.DELETE | opened.WRITE_ATTRIBUTES)
    try:
        found = opened.facts(handle)
        if stat.S_ISDIR(found.st_mode):
            inner = _as_folder(opened.open_at(handle, "", opened.READ_DATA))
            try:
                # All names first: Windows does not promise what a listing shows that is changed on the way.
                for each in [each for each, _, _ in entries(inner, show_hidden=True)]:
                    with suppress(FileNotFoundError):
                        _remove(each, inner, depth + 1)
            finally:
                opened.close(inner)
        _delete(handle, found)
    finally:
        opened.close(handle)


def _delete(handle: int, found: Facts) -> None:
    if found.attributes & READ_ONLY:
        opened.set_basic(handle, attributes=_NORMAL)  # for systems that do not delete it in one go
    opened.delete(handle)


def trash(name: str, folder: int, path: str, *, is_limited: bool) -> None:
    """Puts a thing into the Recycle Bin.

    Args:
        is_limited: no folder on the way may be swapped for a link meanwhile.

    Raises:
        RequestProblem: ``no_trash``, its drive has none, or it does not fit.
        OSError: it may not be moved.
    """
    facts(name, folder)  # says what is missing better than the shell
    with _kept_in_place(folder if is_limited else None):
        recycle(_final(folder).removeprefix("\\\\?\\") + name)


@contextmanager
def _kept_in_place(folder: int | None) -> Iterator[None]:
    """While the block runs, no folder on the way to an open one can be renamed or deleted.

    A path is all that the Recycle Bin takes. A folder that is open without being shared for deleting keeps
    its name; and one that holds something cannot become a junction.

    Raises:
        OSError: EBUSY, somebody is just doing that; ELOOP, the way leads elsewhere by now.
    """
    if folder is None:
        yield
        return
    drive, *names = _final(folder).removeprefix("\\\\?\\").rstrip("\\").split("\\")
    with ExitStack() as stack:
        held = opened.open_by_path(native_path((drive,)), 0)
        stack.callback(opened.close, held)
        for name in names:
            held = opened.open_at(
                held,
                name,
                opened.TRAVERSE,
                options=opened.MUST_BE_FOLDER,
                share=opened.SHARE_KEPT_IN_PLACE,
            )
            stack.callback(opened.close, held)
        if _identity(opened.facts(held)) != _identity(opened.facts(folder)):
            raise OSError(errno.ELOOP, "the way leads elsewhere")
        yield
