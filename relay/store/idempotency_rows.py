"""Rows of idempotency keys. Queries only; inside the caller's transaction."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select, update

from relay.people import TechnicianId
from relay.store.engine import Transaction
from relay.store.tables import idempotency_keys


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What is known of a key.

    Attributes:
        request_hash: SHA-256 of the request it came with first.
        status, answer: of the answer; None while it is being made.
        created_at: when the key came first, or was taken over.
    """

    request_hash: bytes
    status: int | None
    answer: str | None
    created_at: datetime


def find(tx: Transaction, technician_id: TechnicianId, key_hash: bytes) -> KeptAnswer | None:
    """What is known of a technician's key, or None."""
    row = tx.execute(
        select(idempotency_keys).where(
            idempotency_keys.c.technician_id == technician_id, idempotency_keys.c.key_hash == key_hash
        )
    ).one_or_none()
    return None if row is None else KeptAnswer(row.request_hash, row.status, row.answer, row.created_at)


def reserve(
    tx: Transaction, technician_id: TechnicianId, key_hash: bytes, request_hash: bytes, now: datetime
) -> None:
    """Notes that an answer is being made, in place of whatever was known of the key."""
    release(tx, technician_id, key_hash)
    tx.execute(
        insert(idempotency_keys).values(
            {
                "technician_id": technician_id,
                "key_hash": key_hash,
                "request_hash": request_hash,
                "created_at": now,
            }
        )
    )


def keep(tx: Transaction, technician_id: TechnicianId, key_hash: bytes, status: int, answer: str) -> None:
    """Keeps the answer."""
    tx.execute(
        update(idempotency_keys)
        .where(idempotency_keys.c.technician_id == technician_id, idempotency_keys.c.key_hash == key_hash)
        .values({"status": status, "answer": answer})
    )


def release(tx: Transaction, technician_id: TechnicianId, key_hash: bytes) -> None:
    """Forgets the key."""
    tx.execute(
        delete(idempotency_keys).where(
            idempotency_keys.c.technician_id == technician_id, idempotency_keys.c.key_hash == key_hash
        )
    )


def forget_older(tx: Transaction, technician_id: TechnicianId, before: datetime) -> None:
    """Forgets a technician's keys that came before `before`."""
    tx.execute(
        delete(idempotency_keys).where(
            idempotency_keys.c.technician_id == technician_id, idempotency_keys.c.created_at < before
        )
    )
