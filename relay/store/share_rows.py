"""Rows of shares: colleagues who were let into a session. Queries only; inside the caller's transaction."""

from collections.abc import Collection, Iterable
from datetime import datetime

from sqlalchemy import Row, delete, insert, select

from relay.people import TechnicianId
from relay.sessions import SessionId, SessionState, Share
from relay.store.engine import Transaction
from relay.store.tables import sessions, shares

Shares = dict[SessionId, tuple[Share, ...]]
"""By session, in the order of their coming; a session without any is not in it."""


def shares_of(tx: Transaction, session_ids: Collection[SessionId]) -> Shares:
    """Who was let into these sessions."""
    return _grouped(tx.execute(_ALL.where(shares.c.session_id.in_(session_ids))))


def shares_of_open(tx: Transaction) -> Shares:
    """Who was let into the open sessions."""
    is_open = sessions.c.state != SessionState.ENDED.value
    query = _ALL.join(sessions, sessions.c.id == shares.c.session_id).where(is_open)
    return _grouped(tx.execute(query))


def put_share(tx: Transaction, session_id: SessionId, share: Share, now: datetime) -> None:
    """Lets somebody in, or changes what they may do."""
    remove_share(tx, session_id, share.technician_id)
    tx.execute(
        insert(shares).values(
            {
                "session_id": session_id,
                "technician_id": share.technician_id,
                "technician_name": share.technician_name,
                "access": share.access,
                "created_at": now,
            }
        )
    )


def remove_share(tx: Transaction, session_id: SessionId, technician_id: TechnicianId) -> None:
    """Whoever was let in is not any more."""
    tx.execute(
        delete(shares).where(shares.c.session_id == session_id, shares.c.technician_id == technician_id)
    )


_ALL = select(shares).order_by(shares.c.created_at, shares.c.technician_id)


def _grouped(rows: Iterable[Row[tuple[object, ...]]]) -> Shares:
    found: Shares = {}
    for row in rows:
        share = Share(TechnicianId(row.technician_id), row.technician_name, row.access)
        session_id = SessionId(row.session_id)
        found[session_id] = (*found.get(session_id, ()), share)
    return found
