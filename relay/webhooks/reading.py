"""From a company's audit log to deliveries: each webhook knows how far it has read."""

from datetime import datetime
from typing import Final

from relay.auth import new_id
from relay.people import TechnicianId
from relay.store import Transaction, account_rows, session_rows, webhook_rows
from relay.store.webhook_rows import DeliveryRow, Happening, WebhookRow
from relay.texts import mark
from relay.webhooks.events import body_of, event_of

MAX_WAITING: Final = 1000
"""Deliveries of one webhook that wait; later ones fail at once."""
MAX_READ: Final = 2000
"""Rows of one log in one transaction."""

TOO_MANY_WAIT = mark("Too many deliveries wait for this receiver.")


def read_log(tx: Transaction, webhook: WebhookRow, now: datetime) -> int:
    """Makes a webhook's deliveries of what it has not seen; how many."""
    found = webhook_rows.happenings(tx, webhook.company_id, after=webhook.seen_number, limit=MAX_READ)
    wanted = [(event_of(each), each) for each in found]
    room = MAX_WAITING - webhook_rows.count_waiting(tx, webhook.id)
    rows: list[DeliveryRow] = []
    for event, happening in wanted:
        if event is not None and event in webhook.events:
            has_room = len(rows) < room
            rows.append(
                DeliveryRow(
                    id=new_id(),
                    webhook_id=webhook.id,
                    event=event,
                    body=_body(tx, happening),
                    state="waiting" if has_room else "failed",
                    attempts=0,
                    created_at=happening.at,
                    changed_at=now,
                    due_at=now,
                    detail="" if has_room else TOO_MANY_WAIT,
                )
            )
    webhook_rows.insert_deliveries(tx, rows)
    if found:
        webhook_rows.set_seen(tx, webhook.id, found[-1].number)
    return len(rows)


def _body(tx: Transaction, happening: Happening) -> str:
    session_id = happening.session_id
    session = None if session_id is None else session_rows.session_by_id(tx, session_id)
    kind, _, technician_id = happening.actor.partition(":")
    actor = None
    if kind == "technician":
        actor = account_rows.technician_by_id(tx, TechnicianId(technician_id))
    return body_of(happening, session, actor)
