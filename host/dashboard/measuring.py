"""Measuring this computer: totals and rates, and which processes use it most.

psutil gives counters that only grow; a rate is their difference over the time between two measurements.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import psutil

if sys.platform == "win32":
    from host.windows.processes import name_of as name_of

    def _use_of(process: psutil.Process) -> tuple[float, int]:
        with process.oneshot():
            times = process.cpu_times()
            return times.user + times.system, process.memory_info().rss
else:
    from host.dashboard.linux_processes import read_stat

    def name_of(process: psutil.Process) -> str:
        """Raises psutil.Error."""
        return process.name()

    def _use_of(process: psutil.Process) -> tuple[float, int]:
        """Seconds of CPU time, and bytes of memory. Raises psutil.Error."""
        stat = read_stat(process.pid)
        return stat.seconds, stat.memory


MAX_TOP: Final = 10
TOP_SHARE: Final = 0.01
"""Of one core: what looking for the busiest processes may cost, averaged over time."""

MonotonicClock = Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What the computer does.

    Attributes:
        cpu: per cent of all cores, 0 to 100.
        cores: per cent of each.
        memory_used, memory_total, swap_used, swap_total: bytes.
        disk_read, disk_written, received, sent: bytes a second since the last measurement, of all disks and
            of all network adapters but the loopback.
    """

    cpu: float
    cores: tuple[float, ...]
    memory_used: int
    memory_total: int
    swap_used: int
    swap_total: int
    disk_read: float
    disk_written: float
    received: float
    sent: float

    @property
    def memory(self) -> float:
        """Per cent of the memory that is used, 0 to 100."""
        return 100 * self.memory_used / self.memory_total if self.memory_total else 0.0


class LoadMeter:
    """Measures the load between two calls. Blocks for a millisecond or two; one caller at a time.

    Raises:
        OSError: the system does not tell, or not in the way that is known.
    """

    def __init__(self, monotonic: MonotonicClock = time.monotonic) -> None:
        self._monotonic = monotonic
        self._at = monotonic()
        with _questions():
            self._busy = _busy_times()
            self._bytes = _byte_counters()

    def measure(self) -> Load:
        """The load since the last call that said it, or since this meter was made.

        Raises:
            OSError: as above. The next call may work again.
        """
        with _questions():
            now, busy, counted = self._monotonic(), _busy_times(), _byte_counters()
            memory, (swap_used, swap_total) = psutil.virtual_memory(), _swap()
        seconds = max(now - self._at, 1e-3)
        cores = tuple(
            _share(used - used_before, total - total_before)
            for (used, total), (used_before, total_before) in zip(busy, self._busy, strict=False)
        )
        # A counter that went back was reset (an adapter was taken out): nothing is known of that second.
        rates = [max(after - before, 0) / seconds for after, before in zip(counted, self._bytes, strict=True)]
        self._at, self._busy, self._bytes = now, busy, counted
        return Load(
            cpu=sum(cores) / len(cores) if cores else 0.0,
            cores=cores,
            memory_used=memory.total - memory.available,
            memory_total=memory.total,
            swap_used=swap_used,
            swap_total=swap_total,
            disk_read=rates[0],
            disk_written=rates[1],
            received=rates[2],
            sent=rates[3],
        )


@contextmanager
def _questions() -> Iterator[None]:
    """Whatever psutil fails with where a system is unlike those it knows leaves as an OSError."""
    try:
        yield
    except (psutil.Error, RuntimeError, ValueError, LookupError) as exc:
        raise OSError(f"This computer does not tell its load: {exc!r}") from exc


def _busy_times() -> list[tuple[float, float]]:
    """Of each core: seconds it was busy, seconds in all."""
    times = []
    for core in psutil.cpu_times(percpu=True):
        # Linux counts what guests use in user and nice already.
        total = sum(core) - getattr(core, "guest", 0.0) - getattr(core, "guest_nice", 0.0)
        times.append((total - core.idle - getattr(core, "iowait", 0.0), total))
    return times


def _share(used: float, total: float) -> float:
    return min(max(100 * used / total, 0.0), 100.0) if total > 0 else 0.0


def _byte_counters() -> tuple[int, int, int, int]:
    disk = psutil.disk_io_counters()
    read, written = (disk.read_bytes, disk.write_bytes) if disk is not None else (0, 0)
    received = sent = 0
    for name, adapter in psutil.net_io_counters(pernic=True).items():
        if name != "lo" and not name.startswith("Loopback"):
            received += adapter.bytes_recv
            sent += adapter.bytes_sent
    return read, written, received, sent


@dataclass(frozen=True, slots=True)
class Use:
    """What one process used.

    Attributes:
        cpu: per cent of one core.
        memory: bytes that are resident.
    """

    cpu: float
    memory: int


def _swap() -> tuple[int, int]:
    """Bytes used, and in all; nothing is known of it where Windows' performance counters are disabled."""
    try:
        swap = psutil.swap_memory()
    except RuntimeError:
        return 0, 0
    return swap.used, swap.total


class ProcessMeter:
    """Measures each process between two calls. Blocks: about 10 µs a process; one caller at a time."""

    def __init__(self, monotonic: MonotonicClock = time.monotonic) -> None:
        self._monotonic = monotonic
        self._at = 0.0
        self._seconds: dict[psutil.Process, float] = {}
        self._next_top_at = 0.0
        self._top: list[dict[str, Any]] = []

    def measure(self) -> dict[psutil.Process, Use]:
        """What each process used since the last call; of one that is new no CPU is known."""
        now = self._monotonic()
        passed = max(now - self._at, 1e-3)
        seconds: dict[psutil.Process, float] = {}
        uses: dict[psutil.Process, Use] = {}
        for process in psutil.process_iter():
            try:
                seconds[process], memory = _use_of(process)
            except psutil.Error:
                continue  # it ended just now, or is nobody's business
            before = self._seconds.get(process)
            cpu = 0.0 if before is None else max(100 * (seconds[process] - before) / passed, 0.0)
            uses[process] = Use(cpu, memory)
        self._at, self._seconds = now, seconds
        return uses

    def top(self) -> list[dict[str, Any]]:
        """The busiest processes, at most 10: maps of pid, name, cpu and memory.

        Where there are very many processes they are looked at less often than this is called, so that the
        looking stays below `TOP_SHARE`.
        """
        began = self._monotonic()
        if began < self._next_top_at:
            return self._top
        uses = self.measure()
        busiest = sorted(uses.items(), key=lambda item: (-item[1].cpu, -item[1].memory))[:MAX_TOP]
        found = []
        for process, use in busiest:
            try:
                name = name_of(process)
            except psutil.Error:
                continue
            found.append({"pid": process.pid, "name": name, "cpu": round(use.cpu, 1), "memory": use.memory})
        self._top = found
        self._next_top_at = began + (self._monotonic() - began) / TOP_SHARE
        return found
