"""Calling a customer who does not look: the desktop's own notifications, and a bell that rings seldom.

The notifications are those of ``notify-send``, where it is installed. What technicians write is plain text in
them: the specification lets bodies have markup, so its characters are escaped (Desktop Notifications
Specification 1.2, "Markup").
"""

import html
import shutil
import subprocess
import time
from collections.abc import Callable
from typing import Final

from host.customer import clean

INTERVAL: Final = 5.0
"""Seconds between two notifications, and between two rings of a bell."""
TIMEOUT: Final = 5.0
"""Seconds that the program may take; without a desktop's bus it can hang."""
MAX_CHARACTERS: Final = 200


class Bell:
    """Rings at most once in `INTERVAL`.

    Args:
        ring: makes the sound.
        now: seconds.
    """

    def __init__(self, ring: Callable[[], object], *, now: Callable[[], float] = time.monotonic) -> None:
        self._ring = ring
        self._now = now
        self._quiet_until = now()

    def ring(self) -> None:
        """Ring, unless it has just rung."""
        if self._now() >= self._quiet_until:
            self._quiet_until = self._now() + INTERVAL
            self._ring()


class DesktopNotices:
    """Shows at most one notification in `INTERVAL`; of those that come meanwhile, the last is shown later.

    Nothing blocks; `look` is to be called about every second.

    Args:
        name: of this program, as the desktop shows it.
        now: seconds.
    """

    def __init__(self, name: str, *, now: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._now = now
        self._program = shutil.which("notify-send")
        self._process: subprocess.Popen[bytes] | None = None
        self._began_at = 0.0
        self._quiet_until = now()
        self._waiting: tuple[str, str] | None = None

    def tell(self, summary: str, body: str) -> None:
        """Show a notification, of untrusted text; now or as soon as there may be one."""
        self._waiting = (summary, body)
        self.look()

    def look(self) -> None:
        """Go on with what waits, and end what hangs."""
        if self._process is not None and self._process.poll() is not None:
            self._process = None
        elif self._process is not None and self._now() >= self._began_at + TIMEOUT:
            self._process.kill()
        if self._waiting is not None and self._process is None and self._now() >= self._quiet_until:
            summary, body = self._waiting
            self._waiting = None
            self._show(summary, body)

    def close(self) -> None:
        """Leave no process behind."""
        self._waiting = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _show(self, summary: str, body: str) -> None:
        if self._program is None:
            return
        self._began_at = self._now()
        self._quiet_until = self._began_at + INTERVAL
        text = html.escape(clean(body, MAX_CHARACTERS), quote=False)
        command = [self._program, f"--app-name={self._name}", "--", clean(summary), text]
        try:
            self._process = subprocess.Popen(  # noqa: S603 - no shell, and nothing of the text is an option
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        except OSError:
            self._program = None  # it will not become better
