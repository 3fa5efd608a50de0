"""The audit log: who did what when. Rows are added, never changed or removed; no row holds a secret.

Every row covers the one before it (`relay.store.audit_chain`). Whoever adds rows holds the heads of their
chains until the transaction's end, so that two relays on one database cannot both continue the same row.
"""

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import (
    ColumnElement,
    RowMapping,
    Select,
    and_,
    bindparam,
    func,
    insert,
    not_,
    or_,
    select,
    update,
)

from relay.people import CompanyId, TechnicianId
from relay.sessions import SessionId
from relay.store.audit_chain import EMPTY, RELAY_CHAIN, SALT_BYTES, Head, append, hash_fields
from relay.store.engine import Transaction
from relay.store.tables import audit, audit_chains, companies, technicians

AuditField: TypeAlias = str | int | float | bool | list[str] | None
AuditFields: TypeAlias = Mapping[str, AuditField]

FORGOTTEN = "forgotten"
"""The action of the row that says whose fields were deleted, and that retention did it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """One thing that happened.

    Attributes:
        at: when.
        company_id, session_id: what it concerns; None if nothing in particular.
        actor: ``technician:ID``, ``host``, ``customer``, ``clock``, ``relay``, or ``stranger``.
        action: one word.
        fields: details; numbers, names and reasons, never secrets. Empty once they are forgotten.
    """

    at: datetime
    company_id: CompanyId | None
    session_id: SessionId | None
    actor: str
    action: str
    fields: AuditFields


@dataclass(frozen=True, slots=True)
class ChainedRow:
    """A row as it is stored.

    Attributes:
        row: what happened.
        number: its place in the chain, from 1.
        salt: of its fields; None once they are forgotten.
        fields_hash, hash: 32 bytes each.
    """

    row: AuditRow
    number: int
    salt: bytes | None
    fields_hash: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class SignedHead:
    """A chain's head as it was when the relay last signed it.

    Attributes:
        head: the last row then.
        at: when.
        signature: Ed25519 by the relay's key over `relay.store.audit_chain.head_message`.
    """

    head: Head
    at: datetime
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditQuery:
    """Which rows of a company somebody wants to see; None: any.

    Attributes:
        since, until: times, the first included, the second not.
        actor, action: exactly these.
        session_id: those about one session.
    """

    since: datetime | None = None
    until: datetime | None = None
    actor: str | None = None
    action: str | None = None
    session_id: SessionId | None = None


def add(tx: Transaction, row: AuditRow) -> None:
    """Appends a row."""
    add_all(tx, [row])


def add_all(tx: Transaction, rows: Sequence[AuditRow]) -> None:
    """Appends rows to their chains, in this order, by three statements."""
    if not rows:
        return
    chains = {chain_of(row.company_id) for row in rows}
    found = tx.execute(_HEADS, {"chains": sorted(chains)}).all()
    known = {head.chain: Head(head.number, head.hash) for head in found}
    heads = dict(known)
    salts = os.urandom(SALT_BYTES * len(rows))
    values = []
    for index, row in enumerate(rows):
        chain = chain_of(row.company_id)
        salt = salts[index * SALT_BYTES : (index + 1) * SALT_BYTES]
        fields = dict(row.fields)
        fields_hash = hash_fields(salt, fields)
        head = heads[chain] = append(
            heads.get(chain, EMPTY),
            chain=chain,
            at=row.at,
            session_id=row.session_id,
            actor=row.actor,
            action=row.action,
            fields_hash=fields_hash,
        )
        values.append(
            {
                "at": row.at,
                "company_id": row.company_id,
                "session_id": row.session_id,
                "actor": row.actor,
                "action": row.action,
                "fields": fields,
                "number": head.number,
                "salt": salt,
                "fields_hash": fields_hash,
                "hash": head.hash,
            }
        )
    tx.execute(_INSERT, values)
    # A chain that is new to two relays at once is refused to one of them, which looks again.
    for statement, changed in ((_MOVE_HEAD, chains & known.keys()), (_INSERT_HEAD, chains - known.keys())):
        if changed:
            moved = [{"key": chain, "to": heads[chain].number, "by": heads[chain].hash} for chain in changed]
            tx.execute(statement, moved)


def chain_of(company_id: CompanyId | None) -> str:
    """The chain that rows about this company belong to."""
    return RELAY_CHAIN if company_id is None else company_id


def of_session(tx: Transaction, session_id: SessionId, *, limit: int | None = None) -> list[AuditRow]:
    """What happened to a session, in order; at most the last `limit` things."""
    return _last_rows(tx, audit.c.session_id == session_id, limit)


def last_of_actions(tx: Transaction, session_id: SessionId, actions: Collection[str]) -> AuditRow | None:
    """The last thing of these `actions` that happened to a session, or None."""
    rows = _last_rows(tx, and_(audit.c.session_id == session_id, audit.c.action.in_(actions)), 1)
    return rows[0] if rows else None


def of_company(tx: Transaction, company_id: CompanyId) -> list[AuditRow]:
    """What happened in a company, in order."""
    return _last_rows(tx, audit.c.company_id == company_id, None)


def actor_names(tx: Transaction, company_id: CompanyId) -> dict[str, str]:
    """The names of a company's people, by what the log calls them as actors."""
    people = select(technicians.c.id, technicians.c.name).where(technicians.c.company_id == company_id)
    return {technician_actor(row.id): row.name for row in tx.execute(people)}


