"""Rows of sessions and tickets, in and out of records. Queries only: rules are in `relay.sessions`.

Every function runs inside the caller's transaction. ``for_update`` look-ups lock the row until its end
(PostgreSQL; SQLite's one writer needs no lock).
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, delete, insert, select, update

from relay.protocol.close_reasons import CloseReason
from relay.protocol.frames import Channel
from relay.sessions import CompanyId, Session, SessionId, SessionState, TechnicianId
from relay.store.engine import Transaction
from relay.store.tables import sessions, tickets

_LIVE_FIELDS = frozenset({"host_online", "viewers"})
_IS_OPEN = sessions.c.state != SessionState.ENDED.value


def insert_session(
    tx: Transaction, session: Session, *, invite_hash: bytes, technician_slot: int, company_slot: int
) -> None:
    """Adds a session in its slots.

    Raises:
        sqlalchemy.exc.IntegrityError: another relay took a slot in between; the store runs the work again.
    """
    values = _values(session) | {
        "invite_hash": invite_hash,
        "technician_slot": technician_slot,
        "company_slot": company_slot,
    }
    tx.execute(insert(sessions).values(values))


def save_session(tx: Transaction, session: Session) -> None:
    """Writes all fields of a session that exists; its live fields are not stored."""
    tx.execute(update(sessions).where(sessions.c.id == session.id).values(_values(session)))


def session_by_id(tx: Transaction, session_id: SessionId, *, for_update: bool = False) -> Session | None:
    """The session, or None."""
    return _one(tx, sessions.c.id == session_id, for_update=for_update)


def session_by_invite(tx: Transaction, invite_hash: bytes, *, for_update: bool = False) -> Session | None:
    """The session, of whatever state, that was prepared with this invite, or None."""
    return _one(tx, sessions.c.invite_hash == invite_hash, for_update=for_update)


def session_by_credential(
    tx: Transaction, credential_hash: bytes, *, for_update: bool = False
) -> Session | None:
    """The session, of whatever state, whose host holds this credential, or None."""
    return _one(tx, sessions.c.credential_hash == credential_hash, for_update=for_update)


def open_sessions(
    tx: Transaction, *, company_id: CompanyId | None = None, for_update: bool = False
) -> list[Session]:
    """All open sessions, of one company or of all, oldest first."""
    query = select(sessions).where(_IS_OPEN).order_by(sessions.c.created_at, sessions.c.id)
    if company_id is not None:
        query = query.where(sessions.c.company_id == company_id)
    if for_update:
        query = query.with_for_update()
    return [_record(row) for row in tx.execute(query).mappings()]


def sessions_of(tx: Transaction, technician_id: TechnicianId, *, include_ended: bool) -> list[Session]:
    """A technician's sessions, newest first."""
    query = select(sessions).where(sessions.c.technician_id == technician_id)
    if not include_ended:
        query = query.where(_IS_OPEN)
    query = query.order_by(sessions.c.created_at.desc(), sessions.c.id)
    return [_record(row) for row in tx.execute(query).mappings()]


def occupied_slots(
    tx: Transaction, company_id: CompanyId, technician_id: TechnicianId
) -> tuple[set[int], set[int]]:
    """The slots that open sessions hold: of the technician, and of the company."""
    columns = select(sessions.c.technician_id, sessions.c.technician_slot, sessions.c.company_slot)
    rows = tx.execute(columns.where(_IS_OPEN, sessions.c.company_id == company_id)).all()
    return (
        {row.technician_slot for row in rows if row.technician_id == technician_id},
        {row.company_slot for row in rows},
    )


def set_credential(tx: Transaction, session_id: SessionId, credential_hash: bytes | None) -> None:
    """Makes this the only credential that joins the session; None: there is none any more."""
    tx.execute(
        update(sessions).where(sessions.c.id == session_id).values({"credential_hash": credential_hash})
    )


def set_wrapped(tx: Transaction, session_id: SessionId, wrapped: bytes | None) -> None:
    """Keeps the encrypted pairing key, or forgets it."""
    tx.execute(update(sessions).where(sessions.c.id == session_id).values({"wrapped": wrapped}))


def wrapped_key(tx: Transaction, session_id: SessionId) -> bytes | None:
    """The encrypted pairing key, if one is kept."""
    return tx.execute(select(sessions.c.wrapped).where(sessions.c.id == session_id)).scalar_one_or_none()


def insert_ticket(
    tx: Transaction,
    *,
    ticket_hash: bytes,
    session_id: SessionId,
    technician_id: TechnicianId,
    kinds: Iterable[Channel],
    expires_at: datetime,
) -> None:
    """Adds a ticket."""
    tx.execute(
        insert(tickets).values(
            {
                "ticket_hash": ticket_hash,
                "session_id": session_id,
                "technician_id": technician_id,
                "kinds": sorted(kinds),
                "expires_at": expires_at,
            }
        )
    )


def use_ticket(
    tx: Transaction, ticket_hash: bytes, now: datetime
) -> tuple[SessionId, TechnicianId, frozenset[Channel]] | None:
    """Spends a ticket that is neither used nor dead, in one statement: of many at once, one wins.

    Returns:
        Whose right it was and to what, or None.
    """
    row = tx.execute(
        update(tickets)
        .where(tickets.c.ticket_hash == ticket_hash, tickets.c.used_at.is_(None), tickets.c.expires_at > now)
        .values({"used_at": now})
        .returning(tickets.c.session_id, tickets.c.technician_id, tickets.c.kinds)
    ).one_or_none()
    if row is None:
        return None
    return (
        SessionId(row.session_id),
        TechnicianId(row.technician_id),
        frozenset(Channel(kind) for kind in row.kinds),
    )


def delete_tickets(tx: Transaction, session_ids: Collection[SessionId]) -> None:
    """Kills every ticket of these sessions."""
    tx.execute(delete(tickets).where(tickets.c.session_id.in_(session_ids)))


def delete_dead_tickets(tx: Transaction, before: datetime) -> None:
    """Forgets tickets that were dead before `before`, used or not."""
    tx.execute(delete(tickets).where(tickets.c.expires_at < before))


def _one(tx: Transaction, condition: ColumnElement[bool], *, for_update: bool) -> Session | None:
    query = select(sessions).where(condition)
    if for_update:
        query = query.with_for_update()
    row = tx.execute(query).mappings().one_or_none()
    return None if row is None else _record(row)


_FIELDS = tuple(name for name in Session.__dataclass_fields__ if name not in _LIVE_FIELDS)


def _values(session: Session) -> dict[str, Any]:
    return {name: getattr(session, name) for name in _FIELDS} | {
        "state": session.state.value,
        "end_reason": None if session.end_reason is None else session.end_reason.wire,
        "funnel": [[step, at.isoformat()] for step, at in session.funnel],
        "warnings": list(session.warnings),
    }


def _record(row: RowMapping) -> Session:
    fields: dict[str, Any] = {name: row[name] for name in _FIELDS}
    return Session(
        **fields
        | {
            "state": SessionState(row["state"]),
            "end_reason": None if row["end_reason"] is None else CloseReason.from_wire(row["end_reason"]),
            "funnel": tuple((step, datetime.fromisoformat(at)) for step, at in row["funnel"]),
            "warnings": tuple(row["warnings"]),
        }
    )
