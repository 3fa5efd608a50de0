"""From the program that the customer started, as an administrator, to a service that goes on by itself.

The bundle, all that the downloaded file has unpacked, is copied to where administrators alone may write; the
service is made and started; then the customer's program ends, and takes away what it has unpacked. All that
follows is the service's (`host.windows.supervisor`), also after a restart of the computer.
"""

import sys

if sys.platform != "win32":
    raise ImportError("only for Windows")

import contextlib
from pathlib import Path
from typing import Final

from host.arguments import Arguments
from host.starting import Start, fail
from host.texts import Texts
from host.windows.language import ui_language
from host.windows.program import MODULE, OPTIONS
from host.windows.service_manager import (
    RUNNING,
    STOPPED,
    create_service,
    delete_service,
    service_state,
    start_service,
)
from host.windows.supervisor import service_name

INTERPRETER: Final = "python/pythonw.exe"
"""In the bundle."""
START_TRIES: Final = 3
"""Windows gives a service thirty seconds to answer; a slow computer is faster the second time."""


def run_bundle(given: Arguments, started: Start, file: Path) -> int:
    """Hand the session over to a service; returns the exit code, while the session goes on.

    Args:
        given: the command line; who wants to talk in the terminal gets a host without a service.
        started: whose lock is given to the service.
        file: that the customer downloaded.
    """
    from host import cli

    if given.is_terminal or started.installation.is_ending:
        return cli.run_bundle(given, started, file)
    try:
        _install(started, given, Path(sys.prefix).parent)
    except OSError as exc:
        with contextlib.suppress(OSError):  # else the next start of the computer goes on with it
            delete_service(service_name(started.installation.folder))
        started.remove()
        texts = Texts.of_environment()
        return fail(texts.get("cannot_install", why=exc.strerror or exc))
    return 0


def _install(started: Start, given: Arguments, bundle: Path) -> None:
    """Raises OSError: some of it may be there then, and in the manifest."""
    from host.cli import load_state

    installation = started.installation
    load_state(installation.folder, given.link)
    names = [path.relative_to(bundle).as_posix() for path in bundle.rglob("*") if path.is_file()]
    installation.note_unpacked_download(bundle, names)
    installation.unpack(names, lambda name: (bundle / name).read_bytes())
    name = service_name(installation.folder)
    installation.note_service(name)
    words = (*OPTIONS, "-m", MODULE, "service", name, str(installation.folder), ui_language())
    create_service(name, [installation.packages / INTERPRETER, *words])
    started.lock.release(remove=False)
    _start(name)


def _start(name: str) -> None:
    for tries_left in reversed(range(START_TRIES)):
        try:
            start_service(name)
        except OSError:
            if service_state(name) in (None, STOPPED) and not tries_left:
                raise
        if service_state(name) == RUNNING:
            return
