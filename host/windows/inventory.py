"""What is set up on a Windows computer: software, what starts by itself, scheduled tasks.

The functions of `host.dashboard.inventory`, two of which serve here as well.
"""

import sys

if sys.platform != "win32":
    raise ImportError("only for Windows")

import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from host.dashboard.inventory import environment, ports
from host.windows import registry, tasks
from host.windows.words import MAX_TEXT, is_approved, program_of, text

__all__ = ["environment", "ports", "schedule", "software", "startup"]

_UNINSTALL: Final = r"SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall"
_CURRENT: Final = r"SOFTWARE\Microsoft\Windows\CurrentVersion"
_APPROVED: Final = rf"{_CURRENT}\Explorer\StartupApproved"
_SHELL_FOLDERS: Final = rf"{_CURRENT}\Explorer\Shell Folders"
_MAX_FILES: Final = 500
_ROOT_NAMES: Final = {registry.MACHINE: "HKLM", registry.USER: "HKCU"}


def software() -> list[dict[str, Any]]:
    """Maps of name, version, size (bytes) and summary (who made it), as in "Installed apps"."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for root in (registry.MACHINE, registry.USER):
        for view in registry.VIEWS:
            for _, values in registry.keys(root, _UNINSTALL, view):
                row = program_of(values)
                if row is not None:
                    found.setdefault((row["name"], row["version"]), row)
    return sorted(found.values(), key=lambda row: row["name"].casefold())


def startup() -> list[dict[str, Any]]:
    """Maps of name, command, path (key or file) and is_enabled: what starts at sign-in."""
    found: dict[str, dict[str, Any]] = {}
    for root in (registry.MACHINE, registry.USER):
        for view, approved in zip(registry.VIEWS, ("Run", "Run32"), strict=True):
            switches = registry.values(root, f"{_APPROVED}\\{approved}")
            for key in ("Run", "RunOnce"):
                for name in (values := registry.values(root, f"{_CURRENT}\\{key}", view)):
                    path = f"{_ROOT_NAMES[root]}\\{_CURRENT}\\{key}\\{name}"
                    # The user's keys are the same in both views.
                    found.setdefault(path, _started(name, text(values, name), path, switches))
        folder = _startup_folder(root)
        switches = registry.values(root, f"{_APPROVED}\\StartupFolder")
        for file in _files(folder):
            found[str(file)] = _started(file.name, str(file), str(file), switches)
    return list(found.values())


def _started(name: str, command: str, path: str, switches: dict[str, object]) -> dict[str, Any]:
    return {
        "name": name[:200],
        "command": command[:MAX_TEXT],
        "path": path[:MAX_TEXT],
        "is_enabled": is_approved(switches.get(name)),
    }


def _startup_folder(root: int) -> str:
    values = registry.values(root, _SHELL_FOLDERS)
    return text(values, "Common Startup" if root == registry.MACHINE else "Startup")


def _files(folder: str) -> list[Path]:
    with suppress(OSError):
        if folder and os.path.isabs(folder):
            inner = sorted(Path(folder).iterdir())[:_MAX_FILES]
            return [path for path in inner if path.is_file() and path.name.lower() != "desktop.ini"]
    return []


def schedule() -> list[dict[str, Any]]:
    """Scheduled tasks that this user may see: maps as of `host.dashboard.inventory.schedule`.

    Raises:
        RequestProblem: unavailable: the Task Scheduler does not answer.
    """
    return tasks.tasks()
