"""One event of the broker: rows in, rules applied, rows out, and an audit row for each step.

A `Ledger` lives inside a worker thread for the length of one event in a transaction of several
(`relay.broker.batch`). What it collects in `changed` is taken over by `relay.broker.books` after the commit;
if the event is refused, it is forgotten with it, and the other events of the transaction are not touched.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from types import TracebackType
from typing import TypeVar

from relay import sessions as rules
from relay.auth import refusal
from relay.broker.batch import Batch
from relay.errors import SessionUnavailable
from relay.people import Company, CompanyId, Permission, Technician, TechnicianId
from relay.sessions import Access, Event, Session, SessionId, Share
from relay.store import Savepoint, Transaction, account_rows, attempt, share_rows
from relay.store.audit_rows import AuditField, AuditRow
from relay.store.session_rows import Secrets, SessionKey

NO_SUCH_SESSION = "There is no such session."

_T = TypeVar("_T")


def run_event(batch: Batch, work: Callable[["Ledger"], _T]) -> tuple[_T, "Ledger"]:
    """Runs one event, again where another relay was quicker to take a slot; it alone is undone if it raises.

    Raises:
        StoreUnavailable: the database failed, and with it the transaction.
        Exception: whatever `work` raises; RelayError for what the database refused of it.
    """

    def once() -> tuple[_T, Ledger]:
        with Ledger(batch) as ledger:
            return work(ledger), ledger

    return attempt(once)


class Ledger:
    """The sessions' books, open for one event; a context manager that undoes what raises.

    Attributes:
        now: the moment at which all of it happens.
        changed: sessions as they are after it, by id; also those of which only live facts changed.
        ended: those of them that ended in it.
        credentials: hashes of the credentials that were replaced; None where there is none any more.
        joined: the connections of hosts that came in it.
        shares: who is in the sessions of which that changed.
    """

    def __init__(self, batch: Batch) -> None:
        self.now: datetime = batch.now
        self.changed: dict[SessionId, Session] = {}
        self.ended: list[Session] = []
        self.credentials: dict[SessionId, bytes | None] = {}
        self.joined: dict[SessionId, int] = {}
        self.shares: dict[SessionId, tuple[Share, ...]] = {}
        self._batch = batch
        self._savepoint: Savepoint | None = None
        # Not handed over to the batch yet.
        self._kept: dict[SessionId, Session] = {}
        self._secrets: dict[SessionId, Secrets] = {}
        self._dead: list[SessionId] = []
        self._audited: list[AuditRow] = []

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._savepoint is None:
            if error is None:
                self._hand_over()
            return
        if error is None:
            try:
                self._hand_over()
                self._batch.write()
            except BaseException:
                self._undo(self._savepoint)
                raise
            self._savepoint.commit()
            self._batch.forget()
        else:
            self._undo(self._savepoint)

    def _undo(self, savepoint: Savepoint) -> None:
        self._batch.forget()
        savepoint.rollback()

    def _hand_over(self) -> None:
        self._batch.take(self._kept.values(), self._secrets, self._dead, self._audited, self.joined)
        self._kept, self._secrets, self._dead, self._audited = {}, {}, [], []

    @property
    def tx(self) -> Transaction:
        """The transaction, for statements of one's own.

        What was kept so far is written before this returns, and all that the event does can be undone from
        here on. It costs a savepoint: what happens a thousand times a second does without.
        """
        if self._savepoint is None:
            self._batch.write()
            self._savepoint = self._batch.tx.begin_nested()
        self._hand_over()
        self._batch.write()
        self._batch.forget()
        return self._batch.tx

    def find(self, session_id: SessionId) -> Session:
        """The session as it is at `now`: ended, if its time is over.

        Raises:
            SessionUnavailable: there is none.
        """
        session = self.find_by(by_id(session_id))
        if session is None:
            raise SessionUnavailable(NO_SUCH_SESSION)
        return session

    def find_by(self, key: SessionKey) -> Session | None:
        """The session with this key as it is at `now`, or None."""
        session = self._batch.session(key)
        if session is None:
            return None
        return self.settle(self.changed.get(session.id, session))

    def find_own(self, session_id: SessionId, technician_id: TechnicianId) -> Session:
        """The same, for the technician who prepared it; anybody else's looks like none.

        Raises:
            SessionUnavailable: there is none, or it is somebody else's.
        """
        session = self.find(session_id)
        if session.technician_id != technician_id:
            raise SessionUnavailable(NO_SUCH_SESSION)
        return session

    def standing(
        self, session_id: SessionId, technician: Technician, permissions: frozenset[Permission] | None = None
    ) -> tuple[Session, Access]:
        """The session with its shares, and what the technician may do with it.

        Args:
            session_id: which.
            technician: who.
            permissions: fewer than the technician's own, an API token's; None for all of those.

        Raises:
            SessionUnavailable: there is none, or none that they may know of.
        """
        shares = share_rows.shares_of(self.tx, [session_id]).get(session_id, ())
        session = replace(self.find(session_id), shares=shares)
        held = technician.permissions if permissions is None else technician.permissions & permissions
        access = rules.access_of(session, technician, held)
        if access is None:
            raise SessionUnavailable(NO_SUCH_SESSION)
        return session, access

    def settle(self, session: Session) -> Session:
        """Ends a session whose time is over; any other is returned as it is."""
        event = rules.due(session, self.now)
        return session if event is None else self.happen(session, event, actor="clock")

    def happen(self, session: Session, event: Event, *, actor: str, **fields: AuditField) -> Session:
        """Takes a step of the table, keeps it, and writes it to the audit log.

        Raises:
            SessionUnavailable: the table has no such step.
        """
        after = rules.advance(session, event, self.now)
        if session.state.is_open and not after.state.is_open:
            self._dead.append(after.id)
            self._secrets[after.id] = {**self._secrets.get(after.id, {}), "wrapped": None}
            self.ended.append(after)
        self.keep(after)
        self.audit(after, event.value, actor=actor, **fields)
        return after

    def keep(self, session: Session, secrets: Secrets | None = None) -> Session:
        """Stores the session's record, and those of its secrets that are replaced."""
        self._kept[session.id] = session
        if secrets:
            self._secrets[session.id] = {**self._secrets.get(session.id, {}), **secrets}
            if "credential_hash" in secrets:
                self.credentials[session.id] = secrets["credential_hash"]
        return self.touch(session)

    def touch(self, session: Session) -> Session:
        """Has the session published though its record is as it was."""
        self.changed[session.id] = session
        return session

    def host(self, session_id: SessionId) -> int | None:
        """The connection that the session's host is on, None while it is offline."""
        return self.joined.get(session_id, self._batch.host(session_id))

    def has_joined(self, session_id: SessionId) -> bool:
        """A host joined the session in this very transaction."""
        return self._batch.has_joined(session_id)

    def audit(self, session: Session, action: str, *, actor: str, **fields: AuditField) -> None:
        """Adds to the audit log."""
        self.add(audit_row(session, action, at=self.now, actor=actor, **fields))

    def add(self, row: AuditRow) -> None:
        """Adds a row to the audit log that was made before."""
        self._audited.append(row)

    def company(self, company_id: CompanyId) -> Company:
        """A session's company, which a foreign key keeps in place."""
        company = self._batch.company(company_id)
        if company is None:
            raise AssertionError("a session's or technician's company is missing")
        return company

    def working(self, technician_id: TechnicianId) -> tuple[Technician, Company]:
        """A technician who may work now, and their company.

        Raises:
            AuthError: unknown, disabled, or of a suspended company.
        """
        technician = account_rows.technician_by_id(self.tx, technician_id)
        if technician is None or technician.is_disabled:
            raise refusal()
        company = self.company(technician.company_id)
        if company.is_suspended:
            raise refusal()
        return technician, company


def technician_actor(technician_id: TechnicianId) -> str:
    """A technician's name in the audit log."""
    return f"technician:{technician_id}"


def audit_row(session: Session, action: str, *, at: datetime, actor: str, **fields: AuditField) -> AuditRow:
    """What the audit log says of something that happened to a session."""
    return AuditRow(
        at=at,
        company_id=session.company_id,
        session_id=session.id,
        actor=actor,
        action=action,
        fields=fields,
    )


def by_id(session_id: SessionId) -> SessionKey:
    """By which a session that is known already is found."""
    return SessionKey("id", session_id)
