"""Rows of one-time links: to sign in, to accept an invitation, to set a new password. Queries only.

Every function runs inside the caller's transaction. A link is known by the SHA-256 of its token.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import delete, insert, select, update

from relay.people import TechnicianId
from relay.store.engine import Transaction
from relay.store.tables import sign_in_links


class LinkPurpose(StrEnum):
    """What a link is good for, and nothing else."""

    SIGN_IN = "sign_in"
    INVITATION = "invitation"
    RESET = "reset"


@dataclass(frozen=True, slots=True)
class LinkRow:
    """A link that is alive.

    Attributes:
        technician_id: whose it is.
        purpose: what it is good for.
    """

    technician_id: TechnicianId
    purpose: LinkPurpose


def add(
    tx: Transaction,
    *,
    token_hash: bytes,
    technician_id: TechnicianId,
    purpose: LinkPurpose,
    expires_at: datetime,
    now: datetime,
) -> None:
    """Adds a link, and forgets those that are dead, used or not."""
    tx.execute(delete(sign_in_links).where(sign_in_links.c.expires_at < now))
    tx.execute(
        insert(sign_in_links).values(
            {
                "token_hash": token_hash,
                "technician_id": technician_id,
                "purpose": purpose.value,
                "expires_at": expires_at,
            }
        )
    )


def look(
    tx: Transaction, token_hash: bytes, purposes: Collection[LinkPurpose], now: datetime
) -> LinkRow | None:
    """The link, if it is alive and for one of the purposes; looking does not spend it."""
    found = tx.execute(
        select(sign_in_links.c.technician_id, sign_in_links.c.purpose).where(
            sign_in_links.c.token_hash == token_hash,
            sign_in_links.c.purpose.in_([purpose.value for purpose in purposes]),
            sign_in_links.c.used_at.is_(None),
            sign_in_links.c.expires_at > now,
        )
    ).one_or_none()
    return None if found is None else LinkRow(TechnicianId(found[0]), LinkPurpose(found[1]))


def use(
    tx: Transaction, token_hash: bytes, purposes: Collection[LinkPurpose], now: datetime
) -> LinkRow | None:
    """Spends a link that is alive and for one of the purposes, in one statement; None if there is none."""
    found = tx.execute(
        update(sign_in_links)
        .where(
            sign_in_links.c.token_hash == token_hash,
            sign_in_links.c.purpose.in_([purpose.value for purpose in purposes]),
            sign_in_links.c.used_at.is_(None),
            sign_in_links.c.expires_at > now,
        )
        .values({"used_at": now})
        .returning(sign_in_links.c.technician_id, sign_in_links.c.purpose)
    ).one_or_none()
    return None if found is None else LinkRow(TechnicianId(found[0]), LinkPurpose(found[1]))


def remove_of(
    tx: Transaction, technician_id: TechnicianId, purposes: Collection[LinkPurpose] = tuple(LinkPurpose)
) -> None:
    """Forgets a technician's links for these purposes; by default all."""
    tx.execute(
        delete(sign_in_links).where(
            sign_in_links.c.technician_id == technician_id,
            sign_in_links.c.purpose.in_([purpose.value for purpose in purposes]),
        )
    )
