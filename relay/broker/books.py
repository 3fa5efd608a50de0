"""What the broker holds in memory, and the one gate through which every change goes.

The store is the truth; memory holds a copy of the open sessions, so that a stream's opening is decided
without waiting, and what no store can know: who is connected to this relay right now.

`commit` runs an event in a transaction and takes its result over before another transaction can start. So the
copy never goes back in time, and whoever returns from `commit` sees at least its own change. From the end of
the transaction until memory agrees with it there is no checkpoint: what is committed is also taken over,
whatever is cancelled meanwhile.

Events that come while a transaction is under way share the next one (`relay.broker.gate`): a commit waits for
the disk, and one wait does for all. In it they run in order of arrival, each on what the earlier ones left
(`relay.broker.batch`); a refusal undoes one of them, a failure of the store all.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar, cast

import structlog
import trio

from relay.broker.agenda import Agenda
from relay.broker.batch import Batch
from relay.broker.gate import Gate
from relay.broker.ledger import Ledger, run_event
from relay.broker.records import BrokerStatistics
from relay.errors import Refused
from relay.people import Company, CompanyId
from relay.protocol.close_reasons import CloseReason
from relay.sessions import Session, SessionId, SessionState, Share, altered
from relay.store import Store, StoreUnavailable, Transaction
from relay.store.audit_rows import AuditRow
from relay.store.session_rows import SessionKey

MAX_GROUP = 128
"""Events of one transaction: it takes some milliseconds then, for which the next must wait."""

GROUP_SPACING = 0.02
"""Seconds between groups of several events. A transaction costs about 0.8 ms of processor time and 0.1 ms an
event: with 64 hosts that come at a time, groups of 8 became groups of 30, a tenth of an admission's cost."""

MAX_NOTES = 4096
"""Rows that wait to be noted: a return each, of every host of a busy relay."""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

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


@dataclass(slots=True, eq=False)
class _Event(Generic[_T]):
    """What waits at the gate, and what became of it."""

    work: Callable[[Ledger], _T | Refused]
    take_over: Callable[[_T], None] | None
    reads: SessionKey | None
    result: _T | Refused | None = None
    error: Exception | None = None
    is_done: bool = False

    def run(self, batch: Batch) -> Ledger | None:
        """Its ledger, or None if it was undone; in the worker thread, perhaps more than once.

        Raises:
            StoreUnavailable: so was all of the transaction.
        """
        self.result = self.error = None
        try:
            self.result, ledger = run_event(batch, self.work)
        except StoreUnavailable:
            raise
        except Exception as exc:
            self.error = exc
            return None
        return ledger

    def take_over_result(self) -> None:
        """Has the caller's memory agree with what was committed."""
        self.is_done = True
        if self.take_over is not None and not isinstance(self.result, Refused):
            self.take_over(cast("_T", self.result))

    def answer(self) -> _T:
        """What the caller of `Books.commit` gets."""
        if self.error is not None:
            raise self.error
        if isinstance(self.result, Refused):
            raise self.result
        if not self.is_done:
            raise AssertionError("an event passed the gate without an answer")
        return cast("_T", self.result)


