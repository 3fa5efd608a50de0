"""How a disk is: by what it says of itself (SMART) to smartctl, and by what Linux tells in /sys.

Without smartctl, a disk that works tells next to nothing: only what is wrong with it is told then, and its
temperature. Everything blocks.
"""

import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from host.dashboard.programs import ProgramUnavailable, run_json

SMART_TIME: Final = 20.0
"""Seconds after which no further disk is asked; each question has a limit of its own."""
_MAX_DISKS_BELOW: Final = 32
_DEAD: Final = frozenset({"dead", "offline", "transport-offline", "deleting", "deleting (no IO)"})
"""States of a disk (SCSI, NVMe) from which nothing can be read."""
_END_OF_LIFE: Final = {"0x01": "good", "0x02": "worn", "0x03": "failing"}
"""What eMMC says of its reserved blocks (JESD84-B50, PRE_EOL_INFO)."""
_WORST_FIRST: Final = ("failing", "degraded", "hot", "worn", "good")


class DiskHealth:
    """Looks at disks, at each once.

    Args:
        system: where Linux tells of its devices.
        clock: seconds.
    """

    def __init__(self, system: Path = Path("/sys"), *, clock: Callable[[], float] = time.monotonic) -> None:
        self._system = system
        self._clock = clock
        self._ask_until = clock() + SMART_TIME
        self._smart: dict[str, str] = {}

    def of(self, device: str) -> dict[str, Any]:
        """What is known of the disk, or disks, below a device such as ``/dev/sda1``.

        Returns:
            `health`: "good", "worn", "hot", "degraded" (an array without all its disks), "failing", or ""
            where nobody knows; and `celsius`, a whole number or None. Of several disks the worst.
        """
        if not device.startswith("/dev/"):
            return {"health": "", "celsius": None}
        words, temperatures = set(), []
        # What /dev/mapper/NAME is a link to is called as in /sys.
        top = self._block(os.path.basename(os.path.realpath(device)))
        for disk in self._disks_below(top):
            words |= {self._told(disk), self._asked(f"/dev/{disk.name}")}
            temperature = _temperature(disk)
            if temperature is not None:
                temperatures.append(temperature)
        return {
            "health": next((word for word in _WORST_FIRST if word in words), ""),
            "celsius": max(temperatures, default=None),
        }

    def _block(self, name: str) -> Path:
        return self._system / "class" / "block" / name

    def _disks_below(self, block: Path) -> list[Path]:
        """The whole disks of a partition, an array or a mapped device, and these themselves."""
        found: dict[str, Path] = {}
        waiting = [block]
        while waiting and len(found) < _MAX_DISKS_BELOW:
            each = waiting.pop()
            with suppress(OSError):
                each = each.resolve(strict=True)
                if (each / "partition").exists():
                    each = each.parent
                if each.name not in found:
                    found[each.name] = each
                    waiting += [self._block(name) for name in os.listdir(each / "slaves")]
        return list(found.values())

    def _told(self, disk: Path) -> str:
        """What Linux knows of a disk."""
        if _read(disk / "md" / "degraded") not in ("", "0"):
            return "degraded"
        if _read(disk / "device" / "state") in _DEAD:
            return "failing"
        if "1" in _sensors(disk, "alarm"):
            return "hot"
        return _END_OF_LIFE.get(_read(disk / "device" / "pre_eol_info").lower(), "")

    def _asked(self, device: str) -> str:
        """What a disk says of itself."""
        if device not in self._smart:
            self._smart[device] = _ask(device) if self._clock() < self._ask_until else ""
        return self._smart[device]


def _temperature(disk: Path) -> int | None:
    for told in _sensors(disk, "input"):
        with suppress(ValueError):
            return round(int(told) / 1000)
    return None


def _sensors(disk: Path, name: str) -> list[str]:
    """What a disk's thermometers say: NVMe, and ATA where the module drivetemp is loaded."""
    folders = ("device/hwmon*", "device/hwmon/hwmon*")
    return [_read(path) for folder in folders for path in disk.glob(f"{folder}/temp1_{name}")]


def _ask(device: str) -> str:
    if shutil.which("smartctl") is None:
        return ""
    try:
        told = run_json(["smartctl", "--health", "--json", device], accept_failure=True)
    except ProgramUnavailable:
        return ""
    status = told.get("smart_status") if isinstance(told, dict) else None
    if not isinstance(status, dict) or not isinstance(status.get("passed"), bool):
        return ""
    return "good" if status["passed"] else "failing"


def _read(path: Path) -> str:
    """A line of /sys; "" where there is none."""
    try:
        with path.open(errors="replace") as file:
            return file.read(256).strip()
    except OSError:
        return ""
