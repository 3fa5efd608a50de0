"""The same store on PostgreSQL, with more than one relay on it."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import trio
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection

from relay.audit.verify import verify_chain
from relay.people import Company, CompanyId
from relay.store import Store, Transaction, account_rows, audit_rows, open_store
from relay.store.audit_rows import AuditRow
from relay.store.tables import metadata
from tests.helpers.postgres import open_postgres, why_missing

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(why_missing()), reason=why_missing())]

COMPANY = Company(id=CompanyId("c"), name="Company")
ROWS_EACH = 40


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A database for the module's tests."""
    with open_postgres() as started:
        yield started


async def test_migrations_make_exactly_the_tables_of_the_code(url: str) -> None:
    def differences(tx: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(tx), metadata))

    async with open_store(url) as store:
        assert await store.read(differences) == []


async def test_two_relays_write_one_unbroken_log(url: str) -> None:
    async def write(store: Store, actor: str) -> None:
        for number in range(ROWS_EACH):

            def work(tx: Transaction, number: int = number) -> None:
                audit_rows.add(tx, row(actor, number))

            await store.write(work)

    def row(actor: str, number: int) -> AuditRow:
        return AuditRow(
            at=datetime.now(UTC),
            company_id=COMPANY.id,
            session_id=None,
            actor=actor,
            action="told",
            fields={"number": number, "name": "\u00d1u\u00f1ez", "seconds": 1.5},
        )

    async with open_store(url) as one, open_store(url) as two:
        await one.write(lambda tx: account_rows.insert_company(tx, COMPANY))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(write, one, "one")
            nursery.start_soon(write, two, "two")
        key = Ed25519PrivateKey.generate().public_key()
        verdict = await verify_chain(two, COMPANY.id, public_key=key)
        rows = await two.read(lambda tx: audit_rows.of_company(tx, COMPANY.id))
    assert verdict.is_intact, verdict.problem
    assert verdict.rows == 2 * ROWS_EACH
    assert {found.actor for found in rows} == {"one", "two"}
