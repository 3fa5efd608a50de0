"""One transaction of the broker: rows in, rules applied, rows out, and an audit row for each step.

A `Ledger` lives inside a worker thread for the length of one transaction. What it collects in `changed` is
taken over by `relay.broker.books` after the commit; if the transaction is undone, it is forgotten with it.
"""

from datetime import datetime

from relay import sessions as rules
from relay.auth import refusal
from relay.errors import SessionUnavailable
from relay.sessions import Company, CompanyId, Event, Session, SessionId, Technician, TechnicianId
from relay.store import Transaction, account_rows, audit_rows, session_rows
from relay.store.audit_rows import AuditRow

NO_SUCH_SESSION = "There is no such session."


class Ledger:
    """The sessions' books, open for one transaction.

    Attributes:
        tx: the transaction, for queries.
        now: the moment at which all of it happens.
        changed: sessions as they are after it, by id; also those of which only live facts changed.
        ended: those of them that ended in it.
    """

    def __init__(self, tx: Transaction, now: datetime) -> None:
        self.tx = tx
        self.now = now
        self.changed: dict[SessionId, Session] = {}
        self.ended: list[Session] = []

    def find(self, session_id: SessionId) -> Session:
        """The session as it is at `now`: ended, if its time is over.

        Raises:
            SessionUnavailable: there is none.
        """
        session = session_rows.session_by_id(self.tx, session_id, for_update=True)
        if session is None:
            raise SessionUnavailable(NO_SUCH_SESSION)
        return self.settle(session)

    def find_own(self, session_id: SessionId, technician_id: TechnicianId) -> Session:
        """The same, for the technician who prepared it; anybody else's looks like none.

        Raises:
            SessionUnavailable: there is none, or it is somebody else's.
        """
        session = self.find(session_id)
        if session.technician_id != technician_id:
            raise SessionUnavailable(NO_SUCH_SESSION)
        return session

    def settle(self, session: Session) -> Session:
        """Ends a session whose time is over; any other is returned as it is."""
        event = rules.due(session, self.now)
        return session if event is None else self.happen(session, event, actor="clock")

    def happen(
        self, session: Session, event: Event, *, actor: str, **fields: str | int | list[str] | None
    ) -> Session:
        """Takes a step of the table, keeps it, and writes it to the audit log.

        Raises:
            SessionUnavailable: the table has no such step.
        """
        after = rules.advance(session, event, self.now)
        if session.state.is_open and not after.state.is_open:
            session_rows.delete_tickets(self.tx, [after.id])
            session_rows.set_wrapped(self.tx, after.id, None)
            self.ended.append(after)
        self.keep(after)
        self.audit(after, event.value, actor=actor, **fields)
        return after

    def keep(self, session: Session) -> Session:
        """Stores the session's record."""
        session_rows.save_session(self.tx, session)
        return self.touch(session)

    def touch(self, session: Session) -> Session:
        """Has the session published though its record is as it was."""
        self.changed[session.id] = session
        return session

    def audit(
        self, session: Session, action: str, *, actor: str, **fields: str | int | float | list[str] | None
    ) -> None:
        """Adds to the audit log."""
        row = AuditRow(
            at=self.now,
            company_id=session.company_id,
            session_id=session.id,
            actor=actor,
            action=action,
            fields=fields,
        )
        audit_rows.add(self.tx, row)

    def company(self, company_id: CompanyId) -> Company:
        """A session's company, which a foreign key keeps in place."""
        company = account_rows.company_by_id(self.tx, company_id)
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
