"""The rows of one transaction of many events.

The events of a group run one after the other (`relay.broker.ledger`). A session's row is read once for all of
them and written once, at the end: a statement for one row costs nearly as much as a statement for a hundred.
An event sees what the earlier ones of its group did, as if each had been committed.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from relay.people import Company, CompanyId
from relay.sessions import Session, SessionId
from relay.store import Transaction, account_rows, audit_rows, session_rows, ticket_rows
from relay.store.audit_rows import AuditRow
from relay.store.session_rows import SecretName, Secrets, SessionChange, SessionKey


@dataclass(slots=True)
class _Row:
    """A session's row.

    Attributes:
        stored: as it is in the database; None if that is not known.
        current: as the events so far left it.
        secrets: those that they replaced and nobody has written yet.
        credential: the key by which it was found, if that was its host's credential.
    """

    stored: Session | None
    current: Session
    secrets: dict[SecretName, bytes | None] = field(default_factory=dict)
    credential: SessionKey | None = None


class Batch:
    """What the events of a group share. It lives in a worker thread as long as the transaction.

    Args:
        tx: the transaction.
        now: the moment at which all of it happens.
        host: the connection that a session's host is on, as far as memory knows.
    """

    def __init__(self, tx: Transaction, now: datetime, host: Callable[[SessionId], int | None]) -> None:
        self.tx = tx
        self.now = now
        self._host = host
        self._joined: dict[SessionId, int] = {}
        # As of the events so far.
        self._rows: dict[SessionId, _Row] = {}
        self._found: dict[SessionKey, SessionId | None] = {}
        self._companies: dict[CompanyId, Company] = {}
        # Not written yet, in order.
        self._changed: dict[SessionId, None] = {}
        self._ended: list[SessionId] = []
        self._audited: list[AuditRow] = []

    @property
    def companies(self) -> list[Company]:
        """Those that were read."""
        return list(self._companies.values())

    def load(self, keys: Iterable[SessionKey]) -> None:
        """Reads the sessions with these keys, and their companies, unless they were read before."""
        missing = [key for key in dict.fromkeys(keys) if key not in self._found]
        if not missing:
            return
        self.write()
        self._found.update(dict.fromkeys(missing))
        for key, session in session_rows.find_sessions(self.tx, missing).items():
            self._found[key] = session.id
            row = self._rows.setdefault(session.id, _Row(session, session))
            if key.column == "credential_hash":
                row.credential = key
        self.load_companies({row.current.company_id for row in self._rows.values()})

    def load_companies(self, company_ids: Collection[CompanyId]) -> None:
        """Reads these companies, unless they were read before."""
        missing = [company_id for company_id in company_ids if company_id not in self._companies]
        if missing:
            self._companies.update(account_rows.companies_by_id(self.tx, missing))

    def session(self, key: SessionKey) -> Session | None:
        """The session with this key now, or None."""
        if key not in self._found:
            self.load([key])
        session_id = self._found[key]
        return None if session_id is None else self._rows[session_id].current

    def company(self, company_id: CompanyId) -> Company | None:
        """The company, or None."""
        if company_id not in self._companies:
            self.load_companies([company_id])
        return self._companies.get(company_id)

    def host(self, session_id: SessionId) -> int | None:
        """The connection that the session's host is on now, or None."""
        joined = self._joined.get(session_id)
        return self._host(session_id) if joined is None else joined

    def has_joined(self, session_id: SessionId) -> bool:
        """A host of this session came in an event so far."""
        return session_id in self._joined

    def take(
        self,
        sessions: Iterable[Session],
        secrets: Mapping[SessionId, Secrets],
        ended: Iterable[SessionId],
        audited: Iterable[AuditRow],
        joined: Mapping[SessionId, int],
    ) -> None:
        """Takes over what an event did, to be written later.

        Args:
            sessions: as they are now.
            secrets: replaced ones, of some of those sessions.
            ended: sessions whose tickets are dead.
            audited: rows for the audit log.
            joined: the connections of hosts that came.
        """
        for session in sessions:
            row = self._rows.setdefault(session.id, _Row(None, session))
            row.current = session
            self._changed[session.id] = None
        for session_id, replaced in secrets.items():
            row = self._rows[session_id]
            row.secrets.update(replaced)
            if "credential_hash" in replaced and row.credential is not None:
                self._found[row.credential] = None
                row.credential = None
        self._ended.extend(ended)
        self._audited.extend(audited)
        self._joined.update(joined)

    def write(self) -> None:
        """Writes what was taken over and not written yet."""
        changed = [self._rows[session_id] for session_id in self._changed]
        session_rows.save_sessions(
            self.tx, [SessionChange(row.stored, row.current, row.secrets) for row in changed]
        )
        for row in changed:
            row.stored, row.secrets = row.current, {}
        if self._ended:
            ticket_rows.delete_tickets(self.tx, self._ended)
        audit_rows.add_all(self.tx, self._audited)
        self._forget_unwritten()

    def forget(self) -> None:
        """Forgets all that was read, and what is not written: statements changed or undid it."""
        self._rows.clear()
        self._found.clear()
        self._companies.clear()
        self._forget_unwritten()

    def _forget_unwritten(self) -> None:
        self._changed.clear()
        self._ended.clear()
        self._audited.clear()
