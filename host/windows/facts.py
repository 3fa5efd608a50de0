"""What a Windows computer is: the facts of `host.dashboard.facts`, by registry and handles, never by WMI.

WMI may hang, is often broken and starts a service of its own. Everything here blocks.
"""

import sys

if sys.platform != "win32":
    raise ImportError("only for Windows")

import ctypes
import os
import socket
import time
from contextlib import suppress
from ctypes import wintypes
from typing import Any, Final

import psutil

from host.windows import registry
from host.windows.words import kernel_name, os_name, text

MAX_ITEMS: Final = 256
_WINDOWS: Final = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion"
_BIOS: Final = r"HARDWARE\DESCRIPTION\System\BIOS"
_PROCESSOR: Final = r"HARDWARE\DESCRIPTION\System\CentralProcessor\0"
_ENVIRONMENT: Final = r"SYSTEM\CurrentControlSet\Control\Session Manager\Environment"
_UNKNOWN_MODELS: Final = frozenset({"", "to be filled by o.e.m.", "system product name", "default string"})
_GET_NUMBER: Final = 0x2D_1080
"""IOCTL_STORAGE_GET_DEVICE_NUMBER."""
_PREDICT_FAILURE: Final = 0x2D_1100
"""IOCTL_STORAGE_PREDICT_FAILURE, which the disk's own self-test (SMART) answers."""
_SHARE_ALL: Final = 7
_OPEN_EXISTING: Final = 3

_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_user32 = ctypes.WinDLL("user32")
_kernel32.CreateFileW.restype = wintypes.HANDLE
_kernel32.CreateFileW.argtypes = (
    *(wintypes.LPCWSTR, wintypes.DWORD, wintypes.DWORD, wintypes.LPVOID),
    *(wintypes.DWORD, wintypes.DWORD, wintypes.HANDLE),
)
_kernel32.DeviceIoControl.argtypes = (
    *(wintypes.HANDLE, wintypes.DWORD, wintypes.LPVOID, wintypes.DWORD),
    *(wintypes.LPVOID, wintypes.DWORD, ctypes.POINTER(wintypes.DWORD), wintypes.LPVOID),
)
_kernel32.CloseHandle.argtypes = (wintypes.HANDLE,)


def system(display: str) -> dict[str, Any]:
    """Name, system, model, processor, memory, disks, battery, displays, adapters, who is signed in.

    Args:
        display: of no meaning here.
    """
    windows = registry.values(registry.MACHINE, _WINDOWS)
    processor = registry.values(registry.MACHINE, _PROCESSOR)
    megahertz = processor.get("~MHz")
    return {
        "computer": socket.gethostname(),
        "os": system_name(),
        "kernel": kernel_name(windows),
        "machine": text(registry.values(registry.MACHINE, _ENVIRONMENT), "PROCESSOR_ARCHITECTURE"),
        "model": _model(),
        "booted_at": int(psutil.boot_time()),
        "now": int(time.time()),
        "timezone": time.strftime("%Z %z"),
        "processor": {
            "name": text(processor, "ProcessorNameString"),
            "cores": psutil.cpu_count(logical=False) or 0,
            "threads": psutil.cpu_count() or 0,
            "megahertz": megahertz if isinstance(megahertz, int) else None,
        },
        "memory": psutil.virtual_memory().total,
        "disks": disks(),
        "battery": _battery(),
        "displays": _displays(),
        "adapters": _adapters(),
        "users": _users(),
    }


def system_name() -> str:
    """What people call this system."""
    return os_name(registry.values(registry.MACHINE, _WINDOWS))


def _model() -> str:
    values = registry.values(registry.MACHINE, _BIOS)
    words = [text(values, name) for name in ("SystemManufacturer", "SystemProductName")]
    return " ".join(word for word in words if word.lower() not in _UNKNOWN_MODELS)


def disks() -> list[dict[str, Any]]:
    """Drives: device, path, file_system, total, used and free (bytes), and health where it can be read."""
    found: list[dict[str, Any]] = []
    for each in psutil.disk_partitions(all=False)[:MAX_ITEMS]:
        try:
            usage = psutil.disk_usage(each.mountpoint)
        except OSError:
            continue  # an empty drive
        found.append(
            {
                "device": each.device,
                "path": each.mountpoint,
                "file_system": each.fstype,
                "total": usage.total,
                "used": usage.used,
                "free": usage.free,
                "health": _health(each.device),
            }
        )
    return found


def _health(device: str) -> str:
    """What the disk of a drive says about itself: "good", "failing", or "" where it says nothing.

    Both questions need no rights, on handles that can neither read nor write.
    """
    number = (wintypes.DWORD * 3)()
    failure = ctypes.create_string_buffer(516)
    if not _ask(f"\\\\.\\{device.rstrip(chr(92))}", _GET_NUMBER, number):
        return ""
    if not _ask(f"\\\\.\\PhysicalDrive{number[1]}", _PREDICT_FAILURE, failure):
        return ""
    return "failing" if any(failure.raw[:4]) else "good"


def _ask(device: str, question: int, answer: Any) -> bool:
    handle = _kernel32.CreateFileW(device, 0, _SHARE_ALL, None, _OPEN_EXISTING, 0, None)
    if handle is None or handle == ctypes.c_void_p(-1).value:
        return False
    try:
        length = wintypes.DWORD()
        size = ctypes.sizeof(answer)
        asked = _kernel32.DeviceIoControl(handle, question, None, 0, answer, size, ctypes.byref(length), None)
        return bool(asked)
    finally:
        _kernel32.CloseHandle(handle)


def _battery() -> dict[str, Any] | None:
    with suppress(OSError, AttributeError):
        battery = psutil.sensors_battery()
        if battery is not None:
            left = battery.secsleft if battery.secsleft >= 0 else None
            return {
                "percent": round(battery.percent),
                "is_charging": bool(battery.power_plugged),
                "seconds_left": left,
            }
    return None


def _displays() -> list[dict[str, int]]:
    """The monitors of the desktop that this program is at."""
    found: list[dict[str, int]] = []
    kind = ctypes.WINFUNCTYPE(
        wintypes.BOOL,
        *(wintypes.HANDLE, wintypes.HDC, ctypes.POINTER(wintypes.RECT), wintypes.LPARAM),
    )

    def take(_monitor: int, _context: int, place: Any, _data: int) -> bool:
        rect = place.contents
        width, height = rect.right - rect.left, rect.bottom - rect.top
        found.append({"left": rect.left, "top": rect.top, "width": width, "height": height})
        return len(found) < MAX_ITEMS

    _user32.EnumDisplayMonitors(None, None, kind(take), 0)
    return found


def _adapters() -> list[dict[str, Any]]:
    states = psutil.net_if_stats()
    found = []
    for name, addresses in sorted(psutil.net_if_addrs().items())[:MAX_ITEMS]:
        state = states.get(name)
        found.append(
            {
                "name": name,
                "is_up": state is not None and state.isup,
                "megabits": state.speed if state is not None else 0,
                "addresses": [str(each.address) for each in addresses][:16],
            }
        )
    return found


def _users() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    with suppress(OSError, psutil.Error):
        found = [
            {"name": each.name, "terminal": each.terminal or "", "since": int(each.started)}
            for each in psutil.users()[:MAX_ITEMS]
        ]
    return found or [{"name": os.environ.get("USERNAME", ""), "terminal": "", "since": None}]
