"""Whose desktop is on this computer's screen: the display to offer, and the right to use it (X11, Linux).

A host that the customer started has both in its environment. One that root started by sudo may lack the
right, which is in the customer's home folder then. One that the system started has neither: it looks who
sits before the screen (logind), and takes what a program of theirs has. Standard library only.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from host.systemd import CALL_TIMEOUT, PROGRAM_PATH

MAX_ENVIRONMENT_BYTES: Final = 256 * 1024
MAX_SESSIONS: Final = 32

_LOCAL_DISPLAY: Final = re.compile(r":[0-9]{1,5}(\.[0-9]{1,2})?")
_SESSION: Final = re.compile(r"[A-Za-z0-9]{1,32}")


@dataclass(frozen=True, slots=True)
class Desktop:
    """A desktop that is shown.

    Attributes:
        display: of X11.
        authority: the file with the right to use it; "" where none is needed, or the user's own is right.
    """

    display: str
    authority: str = ""

    def enter(self, environment: MutableMapping[str, str] = os.environ) -> None:
        """Let this program, and those it starts, use the desktop."""
        environment["DISPLAY"] = self.display
        if self.authority:
            environment["XAUTHORITY"] = self.authority


def find_desktop(
    display: str | None = None, environment: Mapping[str, str] = os.environ, proc: Path = Path("/proc")
) -> Desktop | None:
    """The desktop to offer; None if there is none now. Blocks: may ask logind.

    Args:
        display: as asked for on the command line.
        environment: of this program.
        proc: where the system tells of processes.
    """
    shown = display or environment.get("DISPLAY", "")
    if shown:
        return Desktop(shown, environment.get("XAUTHORITY", "") or _sudo_authority(environment))
    if os.geteuid() != 0:
        return None
    user = _user_at_screen()
    return None if user is None else _desktop_of(user, proc)


def _sudo_authority(environment: Mapping[str, str]) -> str:
    """The customer's own, where root was made of them and sudo kept only the display."""
    import pwd

    if os.geteuid() != 0 or not environment.get("SUDO_UID", "").isdecimal():
        return ""
    try:
        home = pwd.getpwuid(int(environment["SUDO_UID"])).pw_dir
    except (KeyError, OverflowError):
        return ""
    path = Path(home) / ".Xauthority"
    return str(path) if path.is_file() else ""


def _user_at_screen() -> int | None:
    """The user of the graphical session that is active; else, for the login screen, its own."""
    found: dict[str, int] = {}
    for session in (_loginctl("list-sessions", "--no-legend") or "").splitlines()[:MAX_SESSIONS]:
        name = session.split()[0] if session.split() else ""
        if not _SESSION.fullmatch(name):
            continue
        properties = ("Active", "Class", "Type", "User", "Remote")
        told = _loginctl("show-session", name, *(f"--property={wanted}" for wanted in properties)) or ""
        facts = dict(line.split("=", 1) for line in told.splitlines() if "=" in line)
        is_here = facts.get("Active") == "yes" and facts.get("Remote") != "yes"
        if is_here and facts.get("Type") in ("x11", "wayland") and facts.get("User", "").isdecimal():
            found.setdefault(facts.get("Class", ""), int(facts["User"]))
    return found.get("user", found.get("greeter"))


def _loginctl(*arguments: str) -> str | None:
    program = shutil.which("loginctl", path=PROGRAM_PATH)
    if program is None:
        return None
    try:
        done = subprocess.run(  # noqa: S603 - a program of the system, by its whole path
            [program, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=CALL_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None


def _desktop_of(user: int, proc: Path) -> Desktop | None:
    """What a program of this user has in its environment; one with the right to the display is preferred."""
    best: Desktop | None = None
    for process in sorted(proc.iterdir()):
        if not process.name.isdecimal():
            continue
        try:
            if process.stat().st_uid != user:
                continue
            with (process / "environ").open("rb") as file:
                data = file.read(MAX_ENVIRONMENT_BYTES)
        except OSError:  # it has ended, or is not to be looked at
            continue
        pairs = (entry.partition(b"=") for entry in data.split(b"\0"))
        known = {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}
        if not _LOCAL_DISPLAY.fullmatch(known.get("DISPLAY", "")):
            continue
        found = Desktop(known["DISPLAY"], known.get("XAUTHORITY", ""))
        if found.authority.startswith("/"):
            return found
        best = best or Desktop(found.display)
    return best