def technician_actor(technician_id: TechnicianId) -> str:
    """A technician's name as an actor."""
    return f"technician:{technician_id}"


def newest(
    tx: Transaction, company_id: CompanyId, query: AuditQuery, *, before: int | None, limit: int
) -> list[ChainedRow]:
    """A page of a company's rows, newest first.

    Args:
        before: only rows with smaller numbers; None: from the end.
        limit: rows of a page.
    """
    wanted = _matching(select(audit).where(audit.c.company_id == company_id), query)
    if before is not None:
        wanted = wanted.where(audit.c.number < before)
    return [
        _chained(row) for row in tx.execute(wanted.order_by(audit.c.number.desc()).limit(limit)).mappings()
    ]


def next_rows(
    tx: Transaction, chain: str, query: AuditQuery, *, after: int, up_to: int, limit: int
) -> list[ChainedRow]:
    """A page of a chain's rows, oldest first, with numbers above `after` and at most `up_to`."""
    wanted = _matching(select(audit).where(_in_chain(chain), audit.c.number > after), query)
    wanted = wanted.where(audit.c.number <= up_to).order_by(audit.c.number, audit.c.id).limit(limit)
    return [_chained(row) for row in tx.execute(wanted).mappings()]


def head_of(tx: Transaction, chain: str) -> Head:
    """Where the next row of the chain continues."""
    row = tx.execute(select(audit_chains).where(audit_chains.c.chain == chain)).one_or_none()
    return EMPTY if row is None else Head(row.number, row.hash)


def last_number(tx: Transaction, chain: str) -> int:
    """The largest number of any row there is in the chain; 0 if there is none."""
    return tx.execute(select(func.max(audit.c.number)).where(_in_chain(chain))).scalar_one() or 0


def signed_head_of(tx: Transaction, chain: str) -> SignedHead | None:
    """The chain's head as it was last signed, or None."""
    row = tx.execute(select(audit_chains).where(audit_chains.c.chain == chain)).one_or_none()
    if row is None or row.signature is None:
        return None
    return SignedHead(Head(row.signed_number, row.signed_hash), row.signed_at, row.signature)


def unsigned_heads(tx: Transaction) -> dict[str, Head]:
    """The heads that moved since they were signed, by chain."""
    moved = audit_chains.c.number != audit_chains.c.signed_number
    return {row.chain: Head(row.number, row.hash) for row in tx.execute(select(audit_chains).where(moved))}


