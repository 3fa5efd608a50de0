"""The database: made safely, migrated, durable, and honest about failures."""

import gc
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy
import trio
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError, StatementError

from relay.errors import ConfigError, RelayError
from relay.people import Company, CompanyId, Technician, TechnicianId
from relay.sessions import Session, SessionId, SessionState
from relay.store import (
    StoreUnavailable,
    Transaction,
    account_rows,
    audit_rows,
    open_store,
    session_rows,
    ticket_rows,
)
from relay.store.audit_rows import AuditRow
from relay.store.session_rows import SessionChange, SessionKey
from relay.store.sqlite import create_sqlite_engine
from relay.store.tables import UtcDateTime, metadata

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
COMPANY = Company(id=CompanyId("c"), name="Company")


def make_session(number: int, technician: str = "t") -> Session:
    return Session(
        id=SessionId(f"s{number}"),
        company_id=COMPANY.id,
        technician_id=TechnicianId(technician),
        technician_name="Tess",
        customer_email="customer@example.com",
        note="",
        language="en",
        created_at=NOW,
        lapse_at=NOW,
    )


def insert_accounts(tx: Transaction) -> None:
    account_rows.insert_company(tx, COMPANY)
    for name in ("t", "u"):
        account_rows.insert_technician(
            tx,
            Technician(id=TechnicianId(name), company_id=COMPANY.id, name=name, email=f"{name}@example.com"),
        )


def insert(tx: Transaction, number: int, *, technician: str = "t", slots: tuple[int, int]) -> None:
    session_rows.insert_session(
        tx,
        make_session(number, technician),
        invite_hash=number.to_bytes(32, "big"),
        technician_slot=slots[0],
        company_slot=slots[1],
    )


async def test_file_and_folder_belong_to_their_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "data" / "relay.db"
    async with open_store(path) as store:
        await store.write(insert_accounts)
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert modes == {"relay.db": 0o600, "relay.db-wal": 0o600, "relay.db-shm": 0o600}


async def test_connections_are_set_up_to_lose_nothing(tmp_path: Path) -> None:
    def pragmas(tx: Connection) -> dict[str, object]:
        names = ("journal_mode", "synchronous", "foreign_keys")
        return {name: tx.execute(text(f"PRAGMA {name}")).scalar_one() for name in names}

    async with open_store(f"sqlite:///{tmp_path}/relay.db") as store:
        assert await store.write(pragmas) == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


async def test_the_connection_that_wrote_writes_again_though_others_are_free(tmp_path: Path) -> None:
    together = threading.Barrier(3)

    def wait(tx: Transaction) -> int:
        together.wait(timeout=30)
        return id(tx.connection.dbapi_connection)

    def write(tx: Transaction) -> int:
        return id(tx.connection.dbapi_connection)

    async with open_store(tmp_path / "relay.db") as store:
        readers = set[int]()

        async def read() -> None:
            readers.add(await store.read(wait))

        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(read)
        writers = [await store.write(write) for _ in range(6)]
    assert len(readers) == 3
    assert len(set(writers)) == 1


async def test_what_was_stored_is_there_after_opening_again(tmp_path: Path) -> None:
    path = tmp_path / "relay.db"
    async with open_store(path) as store:
        await store.write(insert_accounts)
    async with open_store(path) as store:
        assert await store.read(account_rows.all_companies) == [COMPANY]


async def test_a_session_comes_back_as_it_went_in(tmp_path: Path) -> None:
    session = make_session(1)

    def work(tx: Transaction) -> Session | None:
        insert_accounts(tx)
        insert(tx, 1, slots=(1, 1))
        return session_rows.session_by_id(tx, session.id)

    async with open_store(tmp_path / "relay.db") as store:
        assert await store.write(work) == session


async def test_work_that_raises_changes_nothing(tmp_path: Path) -> None:
    def work(tx: Transaction) -> None:
        insert_accounts(tx)
        raise ValueError("changed its mind")

    async with open_store(tmp_path / "relay.db") as store:
        with pytest.raises(ValueError, match="changed its mind"):
            await store.write(work)
        assert await store.read(account_rows.all_companies) == []


async def test_work_is_run_again_when_somebody_else_took_the_slot(tmp_path: Path) -> None:
    attempts: list[int] = []

    def work(tx: Transaction) -> None:
        attempts.append(len(attempts) + 1)
        insert(tx, 2, slots=(len(attempts), len(attempts)))

    async with open_store(tmp_path / "relay.db") as store:
        await store.write(insert_accounts)
        await store.write(lambda tx: insert(tx, 1, slots=(1, 1)))
        await store.write(work)
        assert len(await store.read(session_rows.open_sessions)) == 2
    assert attempts == [1, 2]


async def test_work_that_can_never_succeed_is_given_up(tmp_path: Path) -> None:
    async with open_store(tmp_path / "relay.db") as store:
        with pytest.raises(RelayError, match="refused a change"):
            await store.write(lambda tx: insert(tx, 1, slots=(1, 1)))  # there is no such company


