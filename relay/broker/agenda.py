"""When which open session's time is over, so that nobody has to look at all of them.

A heap of deadlines beside the one that is true of each session: an entry that is out of date (the session was
activated, or ended) is thrown away when it comes up, and all such at once when most of them are.
"""

from datetime import datetime
from heapq import heapify, heappop, heappush

from relay.sessions import Session, SessionId, deadline

SPARE_ENTRIES = 64
"""Out of date beyond one for each session, before the heap is made anew."""


class Agenda:
    """The deadlines of open sessions. No clock: the time is an argument. O(log n) for each change."""

    def __init__(self) -> None:
        self._deadlines: dict[SessionId, datetime] = {}
        self._heap: list[tuple[datetime, SessionId]] = []  # every deadline, and some out of date

    def __len__(self) -> int:
        """How many sessions have a deadline."""
        return len(self._deadlines)

    @property
    def entries(self) -> int:
        """How many entries are kept for them: at most two for each, and `SPARE_ENTRIES`."""
        return len(self._heap)

    def put(self, session: Session) -> None:
        """Notes the session's deadline in place of the one known; an ended session has none."""
        at = deadline(session)
        if at == self._deadlines.get(session.id):
            return
        if at is None:
            del self._deadlines[session.id]
        else:
            self._deadlines[session.id] = at
            heappush(self._heap, (at, session.id))
        if len(self._heap) > 2 * len(self._deadlines) + SPARE_ENTRIES:
            self._heap = [(at, session_id) for session_id, at in self._deadlines.items()]
            heapify(self._heap)

    def next(self) -> datetime | None:
        """The earliest deadline, or None if there is none."""
        while self._heap:
            at, session_id = self._heap[0]
            if self._deadlines.get(session_id) == at:
                return at
            heappop(self._heap)
        return None

    def due(self, now: datetime) -> list[SessionId]:
        """The sessions whose time is over at `now`, longest overdue first. They stay until `put` again."""
        found: dict[SessionId, datetime] = {}
        while (at := self.next()) is not None and at <= now:
            _, session_id = heappop(self._heap)
            found[session_id] = at
        for session_id, at in found.items():
            heappush(self._heap, (at, session_id))
        return list(found)
