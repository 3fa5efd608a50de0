"""Which customers still get a receipt by mail. A query only."""

from datetime import datetime

from sqlalchemy import exists, or_, select

from relay.sessions import SessionId, SessionState
from relay.store.engine import Transaction
from relay.store.tables import mails, sessions

RECEIPT_MAIL = "receipt"
"""The `kind` of a receipt's mail."""


def due_receipts(tx: Transaction, *, ended_since: datetime, pending_until: datetime) -> list[SessionId]:
    """Sessions that were active, whose customer wants a receipt and has none in the outbox.

    Args:
        ended_since: earlier ends are too late.
        pending_until: a host that is to confirm its removal is waited for if its session ended later.
    """
    has_mail = exists().where(mails.c.session_id == sessions.c.id, mails.c.kind == RECEIPT_MAIL)
    found = tx.execute(
        select(sessions.c.id)
        .where(
            sessions.c.wants_receipt,
            sessions.c.ended_at >= ended_since,
            sessions.c.state == SessionState.ENDED.value,
            sessions.c.activated_at.is_not(None),
            or_(sessions.c.removal != "pending", sessions.c.ended_at < pending_until),
            ~has_mail,
        )
        .order_by(sessions.c.ended_at, sessions.c.id)
    ).scalars()
    return [SessionId(found_id) for found_id in found]