async def test_a_failing_database_says_so_without_its_values(tmp_path: Path) -> None:
    path = tmp_path / "relay.db"
    async with open_store(path) as store:
        await store.write(lambda tx: tx.execute(text("DROP TABLE tickets")))
        with pytest.raises(RelayError, match="cannot be used at the moment") as caught:
            await store.write(lambda tx: ticket_rows.use_ticket(tx, b"secret" * 6, NOW))
        assert "secret" not in f"{caught.value} {caught.value.__cause__}"
        with pytest.raises(RelayError, match="cannot be used at the moment"):
            await store.read(lambda tx: tx.execute(text("SELECT * FROM tickets")))


@pytest.mark.parametrize(
    ("second", "holds"),
    [
        (("t", (1, 2)), False),  # the technician's slot is taken
        (("u", (1, 1)), False),  # the company's slot is taken
        (("u", (1, 2)), True),
        (("t", (2, 2)), True),
    ],
)
async def test_open_sessions_cannot_share_a_slot(
    tmp_path: Path, second: tuple[str, tuple[int, int]], holds: bool
) -> None:
    technician, slots = second

    def work(tx: Transaction) -> bool:
        insert_accounts(tx)
        insert(tx, 1, slots=(1, 1))
        try:
            insert(tx, 2, technician=technician, slots=slots)
        except IntegrityError:
            return False
        return True

    async with open_store(tmp_path / "relay.db") as store:
        assert await store.write(work) is holds


async def test_a_change_writes_what_changed_and_nothing_else(tmp_path: Path) -> None:
    """Of the row only those columns: what else is in it may be newer than what the writer has read."""
    one, two = make_session(1), make_session(2, "u")
    later = replace(one, state=SessionState.WAITING, warnings=("careful",), funnel=(("started", NOW),))

    def work(tx: Transaction) -> list[Session]:
        insert_accounts(tx)
        insert(tx, 1, slots=(1, 1))
        insert(tx, 2, technician="u", slots=(1, 2))
        tx.execute(text("UPDATE sessions SET note = 'newer'"))
        session_rows.save_sessions(
            tx,
            [
                SessionChange(one, later, {"credential_hash": b"h" * 32, "wrapped": b"w"}),
                SessionChange(two, two, {}),
                SessionChange(two, replace(two, computer="PC"), {}),
            ],
        )
        assert session_rows.wrapped_key(tx, one.id) == b"w"
        assert session_rows.credentials_of_open(tx) == {one.id: b"h" * 32}
        return session_rows.open_sessions(tx)

    async with open_store(tmp_path / "relay.db") as store:
        assert await store.write(work) == [
            replace(later, note="newer"),
            replace(two, note="newer", computer="PC"),
        ]


async def test_a_change_of_an_unknown_row_writes_all_of_it(tmp_path: Path) -> None:
    after = replace(make_session(1), note="new", state=SessionState.WAITING)

    def work(tx: Transaction) -> Session | None:
        insert_accounts(tx)
        insert(tx, 1, slots=(1, 1))
        session_rows.save_sessions(tx, [SessionChange(None, after, {})])
        return session_rows.session_by_id(tx, after.id)

    async with open_store(tmp_path / "relay.db") as store:
        assert await store.write(work) == after


async def test_sessions_are_found_by_any_of_their_keys(tmp_path: Path) -> None:
    one, two = make_session(1), make_session(2, "u")
    keys = [
        SessionKey("id", one.id),
        SessionKey("invite_hash", (2).to_bytes(32, "big")),
        SessionKey("credential_hash", b"h" * 32),
        SessionKey("id", "unknown"),
        SessionKey("credential_hash", (2).to_bytes(32, "big")),  # an invite is no credential
    ]

    def work(tx: Transaction) -> dict[SessionKey, Session]:
        insert_accounts(tx)
        insert(tx, 1, slots=(1, 1))
        insert(tx, 2, technician="u", slots=(1, 2))
        session_rows.save_sessions(tx, [SessionChange(one, one, {"credential_hash": b"h" * 32})])
        assert session_rows.find_sessions(tx, []) == {}
        assert account_rows.companies_by_id(tx, [COMPANY.id, CompanyId("unknown")]) == {COMPANY.id: COMPANY}
        return session_rows.find_sessions(tx, keys)

    async with open_store(tmp_path / "relay.db") as store:
        assert await store.write(work) == {keys[0]: one, keys[1]: two, keys[2]: one}


async def test_whether_an_asker_lives_is_asked_without_work_for_the_garbage_collector(tmp_path: Path) -> None:
    """The collector puts what it has seen aside (`relay.cli.garbage`): circles would stay for an hour."""

    def ask(tx: Transaction) -> None:
        for _ in range(20):
            assert not ticket_rows.is_asker_alive(tx, bytes(32), NOW)

    async with open_store(tmp_path / "relay.db") as store:
        await store.write(ask)
        gc.collect()
        gc.disable()
        try:
            await store.write(ask)
            assert gc.collect() < 100  # 266 each, when its statement was made anew
        finally:
            gc.enable()


