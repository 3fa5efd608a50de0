"""Lists of sessions: scope, search, order, and pages that neither repeat nor leave out."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from relay.people import Company, CompanyId, Plan, Technician, TechnicianId
from relay.sessions import Session, SessionId, SessionState, Share
from relay.store import Store, Transaction, account_rows, open_store, session_rows, share_rows
from relay.store.session_list import SessionQuery, Sort, list_sessions

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
OURS, THEIRS = CompanyId("ours"), CompanyId("theirs")
ANNA, BEN, MALLORY = TechnicianId("anna"), TechnicianId("ben"), TechnicianId("mallory")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """Sessions 0 … 9 of Anna, 10 … 14 of Ben, one of somebody else's company."""

    def fill(tx: Transaction) -> None:
        for company in (OURS, THEIRS):
            account_rows.insert_company(tx, Company(id=company, name=company, plan=Plan.FREE))
        for person, company in ((ANNA, OURS), (BEN, OURS), (MALLORY, THEIRS)):
            technician = Technician(id=person, company_id=company, name=person, email=f"{person}@example.com")
            account_rows.insert_technician(tx, technician)
        for number in range(15):
            person = ANNA if number < 10 else BEN
            insert(tx, number, OURS, person, at=NOON + timedelta(minutes=number // 2))
        insert(tx, 99, THEIRS, MALLORY, at=NOON)

    async with open_store(tmp_path / "relay.db") as store:
        await store.write(fill)
        yield store


def insert(tx: Transaction, number: int, company: CompanyId, person: TechnicianId, *, at: datetime) -> None:
    session = Session(
        id=SessionId(f"s{number:02}"),
        company_id=company,
        technician_id=person,
        technician_name=person,
        customer_email=f"{'Zoe' if number % 2 else 'adam'}{number:02}@example.com",
        note=f"50%_off {number}" if number == 3 else "",
        language="en",
        created_at=at,
        lapse_at=at + timedelta(hours=1 + number % 3),
    )
    session_rows.insert_session(
        tx, session, invite_hash=bytes([number]) * 32, technician_slot=number + 1, company_slot=number + 1
    )


async def ids(store: Store, query: SessionQuery) -> list[str]:
    """Of all pages."""
    found: list[str] = []
    while True:
        page, position = await store.read(partial(list_sessions, query=query))
        found += [session.id for session in page]
        if position is None:
            return found
        query = replace(query, after=position)


KEYS: dict[Sort, Callable[[Session], Any]] = {
    "newest": lambda session: (session.created_at, session.id),
    "oldest": lambda session: (session.created_at, session.id),
    "expires": lambda session: (session.lapse_at, session.id),
    "customer": lambda session: session.customer_email.lower(),
}


@pytest.mark.parametrize("sort", ["newest", "oldest", "expires", "customer"])
@pytest.mark.parametrize("limit", [1, 4, 15, 50])
async def test_pages_tell_everything_once_in_order(store: Store, sort: Sort, limit: int) -> None:
    whole, _ = await store.read(lambda tx: list_sessions(tx, SessionQuery(company_id=OURS, sort=sort)))
    assert len(whole) == 15
    assert whole == sorted(whole, key=KEYS[sort], reverse=sort == "newest")
    paged = await ids(store, SessionQuery(company_id=OURS, sort=sort, limit=limit))
    assert paged == [session.id for session in whole]


async def test_ones_own_are_those_one_was_let_into_too(store: Store) -> None:
    await store.write(lambda tx: share_rows.put_share(tx, SessionId("s03"), Share(BEN, "ben", "view"), NOON))
    own = await ids(store, SessionQuery(company_id=OURS, seen_by=BEN))
    assert set(own) == {"s03", *(f"s{number}" for number in range(10, 15))}
    page, _ = await store.read(
        lambda tx: list_sessions(tx, SessionQuery(company_id=OURS, seen_by=BEN, owner=ANNA))
    )
    assert [(session.id, session.shares) for session in page] == [("s03", (Share(BEN, "ben", "view"),))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ZOE03", ["s03"]),
        ("50%_off", ["s03"]),
        ("%", ["s03"]),
        ("_", ["s03"]),
        ("adam10@example", ["s10"]),
        ("'; DROP TABLE sessions; --", []),
        ("\\", []),
    ],
)
async def test_search_takes_every_character_for_itself(store: Store, text: str, expected: list[str]) -> None:
    assert await ids(store, SessionQuery(company_id=OURS, text=text)) == expected


async def test_no_query_leaves_its_company(store: Store) -> None:
    assert await ids(store, SessionQuery(company_id=OURS, owner=MALLORY)) == []
    assert await ids(store, SessionQuery(company_id=THEIRS, text="example")) == ["s99"]
    assert await ids(store, SessionQuery(company_id=OURS, states=frozenset({SessionState.ENDED}))) == []
