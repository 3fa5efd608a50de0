"""When the session is over, with no relay in reach to say so.

Two clocks are kept and the earlier one wins: the wall clock, which survives a reboot but can be set back,
and the time since boot (CLOCK_BOOTTIME; GetTickCount64), which nobody can set but which starts anew at each
boot. Both are taken at the moment the relay says how much time is left, so that a wrong wall clock of this
computer does not matter.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trio

if sys.platform == "win32":
    from host.windows.clocks import boot_seconds, read_boot_id
else:
    _BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")

    def boot_seconds() -> float:
        """Seconds since boot, sleep included."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def read_boot_id() -> str:
        """Names this boot; empty where the system does not tell."""
        try:
            return _BOOT_ID.read_text().strip()
        except OSError:
            return ""


LONGEST_NAP: Final = 5.0
"""Seconds between looks at the clocks: Trio's own clock stands still while the computer sleeps."""


@dataclass(frozen=True, slots=True)
class Clocks:
    """What the deadline is measured by; the defaults are this computer's.

    Attributes:
        wall: Unix seconds.
        boot: seconds since boot, sleep included.
        boot_id: names this boot; empty where the system does not tell.
    """

    wall: Callable[[], float] = time.time
    boot: Callable[[], float] = boot_seconds
    boot_id: Callable[[], str] = read_boot_id


COMPUTER_CLOCKS: Final = Clocks()


@dataclass(frozen=True, slots=True)
class Deadline:
    """The end of the session.

    Attributes:
        wall: Unix seconds by this computer's clock.
        boot: seconds since the boot named by `boot_id`; counts during that boot only.
    """

    wall: float
    boot: float
    boot_id: str

    @classmethod
    def after(cls, seconds: float, clocks: Clocks = COMPUTER_CLOCKS) -> "Deadline":
        """The deadline so many seconds from now."""
        return cls(clocks.wall() + seconds, clocks.boot() + seconds, clocks.boot_id())

    def remaining(self, clocks: Clocks = COMPUTER_CLOCKS) -> float:
        """Seconds left by whichever clock says less; negative when over."""
        left = self.wall - clocks.wall()
        if self.boot_id and self.boot_id == clocks.boot_id():
            left = min(left, self.boot - clocks.boot())
        return left


async def wait_over(current: Callable[[], Deadline], clocks: Clocks = COMPUTER_CLOCKS) -> None:
    """Wait until the deadline has come. `current` gives it: it may be brought forward meanwhile."""
    while (left := current().remaining(clocks)) > 0:  # noqa: ASYNC110 - no event tells that a clock was set
        await trio.sleep(min(left, LONGEST_NAP))
