"""The temporary host in a process of its own, with a home folder of its own, and the customer before it."""

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.helpers.programs import PATIENCE, Program

HOST_FILE = Path("build") / "adhoc-host.pyz"
"""Where ``./dev build`` puts the single file."""


class HostProcess(Program):
    """A host at a terminal; the customer's half of a conversation are its methods.

    Args:
        command: what is run.
        display: the X display to offer.
        home: the customer's home folder; everything that the host writes is in there.
    """

    def __init__(self, command: Sequence[str | Path], *, display: str, home: Path) -> None:
        self.home = home
        self._heard = 0
        scratch = home / "tmp"
        scratch.mkdir(parents=True, exist_ok=True)
        python_folder = Path(sys.executable).resolve().parent
        environment = {
            "HOME": str(home),
            "PATH": f"{python_folder}:{os.environ['PATH']}",
            "DISPLAY": display,
            "LANG": "C.UTF-8",
            "TMPDIR": str(scratch),
        }
        super().__init__(command, environment=environment)

    @classmethod
    def start(cls, link: str, *, display: str, home: Path) -> "HostProcess":
        """``python -m host`` with a deployment link."""
        command = [sys.executable, "-m", "host", link, "--terminal"]
        return cls(command, display=display, home=home)

    @classmethod
    def paste(cls, line: str, *, display: str, home: Path) -> "HostProcess":
        """The line of the customer's page in a shell, told to use the terminal and not a window."""
        return cls(["sh", "-c", f"{line} --terminal"], display=display, home=home)

    @classmethod
    def resume(cls, home: Path, *, display: str) -> "HostProcess":
        """What autostart runs when the customer signs in again."""
        (folder,) = (home / ".local/share/adhoc-host").glob("*/")
        return cls(
            [sys.executable, "-m", "host", "--resume", folder, "--terminal"], display=display, home=home
        )

    def hear(self, pattern: str, *, within: float = PATIENCE) -> str:
        """Wait until it says something that it had not said when it was last listened to; return it."""
        found = self.out.wait_for(pattern, after=self._heard, within=within)
        self._heard = found.end()
        return found.group()

    def type_code(self, code: str) -> None:
        """Type a security code when asked for one."""
        self.hear(r"code: $")
        self.type(code)

    def allow(self, *folders: Path) -> str:
        """Say yes when asked, or yes with files only in these folders; return the question."""
        question = self.hear(r"[^\n]*\n\[y/N\] $")
        self.type("f" if folders else "y")
        for folder in folders:
            self.hear("folder: $")
            self.type(str(folder))
        if folders:
            self.hear("folder: $")
            self.type("")
        return question

    def interrupt(self) -> None:
        """Ctrl-C."""
        self.send(signal.SIGINT)

    def traces(self) -> list[Path]:
        """Everything in the home folder but the scratch folder, which was there before."""
        return sorted(path for path in self.home.rglob("*") if path != self.home / "tmp")

    def wait_removed(self, within: float = PATIENCE) -> None:
        """Wait until the process has ended well and nothing of it is left.

        Raises:
            AssertionError: it has not, with what is left.
        """
        assert self.wait_gone(within) == 0, self.out.text + self.err.text
        assert self.traces() == []
        assert self.err.text == ""
