"""Rows of sessions, in and out of records. Queries only: rules are in `relay.sessions`.

Every function runs inside the caller's transaction. `find_sessions` and look-ups with ``for_update`` lock the
rows until its end (PostgreSQL; SQLite's one writer needs no lock).
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from operator import attrgetter
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from sqlalchemy import ColumnElement, bindparam, insert, select, update

from relay.people import CompanyId, TechnicianId
from relay.protocol.close_reasons import CloseReason
from relay.sessions import STORED_FIELDS, Session, SessionId, SessionState, restored
from relay.store.engine import Transaction
from relay.store.tables import sessions

_IS_OPEN = sessions.c.state != SessionState.ENDED.value


def insert_session(
    tx: Transaction, session: Session, *, invite_hash: bytes, technician_slot: int, company_slot: int
) -> None:
    """Adds a session in its slots.

    Raises:
        sqlalchemy.exc.IntegrityError: another relay took a slot in between; the store runs the work again.
    """
    values = _values(session) | {
        "invite_hash": invite_hash,
        "technician_slot": technician_slot,
        "company_slot": company_slot,
    }
    tx.execute(_INSERT, values)


SecretName: TypeAlias = Literal["credential_hash", "wrapped"]
"""What is no part of a session's record: the hash of its host's credential, and the encrypted pairing key."""
Secrets: TypeAlias = Mapping[SecretName, bytes | None]


@dataclass(frozen=True, slots=True)
class SessionChange:
    """What becomes of a session's row.

    Attributes:
        before: as it is stored; None if that is not known.
        after: as it is from now on.
        secrets: those that are replaced.
    """

    before: Session | None
    after: Session
    secrets: Secrets


def save_sessions(tx: Transaction, changes: Iterable[SessionChange]) -> None:
    """Writes what changed of sessions that exist: one statement for all that changed in the same columns."""
    by_columns: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for change in changes:
        values = _changed_values(change.before, change.after)
        values.update(change.secrets.items())
        if values:
            columns = tuple(values)
            values["key"] = change.after.id
            by_columns.setdefault(columns, []).append(values)
    for rows in by_columns.values():
        tx.execute(_UPDATE, rows)


class SessionKey(NamedTuple):
    """By what a session can be found: its id, or the hash of its invite or of its host's credential."""

    column: Literal["id", "invite_hash", "credential_hash"]
    value: str | bytes


def find_sessions(tx: Transaction, keys: Collection[SessionKey]) -> dict[SessionKey, Session]:
    """The sessions with these keys, as far as there are any; one statement for each kind of key.

    Their rows are locked until the transaction's end, in the order of their ids.
    """
    found: dict[SessionKey, Session] = {}
    for column, query in _FIND.items():
        values = [key.value for key in keys if key.column == column]
        if values:
            for key, *stored in tx.execute(query, {"values": values}):
                found[SessionKey(column, key)] = record_of(stored)
    return found


def session_by_id(tx: Transaction, session_id: SessionId) -> Session | None:
    """The session, or None."""
    return _one(tx, sessions.c.id == session_id)


def session_by_invite(tx: Transaction, invite_hash: bytes) -> Session | None:
    """The session, of whatever state, that was prepared with this invite, or None."""
    return _one(tx, sessions.c.invite_hash == invite_hash)


def open_sessions(
    tx: Transaction, *, company_id: CompanyId | None = None, for_update: bool = False
) -> list[Session]:
    """All open sessions, of one company or of all, oldest first."""
    query = select(*RECORD).where(_IS_OPEN).order_by(sessions.c.created_at, sessions.c.id)
    if company_id is not None:
        query = query.where(sessions.c.company_id == company_id)
    if for_update:
        query = query.with_for_update()
    return [record_of(row) for row in tx.execute(query)]


def occupied_slots(
    tx: Transaction, company_id: CompanyId, technician_id: TechnicianId
) -> tuple[set[int], set[int]]:
    """The slots that open sessions hold: of the technician, and of the company."""
    columns = select(sessions.c.technician_id, sessions.c.technician_slot, sessions.c.company_slot)
    rows = tx.execute(columns.where(_IS_OPEN, sessions.c.company_id == company_id)).all()
    return (
        {row.technician_slot for row in rows if row.technician_id == technician_id},
        {row.company_slot for row in rows},
    )


