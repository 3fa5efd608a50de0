"""From the command line to an installation that this process alone may use.

Used by the single file's bootstrap before anything is unpacked, hence the standard library only.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from host.arguments import PROGRAM_NAME, Arguments
from host.host_lock import AlreadyRunning, HostLock
from host.installation import Installation, InstallationError, Removal, finish_removals
from host.layout import data_folder, is_begun, session_folder
from host.preflight import find_obstacle_here, find_obstacle_with, report_refusal
from host.texts import Texts
from relay.protocol.links import DeploymentLink
from relay.protocol.refusals import Refusal

EXIT_LEFT: Final = 3
"""The session ended, and something could not be removed; no manager of services starts it again for that."""


class CannotStart(Exception):
    """`str(error)` is one sentence for the customer, `refusal` what the technician is told."""

    def __init__(self, refusal: Refusal, sentence: str) -> None:
        super().__init__(sentence)
        self.refusal = refusal


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
        return self.installation.remove(self.lock)


def start(given: Arguments, texts: Texts) -> Start:
    """Take the lock, finish removals that were cut short, and find or make the installation.

    An installation whose own removal was cut short comes back with `is_ending` set. Before a new one is made,
    the relay is asked whether it may begin; why it does not begin is told to the relay.

    Raises:
        CannotStart: something on this computer is in the way (`relay.protocol.refusals`), or there is nothing
            to resume; nothing new is on the computer.
    """
    try:
        return _start(given, texts)
    except CannotStart as exc:
        if given.link is not None:
            report_refusal(given.link.origin, given.link.invite, exc.refusal)
        raise


def _start(given: Arguments, texts: Texts) -> Start:
    display = given.display or os.environ.get("DISPLAY", "")
    if not display and sys.platform != "win32":
        raise CannotStart(Refusal.NO_DISPLAY, texts.get("no_display"))
    try:
        if given.resume is not None:
            Installation.open(given.resume)  # before a lock is made where nothing is
            folder = given.resume
        elif given.link is not None:
            folder = session_folder(data_folder(given.data_home), given.link.invite)
            if not is_begun(folder):
                _check_may_begin(given.link, texts)
        else:
            raise AssertionError("the command line has a link or a folder")
        lock = HostLock(folder.parent)
        try:
            return Start(lock, _find_or_make(folder, lock, is_new=given.resume is None), display)
        except BaseException:
            lock.release(remove=True)
            raise
    except AlreadyRunning as exc:
        raise CannotStart(Refusal.OTHER_HOST, texts.get("already_running")) from exc
    except InstallationError as exc:
        raise CannotStart(Refusal.CANNOT_INSTALL, str(exc)) from exc
    except OSError as exc:
        raise CannotStart(
            Refusal.CANNOT_INSTALL, texts.get("cannot_install", why=exc.strerror or exc)
        ) from exc


def _check_may_begin(link: DeploymentLink, texts: Texts) -> None:
    """Raises CannotStart."""
    obstacle = find_obstacle_here(texts) or find_obstacle_with(link, texts)
    if obstacle is not None:
        raise CannotStart(obstacle.refusal, obstacle.sentence)


def go_on_removing(started: Start, texts: Texts) -> int:
    """Remove an installation whose removal had begun already. Returns the exit code."""
    removal = started.remove()
    print(texts.get("removed"))
    if removal.left:
        print(texts.get("left", names=", ".join(removal.left)))
        return EXIT_LEFT
    return 0


def fail(sentence: str) -> int:
    """Say why it does not work, on one line. Returns the exit code."""
    print(f"{PROGRAM_NAME}: {sentence}", file=sys.stderr)
    return 1


def _find_or_make(folder: Path, lock: HostLock, *, is_new: bool) -> Installation:
    finish_removals(folder.parent, besides=folder)
    return Installation.create(folder, lock.made_folders) if is_new else Installation.open(folder)
