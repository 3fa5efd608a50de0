"""Rows of cookies: the browsers that are signed in. Queries only.

Every function runs inside the caller's transaction. A cookie is known by its SHA-256.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import RowMapping, delete, insert, select, update

from relay.people import TechnicianId
from relay.store.engine import Transaction
from relay.store.tables import cookies


@dataclass(frozen=True, slots=True, kw_only=True)
class CookieRow:
    """A signed-in browser.

    Attributes:
        cookie_hash: SHA-256 of the cookie.
        technician_id: whose browser it is.
        id: what its owner calls it by in a request; None for one from before there was a list.
        agent: a few words on the browser, as it described itself.
        way: how it was signed in: ``password``, ``link``, ``passkey``, ``oidc``, ``reset``, ``invitation``.
        created_at: when that was; None as for `id`.
        seen_at: its last request, to within a thirtieth of the idle timeout.
        expires_at: when it is dead in any case.
    """

    cookie_hash: bytes
    technician_id: TechnicianId
    id: str | None
    agent: str
    way: str
    created_at: datetime | None
    seen_at: datetime
    expires_at: datetime


def add(tx: Transaction, row: CookieRow) -> None:
    """Adds a cookie."""
    tx.execute(insert(cookies).values({name: getattr(row, name) for name in CookieRow.__slots__}))


def by_hash(tx: Transaction, cookie_hash: bytes) -> CookieRow | None:
    """The cookie, alive or dead, or None."""
    found = tx.execute(select(cookies).where(cookies.c.cookie_hash == cookie_hash)).mappings().one_or_none()
    return None if found is None else _row(found)


def of_technician(tx: Transaction, technician_id: TechnicianId) -> list[CookieRow]:
    """A technician's cookies, the last seen first."""
    query = select(cookies).where(cookies.c.technician_id == technician_id).order_by(cookies.c.seen_at.desc())
    return [_row(found) for found in tx.execute(query).mappings()]


def touch(tx: Transaction, cookie_hash: bytes, seen_at: datetime) -> None:
    """Notes that a cookie was seen."""
    tx.execute(update(cookies).where(cookies.c.cookie_hash == cookie_hash).values({"seen_at": seen_at}))


def remove(tx: Transaction, cookie_hash: bytes) -> TechnicianId | None:
    """Kills a cookie; whose it was, or None if there was none."""
    found = tx.execute(
        delete(cookies).where(cookies.c.cookie_hash == cookie_hash).returning(cookies.c.technician_id)
    ).scalar_one_or_none()
    return None if found is None else TechnicianId(found)


def remove_by_id(tx: Transaction, technician_id: TechnicianId, cookie_id: str) -> bytes | None:
    """Kills one of a technician's cookies; its hash, or None if they have no such cookie."""
    return tx.execute(
        delete(cookies)
        .where(cookies.c.technician_id == technician_id, cookies.c.id == cookie_id)
        .returning(cookies.c.cookie_hash)
    ).scalar_one_or_none()


def remove_of(tx: Transaction, technician_id: TechnicianId, *, but: bytes | None = None) -> list[bytes]:
    """Kills a technician's cookies, all or all but one (its hash); the hashes of the dead."""
    query = delete(cookies).where(cookies.c.technician_id == technician_id)
    query = query if but is None else query.where(cookies.c.cookie_hash != but)
    return list(tx.execute(query.returning(cookies.c.cookie_hash)).scalars())


def remove_dead(tx: Transaction, *, expired_before: datetime, unseen_since: datetime) -> None:
    """Forgets cookies past their absolute or idle end."""
    tx.execute(
        delete(cookies).where((cookies.c.expires_at < expired_before) | (cookies.c.seen_at < unseen_since))
    )


def _row(found: RowMapping) -> CookieRow:
    return CookieRow(
        cookie_hash=found["cookie_hash"],
        technician_id=TechnicianId(found["technician_id"]),
        id=found["id"],
        agent=found["agent"],
        way=found["way"],
        created_at=found["created_at"],
        seen_at=found["seen_at"],
        expires_at=found["expires_at"],
    )
