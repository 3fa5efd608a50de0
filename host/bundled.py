"""The host from its first code in a file that brings its packages along, to its end (stdlib only).

What differs between the kinds of such files is how their packages get onto the computer; all else is here:
the manifest exists before anything is unpacked, and what was begun is undone if it cannot go on.
"""

import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from host.arguments import parse_arguments
from host.installation import Installation
from host.starting import CannotStart, fail, go_on_removing, start
from host.texts import Texts


def run(file: Path, arguments: Sequence[str], unpack: Callable[[Installation], None]) -> int:
    """Install and run the host. Returns the exit code.

    Args:
        file: the one that runs: downloaded by the customer, or the copy that comes back after a restart.
        arguments: the command line, without the program's name.
        unpack: notes the packages in the manifest and makes them importable.
    """
    texts = Texts.of_environment()
    given = parse_arguments(arguments)
    try:
        started = start(given, texts)
    except CannotStart as exc:
        return fail(str(exc))
    installation = started.installation
    if not installation.is_ending:
        # Until the host takes the signals over, a signal undoes what was begun.
        is_new = not installation.has_state
        signal.signal(signal.SIGTERM, _stop)
        try:
            installation.note_download(file)
            unpack(installation)
            from host.cli import run_bundle
        except BaseException as exc:
            if is_new:
                started.remove()
            if isinstance(exc, OSError):
                return fail(texts.get("cannot_install", why=exc.strerror or exc))
            if isinstance(exc, KeyboardInterrupt):
                return 1
            raise
        return run_bundle(given, started, file)
    return go_on_removing(started, texts)


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    """What SIGTERM does before the host runs."""
    sys.exit(1)
