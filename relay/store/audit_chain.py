"""The hash chain of the audit log, as pure functions; docs/audit.md says the same to whoever verifies it.

Each company has a chain of its own (and the relay one, ``""``, for what concerns nobody in particular), so
that a tenant can verify all of its rows without seeing anybody else's. With ‖ for one byte string behind
another and ``json`` for `canonical`:

    fields_hash = SHA-256(salt ‖ json(fields))
    hash        = SHA-256(previous hash ‖ json([chain, number, at, session, actor, action, fields_hash]))

Numbers count from 1 without a gap; the row before the first has 32 zero bytes for a hash. ``fields`` is all
that personal data may be in: retention deletes it together with its salt, without which nobody can guess the
fields back from their hash, and the chain still holds.

The encoding is version 1. Another one needs another first row, never an edit here: it would break every log.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from json import JSONEncoder
from typing import Final

SALT_BYTES: Final = 16
HASH_BYTES: Final = 32
RELAY_CHAIN: Final = ""
"""The chain of rows that concern no company: strangers at the door, the relay itself."""

HEAD_PURPOSE: Final = "adhoc relay: audit head 1"
"""Begins what is signed of a chain's head, so that a signature can stand for nothing else."""


@dataclass(frozen=True, slots=True)
class Head:
    """The last row of a chain, and thereby the whole of it.

    Attributes:
        number: how many rows there are.
        hash: 32 bytes, of the last one.
    """

    number: int
    hash: bytes


EMPTY: Final = Head(0, bytes(HASH_BYTES))
"""The head of a chain without rows."""

canonical: Final = JSONEncoder(
    ensure_ascii=True, allow_nan=False, sort_keys=True, separators=(",", ":")
).encode
"""The one way to write a value: JSON in ASCII, keys sorted by code point, no white space."""


def write_time(at: datetime) -> str:
    """A time in the log's own spelling: UTC, microseconds, ``2026-03-01T12:00:00.000000Z``."""
    return f"{at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def hash_fields(salt: bytes, fields: Mapping[str, object]) -> bytes:
    """What stands for the fields in the row's hash: 32 bytes."""
    return hashlib.sha256(salt + canonical(fields).encode()).digest()


def append(
    head: Head,
    *,
    chain: str,
    at: datetime,
    session_id: str | None,
    actor: str,
    action: str,
    fields_hash: bytes,
) -> Head:
    """The head of the chain with one more row."""
    number = head.number + 1
    # What `canonical` makes of a list of these; strings alone take a quarter of its time.
    about = "null" if session_id is None else canonical(session_id)
    row = (
        f"[{canonical(chain)},{number},{canonical(write_time(at))},{about},{canonical(actor)},"
        f"{canonical(action)},{canonical(fields_hash.hex())}]"
    )
    return Head(number, hashlib.sha256(head.hash + row.encode()).digest())


def head_message(chain: str, head: Head, at: datetime) -> bytes:
    """What the relay signs to say that at this time the chain was this long and ended like this."""
    return canonical([HEAD_PURPOSE, chain, head.number, head.hash.hex(), write_time(at)]).encode()
