"""What a change of a company's settings means for its sessions."""

from collections.abc import Callable
from dataclasses import fields

from relay.broker.ledger import Ledger, technician_actor
from relay.people import Company, CompanyId, TechnicianId
from relay.sessions import Event, Session
from relay.store import account_rows, session_rows
from relay.store.audit_rows import AuditRow


def replace_company(ledger: Ledger, company: Company) -> list[Session]:
    """Stores a company's settings; its open sessions, which end if it is suspended by that."""
    account_rows.save_company(ledger.tx, company)
    found = session_rows.open_sessions(ledger.tx, company_id=company.id, for_update=True)
    for session in found:
        if company.is_suspended:
            ledger.happen(session, Event.COMPANY_SUSPENDED, actor="relay")
        else:
            ledger.touch(session)
    return found


def edit_company(
    ledger: Ledger, company_id: CompanyId, edit: Callable[[Company], Company], *, by: TechnicianId
) -> tuple[Company, list[Session]]:
    """The company as `edit` makes it of what it is now, and its open sessions; none if nothing changed.

    Args:
        ledger: open for this event.
        company_id: which; it must exist.
        edit: the settings as they are to those that shall be.
        by: who changes them; the audit log gets the names of the settings, not their values.
    """
    before = ledger.company(company_id)
    after = edit(before)
    names: list[str] = [
        field.name for field in fields(Company) if getattr(before, field.name) != getattr(after, field.name)
    ]
    if not names:
        return before, []
    found = replace_company(ledger, after)
    ledger.add(
        AuditRow(
            at=ledger.now,
            company_id=company_id,
            session_id=None,
            actor=technician_actor(by),
            action="company_changed",
            fields={"fields": names},
        )
    )
    return after, found
