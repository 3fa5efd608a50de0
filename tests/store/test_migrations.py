"""Migrations: from nothing, and from a database that an earlier relay has filled."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData, create_engine, insert, select

from relay.people import Company, Plan, Technician, TechnicianRole
from relay.sessions import SessionState
from relay.store import Transaction, account_rows, newest_revision, open_store, session_rows
from relay.store.engine import upgrade
from relay.store.sqlite import create_sqlite_engine
from relay.store.tables import metadata

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
COMPANY, TECHNICIAN = "c" * 22, "t" * 22
ACTIVE, ENDED = "a" * 22, "e" * 22
OLD_ROWS = 300
"""Of the audit log."""


def fill_0001(connection: Connection) -> None:
    """What a relay of revision 0001 could hold: a row of every table, through its own columns."""
    tables = MetaData()
    tables.reflect(connection)
    company = {
        "id": COMPANY,
        "name": "Help & Söhne",
        "phone": "+44",
        "plan": "base",
        "has_insight": True,
        "max_open_per_technician": 2,
        "max_open_per_company": 7,
        "session_lifetime": 7200.0,
        "preparation_timeout": 600.0,
        "is_suspended": False,
    }
    technician = {
        "id": TECHNICIAN,
        "company_id": COMPANY,
        "name": "Tess",
        "email": "tess@help.example",
        "language": "es",
        "password_hash": "$argon2id$…",
        "is_disabled": False,
    }
    session = {
        "id": ACTIVE,
        "company_id": COMPANY,
        "technician_id": TECHNICIAN,
        "technician_name": "Tess",
        "customer_email": "ana@example.com",
        "note": "ticket 7",
        "language": "en",
        "created_at": NOW,
        "lapse_at": NOW + timedelta(hours=1),
        "lifetime": 7200.0,
        "state": "active",
        "removal": "none",
        "activated_at": NOW,
        "expires_at": NOW + timedelta(hours=2),
        "computer": "PC",
        "os": "Debian",
        "host_user": "ana",
        "host_key": bytes(32),
        "code": 1,
        "tries": 1,
        "attempts": 1,
        "failed_attempt": 0,
        "paired_host_attempt": 1,
        "paired_viewer_attempt": 1,
        "host_ready": True,
        "funnel": [["link_opened", NOW.isoformat()]],
        "warnings": ["one"],
        "technician_slot": 1,
        "company_slot": 1,
        "invite_hash": b"i" * 32,
        "credential_hash": b"h" * 32,
        "wrapped": b"w" * 92,
    }
    ended = session | {
        "id": ENDED,
        "state": "ended",
        "ended_at": NOW,
        "end_reason": "expired",
        "invite_hash": b"j" * 32,
        "credential_hash": None,
        "wrapped": None,
    }
    audit = {
        "at": NOW,
        "company_id": COMPANY,
        "session_id": ACTIVE,
        "actor": "relay",
        "action": "prepared",
        "fields": {"count": 1, "computer": "PC"},
    }
    rows = {
        "companies": [company],
        "technicians": [technician],
        "sessions": [session, ended],
        "cookies": [
            {"cookie_hash": b"k" * 32, "technician_id": TECHNICIAN, "seen_at": NOW, "expires_at": NOW}
        ],
        "sign_in_links": [
            {"token_hash": b"l" * 32, "technician_id": TECHNICIAN, "expires_at": NOW, "used_at": None}
        ],
        "tickets": [
            {
                "ticket_hash": b"m" * 32,
                "session_id": ACTIVE,
                "technician_id": TECHNICIAN,
                "kinds": ["control"],
                "expires_at": NOW,
            }
        ],
        "audit": [audit] * OLD_ROWS,
    }
    assert set(rows) == set(tables.tables) - {"alembic_version"}
    for name, values in rows.items():
        for each in values:
            connection.execute(insert(tables.tables[name]), each)


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """A database of revision 0001, filled."""
    path = tmp_path / "relay.db"
    engine = create_sqlite_engine(path)
    with engine.begin() as connection:
        upgrade(connection, "0001")
        fill_0001(connection)
    engine.dispose()
    return path


def differences(tx: Connection) -> list[object]:
    """Between the tables that there are and those of the code."""
    return list(compare_metadata(MigrationContext.configure(tx), metadata))


def test_nothing_becomes_the_tables_of_the_code() -> None:
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        upgrade(connection)
        assert differences(connection) == []
        assert MigrationContext.configure(connection).get_current_revision() == newest_revision()


async def test_a_filled_database_becomes_the_tables_of_the_code(filled: Path) -> None:
    def foreign_keys(tx: Transaction) -> list[object]:
        return list(tx.exec_driver_sql("PRAGMA foreign_key_check"))

    async with open_store(filled) as store:
        assert await store.read(differences) == []
        assert await store.read(foreign_keys) == []


async def test_companies_and_people_are_what_they_were(filled: Path) -> None:
    async with open_store(filled) as store:
        companies = await store.read(account_rows.all_companies)
        technicians = await store.read(account_rows.all_technicians)
    assert companies == [
        Company(
            id=companies[0].id,
            name="Help & Söhne",
            phone="+44",
            plan=Plan.BASE,
            has_insight=True,
            max_open_per_technician=2,
            max_open_per_company=7,
            session_lifetime=7200.0,
            preparation_timeout=600.0,
        )
    ]
    assert technicians == [
        Technician(
            id=technicians[0].id,
            company_id=companies[0].id,
            name="Tess",
            email="tess@help.example",
            language="es",
            role=TechnicianRole.OWNER,  # who could do everything before there were roles still can
            has_password=True,
        )
    ]


async def test_sessions_are_what_they_were(filled: Path) -> None:
    async with open_store(filled) as store:
        (session,) = await store.read(session_rows.open_sessions)
        assert await store.read(lambda tx: session_rows.wrapped_key(tx, session.id)) == b"w" * 92
    assert session.id == ACTIVE
    assert session.state is SessionState.ACTIVE
    assert session.expires_at == NOW + timedelta(hours=2)
    assert session.funnel == (("link_opened", NOW),)
    assert session.warnings == ("one",)


async def test_no_audit_row_is_lost_or_changed(filled: Path) -> None:
    table = metadata.tables["audit"]

    def rows(tx: Transaction) -> list[tuple[object, ...]]:
        columns = (table.c.at, table.c.company_id, table.c.actor, table.c.action, table.c.fields)
        return [tuple(row) for row in tx.execute(select(*columns).order_by(table.c.id))]

    async with open_store(filled) as store:
        assert (
            await store.read(rows)
            == [(NOW, COMPANY, "relay", "prepared", {"count": 1, "computer": "PC"})] * OLD_ROWS
        )


async def test_migrating_again_changes_nothing(filled: Path) -> None:
    for _ in range(2):
        async with open_store(filled) as store:
            assert await store.read(differences) == []
            assert len(await store.read(account_rows.all_technicians)) == 1


async def test_a_migration_that_is_interrupted_leaves_the_old_tables(filled: Path) -> None:
    engine = create_sqlite_engine(filled)

    def revision() -> str | None:
        with engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()

    with engine.connect() as connection, connection.begin() as transaction:
        upgrade(connection)
        transaction.rollback()  # the power fails before the commit
    assert revision() == "0001"
    async with open_store(filled) as store:
        assert await store.read(differences) == []
    assert revision() == newest_revision()
    engine.dispose()
