"""From the command line to an installation that this process alone may use.

Used by the single file's bootstrap before anything is unpacked, hence the standard library only.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from host.arguments import PROGRAM_NAME, Arguments
from host.exits import EXIT_LEFT
from host.host_lock import AlreadyRunning, HostLock
from host.installation import Installation, InstallationError, Removal, finish_removals
from host.last_words import complain
from host.layout import data_folder, is_begun, session_folder
from host.preflight import find_obstacle_here, find_obstacle_with, report_refusal
from host.texts import Texts
from relay.protocol.links import DeploymentLink
from relay.protocol.refusals import Refusal

if sys.platform != "win32":
    from host.desktop_session import find_desktop


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
        display: the X display to offer; "" on Windows, and for a service while no desktop is shown.
    """

    lock: HostLock
    installation: Installation
    display: str

    @property
    def is_unattended(self) -> bool:
        """True for a service while there is no desktop that a customer could see it on."""
        return not self.display and sys.platform != "win32"

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
    display = _enter_desktop(given.display)
    try:
        if given.resume is not None:
            folder = given.resume
            known = Installation.open(folder)  # before a lock is made where nothing is
            needs_display = not (known.is_ending or known.is_service)
        elif given.link is not None:
            folder = session_folder(data_folder(given.data_home), given.link.invite)
            needs_display = True
        else:
            raise AssertionError("the command line has a link or a folder")
        if needs_display and not display and sys.platform != "win32":
            raise CannotStart(Refusal.NO_DISPLAY, texts.get("no_display"))
        if given.link is not None and not is_begun(folder):
            _check_may_begin(given.link, texts)
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


def _enter_desktop(wanted: str | None) -> str:
    """The X display that is offered, and that this program may use from now on; "" for none."""
    if sys.platform == "win32":
        return ""
    else:  # for the type checker, which looks for names also in what it knows is never reached
        desktop = find_desktop(wanted)
        if desktop is None:
            return ""
        desktop.enter()
        return desktop.display


def _check_may_begin(link: DeploymentLink, texts: Texts) -> None:
    """Raises CannotStart."""
    obstacle = find_obstacle_here(texts) or find_obstacle_with(link, texts)
    if obstacle is not None:
        raise CannotStart(obstacle.refusal, obstacle.sentence)


def go_on_removing(started: Start, texts: Texts, report: Callable[[Removal], None] | None = None) -> int:
    """Remove an installation whose removal had begun already. Returns the exit code.

    Args:
        report: tells the relay what came of it.
    """
    removal = started.remove()
    print(texts.get("removed"))
    if removal.left:
        print(texts.get("left", names=", ".join(removal.left)))
    if report is not None:
        report(removal)
    return EXIT_LEFT if removal.left else 0


def fail(sentence: str) -> int:
    """Say why it does not work, on one line. Returns the exit code."""
    complain(PROGRAM_NAME, sentence)
    return 1


def _find_or_make(folder: Path, lock: HostLock, *, is_new: bool) -> Installation:
    finish_removals(folder.parent, besides=folder)
    return Installation.create(folder, lock.made_folders) if is_new else Installation.open(folder)
