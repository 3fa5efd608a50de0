"""Lists of sessions, as the console asks for them: scope, search, filter, order, page by page.

Pages are found by keyset: the next one begins behind the last row of this one, so that nothing is told twice
or left out because sessions came or went in between.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias

from sqlalchemy import ColumnElement, and_, func, or_, select

from relay.people import CompanyId, TechnicianId
from relay.sessions import Session, SessionId, SessionState
from relay.store import share_rows
from relay.store.engine import Transaction
from relay.store.session_rows import RECORD, record_of
from relay.store.tables import sessions, shares

Sort: TypeAlias = Literal["newest", "oldest", "expires", "customer"]


@dataclass(frozen=True, slots=True)
class Position:
    """Behind which row a page begins: its value of what is sorted by, and its id."""

    value: datetime | str
    id: SessionId


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionQuery:
    """What is asked for.

    Attributes:
        company_id: never any other company's.
        seen_by: only this technician's own sessions, and those they were let into; None for all.
        owner: only those this technician prepared; None for all.
        states: only these; None for all.
        text: what customer, computer, note, system, user or technician contain; "" for all.
        sort: ``expires`` is by when they end by the clock.
        after: where the page begins.
        limit: at most so many.
    """

    company_id: CompanyId
    seen_by: TechnicianId | None = None
    owner: TechnicianId | None = None
    states: frozenset[SessionState] | None = None
    text: str = ""
    sort: Sort = "newest"
    after: Position | None = None
    limit: int = 50


_ORDERS: Final[dict[Sort, tuple[ColumnElement[Any], bool]]] = {
    "newest": (sessions.c.created_at, True),
    "oldest": (sessions.c.created_at, False),
    "expires": (func.coalesce(sessions.c.expires_at, sessions.c.lapse_at), False),
    "customer": (func.lower(sessions.c.customer_email), False),
}
"""What is sorted by, and whether downwards."""

_SEARCHED: Final = (
    sessions.c.customer_email,
    sessions.c.computer,
    sessions.c.note,
    sessions.c.os,
    sessions.c.host_user,
    sessions.c.technician_name,
)


def list_sessions(tx: Transaction, query: SessionQuery) -> tuple[list[Session], Position | None]:
    """A page of sessions with their shares, and where the next page begins; None if this is the last."""
    key, is_down = _ORDERS[query.sort]
    order = (key.desc(), sessions.c.id.desc()) if is_down else (key.asc(), sessions.c.id.asc())
    statement = select(key.label("sort_key"), *RECORD).where(*_conditions(query)).order_by(*order)
    rows = tx.execute(statement.limit(query.limit + 1)).all()
    found = [record_of(row[1:]) for row in rows[: query.limit]]
    shared = share_rows.shares_of(tx, [session.id for session in found])
    position = None
    if len(rows) > query.limit:
        position = Position(rows[query.limit - 1].sort_key, found[-1].id)
    return [replace(session, shares=shared.get(session.id, ())) for session in found], position


def _conditions(query: SessionQuery) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [sessions.c.company_id == query.company_id]
    if query.seen_by is not None:
        let_in = select(shares.c.session_id).where(shares.c.technician_id == query.seen_by)
        conditions.append(or_(sessions.c.technician_id == query.seen_by, sessions.c.id.in_(let_in)))
    if query.owner is not None:
        conditions.append(sessions.c.technician_id == query.owner)
    if query.states is not None:
        conditions.append(sessions.c.state.in_(sorted(state.value for state in query.states)))
    if query.text:
        conditions.append(or_(*(column.icontains(query.text, autoescape=True) for column in _SEARCHED)))
    if query.after is not None:
        key, is_down = _ORDERS[query.sort]
        value, last = query.after.value, query.after.id
        beyond = key < value if is_down else key > value
        behind = sessions.c.id < last if is_down else sessions.c.id > last
        conditions.append(or_(beyond, and_(key == value, behind)))
    return conditions
