"""What happens to the rows of a database that is older than the world: a restored backup."""

from datetime import datetime

from sqlalchemy import delete, func, select, update

from relay.protocol.close_reasons import CloseReason
from relay.store import audit_rows
from relay.store.audit_rows import AuditRow
from relay.store.engine import Transaction
from relay.store.tables import challenges, cookies, idempotency_keys, mails, sessions, sign_in_links, tickets
from relay.store.tables import webhook_deliveries as deliveries


def forget_what_was_live(tx: Transaction, now: datetime, *, reason: CloseReason) -> tuple[int, int]:
    """Lets die what must not live twice: rights that may have been withdrawn since, tries that were counted
    since, and what may have been sent since. Active sessions go on.

    Args:
        tx: the transaction.
        now: when they die.
        reason: why sessions end that were not active yet.

    Returns:
        How many sessions are active, and how many preparations ended.
    """
    for table in (cookies, tickets, sign_in_links, challenges, idempotency_keys):
        tx.execute(delete(table))
    tx.execute(
        update(mails)
        .where(mails.c.state == "waiting")
        .values({"state": "withdrawn", "sealed_content": None, "detail": ""})
    )
    tx.execute(update(deliveries).where(deliveries.c.state == "waiting").values({"state": "failed"}))
    ended = tx.execute(
        update(sessions)
        .where(sessions.c.state.in_(("prepared", "waiting")))
        .values({"state": "ended", "end_reason": reason.wire, "ended_at": now, "wrapped": None})
    ).rowcount
    active = tx.execute(select(func.count()).where(sessions.c.state == "active")).scalar_one()
    audit_rows.add(
        tx,
        AuditRow(
            at=now,
            company_id=None,
            session_id=None,
            actor="relay",
            action="restored",
            fields={"active": active, "lapsed": ended},
        ),
    )
    return active, ended
