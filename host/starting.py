"""From the command line to an installation that this process alone may use.

Used by the single file's bootstrap before anything is unpacked, hence the standard library only.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from host.arguments import PROGRAM_NAME, Arguments
from host.installation import (
    AlreadyRunning,
    HostLock,
    Installation,
    InstallationError,
    Removal,
    data_folder,
    finish_removals,
    session_folder,
)
from host.texts import Texts


class CannotStart(Exception):
    """`str(error)` is one sentence for the customer."""


@dataclass(frozen=True, slots=True)
class Start:
    """What a start has come to.

    Attributes:
        lock: held by this process.
        installation: of the session.
        display: the X display to offer.
    """

    lock: HostLock
    installation: Installation
    display: str

    def remove(self) -> Removal:
        """Remove the installation, and what it needed around it; the lock is given back. Blocks."""
        removal = self.installation.remove()
        self.lock.release(remove=True)
        self.installation.remove_surroundings()
        return removal


def start(given: Arguments, texts: Texts) -> Start:
    """Take the lock, finish removals that were cut short, and find or make the installation.

    An installation whose own removal was cut short comes back with `is_ending` set.

    Raises:
        CannotStart: there is no display, another host runs, nothing to resume, or nothing can be written.
    """
    display = given.display or os.environ.get("DISPLAY", "")
    if not display and sys.platform != "win32":
        raise CannotStart(texts.get("no_display"))
    try:
        if given.resume is not None:
            Installation.open(given.resume)  # before a lock is made where nothing is
            folder = given.resume
        elif given.link is not None:
            folder = session_folder(data_folder(given.data_home), given.link.invite)
        else:
            raise AssertionError("the command line has a link or a folder")
        lock = HostLock(folder.parent)
        try:
            return Start(lock, _find_or_make(folder, lock, is_new=given.resume is None), display)
        except BaseException:
            lock.release(remove=True)
            raise
    except AlreadyRunning as exc:
        raise CannotStart(texts.get("already_running")) from exc
    except InstallationError as exc:
        raise CannotStart(str(exc)) from exc
    except OSError as exc:
        raise CannotStart(texts.get("cannot_install", why=exc.strerror or exc)) from exc


def fail(sentence: str) -> int:
    """Say why it does not work, on one line. Returns the exit code."""
    print(f"{PROGRAM_NAME}: {sentence}", file=sys.stderr)
    return 1


def _find_or_make(folder: Path, lock: HostLock, *, is_new: bool) -> Installation:
    finish_removals(folder.parent, besides=folder)
    return Installation.create(folder, lock.made_folders) if is_new else Installation.open(folder)