def sign_heads(tx: Transaction, signed: Mapping[str, SignedHead]) -> None:
    """Keeps signatures of heads, by chain."""
    if signed:
        tx.execute(
            _SIGN,
            [
                {
                    "key": chain,
                    "to": head.head.number,
                    "by": head.head.hash,
                    "then": head.at,
                    "proof": head.signature,
                }
                for chain, head in signed.items()
            ],
        )


def all_chains(tx: Transaction) -> list[str]:
    """Every chain that there is or must be: each company has one from the moment it was made."""
    found = {
        chain_of(company_id) for company_id in tx.execute(select(audit.c.company_id).distinct()).scalars()
    }
    found |= set(tx.execute(select(audit_chains.c.chain)).scalars())
    found |= set(tx.execute(select(companies.c.id)).scalars())
    return sorted(found)


def forget_fields(tx: Transaction, session_ids: Sequence[SessionId]) -> int:
    """Deletes the fields of all rows about these sessions, with the salts; how many rows those were."""
    about = audit.c.session_id.in_(session_ids)
    emptied = update(audit).where(about, audit.c.action != FORGOTTEN, audit.c.salt.is_not(None))
    return tx.execute(emptied.values({"fields": {}, "salt": None})).rowcount


def first_emptied(tx: Transaction, chain: str) -> int | None:
    """The number of the first row whose fields are gone though no row says that retention did it."""
    other = audit.alias()
    confessed = (
        select(other.c.id)
        .where(other.c.session_id == audit.c.session_id, other.c.action == FORGOTTEN)
        .where(other.c.number > audit.c.number)
        .exists()
    )
    wanted = select(func.min(audit.c.number)).where(_in_chain(chain), audit.c.salt.is_(None))
    found: int | None = tx.execute(
        wanted.where(or_(audit.c.session_id.is_(None), not_(confessed)))
    ).scalar_one()
    return found


_HEADS = (
    select(audit_chains.c.chain, audit_chains.c.number, audit_chains.c.hash)
    .where(audit_chains.c.chain.in_(bindparam("chains", expanding=True)))
    .order_by(audit_chains.c.chain)
    .with_for_update()
)
_INSERT = insert(audit)
_INSERT_HEAD = insert(audit_chains).values(
    {"chain": bindparam("key"), "number": bindparam("to"), "hash": bindparam("by")}
)
_MOVE_HEAD = (
    update(audit_chains)
    .where(audit_chains.c.chain == bindparam("key"))
    .values({"number": bindparam("to"), "hash": bindparam("by")})
)
_SIGN = (
    update(audit_chains)
    .where(audit_chains.c.chain == bindparam("key"))
    .values(
        {
            "signed_number": bindparam("to"),
            "signed_hash": bindparam("by"),
            "signed_at": bindparam("then"),
            "signature": bindparam("proof"),
        }
    )
)


def _in_chain(chain: str) -> ColumnElement[bool]:
    return audit.c.company_id.is_(None) if chain == RELAY_CHAIN else audit.c.company_id == chain


def _matching(wanted: Select[Any], query: AuditQuery) -> Select[Any]:
    conditions = {
        "since": None if query.since is None else audit.c.at >= query.since,
        "until": None if query.until is None else audit.c.at < query.until,
        "actor": None if query.actor is None else audit.c.actor == query.actor,
        "action": None if query.action is None else audit.c.action == query.action,
        "session": None if query.session_id is None else audit.c.session_id == query.session_id,
    }
    return wanted.where(and_(True, *(one for one in conditions.values() if one is not None)))


def _last_rows(tx: Transaction, condition: ColumnElement[bool], limit: int | None) -> list[AuditRow]:
    wanted = select(audit).where(condition).order_by(audit.c.id.desc()).limit(limit)
    return [_row(row) for row in reversed(tx.execute(wanted).mappings().all())]


def _row(row: RowMapping) -> AuditRow:
    return AuditRow(**{name: row[name] for name in AuditRow.__dataclass_fields__})


def _chained(row: RowMapping) -> ChainedRow:
    return ChainedRow(_row(row), row["number"], row["salt"], row["fields_hash"], row["hash"])
