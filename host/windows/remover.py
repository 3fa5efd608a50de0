"""The last process: it takes away the service and the program that it runs from, and signs the receipt.

The engine has removed all else by then, and has ended with its window; the service starts this process and
stops. Windows lets nobody delete a program or a library that runs, so this one is still there when it says
what is gone. In this order nothing is lost wherever it is stopped:

1. All that the engine has removed is looked for once more.
2. The program's files go, but for those that the service needs to start this process again.
3. A *guard* begins to wait for the end of this process: Windows' command interpreter, which deletes the
   service then, if it is still there, and the session's folder with whatever is still in it.
4. The service is deleted, and looked for.
5. The rest of the program's files and the key of the receipt go, but for what runs: a few libraries.
6. The receipt is signed and handed in; it names these last files. Then the guard has its turn.

Until 4. the service begins anew after any interruption; from 3. on the guard needs nobody any more. If the
power fails after 4., files of the program stay, which nothing starts and no secret is in; the next temporary
host on this computer removes them. What cannot be deleted because somebody else has it open is deleted by
Windows at its next start.
"""

import sys

if sys.platform != "win32":
    raise ImportError("only for Windows")

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import trio

from host.farewell import Farewell
from host.hello import learn_facts
from host.host_lock import AlreadyRunning, HostLock
from host.installation import Installation, InstallationError, Removal
from host.layout import FAREWELL_NAME, MANIFEST_NAME, PACKAGES_NAME
from host.receipt import get_ready, hand_in
from host.windows.deletion import opened_folder, remove_file, remove_tree
from host.windows.folders import system_folder
from host.windows.loaded import imported_files, loaded_files
from host.windows.restart_list import delete_at_restart
from host.windows.service_manager import STOPPED, delete_service, service_state
from host.windows.supervisor import DETACHED, service_name

STOP_TIMEOUT: Final = 60.0
"""Seconds for the service to stop, which ends right after it has started this process."""
DELETION_TIMEOUT: Final = 10.0
"""Seconds for others to close what is to be deleted: a process of ours that ends, a virus scanner."""
GUARD_TRIES: Final = 30
"""Of deleting what this process ran from, one a second, once it has ended."""
RUNNING_FILES: Final = "running files"
"""In the receipt: what this process runs from, the manifest that names it, and their folder."""
_LOOK_INTERVAL: Final = 0.2


def run_remover(folder: Path) -> int:
    """Remove what is left of the session in `folder`, whose service started this. Returns the exit code."""
    name = service_name(folder)
    if not _comes_true(lambda: service_state(name) in (None, STOPPED), STOP_TIMEOUT):
        return 1  # the service begins anew when it is started next
    farewell, facts = Farewell.load(folder), learn_facts()
    if farewell is not None:
        trio.run(get_ready, farewell, facts)
    removal, files = _look_once_more(folder)
    packages, library = folder / PACKAGES_NAME, Path(sys.prefix)
    needed = imported_files() | loaded_files() | set(library.iterdir())
    _delete(packages, [file for file in files if file not in needed])

    is_guarded = _start_guard(folder, name)
    left = list(removal.left)
    is_retried = False
    if not _delete_service(name):
        left.append("service")
        is_retried = True  # the next start of Windows is the end of what it was told to delete
    _delete_key(folder)
    # The library's own archive is read from as long as anything may be imported.
    running = loaded_files() | set(library.glob("python*.zip"))
    rest = _delete(packages, [file for file in files if file not in running])
    if rest:
        left.append("program")
    if not is_guarded:
        left.append(RUNNING_FILES)
    if (
        rest or not is_guarded
    ):  # and what runs, too: the guard may be stopped by what is in use, or with Windows
        is_retried |= _leave_to_windows(folder, [file for file in files if os.path.lexists(file)])

    removed = [*removal.removed, *(name for name in ("service", "program") if name not in left)]
    going = [] if RUNNING_FILES in left else [RUNNING_FILES]
    if farewell is not None:
        receipt = farewell.receipt(removed, left, going, again=is_retried)
        trio.run(hand_in, farewell, receipt, facts)
    return 0


def removal_line(folder: Path, name: str) -> str:
    """Arguments of ``cmd.exe`` that wait for the end of its input, and then remove the service `name`, if it
    is still there, `folder`, and the one around it if that is empty.

    Nobody but administrators can put anything into the folder, and links in it are removed, not followed.
    """
    once = f'rmdir /s /q "{folder}" & rmdir "{folder.parent}"'
    until_gone = f'ping -n 2 127.0.0.1 & if not exist "{folder}" exit'
    tries = f"for /l %i in (1,1,{GUARD_TRIES}) do @{once} & {until_gone}"
    return f'/d /s /c "set /p end= & sc delete {name} & {tries}"'


def _look_once_more(folder: Path) -> tuple[Removal, list[Path]]:
    """What of all that is not the program is gone; and the program's files."""
    try:
        installation = Installation.open(folder)
    except InstallationError:  # the guard does what can be done then
        return Removal([], ["manifest"]), []
    try:
        lock = HostLock(folder.parent)  # the engine may have been ended before it took this away
    except (AlreadyRunning, OSError):
        lock = None
    return installation.remove(lock), installation.packed_files()


def _delete(packages: Path, files: list[Path]) -> list[Path]:
    """Delete files of the program, and folders that are empty then; returns the files still there."""

    def delete_those_left() -> bool:
        names = [file.relative_to(packages).as_posix() for file in files if os.path.lexists(file)]
        with contextlib.suppress(OSError):  # what is not gone is seen
            remove_tree(packages, names)
        return not any(map(os.path.lexists, files))

    _comes_true(delete_those_left, DELETION_TIMEOUT)
    return [file for file in files if os.path.lexists(file)]


def _delete_service(name: str) -> bool:
    """False if it is still there, since somebody has it open."""
    try:
        delete_service(name)
    except OSError:
        return False
    return _comes_true(lambda: service_state(name) is None, DELETION_TIMEOUT)


def _delete_key(folder: Path) -> None:
    """The receipt's, which is in memory. What cannot be deleted is the guard's."""
    for name in (FAREWELL_NAME, f"{FAREWELL_NAME}.new"):
        with contextlib.suppress(OSError), opened_folder(folder) as opened:
            remove_file(name, opened)


def _start_guard(folder: Path, name: str) -> bool:
    """Start a process whose standard input ends with this one, however that does. False if none starts."""
    its_input, _kept_open = os.pipe()  # a number that nothing closes before the very end
    try:
        subprocess.Popen(  # noqa: S603 - a program of the system, by its whole path
            f'"{system_folder() / "cmd.exe"}" {removal_line(folder, name)}',
            cwd=system_folder(),
            creationflags=DETACHED,
            stdin=its_input,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        return False
    finally:
        os.close(its_input)
    return True


def _leave_to_windows(folder: Path, files: Iterable[Path]) -> bool:
    """Have the next start of the computer delete these, and the folders of ours that are empty then."""
    files = [*files, folder / MANIFEST_NAME]
    inside = {above for file in files for above in file.parents if folder in above.parents}
    inner_first = sorted(inside, key=lambda path: len(path.parts), reverse=True)
    try:
        delete_at_restart(files, [*inner_first, folder, folder.parent])
    except OSError:
        return False
    return True


def _comes_true(is_so: Callable[[], bool], seconds: float) -> bool:
    """Whether it is so within that time; nobody announces it."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_INTERVAL)
    return True
