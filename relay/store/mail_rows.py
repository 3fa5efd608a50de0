"""Rows of the mail outbox and of companies' mail servers. Queries only; inside the caller's transaction."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, TypeAlias

from sqlalchemy import Row, delete, exists, func, insert, select, update

from relay.people import CompanyId
from relay.sessions import SessionId, SessionState
from relay.store.engine import Transaction
from relay.store.tables import IS_WAITING, company_mail_servers, mails, sessions

DEPLOYMENT_MAIL: Final = "deployment"
"""The `kind` of the mail with a deployment link."""

MailState: TypeAlias = Literal["waiting", "sent", "outbox", "failed", "withdrawn"]


@dataclass(frozen=True, slots=True)
class MailRecord:
    """What became of a mail.

    Attributes:
        state: ``waiting`` for a (next) try, ``sent``: a server has taken responsibility, ``outbox``: kept
            as a file, ``failed`` for good, or ``withdrawn`` because nobody needs it any more.
        detail: what happened at the last try, one sentence, English source text; may be empty.
        attempts: tries so far.
        at: when it got into this state, or of the last try.
    """

    state: MailState
    detail: str
    attempts: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MailRow:
    """A mail of the outbox.

    Attributes:
        id: counted up.
        company_id: whose.
        session_id: what it belongs to, or None.
        kind: see `relay.mail.mails`.
        sealed_content: None once it is sent, has failed or was withdrawn.
        expires_at: when it is of no use any more.
        record: what became of it.
    """

    id: int
    company_id: CompanyId
    session_id: SessionId | None
    kind: str
    sealed_content: bytes | None
    expires_at: datetime
    record: MailRecord


def insert_mail(
    tx: Transaction,
    *,
    company_id: CompanyId,
    session_id: SessionId | None,
    kind: str,
    seal: Callable[[int], bytes],
    now: datetime,
    expires_at: datetime,
) -> int:
    """Adds a mail that is due now; its id.

    Args:
        seal: gives the encrypted content for the row with this id.
    """
    found = tx.execute(
        insert(mails).values(
            {
                "company_id": company_id,
                "session_id": session_id,
                "kind": kind,
                "state": "waiting",
                "attempts": 0,
                "created_at": now,
                "changed_at": now,
                "due_at": now,
                "expires_at": expires_at,
                "detail": "",
            }
        )
    ).inserted_primary_key
    if found is None:
        raise AssertionError("the database gave the mail no id")
    mail_id = int(found[0])
    tx.execute(update(mails).where(mails.c.id == mail_id).values(sealed_content=seal(mail_id)))
    return mail_id


def mail_by_id(tx: Transaction, mail_id: int) -> MailRow | None:
    """One mail, or None."""
    found = tx.execute(select(mails).where(mails.c.id == mail_id)).one_or_none()
    return None if found is None else _row(found)


def count_waiting(tx: Transaction) -> int:
    """How many mails wait."""
    return tx.execute(select(func.count()).select_from(mails).where(IS_WAITING)).scalar_one()


def next_due(tx: Transaction) -> datetime | None:
    """When the next mail is to be tried, or None if none waits."""
    found: datetime | None = tx.execute(select(func.min(mails.c.due_at)).where(IS_WAITING)).scalar_one()
    return found


def claim(
    tx: Transaction,
    now: datetime,
    *,
    leased_until: datetime,
    busy: Collection[CompanyId],
    limit: int,
) -> list[MailRow]:
    """Mails to try now, oldest first; nobody else gets them before `leased_until`. The try is counted.

    Args:
        busy: companies that have enough mails under way.
        limit: how many at the most.
    """
    query = (
        select(mails)
        .where(IS_WAITING, mails.c.due_at <= now, mails.c.expires_at > now)
        .order_by(mails.c.due_at, mails.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    if busy:
        query = query.where(mails.c.company_id.not_in(sorted(busy)))
    found = tx.execute(query).all()
    if found:
        tx.execute(
            update(mails)
            .where(mails.c.id.in_([row.id for row in found]))
            .values({"due_at": leased_until, "attempts": mails.c.attempts + 1})
        )
    return [_row(row, attempts=row.attempts + 1) for row in found]


def finish(tx: Transaction, mail_id: int, state: MailState, detail: str, now: datetime) -> None:
    """The mail is done; its content goes."""
    tx.execute(
        update(mails)
        .where(mails.c.id == mail_id)
        .values({"state": state, "detail": detail, "changed_at": now, "due_at": now, "sealed_content": None})
    )


def postpone(tx: Transaction, mail_id: int, detail: str, now: datetime, due_at: datetime) -> None:
    """The mail is tried again at `due_at`, if it still waits."""
    tx.execute(
        update(mails)
        .where(mails.c.id == mail_id, mails.c.state == "waiting")
        .values({"detail": detail, "changed_at": now, "due_at": due_at})
    )


def useless(tx: Transaction) -> list[MailRow]:
    """Waiting mails with a deployment link that leads nowhere any more: its session is active or over."""
    is_needed = exists().where(
        sessions.c.id == mails.c.session_id,
        sessions.c.state.in_((SessionState.PREPARED.value, SessionState.WAITING.value)),
    )
    found = tx.execute(
        select(mails).where(
            mails.c.state == "waiting",
            mails.c.kind == DEPLOYMENT_MAIL,
            mails.c.session_id.is_not(None),
            ~is_needed,
        )
    )
    return [_row(row) for row in found]


def expired(tx: Transaction, now: datetime) -> list[MailRow]:
    """Waiting mails whose time is over."""
    return [_row(row) for row in tx.execute(select(mails).where(IS_WAITING, mails.c.expires_at <= now))]


def waiting_of(tx: Transaction, session_id: SessionId, kind: str) -> list[MailRow]:
    """A session's waiting mails of this kind."""
    found = tx.execute(
        select(mails).where(
            mails.c.session_id == session_id, mails.c.kind == kind, mails.c.state == "waiting"
        )
    )
    return [_row(row) for row in found]


