"""What retention deletes: personal data of sessions that ended long ago, and rows that nobody can use.

Every function does a bounded piece of work, so that no transaction keeps the others waiting.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, Table, delete, select, tuple_, update

from relay.people import CompanyId
from relay.sessions import SessionId, SessionState
from relay.store.engine import Transaction
from relay.store.tables import (
    api_tokens,
    challenges,
    cookies,
    idempotency_keys,
    mails,
    sessions,
    sign_in_links,
    tickets,
    uses,
    webhook_deliveries,
)

ANSWERS_KEPT: Final = timedelta(hours=24)
"""Answers to requests with an idempotency key."""
DONE_KEPT: Final = timedelta(days=30)
"""Mails and webhook deliveries that are done, and API tokens that expired: so long somebody may ask."""


def sessions_to_forget(
    tx: Transaction, company_id: CompanyId, *, ended_before: datetime, limit: int
) -> list[SessionId]:
    """A company's sessions whose time is over, oldest first."""
    found = tx.execute(
        select(sessions.c.id)
        .where(
            sessions.c.company_id == company_id,
            ~sessions.c.is_forgotten,
            sessions.c.state == SessionState.ENDED.value,
            sessions.c.ended_at < ended_before,
        )
        .order_by(sessions.c.ended_at, sessions.c.id)
        .limit(limit)
    ).scalars()
    return [SessionId(found_id) for found_id in found]


def forget_sessions(tx: Transaction, session_ids: Sequence[SessionId]) -> None:
    """Deletes all personal data of these sessions outside the audit log; what remains are ids and times."""
    tx.execute(
        update(sessions)
        .where(sessions.c.id.in_(session_ids))
        .values(
            {
                "customer_email": "",
                "note": "",
                "computer": "",
                "os": "",
                "host_user": "",
                "host_key": None,
                "technician_name": "",
                "warnings": [],
                "credential_hash": None,
                "wrapped": None,
                "is_forgotten": True,
            }
        )
    )
    tx.execute(
        update(uses).where(uses.c.session_id.in_(session_ids)).values({"technician_name": "", "reason": ""})
    )
    tx.execute(delete(mails).where(mails.c.session_id.in_(session_ids)))
    tx.execute(delete(tickets).where(tickets.c.session_id.in_(session_ids)))


def delete_dead(tx: Transaction, table: Table, condition: ColumnElement[bool], *, limit: int) -> int:
    """Deletes rows that meet the condition, at most `limit`; how many it were."""
    key = tuple(table.primary_key.columns)
    found = select(*key).where(condition).limit(limit)
    return tx.execute(delete(table).where(tuple_(*key).in_(found))).rowcount


def dead_rows(now: datetime) -> Mapping[Table, ColumnElement[bool]]:
    """What is of no use any more, by table."""
    return {
        cookies: cookies.c.expires_at < now,
        sign_in_links: sign_in_links.c.expires_at < now,
        tickets: tickets.c.expires_at < now,
        challenges: challenges.c.expires_at < now,
        idempotency_keys: idempotency_keys.c.created_at < now - ANSWERS_KEPT,
        api_tokens: api_tokens.c.expires_at < now - DONE_KEPT,
        mails: (mails.c.state != "waiting") & (mails.c.created_at < now - DONE_KEPT),
        webhook_deliveries: (webhook_deliveries.c.state != "waiting")
        & (webhook_deliveries.c.created_at < now - DONE_KEPT),
    }
