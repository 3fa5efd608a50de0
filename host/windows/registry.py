"""Reading the registry, both its views, with nothing raised for what is not there."""

import sys

if sys.platform != "win32":
    raise ImportError("only for Windows")

import winreg
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

MAX_KEYS: Final = 5000
MAX_VALUES: Final = 1000

MACHINE: Final = winreg.HKEY_LOCAL_MACHINE
USER: Final = winreg.HKEY_CURRENT_USER
VIEWS: Final = (winreg.KEY_WOW64_64KEY, winreg.KEY_WOW64_32KEY)


def values(root: int, path: str, view: int = winreg.KEY_WOW64_64KEY) -> dict[str, object]:
    """Names and values of a key; none where it cannot be read."""
    found: dict[str, object] = {}
    with suppress(OSError), winreg.OpenKey(root, path, 0, winreg.KEY_READ | view) as key:
        for number in range(MAX_VALUES):  # ends by OSError
            name, value, _ = winreg.EnumValue(key, number)
            found[name] = value
    return found


def keys(root: int, path: str, view: int = winreg.KEY_WOW64_64KEY) -> Iterator[tuple[str, dict[str, object]]]:
    """Names and values of the keys below a key."""
    with suppress(OSError), winreg.OpenKey(root, path, 0, winreg.KEY_READ | view) as key:
        for number in range(MAX_KEYS):  # ends by OSError
            name = winreg.EnumKey(key, number)
            yield name, values(root, f"{path}\\{name}", view)
