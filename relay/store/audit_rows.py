"""The audit log: who did what when. Rows are added, never changed or removed; no row holds a secret."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import insert, select

from relay.people import CompanyId
from relay.sessions import SessionId
from relay.store.engine import Transaction
from relay.store.tables import audit

AuditField: TypeAlias = str | int | float | bool | list[str] | None
AuditFields: TypeAlias = Mapping[str, AuditField]


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
    add_all(tx, [row])


def add_all(tx: Transaction, rows: Sequence[AuditRow]) -> None:
    """Appends rows, in this order, by one statement."""
    if rows:
        tx.execute(_INSERT, [_values(row) for row in rows])


def of_session(tx: Transaction, session_id: SessionId) -> list[AuditRow]:
    """What happened to a session, in order."""
    rows = tx.execute(select(audit).where(audit.c.session_id == session_id).order_by(audit.c.id)).mappings()
    return [AuditRow(**{name: row[name] for name in AuditRow.__dataclass_fields__}) for row in rows]


def of_company(tx: Transaction, company_id: CompanyId) -> list[AuditRow]:
    """What happened in a company, in order."""
    rows = tx.execute(select(audit).where(audit.c.company_id == company_id).order_by(audit.c.id)).mappings()
    return [AuditRow(**{name: row[name] for name in AuditRow.__dataclass_fields__}) for row in rows]


_INSERT = insert(audit)


def _values(row: AuditRow) -> dict[str, Any]:
    return {
        "at": row.at,
        "company_id": row.company_id,
        "session_id": row.session_id,
        "actor": row.actor,
        "action": row.action,
        "fields": dict(row.fields),
    }
