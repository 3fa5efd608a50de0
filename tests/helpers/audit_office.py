"""A store with one company, its people and sessions, for tests of the audit; nobody is connected."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import text

from relay.audit.heads import HEADS_FILE, HeadSigner, read_heads
from relay.audit.recorder import Attached
from relay.audit.verify import Verdict, verify_chain
from relay.people import Company, CompanyId, Technician, TechnicianId
from relay.protocol.close_reasons import CloseReason
from relay.sessions import Session, SessionId, SessionState
from relay.store import Store, Transaction, account_rows, audit_rows, open_store, session_rows
from relay.store.audit_rows import AuditRow
from relay.store.session_rows import SessionChange
from tests.helpers.office import Clock

COMPANY = Company(id=CompanyId("company"), name="Company", phone="+34 1", retention_days=30)
OTHERS = Company(id=CompanyId("others"), name="Others", retention_days=3650)
TESS = Technician(id=TechnicianId("tess"), company_id=COMPANY.id, name="Tess", email="tess@example.com")


@dataclass
class AuditOffice:
    """The store, and what writes to and looks at its audit log."""

    store: Store
    folder: Path
    clock: Clock
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    def signer(self) -> HeadSigner:
        """A signer as the relay has one at a start."""
        return HeadSigner(self.store, self.key, self.folder / HEADS_FILE, now=self.clock)

    async def add(
        self,
        *actions: str,
        company: Company | None = COMPANY,
        session: str | None = None,
        **fields: str | int,
    ) -> None:
        """Rows of these actions, in one transaction."""
        rows = [
            AuditRow(
                at=self.clock(),
                company_id=None if company is None else company.id,
                session_id=None if session is None else SessionId(session),
                actor="relay",
                action=action,
                fields=fields,
            )
            for action in actions
        ]
        await self.store.write(lambda tx: audit_rows.add_all(tx, rows))

    async def add_session(self, name: str, *, ended: bool = True, **changes: object) -> Session:
        """A session of Tess that was active for an hour, and ended just now."""
        now = self.clock()
        prepared = Session(
            id=SessionId(name),
            company_id=COMPANY.id,
            technician_id=TESS.id,
            technician_name=TESS.name,
            customer_email="customer@example.com",
            note="Ticket 17",
            language="en",
            created_at=now - timedelta(hours=2),
            lapse_at=now,
        )
        values: dict[str, object] = {
            "state": SessionState.ENDED,
            "end_reason": CloseReason.ENDED_BY_TECHNICIAN,
            "activated_at": now - timedelta(hours=1),
            "expires_at": now + timedelta(hours=23),
            "ended_at": now,
            "computer": "FRONT-DESK",
            "os": "Linux",
            "host_user": "ana",
            "warnings": ("A second computer opened the link: X.",),
            "removal": "confirmed",
        }
        after = _replace(prepared, (values if ended else {}) | changes)

        def work(tx: Transaction) -> None:
            invite = name.encode().ljust(32, b".")
            session_rows.insert_session(tx, prepared, invite_hash=invite, technician_slot=1, company_slot=1)
            session_rows.save_sessions(tx, [SessionChange(prepared, after, {})])

        await self.store.write(work)
        return after

    async def run_sql(self, statement: str, **values: object) -> None:
        """What an attacker with the database does."""
        await self.store.write(lambda tx: tx.execute(text(statement), values) and None)

    async def verify(self, company: Company | None = COMPANY) -> Verdict:
        """The verdict on a chain, with the heads in the file."""
        return await verify_chain(
            self.store,
            audit_rows.chain_of(None if company is None else company.id),
            public_key=self.key.public_key(),
            known=read_heads(self.folder / HEADS_FILE),
        )

    async def rows(self, company: Company = COMPANY) -> Sequence[AuditRow]:
        """The company's rows, oldest first."""
        return await self.store.read(lambda tx: audit_rows.of_company(tx, company.id))


def attached(session: str, *, connection: int = 1, name: str = "Tess", reason: str = "") -> Attached:
    """Tess's viewer."""
    return Attached(
        connection=connection,
        session_id=SessionId(session),
        company_id=COMPANY.id,
        technician_id=TESS.id,
        technician_name=name,
        reason=reason,
    )


@asynccontextmanager
async def open_audit_office(folder: Path, clock: Clock) -> AsyncIterator[AuditOffice]:
    """The office on a new database in `folder`; both companies' logs have their first row."""
    async with open_store(folder / "relay.db") as store:
        office = AuditOffice(store, folder, clock)

        def found(tx: Transaction) -> None:
            account_rows.insert_company(tx, COMPANY)
            account_rows.insert_company(tx, OTHERS)
            account_rows.insert_technician(tx, TESS)

        await store.write(found)
        for company in (COMPANY, OTHERS):
            await office.add("company_created", company=company)
        yield office


def _replace(session: Session, changes: dict[str, object]) -> Session:
    values = {name: getattr(session, name) for name in Session.__dataclass_fields__}
    return Session(**values | changes)
