"""What this computer is: the facts that rarely change. What cannot be read is left out, never guessed.

Everything here blocks, longest where disks are slow to tell of their health: call it in a thread.
"""

import os
import platform
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import mss
import psutil

from host.dashboard.disk_health import DiskHealth

MAX_ITEMS: Final = 256
_DMI: Final = Path("/sys/class/dmi/id")
_UNKNOWN_MODELS: Final = frozenset({"", "to be filled by o.e.m.", "system product name", "default string"})


def system(display: str) -> dict[str, Any]:
    """Name, system, model, processor, memory, disks with their health, battery, displays, adapters, who is
    signed in.

    Args:
        display: the X display whose monitors are told.
    """
    health = DiskHealth()
    return {
        "computer": platform.node(),
        "os": _os_name(),
        "kernel": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "model": _model(),
        "booted_at": int(psutil.boot_time()),
        "now": int(time.time()),
        "timezone": time.strftime("%Z %z"),
        "processor": {
            "name": _processor_name(),
            "cores": psutil.cpu_count(logical=False) or 0,
            "threads": psutil.cpu_count() or 0,
            "megahertz": _megahertz(),
        },
        "memory": psutil.virtual_memory().total,
        "disks": [{**disk, **health.of(disk["device"])} for disk in disks()],
        "battery": _battery(),
        "displays": _displays(display),
        "adapters": _adapters(),
        "users": _users(),
    }


def disks() -> list[dict[str, Any]]:
    """Mounted disks: device, path, file_system, total, used and free (bytes)."""
    found: list[dict[str, Any]] = []
    for each in psutil.disk_partitions(all=False)[:MAX_ITEMS]:
        try:
            usage = psutil.disk_usage(each.mountpoint)
        except OSError:
            continue  # an empty drive, or one that this user may not look at
        found.append(
            {
                "device": each.device,
                "path": each.mountpoint,
                "file_system": each.fstype,
                "total": usage.total,
                "used": usage.used,
                "free": usage.free,
            }
        )
    return found


def _os_name() -> str:
    with suppress(OSError):
        return platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    return f"{platform.system()} {platform.version()}"


def _model() -> str:
    words = []
    for name in ("sys_vendor", "product_name"):
        with suppress(OSError):
            words.append((_DMI / name).read_text(errors="replace").strip())
    return " ".join(word for word in words if word.lower() not in _UNKNOWN_MODELS)


def _processor_name() -> str:
    with suppress(OSError), open("/proc/cpuinfo", errors="replace") as file:
        for line in file:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def _megahertz() -> int | None:
    with suppress(OSError, NotImplementedError, AttributeError):
        frequency = psutil.cpu_freq()
        if frequency is not None:
            return round(frequency.max or frequency.current) or None
    return None


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


def _displays(display: str) -> list[dict[str, int]]:
    try:
        with mss.mss(display=display) as grabber:
            monitors = grabber.monitors[1:]
    except Exception:  # whatever the display's library raises: there is no display to tell of
        return []
    return [{name: int(each[name]) for name in ("left", "top", "width", "height")} for each in monitors]


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
    found = [
        {"name": each.name, "terminal": each.terminal or "", "since": int(each.started)}
        for each in psutil.users()[:MAX_ITEMS]
    ]
    return found or [{"name": _own_name(), "terminal": "", "since": None}]


def _own_name() -> str:
    with suppress(OSError, KeyError):
        return psutil.Process().username()
    if sys.platform == "win32":
        return ""
    return str(os.getuid())
