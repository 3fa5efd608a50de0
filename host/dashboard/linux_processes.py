"""Processes of Linux, at a fraction of what psutil asks: an open Dashboard looks at them all the time.

What changes is in one file a process, ``/proc/PID/stat`` (proc_pid_stat(5)); what lasts is kept. Blocks.
"""

import os
import sys

if sys.platform == "win32":
    raise ImportError("host.windows.processes is for Windows")

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import psutil

KEPT_LOOKS: Final = 10
"""What lasts is looked at again once in so many looks: a program may become another one of the same name."""
_LASTING: Final = ("name", "username", "cmdline", "create_time")
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_MAX_STAT_BYTES: Final = 4096
_STATES: Final = {
    "R": "running",
    "S": "sleeping",
    "D": "disk-sleep",
    "T": "stopped",
    "t": "tracing-stop",
    "Z": "zombie",
    "I": "idle",
    "P": "parked",
    "X": "dead",
}


@dataclass(frozen=True, slots=True)
class Stat:
    """What a process is at this moment.

    Attributes:
        name: as the kernel has it, at most 15 bytes.
        state: a word.
        seconds: of CPU time that it used.
        priority: its nice value.
        memory: bytes that are resident.
    """

    name: str
    state: str
    parent: int
    seconds: float
    priority: int
    memory: int


def read_stat(pid: int) -> Stat:
    """What the process is now.

    Raises:
        psutil.NoSuchProcess: it has ended.
    """
    try:
        descriptor = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
        try:
            told = os.read(descriptor, _MAX_STAT_BYTES)
        finally:
            os.close(descriptor)
    except OSError as exc:
        raise psutil.NoSuchProcess(pid) from exc
    # A name may have anything in it, also parentheses and spaces.
    start, end = told.index(b"("), told.rindex(b")")
    fields = told[end + 2 :].split()
    return Stat(
        name=os.fsdecode(told[start + 1 : end]),
        state=_STATES.get(fields[0].decode(), ""),
        parent=int(fields[1]),
        seconds=(int(fields[11]) + int(fields[12])) / _TICKS,
        priority=int(fields[16]),
        memory=int(fields[21]) * _PAGE_BYTES,
    )


class Descriptions:
    """What processes are, with what lasts kept from look to look. One caller at a time."""

    def __init__(self) -> None:
        self._known: dict[psutil.Process, tuple[str, dict[str, Any]]] = {}
        self._looks = 0

    def describe(self, processes: Iterable[psutil.Process]) -> dict[int, dict[str, Any]]:
        """Facts of each process that is there still, by its number; None for what is not told."""
        self._looks += 1
        found: dict[int, dict[str, Any]] = {}
        known: dict[psutil.Process, tuple[str, dict[str, Any]]] = {}
        for process in processes:
            try:
                stat = read_stat(process.pid)
                before = self._known.get(process)
                is_due = (process.pid + self._looks) % KEPT_LOOKS == 0
                if before is None or before[0] != stat.name or is_due:
                    lasting = process.as_dict(_LASTING, ad_value=None)
                else:
                    lasting = before[1]
            except psutil.Error:
                continue
            known[process] = (stat.name, lasting)
            now = {"ppid": stat.parent, "status": stat.state, "nice": stat.priority}
            found[process.pid] = {**lasting, **now}
        self._known = known
        return found