class Books:
    """The broker's memory.

    Attributes:
        store: where the truth is.
        now: the clock, aware and in UTC.
        revoke: called with each session that ended, and why, right after the commit.
        changed: set at the next change of any session, and then replaced.
        noted: set while rows wait to be noted; replaced when they are on their way.

    Concurrency: any task may call anything; changes happen one after the other.
    """

    def __init__(self, store: Store, *, now: Callable[[], datetime], watch_buffer: int) -> None:
        self.store = store
        self.now = now
        self.revoke: Callable[[SessionId, CloseReason], None] = lambda session_id, reason: None
        self.changed = trio.Event()
        self._watch_buffer = watch_buffer
        self.noted = trio.Event()
        self._gate = Gate(self._pass_group, max_group=MAX_GROUP, spacing=GROUP_SPACING)
        self._notes: list[AuditRow] = []
        self._sessions: dict[SessionId, Session] = {}  # open ones
        self._agenda = Agenda()  # theirs
        self._holders: dict[SessionKey, SessionId] = {}  # by their hosts' credentials
        self._credentials: dict[SessionId, SessionKey] = {}  # the same, the other way round
        self._companies: dict[CompanyId, Company] = {}  # at least those of open sessions
        self._shares: dict[SessionId, tuple[Share, ...]] = {}  # of open sessions that have any
        self._presence: dict[SessionId, Presence] = {}  # of whoever has anybody connected
        self._watchers: dict[CompanyId, set[trio.MemorySendChannel[Session]]] = {}
        self._watchers_dropped = 0

    async def commit(
        self,
        work: Callable[[Ledger], _T | Refused],
        take_over: Callable[[_T], None] | None = None,
        *,
        reads: SessionKey | None = None,
    ) -> _T:
        """Runs `work` in a transaction, then brings memory up to date, revokes and publishes.

        Args:
            work: runs in a worker thread, perhaps more than once; touches nothing but its ledger. A
                `Refused` that it *returns* is raised after the commit; what it raises undoes all it did.
            take_over: called with the result right after the commit, before sessions are published.
            reads: the session that `work` will look for, so that it is read together with others.

        Raises:
            Refused: what `work` raised or returned.
            RelayError: the store failed; nothing is known to have changed.

        Cancellation: takes effect before the transaction starts, or after all is done.
        """
        event = _Event(work, take_over, reads)
        await self._gate.pass_through(event)
        return event.answer()

    def note(self, row: AuditRow) -> None:
        """Has a row that decides nothing written to the audit log, with the next transaction.

        `run_notes` sees to it that there is one soon; a relay that is killed before forgets the row.
        """
        self._notes.append(row)
        self.noted.set()

    @property
    def has_room_for_notes(self) -> bool:
        """False while so many rows wait to be noted that the store must have failed, or be too slow."""
        return len(self._notes) < MAX_NOTES

    async def _pass_group(self, events: list["_Event[Any]"]) -> None:
        """One transaction for all of them, what was noted first."""
        notes, self._notes = self._notes, []
        if notes:
            self.noted = trio.Event()

        def write_notes(ledger: Ledger) -> None:
            for row in notes:
                ledger.add(row)

        noting = _Event(write_notes, None, None)
        await self._transact([noting, *events] if notes else events)
        if isinstance(noting.error, StoreUnavailable):
            self._notes = notes + self._notes
            self.noted.set()
        elif noting.error is not None:
            log.error("rows of the audit log were refused", rows=len(notes), exc_info=noting.error)

    async def _transact(self, events: list["_Event[Any]"]) -> None:
        """Runs events in one transaction. One that spoils it for all is found by running each in its own."""
        now = self.now()

        def run(tx: Transaction) -> tuple[list[Ledger | None], list[Company]]:
            batch = Batch(tx, now, self.host)
            batch.load(event.reads for event in events if event.reads is not None)
            ledgers = [event.run(batch) for event in events]
            batch.write()
            changed = [session for ledger in ledgers if ledger for session in ledger.changed.values()]
            batch.load_companies({session.company_id for session in changed})
            return ledgers, batch.companies

        try:
            ledgers, companies = await self.store.write(run)
        except StoreUnavailable as exc:
            for event in events:
                event.error = StoreUnavailable(str(exc))
                event.error.__cause__ = exc
        except Exception as exc:
            if len(events) == 1:
                events[0].error = exc
                return
            for event in events:
                await self._transact([event])
        else:
            # No checkpoint from here on.
            for company in companies:
                self._companies[company.id] = company
            for event, ledger in zip(events, ledgers, strict=True):
                if ledger is not None:
                    try:
                        event.take_over_result()
                        self._take_over(ledger)
                    except Exception as exc:  # its caller is told; memory follows the others
                        event.error = exc
            self.changed.set()
            self.changed = trio.Event()

    def _take_over(self, ledger: Ledger) -> None:
        for session in ledger.changed.values():
            self._agenda.put(session)
            if session.state.is_open:
                self._sessions[session.id] = session
            else:
                self._sessions.pop(session.id, None)
                self.set_host(session.id, None)
        self.learn_shares(ledger.shares)
        for session_id, connection in ledger.joined.items():
            self.set_host(session_id, connection)
        for session_id, credential_hash in ledger.credentials.items():
            self._learn_credential(session_id, credential_hash)
        for session in ledger.ended:
            self._learn_credential(session.id, None)
            if session.end_reason is None:
                raise AssertionError("an ended session has a reason")
            self.revoke(session.id, session.end_reason)
        for session in ledger.changed.values():
            self.publish(session)
            if not session.state.is_open:
                self._shares.pop(session.id, None)

    def learn_credentials(self, hashes: Mapping[SessionId, bytes]) -> None:
        """These open sessions' hosts are known by the credentials with these hashes."""
        for session_id, credential_hash in hashes.items():
            self._learn_credential(session_id, credential_hash)

    def learn_shares(self, shares: Mapping[SessionId, tuple[Share, ...]]) -> None:
        """These colleagues are in these sessions, and no others."""
        for session_id, found in shares.items():
            if found:
                self._shares[session_id] = found
            else:
                self._shares.pop(session_id, None)

    def _learn_credential(self, session_id: SessionId, credential_hash: bytes | None) -> None:
        known = self._credentials.pop(session_id, None)
        if known is not None:
            del self._holders[known]
        if credential_hash is not None:
            key = SessionKey("credential_hash", credential_hash)
            self._credentials[session_id] = key
            self._holders[key] = session_id

    def of_credential(self, key: SessionKey) -> tuple[Session, Company] | None:
        """The open session whose host holds this credential, and its company, as of the last commit."""
        session_id = self._holders.get(key)
        return None if session_id is None else self.current(session_id)

    def current(self, session_id: SessionId) -> tuple[Session, Company] | None:
        """An open session and its company, as of the last commit."""
        session = self._sessions.get(session_id)
        return None if session is None else (session, self._companies[session.company_id])

    def due(self, now: datetime) -> list[Session]:
        """The open sessions whose time is over."""
        return [self._sessions[session_id] for session_id in self._agenda.due(now)]

    def next_deadline(self) -> datetime | None:
        """When the clock will end the next session, if any is open."""
        return self._agenda.next()

    # Who is connected

    def live(self, session: Session) -> Session:
        """The session with its live fields filled in."""
        shares = session.shares or self._shares.get(session.id, ())
        presence = self._presence.get(session.id)
        if presence is None:
            return altered(session, shares=shares, host_online=False, viewers=0)
        is_online, viewers = presence.host is not None, len(presence.viewers)
        return altered(session, shares=shares, host_online=is_online, viewers=viewers)

    def host(self, session_id: SessionId) -> int | None:
        """The number of the host's connection, None while it is offline."""
        presence = self._presence.get(session_id)
        return None if presence is None else presence.host

    def set_host(self, session_id: SessionId, connection: int | None) -> None:
        """The host is on this connection now, or on none."""
        self._presence.setdefault(session_id, Presence()).host = connection
        self._forget_if_empty(session_id)

    def remove_host(self, session_id: SessionId, connection: int) -> None:
        """The host is not on this connection any more; perhaps it is on a newer one."""
        if self.host(session_id) == connection:
            self.set_host(session_id, None)

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

    def publish(self, session: Session) -> None:
        """Has the console's watchers see the session, with its live fields."""
        watchers = self._watchers.get(session.company_id)
        if not watchers:
            return
        live = self.live(session)
        for sending in list(watchers):
            try:
                sending.send_nowait(live)
            except trio.WouldBlock:
                # The reader gets what is queued, then the end: it must reload rather than miss a change.
                watchers.discard(sending)
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
