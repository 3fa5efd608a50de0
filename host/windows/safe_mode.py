"""Safe mode with network: only services that are listed for it start there, and ours is for one session.

The boot loader is told to start that way (bcdedit), and no more as soon as it has: a computer that came up in
safe mode comes up as usual the next time, whatever happens to this program. Standard library only.
"""

import sys

if sys.platform != "win32":
    raise ImportError("only for Windows")

import contextlib
import subprocess
import winreg
from collections.abc import Callable, Sequence
from typing import Final

from host.windows.folders import system_folder

CALL_TIMEOUT: Final = 20.0
_LISTED: Final = r"SYSTEM\CurrentControlSet\Control\SafeBoot\Network"
_ENTER: Final = ("/set", "{current}", "safeboot", "network")
_LEAVE: Final = ("/deletevalue", "{current}", "safeboot")

Call = Callable[[Sequence[str]], None]


def enter(service: str, call: Call | None = None) -> None:
    """Have the next start be in safe mode, with this service. In the manifest it is before.

    Args:
        service: its name.
        call: calls bcdedit with arguments.

    Raises:
        OSError: it cannot be done; nothing is changed for the next start then.
    """
    with winreg.CreateKey(winreg.HKEY_LOCAL_MACHINE, rf"{_LISTED}\{service}") as key:
        winreg.SetValue(key, "", winreg.REG_SZ, "Service")
    try:
        (call or _call)(_ENTER)
    except OSError:
        _unlist(service)
        raise


def leave(service: str, call: Call | None = None) -> None:
    """Have the next start be as usual, and the service no more listed. Raises OSError."""
    try:
        # Fails where it is as usual already, which cannot be told from other failures: so it is not asked.
        with contextlib.suppress(subprocess.SubprocessError):
            (call or _call)(_LEAVE)
    finally:
        _unlist(service)


def _unlist(service: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        winreg.DeleteKey(winreg.HKEY_LOCAL_MACHINE, rf"{_LISTED}\{service}")


def _call(arguments: Sequence[str]) -> None:
    """Raises OSError: there is no bcdedit, or it refused to enter."""
    try:
        subprocess.run(  # noqa: S603 - a program of the system, by its whole path
            [system_folder() / "bcdedit.exe", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=CALL_TIMEOUT,
            check=True,
        )
    except subprocess.SubprocessError as exc:
        if arguments == _LEAVE:
            raise
        raise OSError("Windows does not let its start be changed.") from exc
