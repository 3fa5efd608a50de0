"""Rows of tickets: rights to attach one viewer, once. Queries only; inside the caller's transaction."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import bindparam, delete, exists, insert, select, update

from relay.people import TechnicianId
from relay.protocol.frames import Channel
from relay.sessions import SessionId
from relay.store.engine import Transaction
from relay.store.tables import api_tokens, cookies, tickets


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """What a ticket is for.

    Attributes:
        session_id, technician_id: whose right to what.
        kinds: the channels its viewer may open.
        access: whether it may do, or only watch.
        reason: why they connect, as they said; may be empty.
        asked_by_hash: SHA-256 of the cookie or API token that asked for it; None for neither.
        expires_at: when it is dead even if unused.
    """

    session_id: SessionId
    technician_id: TechnicianId
    kinds: frozenset[Channel]
    access: Literal["full", "view"]
    reason: str
    asked_by_hash: bytes | None
    expires_at: datetime


def insert_ticket(tx: Transaction, ticket_hash: bytes, ticket: Ticket) -> None:
    """Adds a ticket."""
    values = {name: getattr(ticket, name) for name in Ticket.__slots__}
    tx.execute(insert(tickets).values({**values, "ticket_hash": ticket_hash, "kinds": sorted(ticket.kinds)}))


def use_ticket(tx: Transaction, ticket_hash: bytes, now: datetime) -> Ticket | None:
    """Spends a ticket that is neither used nor dead, in one statement: of many at once, one wins.

    Returns:
        What it was for, or None.
    """
    row = tx.execute(
        update(tickets)
        .where(tickets.c.ticket_hash == ticket_hash, tickets.c.used_at.is_(None), tickets.c.expires_at > now)
        .values({"used_at": now})
        .returning(*(tickets.c[name] for name in Ticket.__slots__))
    ).one_or_none()
    if row is None:
        return None
    return Ticket(
        session_id=SessionId(row.session_id),
        technician_id=TechnicianId(row.technician_id),
        kinds=frozenset(Channel(kind) for kind in row.kinds),
        access=row.access,
        reason=row.reason,
        asked_by_hash=row.asked_by_hash,
        expires_at=row.expires_at,
    )


def is_asker_alive(tx: Transaction, asked_by_hash: bytes, now: datetime) -> bool:
    """Whether the cookie or API token with this hash is still good."""
    return bool(tx.execute(_IS_ASKER_ALIVE, {"hash": asked_by_hash, "now": now}).scalar())


_IS_ASKER_ALIVE = select(
    exists().where(cookies.c.cookie_hash == bindparam("hash"), cookies.c.expires_at > bindparam("now"))
    | exists().where(api_tokens.c.token_hash == bindparam("hash"), api_tokens.c.expires_at > bindparam("now"))
)


def delete_tickets(tx: Transaction, session_ids: Collection[SessionId]) -> None:
    """Kills every ticket of these sessions."""
    tx.execute(delete(tickets).where(tickets.c.session_id.in_(session_ids)))


def delete_tickets_of(tx: Transaction, session_id: SessionId, technician_ids: Iterable[TechnicianId]) -> None:
    """Kills the tickets that these technicians have for the session."""
    tx.execute(
        delete(tickets).where(
            tickets.c.session_id == session_id, tickets.c.technician_id.in_(list(technician_ids))
        )
    )


def delete_dead_tickets(tx: Transaction, before: datetime) -> None:
    """Forgets tickets that were dead before `before`, used or not."""
    tx.execute(delete(tickets).where(tickets.c.expires_at < before))
