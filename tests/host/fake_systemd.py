"""A systemctl that answers as the real one does, as far as the host asks it, by the unit files there are."""

from pathlib import Path

from host.systemd import Manager

_SCRIPT = """#!/bin/sh
# Notes each call; knows a unit as long as its file is there.
echo "$*" >> '{log}'
[ "$1" = --user ] && shift
[ "$1" = --no-ask-password ] && shift
case "$1" in
    show) [ -e '{units}'/"$4" ] && echo loaded || echo not-found ;;
    is-active) echo '{active}'; [ '{active}' = active ] ;;
    reset-failed) exit 1 ;;
    daemon-reload|start) ;;
    *) echo "unknown verb $1" >&2; exit 1 ;;
esac
"""


class FakeSystemd:
    """A manager whose units are in a folder of the test's.

    Args:
        folder: for program, log and units.
        target: that is active, and wants the host.
    """

    def __init__(self, folder: Path, *, target: str = "multi-user.target", active: str = "active") -> None:
        self.units = folder / "units"
        self.log = folder / "systemctl.log"
        self.program = folder / "systemctl"
        self.program.write_text(_SCRIPT.format(log=self.log, units=self.units, active=active))
        self.program.chmod(0o755)
        self.manager = Manager("system", str(self.program), self.units, target)

    @property
    def calls(self) -> list[str]:
        """What it was asked, oldest first, without options."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [line.replace("--no-ask-password ", "") for line in lines]
