"""The last 24 hours of this computer's load, kept in a file that survives a crash and a reboot.

The file is a ring of equal slots, one for each ten seconds of the day, mapped into memory: writing a slot is
one copy of 28 bytes, and whatever was written is there after the program was killed. A slot carries its own
time, so that one which was written a day earlier, or never, is a gap and needs no clearing.

    slot: u32 number of the ten seconds since 1970 | six f32: `FIELDS`       little-endian
"""

import logging
import math
import mmap
import os
import time
from collections.abc import Callable
from pathlib import Path
from struct import Struct
from typing import Any, Final

import trio

from host.dashboard.measuring import Load, LoadMeter
from host.own_files import OWN_FILE

STEP: Final = 10
"""Seconds a slot stands for."""
SLOTS: Final = 24 * 3600 // STEP
FIELDS: Final = ("cpu", "memory", "disk_read", "disk_written", "received", "sent")
"""Per cent, per cent, and bytes a second."""
FILE_NAME: Final = "history"

log = logging.getLogger(__name__)

_SLOT: Final = Struct("<I6f")
FILE_BYTES: Final = SLOTS * _SLOT.size

WallClock = Callable[[], float]


class History:
    """The ring. Made once for a host; closed by leaving its `with`.

    Args:
        path: of its file, made with mode 0600 when it is not there; None keeps the ring in memory.

    Raises:
        OSError: the file cannot be made or mapped.

    Concurrency: one writer; readers may be in other threads, and see each slot before or after its writing
    or, at worst, with one value of the next.
    """

    def __init__(self, path: Path | None, *, now: WallClock = time.time) -> None:
        self._now = now
        if path is None:
            self._map = mmap.mmap(-1, FILE_BYTES)
            return
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | OWN_FILE, 0o600)
        try:
            os.ftruncate(descriptor, FILE_BYTES)
            self._map = mmap.mmap(descriptor, FILE_BYTES)
        finally:
            os.close(descriptor)

    def __enter__(self) -> "History":
        return self

    def __exit__(self, *exc: object) -> None:
        self._map.close()

    def note(self, load: Load) -> None:
        """Write what was measured in the ten seconds that end now."""
        number = int(self._now()) // STEP
        values = (load.cpu, load.memory, load.disk_read, load.disk_written, load.received, load.sent)
        _SLOT.pack_into(self._map, number % SLOTS * _SLOT.size, number, *values)

    def read(self) -> dict[str, Any]:
        """All of it: `began_at` (seconds since 1970), `step` (seconds), and for each of `FIELDS` a list of
        8 640 numbers, oldest first, None where this program did not run.
        """
        last = int(self._now()) // STEP
        columns: dict[str, list[float | None]] = {name: [] for name in FIELDS}
        for number in range(last - SLOTS + 1, last + 1):
            written, *values = _SLOT.unpack_from(self._map, number % SLOTS * _SLOT.size)
            is_known = written == number and all(map(math.isfinite, values))
            for name, value in zip(FIELDS, values, strict=True):
                columns[name].append(round(value, 1) if is_known else None)
        return {"began_at": (last - SLOTS + 1) * STEP, "step": STEP, **columns}


async def keep_history(history: History) -> None:
    """Write a slot each ten seconds, for ever; what cannot be measured is a gap. Costs a millisecond each."""
    meter: LoadMeter | None = None
    while True:
        try:
            if meter is None:
                meter = await trio.to_thread.run_sync(LoadMeter)
            else:
                history.note(await trio.to_thread.run_sync(meter.measure))
        except OSError as exc:
            log.debug("a gap in the history: %s", exc)
        await trio.sleep(STEP)
