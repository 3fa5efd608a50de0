"""Traits of managed software on Windows (`host.managed`): services, programs' files, the registry.

Standard library only.
"""

import sys

if sys.platform != "win32":
    raise ImportError("only for Windows")

import winreg
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from host.windows.folders import program_data, program_files
from relay.protocol.refusals import Trait

_SERVICES: Final = r"SYSTEM\CurrentControlSet\Services"
_IS_DISABLED: Final = 4
_VIEWS: Final = (winreg.KEY_WOW64_64KEY, winreg.KEY_WOW64_32KEY)


class WindowsComputer:
    """See `host.managed.Computer`."""

    def __init__(self) -> None:
        self._services: frozenset[str] | None = None

    def has(self, trait: Trait) -> bool:
        """See `host.managed.Computer`."""
        match trait.kind:
            case "service":
                return self._has_service(trait.name.casefold())
            case "file":
                return any(path.exists() for path in _paths(trait.name))
            case "registry":
                return _has_key(trait.name.partition("\\")[2])

    def _has_service(self, name: str) -> bool:
        if self._services is None:
            self._services = frozenset(_list_services())
        if not name.endswith("*"):
            return name in self._services
        return any(service.startswith(name[:-1]) for service in self._services)


def _list_services() -> Iterator[str]:
    """What is installed, running or not, but for what can never run and for drivers."""
    with suppress(OSError), winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, _SERVICES) as services:
        for number in range(winreg.QueryInfoKey(services)[0]):
            with suppress(OSError):
                name = winreg.EnumKey(services, number)
                with winreg.OpenKey(services, name) as service:
                    start, kind = (winreg.QueryValueEx(service, value)[0] for value in ("Start", "Type"))
                # 0x30: in a process of its own, or with others.
                if start != _IS_DISABLED and isinstance(kind, int) and kind & 0x30:
                    yield name.casefold()


def _paths(name: str) -> Iterator[Path]:
    """Where a trait's file is; Windows is asked for the folders, as anybody may have set the environment."""
    variable, _, rest = name.partition("\\")
    with suppress(OSError):
        match variable.casefold():
            case "%programfiles%":
                yield program_files() / rest
            case "%programfiles(x86)%":
                yield program_files(is_32_bit=True) / rest
            case "%programdata%":
                yield program_data() / rest


def _has_key(path: str) -> bool:
    for view in _VIEWS:
        with suppress(OSError), winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, path, 0, winreg.KEY_READ | view):
            return True
    return False
