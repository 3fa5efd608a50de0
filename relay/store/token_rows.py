"""Rows of API tokens. Queries only; inside the caller's transaction. A token is known by its SHA-256."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update

from relay.people import CompanyId, Permission, TechnicianId
from relay.store.engine import Transaction
from relay.store.tables import api_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiToken:
    """A program's right to act for somebody.

    Attributes:
        id: what its owner calls it by in a request.
        company_id, technician_id: for whom it acts.
        token_hash: SHA-256 of its secret.
        name: what its owner calls it.
        scopes: what it is for; it may do no more than its technician, either.
        created_at, expires_at: when it was made, and when it is dead in any case.
        used_at: about when it was used last; None if never.
    """

    id: str
    company_id: CompanyId
    technician_id: TechnicianId
    token_hash: bytes
    name: str
    scopes: frozenset[Permission]
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None


def add(tx: Transaction, token: ApiToken) -> None:
    """Adds a token."""
    values = {name: getattr(token, name) for name in ApiToken.__slots__}
    tx.execute(insert(api_tokens).values({**values, "scopes": sorted(token.scopes)}))


def by_hash(tx: Transaction, token_hash: bytes) -> ApiToken | None:
    """The token, alive or dead, or None."""
    found = tx.execute(select(api_tokens).where(api_tokens.c.token_hash == token_hash)).one_or_none()
    return None if found is None else _record(found)


def of_technician(tx: Transaction, technician_id: TechnicianId, now: datetime) -> list[ApiToken]:
    """A technician's tokens that are alive, newest first."""
    query = select(api_tokens).where(
        api_tokens.c.technician_id == technician_id, api_tokens.c.expires_at > now
    )
    return [
        _record(found)
        for found in tx.execute(query.order_by(api_tokens.c.created_at.desc(), api_tokens.c.id))
    ]


def count_of(tx: Transaction, technician_id: TechnicianId, now: datetime) -> int:
    """How many of a technician's tokens are alive."""
    query = select(func.count()).where(
        api_tokens.c.technician_id == technician_id, api_tokens.c.expires_at > now
    )
    return int(tx.execute(query).scalar_one())


def touch(tx: Transaction, token_hash: bytes, now: datetime) -> None:
    """Notes that a token was used."""
    tx.execute(update(api_tokens).where(api_tokens.c.token_hash == token_hash).values({"used_at": now}))


def remove(tx: Transaction, technician_id: TechnicianId, token_id: str) -> ApiToken | None:
    """Kills one of a technician's tokens; the token, or None if there is no such one."""
    found = tx.execute(
        delete(api_tokens)
        .where(api_tokens.c.technician_id == technician_id, api_tokens.c.id == token_id)
        .returning(*api_tokens.c)
    ).one_or_none()
    return None if found is None else _record(found)


def _record(row: Row[Any]) -> ApiToken:
    return ApiToken(
        id=row.id,
        company_id=CompanyId(row.company_id),
        technician_id=TechnicianId(row.technician_id),
        token_hash=row.token_hash,
        name=row.name,
        # A scope of a later version, after going back to this one, is none.
        scopes=frozenset(Permission(scope) for scope in row.scopes if scope in set(Permission)),
        created_at=row.created_at,
        expires_at=row.expires_at,
        used_at=row.used_at,
    )
