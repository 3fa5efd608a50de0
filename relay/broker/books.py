"""What the broker holds in memory, and the one gate through which every change goes.

The store is the truth; memory holds a copy of the open sessions, so that a stream's opening is decided
without waiting, and what no store can know: who is connected to this relay right now.

`commit` runs a transaction and takes its result over before anybody else can start one: a lock is held from
before the transaction until memory agrees with it. So the copy never goes back in time, and whoever
returns from `commit` sees at least its own change. From the end of the transaction to the end of `commit`
there is no checkpoint: what is committed is also taken over, whatever is cancelled meanwhile.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar

import trio

from relay.broker.ledger import Ledger
from relay.broker.records import BrokerStatistics
from relay.errors import Refused
from relay.protocol.close_reasons import CloseReason
from relay.sessions import Company, CompanyId, Session, SessionId, SessionState, deadline, due
from relay.store import Store, Transaction

_T = TypeVar("_T")


@dataclass(slots=True)
class Presence:
    """Who of a session is connected to this relay.

    Attributes:
        host: its connection's number.
        viewers: number and arrival of each, in order of arrival. While one is being noted as gone, the next
            may already have its number.
    """

    host: int | None = None
    viewers: list[tuple[int, datetime]] = field(default_factory=list)


class Books:
    """The broker's memory.

    Attributes:
        store: where the truth is.
        now: the clock, aware and in UTC.
        revoke: called with each session that ended, and why, right after the commit.
        changed: set at the next change of any session, and then replaced.

    Concurrency: any task may call anything; changes happen one after the other.
    """

    def __init__(self, store: Store, *, now: Callable[[], datetime], watch_buffer: int) -> None:
        self.store = store
        self.now = now
        self.revoke: Callable[[SessionId, CloseReason], None] = lambda session_id, reason: None
        self.changed = trio.Event()
        self._watch_buffer = watch_buffer
        self._gate = trio.Lock()
        self._sessions: dict[SessionId, Session] = {}  # open ones
        self._companies: dict[CompanyId, Company] = {}  # at least those of open sessions
        self._presence: dict[SessionId, Presence] = {}  # of whoever has anybody connected
        self._watchers: dict[CompanyId, set[trio.MemorySendChannel[Session]]] = {}
        self._watchers_dropped = 0

    async def commit(
        self, work: Callable[[Ledger], _T | Refused], take_over: Callable[[_T], None] | None = None
    ) -> _T:
        """Runs `work` in a transaction, then brings memory up to date, revokes and publishes.

        Args:
            work: runs in a worker thread, perhaps more than once; touches nothing but its ledger. A
                `Refused` that it *returns* is raised after the commit; what it raises undoes everything.
            take_over: called with the result right after the commit, before sessions are published.

        Raises:
            Refused: what `work` raised or returned.
            RelayError: the store failed; nothing was changed.

        Cancellation: takes effect before the transaction starts, or after all is done.
        """
        async with self._gate:
            now = self.now()

            def run(tx: Transaction) -> tuple[_T | Refused, Ledger, list[Company]]:
                ledger = Ledger(tx, now)
                result = work(ledger)
                company_ids = {session.company_id for session in ledger.changed.values()}
                return result, ledger, [ledger.company(company_id) for company_id in company_ids]

            result, ledger, companies = await self.store.write(run)
            # No checkpoint from here on.
            for company in companies:
                self._companies[company.id] = company
            if take_over is not None and not isinstance(result, Refused):
                take_over(result)
            self._take_over(ledger)
            if isinstance(result, Refused):
                raise result
            return result

    def _take_over(self, ledger: Ledger) -> None:
        for session in ledger.changed.values():
            if session.state.is_open:
                self._sessions[session.id] = session
            else:
                self._sessions.pop(session.id, None)
                self.set_host(session.id, None)
        for session in ledger.ended:
            if session.end_reason is None:
                raise AssertionError("an ended session has a reason")
            self.revoke(session.id, session.end_reason)
        for session in ledger.changed.values():
            self._publish(self.live(session))
        self.changed.set()
        self.changed = trio.Event()

    def current(self, session_id: SessionId) -> tuple[Session, Company] | None:
        """An open session and its company, as of the last commit."""
        session = self._sessions.get(session_id)
        return None if session is None else (session, self._companies[session.company_id])

    def due(self, now: datetime) -> list[Session]:
        """The open sessions whose time is over."""
        return [session for session in self._sessions.values() if due(session, now) is not None]

    def next_deadline(self) -> datetime | None:
        """When the clock will end the next session, if any is open."""
        deadlines = (deadline(session) for session in self._sessions.values())
        return min((at for at in deadlines if at is not None), default=None)

    # Who is connected

    def live(self, session: Session) -> Session:
        """The session with its live fields filled in."""
        presence = self._presence.get(session.id)
        if presence is None:
            return replace(session, host_online=False, viewers=0)
        return replace(session, host_online=presence.host is not None, viewers=len(presence.viewers))

    def host(self, session_id: SessionId) -> int | None:
        """The number of the host's connection, None while it is offline."""
        presence = self._presence.get(session_id)
        return None if presence is None else presence.host

    def set_host(self, session_id: SessionId, connection: int | None) -> None:
        """The host is on this connection now, or on none."""
        self._presence.setdefault(session_id, Presence()).host = connection
        self._forget_if_empty(session_id)

    def add_viewer(self, session_id: SessionId, viewer: int, at: datetime) -> None:
        """A viewer is attached."""
        self._presence.setdefault(session_id, Presence()).viewers.append((viewer, at))

    def remove_viewer(self, session_id: SessionId, viewer: int) -> datetime | None:
        """A viewer is gone; since when it was there, or None if it was not."""
        presence = self._presence.get(session_id, Presence())
        for arrival in presence.viewers:
            if arrival[0] == viewer:
                presence.viewers.remove(arrival)
                self._forget_if_empty(session_id)
                return arrival[1]
        return None

    def _forget_if_empty(self, session_id: SessionId) -> None:
        presence = self._presence.get(session_id)
        if presence is not None and presence.host is None and not presence.viewers:
            del self._presence[session_id]

    # Who follows along

    @contextmanager
    def watch(self, company_id: CompanyId) -> Iterator[trio.MemoryReceiveChannel[Session]]:
        """A queue of the company's sessions, each as it is after a change; ends if the reader is slow."""
        sending, receiving = trio.open_memory_channel[Session](self._watch_buffer)
        watchers = self._watchers.setdefault(company_id, set())
        watchers.add(sending)
        try:
            yield receiving
        finally:
            watchers.discard(sending)
            if not watchers and self._watchers.get(company_id) is watchers:
                del self._watchers[company_id]
            sending.close()
            receiving.close()

    def _publish(self, session: Session) -> None:
        for sending in list(self._watchers.get(session.company_id, ())):
            try:
                sending.send_nowait(session)
            except trio.WouldBlock:
                # The reader gets what is queued, then the end: it must reload rather than miss a change.
                self._watchers[session.company_id].discard(sending)
                sending.close()
                self._watchers_dropped += 1

    def statistics(self) -> BrokerStatistics:
        """Counts as of now."""
        states = Counter(session.state for session in self._sessions.values())
        return BrokerStatistics(
            sessions={state: states[state] for state in SessionState if state.is_open},
            hosts_online=sum(presence.host is not None for presence in self._presence.values()),
            viewers=sum(len(presence.viewers) for presence in self._presence.values()),
            watchers=sum(len(watchers) for watchers in self._watchers.values()),
            watchers_dropped=self._watchers_dropped,
        )
