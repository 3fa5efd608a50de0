"""For how long each tool is allowed, as the customer chose it; kept in the host's state.

The chat is no tool: it is the customer's own window, and nobody is at the computer by it.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import trio

from host.consent import Duration
from host.deadline import COMPUTER_CLOCKS, Clocks, Deadline
from host.state import HostState
from relay.protocol.close_reasons import CloseReason

HALF_HOUR_SECONDS: Final = 1800.0
LONGEST_LOOK: Final = 1.0
"""Seconds between looks at the clocks while a tool is used whose time is limited."""


class Permissions:
    """What the customer allows now. What was never chosen is allowed for the whole session.

    Args:
        state: keeps the choices.
        save: makes `state` durable.
        clocks: what half an hour is measured by.
    """

    def __init__(self, state: HostState, save: Callable[[], None], clocks: Clocks = COMPUTER_CLOCKS) -> None:
        self._state = state
        self._save = save
        self._clocks = clocks
        self._used: Counter[str] = Counter()
        self._changed = trio.Event()

    @property
    def is_paused(self) -> bool:
        """True while the customer lets nobody do anything."""
        return self._state.is_paused

    def set_paused(self, is_paused: bool) -> None:
        """Pause, or go on."""
        self._state.is_paused = is_paused
        self._keep()

    def choices(self) -> dict[str, Duration]:
        """The choice for each tool of this session, in the order of `TOOLS`."""
        return {kind: self.choice(kind) for kind in TOOLS if kind in self._state.kinds}

    def choice(self, kind: str) -> Duration:
        """The choice for a tool; ASK once its time has run out."""
        word, wall, boot, boot_id = self._state.permissions.get(kind, _WHOLE_SESSION)
        duration = Duration(word)
        if duration is Duration.HALF_HOUR and Deadline(wall, boot, boot_id).remaining(self._clocks) <= 0:
            return Duration.ASK
        return duration

    def choose(self, choices: Mapping[str, Duration]) -> None:
        """Keep the customer's choices, which count from now; other tools keep theirs."""
        for kind, duration in choices.items():
            if kind in TOOLS:
                self._put(kind, duration)
        self._keep()

    def refusal(self, kind: str) -> CloseReason | None:
        """Why a tool must not be used now; None while it may."""
        if kind not in TOOLS:
            return None
        if self.is_paused:
            return CloseReason.PAUSED
        is_refused = self.choice(kind) in (Duration.NEVER, Duration.ASK)
        return CloseReason.NOT_ALLOWED if is_refused else None

    @contextmanager
    def using(self, kind: str) -> Iterator[None]:
        """A stream of a tool, for the time of the block: one use is over when the last one ends."""
        self._used[kind] += 1
        try:
            yield
        finally:
            self._used[kind] -= 1
            if self._used[kind] == 0 and self.choice(kind) is Duration.ONCE:
                self.choose({kind: Duration.ASK})

    async def wait_refused(self, kind: str) -> CloseReason:
        """Wait until a tool must not be used any more; why."""
        while (reason := self.refusal(kind)) is None:
            is_limited = self.choice(kind) is Duration.HALF_HOUR
            with trio.move_on_after(LONGEST_LOOK if is_limited else float("inf")):
                await self._changed.wait()
        return reason

    def _put(self, kind: str, duration: Duration) -> None:
        if duration is Duration.HALF_HOUR:
            end = Deadline.after(HALF_HOUR_SECONDS, self._clocks)
            entry = [duration.value, round(end.wall), round(end.boot), end.boot_id]
        else:
            entry = [duration.value, 0, 0, ""]
        self._state.permissions[kind] = entry

    def _keep(self) -> None:
        self._save()
        self._changed.set()
        self._changed = trio.Event()


TOOLS: Final = ("control", "files", "dashboard", "shell")
_WHOLE_SESSION: Final = [Duration.SESSION.value, 0, 0, ""]
