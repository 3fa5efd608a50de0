"""Rows of webhooks and their deliveries. Queries only; inside the caller's transaction."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from sqlalchemy import Row, delete, func, insert, select, tuple_, update

from relay.people import CompanyId, Technician, TechnicianId, TechnicianRole
from relay.sessions import SessionId
from relay.store import account_rows
from relay.store.audit_rows import AuditField
from relay.store.engine import Transaction
from relay.store.tables import IS_WAITING, audit, audit_chains, technicians, webhook_deliveries, webhooks

DeliveryState: TypeAlias = Literal["waiting", "delivered", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRow:
    """Where a company's events are sent.

    Attributes:
        id, company_id: which, whose.
        url: of the receiver.
        sealed_secret: signs deliveries.
        events: what is sent.
        is_enabled: nothing is sent otherwise.
        created_at: when it was added.
        seen_number: the row of the company's audit log up to which deliveries were made.
        failures: tries that failed since the last that did not.
        failing_since: when the first of them was.
    """

    id: str
    company_id: CompanyId
    url: str
    sealed_secret: bytes
    events: tuple[str, ...]
    is_enabled: bool
    created_at: datetime
    seen_number: int
    failures: int = 0
    failing_since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRow:
    """One event for one webhook.

    Attributes:
        id, webhook_id: which, for which.
        event: its name.
        body: the JSON.
        state: ``failed``: it is not tried any more.
        attempts: tries so far.
        created_at, changed_at, due_at: when it was made, last tried, and is next tried.
        last_status: HTTP's, of the last try; None if there was no answer.
        detail: a sentence on the last try, English source text; may be empty.
    """

    id: str
    webhook_id: str
    event: str
    body: str
    state: DeliveryState
    attempts: int
    created_at: datetime
    changed_at: datetime
    due_at: datetime
    last_status: int | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Happening:
    """A row of a company's audit log.

    Attributes:
        number: its place in the log.
        at, session_id, actor, action, fields: as in `relay.store.audit_rows.AuditRow`.
    """

    number: int
    at: datetime
    session_id: SessionId | None
    actor: str
    action: str
    fields: Mapping[str, AuditField]


# Settings


def insert_webhook(tx: Transaction, row: WebhookRow) -> None:
    """Adds a webhook."""
    tx.execute(insert(webhooks).values(_values(row)))


def save_webhook(tx: Transaction, row: WebhookRow) -> None:
    """Replaces a webhook's settings."""
    tx.execute(update(webhooks).where(webhooks.c.id == row.id).values(_values(row)))


def remove_webhook(tx: Transaction, webhook_id: str) -> None:
    """Forgets a webhook and its deliveries."""
    tx.execute(delete(webhook_deliveries).where(webhook_deliveries.c.webhook_id == webhook_id))
    tx.execute(delete(webhooks).where(webhooks.c.id == webhook_id))


def webhooks_of(tx: Transaction, company_id: CompanyId) -> list[WebhookRow]:
    """A company's webhooks, oldest first."""
    query = select(webhooks).where(webhooks.c.company_id == company_id)
    return [_webhook(row) for row in tx.execute(query.order_by(webhooks.c.created_at, webhooks.c.id))]


def webhook_of(tx: Transaction, company_id: CompanyId, webhook_id: str) -> WebhookRow | None:
    """One webhook of the company, or None."""
    query = select(webhooks).where(webhooks.c.id == webhook_id, webhooks.c.company_id == company_id)
    found = tx.execute(query).one_or_none()
    return None if found is None else _webhook(found)


def webhook_by_id(tx: Transaction, webhook_id: str) -> WebhookRow | None:
    """The webhook, whosever it is, or None."""
    found = tx.execute(select(webhooks).where(webhooks.c.id == webhook_id).with_for_update()).one_or_none()
    return None if found is None else _webhook(found)


def has_enabled(tx: Transaction) -> bool:
    """Whether any webhook is enabled."""
    return tx.execute(select(webhooks.c.id).where(webhooks.c.is_enabled).limit(1)).one_or_none() is not None


