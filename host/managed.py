"""Whether this computer is looked after by managed remote support already: then no temporary host begins.

What is known here are agents that an organisation installs to manage its computers. Programs that people
install for themselves (the full TeamViewer, AnyDesk, RustDesk) are not among them: who asks for help today
may well have one. An operator adds what they like by the relay's setting ``managed_hosts``, and leaves out
the ones known here by ``managed_hosts_known``. Standard library only.
"""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Protocol

from relay.protocol.refusals import Trait, parse_traits

KNOWN: Final[tuple[Trait, ...]] = parse_traits(
    (
        # LogMeIn, GoTo Resolve
        "service:LogMeIn",
        "service:LMIGuardianSvc",
        "service:GoToResolve_*",
        "registry:HKLM\\SOFTWARE\\LogMeIn\\V5",
        "service:logmein-host",
        # ConnectWise ScreenConnect: its services end in the number of the installation.
        "service:ScreenConnect Client (*",
        "service:connectwisecontrol-*",
        "service:screenconnect-*",
        # MeshCentral and what is built on it
        "service:Mesh Agent",
        "service:meshagent",
        "service:tacticalrmm",
        "service:tacticalagent",
        # DWService
        "service:DWAgent",
        "service:dwagent",
        # Remote management suites
        "service:AteraAgent",
        "service:NinjaRMMAgent",
        "service:ninjarmm-linagent",
        "service:SplashtopRemoteService",
        "service:SRStreamer",
        "file:%ProgramFiles%\\TeamViewer\\TeamViewer_Host.exe",
        "file:%ProgramFiles(x86)%\\TeamViewer\\TeamViewer_Host.exe",
        "file:/opt/teamviewer-host",
    )
)


class Computer(Protocol):
    """Where traits are looked for. Any error of the system means: not there."""

    def has(self, trait: Trait) -> bool:
        """Whether this computer has it."""


class LinuxComputer:
    """Traits on Linux: units of systemd and scripts of init, and paths.

    Args:
        root: of the file system.
    """

    _UNIT_FOLDERS: Final = (
        "etc/systemd/system",
        "run/systemd/system",
        "usr/local/lib/systemd/system",
        "usr/lib/systemd/system",
        "lib/systemd/system",
    )

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self._services: frozenset[str] | None = None

    def has(self, trait: Trait) -> bool:
        """See `Computer`."""
        if trait.kind == "service":
            names = self._list_services()
            if not trait.name.endswith("*"):
                return trait.name in names
            start = trait.name.removesuffix("*")
            return any(name.startswith(start) for name in names)
        if trait.kind == "file" and trait.name.startswith("/"):
            try:
                return (self._root / trait.name[1:]).exists()
            except OSError:
                return False
        return False

    def _list_services(self) -> frozenset[str]:
        """What is installed, running or not; but for what was masked, which can never run."""
        if self._services is None:
            found: set[str] = set()
            masked: set[str] = set()
            for folder in self._UNIT_FOLDERS:
                for path in _list(self._root / folder):
                    if path.suffix == ".service":
                        is_masked = path.is_symlink() and path.resolve() == Path("/dev/null")
                        (masked if is_masked else found).add(path.stem)
            found |= {path.name for path in _list(self._root / "etc/init.d")}
            self._services = frozenset(found - masked)
        return self._services


def find_managed(traits: Iterable[Trait], computer: Computer | None = None) -> Trait | None:
    """The first of these that this computer has; None if it has none of them."""
    if computer is None:
        computer = this_computer()
    return next((trait for trait in traits if computer.has(trait)), None)


def this_computer() -> Computer:
    """Where traits are looked for here."""
    if sys.platform == "win32":
        from host.windows.computer import WindowsComputer

        return WindowsComputer()
    return LinuxComputer()


def _list(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []
