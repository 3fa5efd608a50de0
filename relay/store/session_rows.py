"""Rows of sessions, in and out of records. Queries only: rules are in `relay.sessions`.

Every function runs inside the caller's transaction. `find_sessions` and look-ups with ``for_update`` lock the
rows until its end (PostgreSQL; SQLite's one writer needs no lock).
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import count
from operator import attrgetter
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from sqlalchemy import ColumnElement, RowMapping, Update, bindparam, insert, select, update

from relay.people import CompanyId, TechnicianId
from relay.protocol.close_reasons import CloseReason
from relay.sessions import Session, SessionId, SessionState
from relay.store.engine import Transaction
from relay.store.tables import sessions

_LIVE_FIELDS = frozenset({"shares", "host_online", "viewers"})
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
            row = {f"new_{name}": value for name, value in values.items()} | {"key": change.after.id}
            by_columns.setdefault(tuple(values), []).append(row)
    for columns, rows in by_columns.items():
        tx.execute(_update_of(columns), rows)


@cache
def _update_of(columns: tuple[str, ...]) -> Update:
    values = {name: bindparam(f"new_{name}", type_=sessions.c[name].type) for name in columns}
    return update(sessions).where(sessions.c.id == bindparam("key")).values(values)


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
            for row in tx.execute(query, {"values": values}).mappings():
                found[SessionKey(column, row[column])] = record_of(row)
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
    query = select(sessions).where(_IS_OPEN).order_by(sessions.c.created_at, sessions.c.id)
    if company_id is not None:
        query = query.where(sessions.c.company_id == company_id)
    if for_update:
        query = query.with_for_update()
    return [record_of(row) for row in tx.execute(query).mappings()]


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
    row = tx.execute(select(sessions).where(condition)).mappings().one_or_none()
    return None if row is None else record_of(row)


_INSERT = insert(sessions)
_FIELDS = tuple(name for name in Session.__dataclass_fields__ if name not in _LIVE_FIELDS)

_COLUMNS: Final[tuple[Literal["id", "invite_hash", "credential_hash"], ...]] = (
    "id",
    "invite_hash",
    "credential_hash",
)
_FIND = {
    column: select(sessions)
    .where(sessions.c[column].in_(bindparam("values", expanding=True)))
    .order_by(sessions.c.id)
    .with_for_update()
    for column in _COLUMNS
}


_fields_of = attrgetter(*_FIELDS)


def _values(session: Session) -> dict[str, Any]:
    return {name: _value(name, field) for name, field in zip(_FIELDS, _fields_of(session), strict=True)}


def _changed_values(before: Session | None, after: Session) -> dict[str, Any]:
    if before is None:
        return _values(after)
    fields = zip(_FIELDS, _fields_of(before), _fields_of(after), strict=True)
    return {name: _value(name, new) for name, old, new in fields if old is not new and old != new}


def _value(name: str, field: Any) -> Any:
    """What is stored of a field."""
    match name:
        case "state":
            return field.value
        case "end_reason":
            return None if field is None else field.wire
        case "funnel":
            return [[step, at.isoformat()] for step, at in field]
        case "warnings":
            return list(field)
    return field


def record_of(row: RowMapping) -> Session:
    """The record in a row of the table, without its live fields."""
    fields: dict[str, Any] = {name: row[name] for name in _FIELDS}
    return Session(
        **fields
        | {
            "state": SessionState(row["state"]),
            "end_reason": None if row["end_reason"] is None else CloseReason.from_wire(row["end_reason"]),
            "funnel": tuple((step, datetime.fromisoformat(at)) for step, at in row["funnel"]),
            "warnings": tuple(row["warnings"]),
        }
    )