def owners_of(tx: Transaction, company_id: CompanyId) -> list[Technician]:
    """The company's owners who may sign in."""
    query = select(technicians.c.id).where(
        technicians.c.company_id == company_id,
        technicians.c.role == TechnicianRole.OWNER.value,
        ~technicians.c.is_disabled,
    )
    found = [account_rows.technician_by_id(tx, TechnicianId(each)) for each in tx.execute(query).scalars()]
    return [owner for owner in found if owner is not None]


# What happened


def newest_number(tx: Transaction, company_id: CompanyId) -> int:
    """The number of the newest row of the company's audit log; 0 if it is empty."""
    query = select(audit_chains.c.number).where(audit_chains.c.chain == company_id)
    return tx.execute(query).scalar_one_or_none() or 0


def behind(tx: Transaction) -> list[WebhookRow]:
    """Enabled webhooks whose company's audit log has rows that they have not seen."""
    query = (
        select(webhooks)
        .join(audit_chains, audit_chains.c.chain == webhooks.c.company_id)
        .where(webhooks.c.is_enabled, audit_chains.c.number > webhooks.c.seen_number)
    )
    return [_webhook(row) for row in tx.execute(query)]


def happenings(tx: Transaction, company_id: CompanyId, *, after: int, limit: int) -> list[Happening]:
    """The company's rows after number `after`, in order."""
    found = tx.execute(
        select(audit.c.number, audit.c.at, audit.c.session_id, audit.c.actor, audit.c.action, audit.c.fields)
        .where(audit.c.company_id == company_id, audit.c.number > after)
        .order_by(audit.c.number)
        .limit(limit)
    )
    return [
        Happening(
            row.number,
            row.at,
            None if row.session_id is None else SessionId(row.session_id),
            row.actor,
            row.action,
            row.fields,
        )
        for row in found
    ]


def set_seen(tx: Transaction, webhook_id: str, number: int) -> None:
    """Deliveries were made up to this row."""
    tx.execute(update(webhooks).where(webhooks.c.id == webhook_id).values(seen_number=number))


# Deliveries


def insert_deliveries(tx: Transaction, rows: Sequence[DeliveryRow]) -> None:
    """Adds deliveries."""
    if rows:
        tx.execute(
            insert(webhook_deliveries),
            [{name: getattr(row, name) for name in DeliveryRow.__slots__} for row in rows],
        )


def count_waiting(tx: Transaction, webhook_id: str) -> int:
    """Deliveries of a webhook that wait."""
    query = select(func.count()).select_from(webhook_deliveries)
    condition = (webhook_deliveries.c.webhook_id == webhook_id) & (webhook_deliveries.c.state == "waiting")
    return tx.execute(query.where(condition)).scalar_one()


def deliveries_of(tx: Transaction, webhook_id: str, *, before: str | None, limit: int) -> list[DeliveryRow]:
    """A webhook's deliveries, newest first.

    Args:
        before: the id of the delivery that the page before ended with.
        limit: how many at the most.
    """
    table = webhook_deliveries
    query = select(table).where(table.c.webhook_id == webhook_id)
    if before is not None:
        last = select(table.c.created_at, table.c.id).where(
            table.c.id == before, table.c.webhook_id == webhook_id
        )
        query = query.where(tuple_(table.c.created_at, table.c.id) < last.scalar_subquery())
    found = tx.execute(query.order_by(table.c.created_at.desc(), table.c.id.desc()).limit(limit))
    return [_delivery(row) for row in found]


def last_deliveries(tx: Transaction, webhook_ids: Collection[str]) -> dict[str, DeliveryRow]:
    """The delivery of each webhook that was tried last."""
    table = webhook_deliveries
    found: dict[str, DeliveryRow] = {}
    for webhook_id in webhook_ids:
        query = select(table).where(table.c.webhook_id == webhook_id, table.c.attempts > 0)
        row = tx.execute(query.order_by(table.c.changed_at.desc(), table.c.id).limit(1)).one_or_none()
        if row is not None:
            found[webhook_id] = _delivery(row)
    return found


