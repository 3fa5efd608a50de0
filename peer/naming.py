"""Giving a file that is whole the name it is meant to have; host and technician do it alike. Blocks."""

import errno
import os
from contextlib import suppress
from typing import Final, NamedTuple

_HAS_NO_LINKS: Final = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS})
"""What FAT and the like answer; there, renaming has to do."""


class Name(NamedTuple):
    """A name in an open folder, or a whole path.

    Attributes:
        name: the name.
        folder: descriptor; None where `name` is a path.
    """

    name: str
    folder: int | None = None


def give_name(part: Name, target: Name, *, overwrite: bool, keep: Name | None = None) -> None:
    """Makes a part what it is meant to be, at once.

    Args:
        part: the file that is whole, on the same disk.
        target: the name it gets.
        overwrite: what has this name may be replaced.
        keep: a name that what is replaced gets before, so that there is no moment without either.

    Raises:
        OSError: EEXIST, something has the name, or the one under which it was to be kept.
    """
    if keep is not None:
        with suppress(FileNotFoundError):
            _add_name(target, keep)
    if overwrite:
        os.replace(part.name, target.name, src_dir_fd=part.folder, dst_dir_fd=target.folder)
    elif _add_name(part, target):
        os.unlink(part.name, dir_fd=part.folder)


def _add_name(old: Name, new: Name) -> bool:
    """Another name for a file, which nothing may have yet. False: it has it instead of the old one."""
    try:
        # A link, unlike renaming, fails if somebody took the name meanwhile.
        if os.link in os.supports_follow_symlinks:
            os.link(old.name, new.name, src_dir_fd=old.folder, dst_dir_fd=new.folder, follow_symlinks=False)
        else:
            os.link(old.name, new.name)
    except OSError as exc:
        if exc.errno not in _HAS_NO_LINKS:
            raise
        os.rename(old.name, new.name, src_dir_fd=old.folder, dst_dir_fd=new.folder)
        return False
    return True
