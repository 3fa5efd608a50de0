"""The host from its first code in a file that brings its packages along, to its end (stdlib only).

What differs between the kinds of such files is how their packages get onto the computer; all else is here:
the manifest exists before anything is unpacked, and what was begun is undone if it cannot go on.
"""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

from host.arguments import PROGRAM_NAME, parse_arguments
from host.installation import Installation
from host.last_words import complain
from host.preflight import report_refusal
from host.starting import CannotStart, Start, fail, go_on_removing, start
from host.texts import Texts
from relay.protocol.link_blob import TAIL_BYTES, read_link
from relay.protocol.links import LinkError
from relay.protocol.refusals import Refusal

EXIT_UNUSABLE: Final = 2
"""As for a command line that cannot be used."""


def run(file: Path, arguments: Sequence[str], unpack: Callable[[Installation], None]) -> int:
    """Install and run the host. Returns the exit code.

    Args:
        file: the one that runs: downloaded by the customer, or the copy that comes back after a restart.
        arguments: the command line, without the program's name.
        unpack: notes the packages in the manifest and makes them importable.
    """
    texts = Texts.of_environment()
    if not is_complete(file):
        complain(PROGRAM_NAME, texts.get("incomplete"))
        return EXIT_UNUSABLE
    given = parse_arguments(arguments, file=file)
    try:
        started = start(given, texts)
    except CannotStart as exc:
        return fail(str(exc))
    installation = started.installation
    if installation.has_farewell:
        return _end(started, texts, unpack)
    if not installation.is_ending:
        # Until the host takes the signals over, a signal undoes what was begun.
        is_new = not installation.has_state
        signal.signal(signal.SIGTERM, _stop)
        try:
            installation.note_download(file)
            unpack(installation)
            if sys.platform == "win32":
                from host.windows.beginning import run_bundle
            else:
                from host.cli import run_bundle
        except BaseException as exc:
            if is_new:
                started.remove()
            if isinstance(exc, OSError):
                if given.link is not None:
                    report_refusal(given.link.origin, given.link.invite, Refusal.CANNOT_INSTALL)
                return fail(texts.get("cannot_install", why=exc.strerror or exc))
            if isinstance(exc, KeyboardInterrupt):
                return 1
            raise
        return run_bundle(given, started, file)
    return go_on_removing(started, texts)


def _end(started: Start, texts: Texts, unpack: Callable[[Installation], None]) -> int:
    """Go on with a removal that has a receipt to hand in, which takes the packages once more."""
    try:
        unpack(started.installation)
        from host.cli import finish_removal
    except (OSError, ImportError):  # a full disk: it is removed without a word then
        return go_on_removing(started, texts)
    return finish_removal(started, texts)


def is_complete(file: Path) -> bool:
    """False if the file ends before the place for the link, which is the last thing in it, or in the link."""
    try:
        with file.open("rb") as opened:
            opened.seek(max(0, os.fstat(opened.fileno()).st_size - TAIL_BYTES))
            read_link(opened.read(TAIL_BYTES))
    except LinkError:
        return False
    except OSError:  # somebody moved it away; what runs is complete
        return True
    return True


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    """What SIGTERM does before the host runs."""
    sys.exit(1)