def free_slot(tx: Transaction, technician_id: TechnicianId) -> int:
    """The first slot of a technician that no open session of theirs holds."""
    columns = select(sessions.c.technician_slot).where(_IS_OPEN, sessions.c.technician_id == technician_id)
    held = set(tx.execute(columns).scalars())
    return next(slot for slot in count(1) if slot not in held)


def move_slot(tx: Transaction, session_id: SessionId, technician_id: TechnicianId, slot: int) -> None:
    """The session is this technician's from now on, in a slot of theirs.

    Raises:
        sqlalchemy.exc.IntegrityError: another relay took the slot in between; the store runs the work again.
    """
    values = {"technician_id": technician_id, "technician_slot": slot}
    tx.execute(update(sessions).where(sessions.c.id == session_id).values(values))


def credentials_of_open(tx: Transaction) -> dict[SessionId, bytes]:
    """The hashes of the credentials that the hosts of open sessions hold."""
    columns = select(sessions.c.id, sessions.c.credential_hash)
    rows = tx.execute(columns.where(_IS_OPEN, sessions.c.credential_hash.is_not(None))).all()
    return {SessionId(row.id): row.credential_hash for row in rows}


def wrapped_key(tx: Transaction, session_id: SessionId) -> bytes | None:
    """The encrypted pairing key, if one is kept."""
    return tx.execute(select(sessions.c.wrapped).where(sessions.c.id == session_id)).scalar_one_or_none()


def _one(tx: Transaction, condition: ColumnElement[bool]) -> Session | None:
    row = tx.execute(select(*RECORD).where(condition)).one_or_none()
    return None if row is None else record_of(row)


_INSERT = insert(sessions)
_UPDATE = update(sessions).where(sessions.c.id == bindparam("key"))
"""Of the columns that are named in what it is executed with."""
RECORD: Final = tuple(sessions.c[name] for name in STORED_FIELDS)
"""What `record_of` takes, in its order."""

_COLUMNS: Final[tuple[Literal["id", "invite_hash", "credential_hash"], ...]] = (
    "id",
    "invite_hash",
    "credential_hash",
)
_FIND = {
    column: select(sessions.c[column].label("key"), *RECORD)
    .where(sessions.c[column].in_(bindparam("values", expanding=True)))
    .order_by(sessions.c.id)
    .with_for_update()
    for column in _COLUMNS
}


_fields_of = attrgetter(*STORED_FIELDS)


def _values(session: Session) -> dict[str, Any]:
    return {name: _value(name, field) for name, field in zip(STORED_FIELDS, _fields_of(session), strict=True)}


def _changed_values(before: Session | None, after: Session) -> dict[str, Any]:
    if before is None:
        return _values(after)
    fields = zip(STORED_FIELDS, _fields_of(before), _fields_of(after), strict=True)
    return {name: _value(name, new) for name, old, new in fields if old is not new and old != new}


def _value(name: str, field: Any) -> Any:
    """What is stored of a field."""
    write = _WRITE.get(name)
    return field if write is None else write(field)


def record_of(row: Sequence[Any]) -> Session:
    """The record in a row of `RECORD`, without its live fields."""
    values = list(row)
    for place, read in _READ:
        values[place] = read(values[place])
    return restored(values)


def _read_end_reason(word: str | None) -> CloseReason | None:
    return None if word is None else CloseReason.from_wire(word)


def _read_funnel(steps: list[list[str]]) -> tuple[tuple[str, datetime], ...]:
    return tuple([(step, datetime.fromisoformat(at)) for step, at in steps])


_WRITE: Final[Mapping[str, Callable[[Any], Any]]] = {
    "state": lambda state: state.value,
    "end_reason": lambda reason: None if reason is None else reason.wire,
    "funnel": lambda funnel: [[step, at.isoformat()] for step, at in funnel],
    "warnings": list,
}
"""What is stored of a field, where that is not the field itself."""
_READ: Final[Sequence[tuple[int, Callable[[Any], Any]]]] = [
    (STORED_FIELDS.index("state"), {state.value: state for state in SessionState}.__getitem__),
    (STORED_FIELDS.index("end_reason"), _read_end_reason),
    (STORED_FIELDS.index("funnel"), _read_funnel),
    (STORED_FIELDS.index("warnings"), tuple),
]
"""The way back, by place in a row."""
