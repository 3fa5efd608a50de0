"""The audit log: who did what when. Rows are added, never changed or removed; no row holds a secret."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from sqlalchemy import insert, select

from relay.sessions import CompanyId, SessionId
from relay.store.engine import Transaction
from relay.store.tables import audit

AuditFields: TypeAlias = Mapping[str, str | int | float | bool | list[str] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """One thing that happened.

    Attributes:
        at: when.
        company_id, session_id: what it concerns; None if nothing in particular.
        actor: ``technician:ID``, ``host``, ``customer``, ``clock``, ``relay``, or ``stranger``.
        action: one word.
        fields: details; numbers, names and reasons, never secrets.
    """

    at: datetime
    company_id: CompanyId | None
    session_id: SessionId | None
    actor: str
    action: str
    fields: AuditFields


def add(tx: Transaction, row: AuditRow) -> None:
    """Appends a row."""
    values = {name: getattr(row, name) for name in AuditRow.__dataclass_fields__}
    tx.execute(insert(audit).values(values | {"fields": dict(row.fields)}))


def of_session(tx: Transaction, session_id: SessionId) -> list[AuditRow]:
    """What happened to a session, in order."""
    rows = tx.execute(select(audit).where(audit.c.session_id == session_id).order_by(audit.c.id)).mappings()
    return [AuditRow(**{name: row[name] for name in AuditRow.__dataclass_fields__}) for row in rows]


def of_company(tx: Transaction, company_id: CompanyId) -> list[AuditRow]:
    """What happened in a company, in order."""
    rows = tx.execute(select(audit).where(audit.c.company_id == company_id).order_by(audit.c.id)).mappings()
    return [AuditRow(**{name: row[name] for name in AuditRow.__dataclass_fields__}) for row in rows]
