"""Personal data go when their time is over, nothing else goes, and the log still holds."""

from datetime import timedelta
from pathlib import Path

import trio
from sqlalchemy import text

from relay.audit.recorder import Recorder
from relay.audit.retention import BATCH, Retention, Swept
from relay.protocol.frames import Channel
from relay.store import Transaction
from tests.helpers.audit_office import AuditOffice, attached

DAY = 24 * 3600.0
PERSONAL = (
    "customer@example.com",
    "Ticket 17",
    "FRONT-DESK",
    "ana",
    "A second computer",
    "Tess-in-uses",
    "why",
)


async def fill(office: AuditOffice, name: str = "s") -> None:
    await office.add_session(name)
    await office.add("host_joined", session=name, computer="FRONT-DESK", user="ana")
    recorder = Recorder(office.store, now=office.clock)
    recorder.tool_opened(attached(name, name="Tess-in-uses", reason="why"), Channel.CONTROL)
    recorder.viewer_detached(attached(name))
    await recorder.write()


async def dump(office: AuditOffice) -> str:
    """Every value of every row of the tables that are about sessions."""

    def work(tx: Transaction) -> str:
        tables = ("sessions", "uses", "audit", "mails")
        return repr([tx.execute(text(f"SELECT * FROM {table}")).all() for table in tables])  # noqa: S608 - our own

    return await office.store.read(work)


async def test_a_session_is_forgotten_after_its_companys_days(office: AuditOffice) -> None:
    await fill(office)
    retention = Retention(office.store, now=office.clock)
    office.clock.pass_by(30 * DAY)
    assert await retention.sweep() == Swept(0, 0)
    before = await dump(office)
    assert all(word in before for word in PERSONAL)
    office.clock.pass_by(1)
    assert await retention.sweep() == Swept(1, 0)
    after = await dump(office)
    assert [word for word in PERSONAL if word in after] == []


async def test_the_log_holds_without_what_was_forgotten(office: AuditOffice) -> None:
    await fill(office)
    await office.signer().sign()
    office.clock.pass_by(31 * DAY)
    await Retention(office.store, now=office.clock).sweep()
    verdict = await office.verify()
    assert verdict.is_intact, verdict.problem
    assert (verdict.rows, verdict.forgotten) == (5, 3)
    assert (await office.rows())[-1].action == "forgotten"


async def test_the_database_file_keeps_nothing_of_it(office: AuditOffice, tmp_path: Path) -> None:
    await fill(office)
    office.clock.pass_by(31 * DAY)
    await Retention(office.store, now=office.clock).sweep()
    await office.store.read(lambda tx: tx.execute(text("PRAGMA wal_checkpoint(TRUNCATE)")).all())
    kept = await trio.to_thread.run_sync(read_files, tmp_path)
    assert [word for word in PERSONAL if word.encode() in kept] == []


def read_files(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("relay.db*"))


async def test_a_session_is_forgotten_once(office: AuditOffice) -> None:
    await fill(office)
    office.clock.pass_by(31 * DAY)
    retention = Retention(office.store, now=office.clock)
    await retention.sweep()
    assert await retention.sweep() == Swept(0, 0)


async def test_open_and_recent_sessions_stay(office: AuditOffice) -> None:
    await fill(office, "old")
    office.clock.pass_by(31 * DAY)
    await fill(office, "new")
    assert await Retention(office.store, now=office.clock).sweep() == Swept(1, 0)
    assert "FRONT-DESK" in await dump(office)


async def test_many_sessions_are_forgotten_in_batches(office: AuditOffice) -> None:
    for number in range(BATCH + 3):
        await office.add_session(f"s{number}")
    office.clock.pass_by(31 * DAY)
    assert await Retention(office.store, now=office.clock).sweep() == Swept(BATCH + 3, 0)


async def test_rows_that_nobody_can_use_any_more_go(office: AuditOffice) -> None:
    now = office.clock()
    await office.add_session("s", ended=False)
    for number, at in enumerate((now - timedelta(days=2), now + timedelta(days=2))):
        values = {"key": bytes([number]) * 32, "at": f"{at:%Y-%m-%d %H:%M:%S}.000000"}
        for statement in (
            "INSERT INTO cookies (cookie_hash, technician_id, seen_at, expires_at) "
            "VALUES (:key, 'tess', :at, :at)",
            "INSERT INTO sign_in_links (token_hash, technician_id, expires_at) VALUES (:key, 'tess', :at)",
            "INSERT INTO challenges (challenge_hash, purpose, sealed_data, tries, expires_at) "
            "VALUES (:key, 'x', '', 0, :at)",
            "INSERT INTO tickets (ticket_hash, session_id, technician_id, kinds, expires_at) "
            "VALUES (:key, 's', 'tess', '[]', :at)",
            "INSERT INTO idempotency_keys (technician_id, key_hash, request_hash, created_at) "
            "VALUES ('tess', :key, :key, :at)",
        ):
            await office.run_sql(statement, **values)
    assert await Retention(office.store, now=office.clock).sweep() == Swept(0, 5)
    assert await Retention(office.store, now=office.clock).sweep() == Swept(0, 0)
