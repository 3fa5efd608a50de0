"""systemd, as far as a temporary host needs it: a unit that starts it again, and that it is forgotten after.

Units are enabled by the link that ``systemctl enable`` would make, so that the manifest names each file that
there is. Only what the running manager knows beside files needs the manager: to read units anew, to start
one. Standard library only; Linux.
"""

import sys

if sys.platform == "win32":
    raise ImportError("not for Windows")

import contextlib
import os
import shutil
import stat
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from host.deletion import opened_folder
from host.exits import EXIT_AGAIN, EXIT_LEFT
from host.layout import SYSTEM_UNITS, is_for_system, xdg_folder

CALL_TIMEOUT: Final = 20.0
PROGRAM_PATH: Final = "/usr/bin:/bin:/usr/sbin:/sbin"
"""Where systemctl is looked for: root follows nobody's ``PATH``."""


@dataclass(frozen=True, slots=True)
class Manager:
    """One of systemd's managers.

    Attributes:
        kind: of the whole system, or of this user.
        systemctl: the program to talk to it by.
        units: the folder for unit files.
        target: what wants the host: for a user that is their graphical session, which has a display.
    """

    kind: Literal["system", "user"]
    systemctl: str
    units: Path
    target: str

    def call(self, *arguments: str) -> str | None:
        """What systemctl printed; None if it failed, or could not be run."""
        command = [self.systemctl, *(("--user",) if self.kind == "user" else ()), "--no-ask-password"]
        try:
            done = subprocess.run(  # noqa: S603 - a program of the system, by its whole path
                [*command, *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=CALL_TIMEOUT,
                check=False,
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else None

    def reload(self) -> None:
        """Have it read its units anew."""
        self.call("daemon-reload")

    def start(self, unit: str) -> None:
        """Have it start a unit, and do not wait for that."""
        self.call("start", "--no-block", unit)

    def forget(self, unit: str) -> None:
        """Have it forget a unit whose file is gone.

        Raises:
            OSError: it still knows it.
        """
        self.reload()
        self.call("reset-failed", unit)  # fails for one that has not failed
        if self.call("show", "--property=LoadState", "--value", unit) not in (None, "not-found"):
            raise OSError(f"systemd still knows {unit}")


def remove_together(paths: Sequence[Path]) -> None:
    """Remove the files and links among these that are ours, in a process that goes on if this one is killed.

    A unit without the link that enables it would be left for good: there is no order in which one of the two
    could be the last to go.
    """
    ours = [path for path in paths if _is_ours(path)]
    if ours:
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            subprocess.run(  # noqa: S603 - a program of the system, by its whole path
                ["/bin/rm", "-f", "--", *map(str, ours)],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                start_new_session=True,
                timeout=CALL_TIMEOUT,
                check=False,
            )


def _is_ours(path: Path) -> bool:
    """Whether a host of this user put this there, with no link on the way to it."""
    try:
        with opened_folder(path.parent) as folder:
            found = os.stat(path.name, dir_fd=folder, follow_symlinks=False)
            if found.st_uid != os.geteuid():
                return False
            if stat.S_ISLNK(found.st_mode):
                return os.readlink(path.name, dir_fd=folder) == str(path.parent.parent / path.name)
            return stat.S_ISREG(found.st_mode)
    except OSError:
        return False


def find_manager() -> Manager | None:
    """The manager that shall bring this host back, for root the system's; None where there is none to use."""
    systemctl = shutil.which("systemctl", path=PROGRAM_PATH)
    if systemctl is None:
        return None
    if is_for_system():
        return Manager("system", systemctl, SYSTEM_UNITS, "multi-user.target")
    user = user_manager(systemctl)
    # A user's manager runs without any desktop as well; then there is nothing to show, and autostart, which
    # each desktop knows, is the better way. Some desktops do not tell systemd of their sessions at all.
    if os.geteuid() != 0 and user.call("is-active", "graphical-session.target") == "active":
        return user
    return None


def user_manager(systemctl: str) -> Manager:
    """The manager of this user's services, whether it runs or not."""
    units = Path(os.path.realpath(xdg_folder("XDG_CONFIG_HOME", ".config"))) / "systemd" / "user"
    return Manager("user", systemctl, units, "graphical-session.target")


def manager_of(kind: str) -> Manager | None:
    """The manager that a unit was given to, by its kind."""
    systemctl = shutil.which("systemctl", path=PROGRAM_PATH)
    if systemctl is None:
        return None
    if kind == "system":
        return Manager("system", systemctl, SYSTEM_UNITS, "multi-user.target")
    return user_manager(systemctl)


def make_unit(manager: Manager, script: str) -> bytes:
    """A unit file that runs a shell's script (systemd.unit(5), systemd.service(5))."""
    after = "network-online.target" if manager.kind == "system" else "graphical-session.target"
    lines = [
        "[Unit]",
        "Description=Ad hoc support, temporary",
        *(["Wants=network-online.target"] if manager.kind == "system" else [f"PartOf={after}"]),
        f"After={after}",
        "StartLimitIntervalSec=300",
        "StartLimitBurst=30",
        "",
        "[Service]",
        f"ExecStart=/bin/sh -c {quote_argument(script)}",
        "Restart=on-failure",
        "RestartSec=5",
        f"RestartForceExitStatus={EXIT_AGAIN}",
        f"RestartPreventExitStatus={EXIT_LEFT}",
        "TimeoutStopSec=15",
        "UMask=0077",
        "",
        "[Install]",
        f"WantedBy={manager.target}",
    ]
    return ("\n".join(lines) + "\n").encode("utf-8", "surrogateescape")


def quote_argument(word: str) -> str:
    """One argument of a command line in a unit file: C-like escapes, no specifiers, no variables."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return '"' + escaped.replace("%", "%%").replace("$", "$$") + '"'