async def test_a_database_that_cannot_be_used_is_told_from_one_that_refuses(tmp_path: Path) -> None:
    async with open_store(tmp_path / "relay.db") as store:
        with pytest.raises(StoreUnavailable):
            await store.write(lambda tx: tx.execute(text("SELECT * FROM nothing")))
        with pytest.raises(RelayError) as caught:
            await store.write(lambda tx: insert(tx, 1, slots=(1, 1)))  # there is no such company
        assert not isinstance(caught.value, StoreUnavailable)


async def test_an_ended_session_leaves_its_slots(tmp_path: Path) -> None:
    def work(tx: Transaction) -> tuple[set[int], set[int]]:
        insert_accounts(tx)
        insert(tx, 1, slots=(1, 1))
        ended = make_session(1)
        after = replace(ended, state=SessionState.ENDED, ended_at=NOW)
        session_rows.save_sessions(tx, [SessionChange(ended, after, {})])
        insert(tx, 2, slots=(1, 1))
        return session_rows.occupied_slots(tx, COMPANY.id, TechnicianId("t"))

    async with open_store(tmp_path / "relay.db") as store:
        assert await store.write(work) == ({1}, {1})


def test_a_slot_is_given_once_under_fifty_threads(tmp_path: Path) -> None:
    """The constraint alone, with nobody looking before: fifty connections write the same two slots."""
    path = tmp_path / "relay.db"
    engine = create_sqlite_engine(path)
    with engine.begin() as tx:
        metadata.create_all(tx)
        insert_accounts(tx)
    together = threading.Barrier(50)
    outcomes: list[str] = []

    def race(number: int) -> None:
        own = create_sqlite_engine(path)
        together.wait()
        try:
            with own.begin() as tx:
                insert(tx, number, slots=(1, 1 + number % 2))
        except IntegrityError:
            outcomes.append("refused")
        else:
            outcomes.append("inserted")
        own.dispose()

    threads = [threading.Thread(target=race, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    engine.dispose()
    assert sorted(outcomes) == ["inserted"] + ["refused"] * 49


async def test_audit_rows_come_back_in_order(tmp_path: Path) -> None:
    rows = [
        AuditRow(
            at=NOW,
            company_id=COMPANY.id,
            session_id=SessionId("s"),
            actor="relay",
            action=f"action{number}",
            fields={"number": number},
        )
        for number in range(3)
    ]

    def work(tx: Transaction) -> list[AuditRow]:
        for row in rows:
            audit_rows.add(tx, row)
        assert audit_rows.of_company(tx, COMPANY.id) == rows
        return audit_rows.of_session(tx, SessionId("s"))

    async with open_store(tmp_path / "relay.db") as store:
        assert await store.write(work) == rows


def test_naive_times_are_not_stored() -> None:
    column = sqlalchemy.literal(datetime(2026, 3, 1), UtcDateTime)
    engine = sqlalchemy.create_engine("sqlite://")
    with engine.connect() as connection, pytest.raises(StatementError, match="aware"):
        connection.execute(sqlalchemy.select(column))
    engine.dispose()


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "relay.db"
    path.write_bytes(b"certainly no database, but long enough to be looked at" * 100)
    with pytest.raises(ConfigError, match="cannot be used"):
        async with open_store(path):
            pass


async def test_a_database_of_a_newer_relay_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "relay.db"
    async with open_store(path) as store:
        await store.write(lambda tx: tx.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    with pytest.raises(ConfigError, match="newer relay"):
        async with open_store(path):
            pass


@pytest.mark.parametrize("url", ["sqlite://", "nonsense://x", "postgresql+nothing://x", "://"])
async def test_a_url_that_leads_nowhere_is_refused(url: str) -> None:
    with pytest.raises(ConfigError):
        async with open_store(url):
            pass


async def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be opened"):
        async with open_store(tmp_path / "file" / "relay.db"):
            pass


COUNTING_CHILD = """
import sys, trio
from datetime import UTC, datetime
from pathlib import Path
from tests.helpers.office import open_office

async def main():
    async with open_office(Path(sys.argv[1]), now=lambda: datetime.now(UTC)) as office:
        session = await office.prepare()
        for attempt in (1, 2, 3):
            await office.broker.count_try(session.id, code=1, attempt=attempt)
        print(session.id, flush=True)
        await trio.sleep_forever()

trio.run(main)
"""


@pytest.mark.slow
def test_counted_tries_survive_a_sigkill(tmp_path: Path) -> None:
    path = tmp_path / "relay.db"
    child = subprocess.Popen(
        [sys.executable, "-c", COUNTING_CHILD, str(path)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        text=True,
    )
    with child:
        assert child.stdout is not None
        session_id = child.stdout.readline().strip()
        os.kill(child.pid, signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT id, code, tries, attempts FROM sessions").fetchall()
    connection.close()
    assert rows == [(session_id, 1, 3, 3)]