def records_of(tx: Transaction, session_ids: Collection[SessionId]) -> dict[SessionId, MailRecord]:
    """What became of the newest mail with the link of each of these sessions; those without are missing."""
    if not session_ids:
        return {}
    newest = (
        select(func.max(mails.c.id))
        .where(mails.c.session_id.in_(sorted(session_ids)), mails.c.kind == DEPLOYMENT_MAIL)
        .group_by(mails.c.session_id)
    )
    return _by_session(tx.execute(select(mails).where(mails.c.id.in_(newest))))


def open_records(tx: Transaction) -> dict[SessionId, MailRecord]:
    """The same of all open sessions."""
    is_open = exists().where(
        sessions.c.id == mails.c.session_id, sessions.c.state != SessionState.ENDED.value
    )
    newest = (
        select(func.max(mails.c.id))
        .where(mails.c.kind == DEPLOYMENT_MAIL, is_open)
        .group_by(mails.c.session_id)
    )
    return _by_session(tx.execute(select(mails).where(mails.c.id.in_(newest))))


def _by_session(found: Iterable[Row[tuple[object, ...]]]) -> dict[SessionId, MailRecord]:
    rows = [_row(row) for row in found]
    return {row.session_id: row.record for row in rows if row.session_id is not None}


def _row(found: Row[tuple[object, ...]], *, attempts: int | None = None) -> MailRow:
    return MailRow(
        id=found.id,
        company_id=CompanyId(found.company_id),
        session_id=None if found.session_id is None else SessionId(found.session_id),
        kind=found.kind,
        sealed_content=found.sealed_content,
        expires_at=found.expires_at,
        record=MailRecord(
            found.state,
            found.detail,
            found.attempts if attempts is None else attempts,
            found.changed_at,
        ),
    )


# Companies' mail servers


@dataclass(frozen=True, slots=True)
class MailServerRow:
    """A company's mail server.

    Attributes:
        sender: the address that mail comes from.
        sealed_server: the rest, encrypted.
    """

    sender: str
    sealed_server: bytes


def server_of(tx: Transaction, company_id: CompanyId) -> MailServerRow | None:
    """The company's mail server, or None."""
    table = company_mail_servers.c
    query = select(table.sender, table.sealed_server).where(table.company_id == company_id)
    found = tx.execute(query).one_or_none()
    return None if found is None else MailServerRow(found.sender, found.sealed_server)


def save_server(tx: Transaction, company_id: CompanyId, *, sender: str, sealed_server: bytes) -> None:
    """Sets or replaces a company's mail server."""
    values = {"company_id": company_id, "sender": sender, "sealed_server": sealed_server}
    table = company_mail_servers
    changed = tx.execute(update(table).where(table.c.company_id == company_id).values(values))
    if changed.rowcount == 0:
        tx.execute(insert(table).values(values))


def remove_server(tx: Transaction, company_id: CompanyId) -> bool:
    """Forgets a company's mail server; False if there was none."""
    query = delete(company_mail_servers).where(company_mail_servers.c.company_id == company_id)
    return tx.execute(query).rowcount == 1
