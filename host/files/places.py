"""Where a path leads, safely: every step by an open folder, nothing that can be swapped in between.

A `Place` is an open folder and a name in it; whatever is done is done to that name, relative to that
folder, so that a folder that is replaced by a link meanwhile leads nowhere else.

Two modes. Without a limit paths mean what they mean to the computer's user: links on the way are followed, as
their own programs do. With a limit (the customer's choice) every name on the way from the root is opened
without following a link, and the way leads through one of the chosen folders; links and other tricks are
refused by the system, not by looking at text. How, and what a path looks like, is `host.files.system`.
"""

import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

from host.files.system import system
from host.problems import RequestProblem


@dataclass(frozen=True, slots=True)
class Place:
    """A name in an open folder.

    Attributes:
        folder: open as long as the block that made this place; `system.COMPUTER` for the folder of drives.
        name: one component; ``.`` for a limit's own top or the root.
        follows_links: reading a link reads what it leads to; never so beneath a limit.
    """

    folder: int
    name: str
    follows_links: bool

    @property
    def is_computer(self) -> bool:
        """Whether it is the folder of drives, in which there is nothing else."""
        return self.folder == system.COMPUTER

    def facts(self) -> system.Facts:
        """Of the thing itself, never of what a link leads to."""
        return system.facts(self.name, self.folder)

    def open_to_read(self) -> int:
        """A descriptor of it, or of what it leads to where links are followed.

        Raises:
            OSError: it is missing, denied, or a link beneath a limit (ELOOP).
        """
        return system.open_to_read(self.name, self.folder, follow=self.follows_links)

    @contextmanager
    def listed(self) -> Iterator[int]:
        """The folder that it is, or leads to where links are followed, opened to be listed.

        Raises:
            OSError: as `open_to_read`, or it is no folder.
        """
        folder = system.open_to_list(self.name, self.folder, follow=self.follows_links)
        try:
            yield folder
        finally:
            system.close_folder(folder)


class Places:
    """What of this computer may be reached.

    Args:
        limit: folders (absolute, without links) that the customer chose; None for all the user may reach.
    """

    def __init__(self, limit: Sequence[str] | None = None) -> None:
        self._tops = [] if limit is None else [tuple(system.names_of(folder)) for folder in limit]
        self.limit = None if limit is None else tuple("/" + "/".join(top) for top in self._tops)

    @contextmanager
    def at(self, path: str) -> Iterator[Place]:
        """The place that `path` names, for the time of the block. The thing itself may not exist.

        Args:
            path: absolute, untrusted; may not contain ``..`` or NUL.

        Raises:
            RequestProblem: it is no path, or leads outside the limit.
            OSError: a folder on the way cannot be passed.
        """
        place = self.open(system.parse_path(path))
        try:
            yield place
        finally:
            system.close_folder(place.folder)

    def open(self, names: Sequence[str]) -> Place:
        """The place of these names; whoever asks closes its folder."""
        if self.limit is None:
            # A drive, like a root, is a folder by itself.
            has_no_folder = not names or (system.HAS_DRIVES and len(names) == 1)
            folder = system.open_path(names if has_no_folder else names[:-1])
            return Place(folder, "." if has_no_folder else names[-1], follows_links=True)
        top, rest = self._top_of(names)
        return Place(system.open_beneath(top, rest[:-1]), rest[-1] if rest else ".", follows_links=False)

    def is_top(self, names: Sequence[str]) -> bool:
        """Whether these names are the root, a drive or a chosen folder, which is in no other that is open."""
        if self.limit is None:
            return len(names) <= (1 if system.HAS_DRIVES else 0)
        return system.fold(names) in [system.fold(top) for top in self._tops]

    def _top_of(self, names: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
        """The chosen folder that these names lead into, in its own spelling, and the names below it.

        The way to the chosen folder is walked as well: one that lies in another could be swapped by a viewer.
        """
        for top in self._tops:
            if system.fold(names[: len(top)]) == system.fold(top):
                return top, names[len(top) :]
        raise RequestProblem("outside", "/" + "/".join(names))


class NearbyPlaces:
    """Places of one go through many requests: the folder of the last one stays open for the next.

    A context manager, which closes it. What a folder's name leads to is looked up once for a run of
    requests in it, as if they had all come at the moment of the first.
    """

    def __init__(self, places: Places) -> None:
        self._places = places
        self._place: Place | None = None
        self._names: Sequence[str] | None = None
        """Of the folder that its name is in; None for a top, which is in none."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._close()

    def at(self, path: str) -> Place:
        """As `Places.at`; good until the next call."""
        names = system.parse_path(path)
        if self._place is not None and names[:-1] == self._names and not self._places.is_top(names):
            return Place(self._place.folder, names[-1], self._place.follows_links)
        self._close()
        self._place = self._places.open(names)
        if not self._places.is_top(names):
            self._names = names[:-1]
        return self._place

    def _close(self) -> None:
        if self._place is not None:
            system.close_folder(self._place.folder)
        self._names = self._place = None


def kind_of(mode: int) -> str:
    """``file``, ``folder``, ``link`` or ``other``."""
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "folder"
    return "link" if stat.S_ISLNK(mode) else "other"