def delivery_of(tx: Transaction, webhook_id: str, delivery_id: str) -> DeliveryRow | None:
    """One delivery of a webhook, or None."""
    table = webhook_deliveries
    query = select(table).where(table.c.id == delivery_id, table.c.webhook_id == webhook_id)
    found = tx.execute(query).one_or_none()
    return None if found is None else _delivery(found)


def next_due(tx: Transaction) -> datetime | None:
    """When the next delivery is to be tried, or None if none waits."""
    found: datetime | None = tx.execute(
        select(func.min(webhook_deliveries.c.due_at)).where(IS_WAITING)
    ).scalar_one()
    return found


def claim(
    tx: Transaction, now: datetime, *, leased_until: datetime, busy: Collection[str]
) -> tuple[DeliveryRow, WebhookRow] | None:
    """A delivery to try now and its webhook, or None; nobody else gets it before `leased_until`.

    Args:
        busy: webhooks that have enough deliveries under way.
    """
    table = webhook_deliveries
    query = select(table).where(IS_WAITING, table.c.due_at <= now)
    if busy:
        query = query.where(table.c.webhook_id.not_in(sorted(busy)))
    query = query.order_by(table.c.due_at, table.c.id).limit(1).with_for_update(skip_locked=True)
    found = tx.execute(query).one_or_none()
    if found is None:
        return None
    tx.execute(
        update(table)
        .where(table.c.id == found.id)
        .values({"due_at": leased_until, "attempts": table.c.attempts + 1})
    )
    webhook = tx.execute(select(webhooks).where(webhooks.c.id == found.webhook_id)).one()
    return _delivery(found, attempts=found.attempts + 1), _webhook(webhook)


def set_delivery(
    tx: Transaction,
    delivery_id: str,
    state: DeliveryState,
    *,
    status: int | None,
    detail: str,
    now: datetime,
    due_at: datetime,
) -> None:
    """What became of a try."""
    tx.execute(
        update(webhook_deliveries)
        .where(webhook_deliveries.c.id == delivery_id)
        .values(
            {"state": state, "last_status": status, "detail": detail, "changed_at": now, "due_at": due_at}
        )
    )


def try_again(tx: Transaction, delivery_id: str, now: datetime) -> None:
    """The delivery is due now, with all its tries before it."""
    tx.execute(
        update(webhook_deliveries)
        .where(webhook_deliveries.c.id == delivery_id)
        .values({"state": "waiting", "attempts": 0, "due_at": now})
    )


def fail_waiting(tx: Transaction, webhook_id: str, detail: str, now: datetime) -> None:
    """What waits for a webhook is not tried any more."""
    table = webhook_deliveries
    tx.execute(
        update(table)
        .where(table.c.webhook_id == webhook_id, table.c.state == "waiting")
        .values({"state": "failed", "detail": detail, "changed_at": now, "due_at": now})
    )


def set_health(
    tx: Transaction, webhook_id: str, *, failures: int, failing_since: datetime | None, is_enabled: bool
) -> None:
    """How the webhook does."""
    tx.execute(
        update(webhooks)
        .where(webhooks.c.id == webhook_id)
        .values({"failures": failures, "failing_since": failing_since, "is_enabled": is_enabled})
    )


def _values(row: WebhookRow) -> dict[str, object]:
    return {name: getattr(row, name) for name in WebhookRow.__slots__} | {"events": list(row.events)}


def _webhook(found: Row[tuple[object, ...]]) -> WebhookRow:
    values = {name: getattr(found, name) for name in WebhookRow.__slots__}
    return WebhookRow(**values | {"events": tuple(found.events)})


def _delivery(found: Row[tuple[object, ...]], *, attempts: int | None = None) -> DeliveryRow:
    values = {name: getattr(found, name) for name in DeliveryRow.__slots__}
    return DeliveryRow(**values if attempts is None else values | {"attempts": attempts})
