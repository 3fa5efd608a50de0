"""Where a path leads, safely: every step by a descriptor, nothing that can be swapped in between.

A `Place` is an open folder and a name in it; whatever is done is done to that name, relative to that
descriptor, so that a folder that is replaced by a link meanwhile leads nowhere else.

Two modes. Without a limit paths mean what they mean to the computer's user: links on the way are followed, as
their own programs do. With a limit (the customer's choice) every name on the way from the root is opened with
`O_NOFOLLOW`, and the way leads through one of the chosen folders; links and other tricks are refused by the
kernel, not by looking at text.
"""

import sys

if sys.platform == "win32":
    raise ImportError("not for Windows")

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final, Self

from host.problems import RequestProblem

MAX_PATH_BYTES: Final = 4096  # PATH_MAX, with the system's own terminator
MAX_NAME_BYTES: Final = 255  # NAME_MAX of every usual file system

_FOLDER: Final = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Place:
    """A name in an open folder.

    Attributes:
        folder: descriptor (`O_PATH`), open as long as the block that made this place.
        name: one component; ``.`` for a limit's own top or the root.
        follows_links: reading a link reads what it leads to; never so beneath a limit.
    """

    folder: int
    name: str
    follows_links: bool

    def stat(self) -> os.stat_result:
        """Of the thing itself, never of what a link leads to."""
        return os.stat(self.name, dir_fd=self.folder, follow_symlinks=False)

    def open_to_read(self, flags: int = 0) -> int:
        """A descriptor of it, or of what it leads to where links are followed.

        Raises:
            OSError: it is missing, denied, or a link beneath a limit (ELOOP).
        """
        if not self.follows_links:
            flags |= os.O_NOFOLLOW
        # Without O_NONBLOCK a named pipe would hold the thread until somebody writes into it.
        return os.open(self.name, flags | os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=self.folder)


class Places:
    """What of this computer may be reached.

    Args:
        limit: folders (absolute, without links) that the customer chose; None for all the user may reach.
    """

    def __init__(self, limit: Sequence[str] | None = None) -> None:
        self.limit = None if limit is None else tuple(os.path.normpath(folder) for folder in limit)

    @contextmanager
    def at(self, path: str) -> Iterator[Place]:
        """The place that `path` names, for the time of the block. The thing itself may not exist.

        Args:
            path: absolute, untrusted; may not contain ``..`` or NUL.

        Raises:
            RequestProblem: it is no path, or leads outside the limit.
            OSError: a folder on the way cannot be passed.
        """
        names = parse_path(path)
        folder, name = self._opened(path, names)
        try:
            yield Place(folder, name, self.limit is None)
        finally:
            os.close(folder)

    def _opened(self, path: str, names: Sequence[str]) -> tuple[int, str]:
        """A descriptor of the folder that holds the last name, and that name."""
        if self.limit is None:
            folder = os.open("/" + "/".join(names[:-1]), _FOLDER)
            rest: Sequence[str] = names[-1:]
        else:
            folder, rest = self._beneath(path, names)
        return folder, rest[-1] if rest else "."

    def _beneath(self, path: str, names: Sequence[str]) -> tuple[int, Sequence[str]]:
        """The folder that holds the last name, reached through a chosen folder without following any link.

        The way to the chosen folder is walked as well: one that lies in another could be swapped by a viewer.
        """
        inner = PurePosixPath("/", *names)
        top = next((PurePosixPath(top) for top in self.limit or () if inner.is_relative_to(top)), None)
        if top is None:
            raise RequestProblem("outside", path)
        rest = inner.relative_to(top).parts
        folder = os.open("/", _FOLDER)
        for name in (*top.parts[1:], *rest[:-1]):
            try:
                deeper = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
            finally:
                os.close(folder)
            folder = deeper
        return folder, rest


class NearbyPlaces:
    """Places of one go through many requests: the folder of the last one stays open for the next.

    A context manager, which closes it. What a folder's name leads to is looked up once for a run of
    requests in it, as if they had all come at the moment of the first.
    """

    def __init__(self, places: Places) -> None:
        self._places = places
        self._names: tuple[str, ...] | None = None
        self._folder = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._close()

    def at(self, path: str) -> Place:
        """As `Places.at`; good until the next call."""
        names = parse_path(path)
        if not names or (self._places.limit is not None and "/" + "/".join(names) in self._places.limit):
            self._close()  # a top has no folder around it
        elif names[:-1] == self._names:
            return Place(self._folder, names[-1], self._places.limit is None)
        else:
            self._close()
            self._names = names[:-1]
        self._folder, name = self._places._opened(path, names)
        return Place(self._folder, name, self._places.limit is None)

    def _close(self) -> None:
        if self._folder >= 0:
            os.close(self._folder)
        self._names, self._folder = None, -1


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


def kind_of(mode: int) -> str:
    """``file``, ``folder``, ``link`` or ``other``."""
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "folder"
    return "link" if stat.S_ISLNK(mode) else "other"
