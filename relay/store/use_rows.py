"""Rows of uses: who had which tool of a session open, from when to when. Queries only."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, insert, select, update

from relay.people import CompanyId, TechnicianId
from relay.sessions import SessionId
from relay.store.engine import Transaction
from relay.store.tables import uses

MAX_USES = 1000
"""Of one session that anybody is shown: more than a day's work, and an answer of bounded size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """A tool of a session, as one attached viewer used it.

    Attributes:
        session_id, company_id: where.
        technician_id, technician_name: who; the name is empty once it is forgotten.
        tool: a channel's wire name.
        access: ``full``, or ``view`` for somebody who could only look on.
        reason: why, as the technician said; may be empty.
        began_at: when the tool was opened.
        ended_at: when it was closed; None while it is open.
        is_estimated: the relay was killed meanwhile, and `ended_at` is the last that it knew of the use.
    """

    session_id: SessionId
    company_id: CompanyId
    technician_id: TechnicianId
    technician_name: str
    tool: str
    access: str
    reason: str
    began_at: datetime
    ended_at: datetime | None = None
    is_estimated: bool = False

    @property
    def seconds(self) -> float | None:
        """How long it took, in tenths; None while it is open."""
        if self.ended_at is None:
            return None
        return round(max(0.0, (self.ended_at - self.began_at).total_seconds()), 1)


def insert_uses(tx: Transaction, added: Sequence[Use], *, seen_at: datetime) -> list[int]:
    """Adds rows; their ids, in the same order."""
    if not added:
        return []
    values = [{name: getattr(use, name) for name in Use.__dataclass_fields__} for use in added]
    statement = (
        insert(uses).values({"seen_at": bindparam("now")}).returning(uses.c.id, sort_by_parameter_order=True)
    )
    return list(tx.execute(statement, [{**value, "now": seen_at} for value in values]).scalars())


def set_ends(tx: Transaction, ends: Mapping[int, datetime | None]) -> None:
    """Writes when uses ended, by id; None for one that goes on after all."""
    if ends:
        tx.execute(_SET_END, [{"key": key, "then": ended_at} for key, ended_at in ends.items()])


def touch(tx: Transaction, ids: Collection[int], now: datetime) -> None:
    """Notes that these uses go on."""
    tx.execute(_TOUCH, [{"key": key, "then": now} for key in ids])


def close_abandoned(tx: Transaction, *, unseen_since: datetime | None) -> list[Use]:
    """Ends uses that nobody looks after any more, at their last sign of life.

    Args:
        unseen_since: only those without a sign of life since then; None: all that are open.
    """
    wanted = select(uses).where(uses.c.ended_at.is_(None))
    if unseen_since is not None:
        wanted = wanted.where(uses.c.seen_at < unseen_since)
    found = tx.execute(wanted.order_by(uses.c.id)).mappings().all()
    if found:
        values = {"ended_at": uses.c.seen_at, "is_estimated": True}
        tx.execute(
            update(uses).where(uses.c.id == bindparam("key")).values(values),
            [{"key": row["id"]} for row in found],
        )
    return [_use(dict(row) | {"ended_at": row["seen_at"], "is_estimated": True}) for row in found]


def of_session(tx: Transaction, session_id: SessionId) -> list[Use]:
    """The uses of a session, in the order in which they began; at most the first `MAX_USES`."""
    wanted = select(uses).where(uses.c.session_id == session_id).order_by(uses.c.id).limit(MAX_USES)
    return [_use(dict(row)) for row in tx.execute(wanted).mappings()]


_SET_END = update(uses).where(uses.c.id == bindparam("key")).values({"ended_at": bindparam("then")})
_TOUCH = update(uses).where(uses.c.id == bindparam("key")).values({"seen_at": bindparam("then")})


def _use(row: Mapping[str, object]) -> Use:
    return Use(**{name: row[name] for name in Use.__dataclass_fields__})  # type: ignore[arg-type] # typed by the table
