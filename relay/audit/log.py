"""`AuditLog`: what the API shows of the audit to the people of one company, and to a customer."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from relay.audit import receipts
from relay.audit.export import Format, export
from relay.audit.heads import read_heads
from relay.audit.receipts import Receipt
from relay.audit.verify import Verdict, verify_chain
from relay.auth import digest
from relay.people import CompanyId, TechnicianId
from relay.sessions import SessionId
from relay.store import Store, Transaction, audit_rows, use_rows
from relay.store.audit_rows import AuditQuery, AuditRow, ChainedRow
from relay.store.use_rows import Use

MAX_EVENTS = 1000
"""Of one session's history, the last ones: a computer that comes and goes makes many."""

_PROOFS = frozenset({"receipt", "signature"})
"""Fields of the audit log that are for programs: no page shows them."""


@dataclass(frozen=True, slots=True)
class History:
    """What happened to a session.

    Attributes:
        uses: of its tools, in the order in which they began.
        events: rows of the audit log, in order, the last `MAX_EVENTS`, without what only programs read.
    """

    uses: list[Use]
    events: list[AuditRow]


class AuditLog:
    """Reads the audit; every method sees one company only.

    Args:
        store: an open store.
        public_key: the relay's, which signs heads.
        heads_path: the file they are kept in as well.
        now: the clock, aware and in UTC.

    Attributes:
        store: the one it was given.

    Concurrency: any task may call anything; verifications wait for each other.
    """

    def __init__(
        self, store: Store, public_key: Ed25519PublicKey, heads_path: Path, *, now: Callable[[], datetime]
    ) -> None:
        self.store = store
        self._public_key = public_key
        self._heads_path = heads_path
        self._now = now
        self._verifying = trio.CapacityLimiter(1)

    async def page(
        self, company_id: CompanyId, query: AuditQuery, *, before: int | None, limit: int
    ) -> list[ChainedRow]:
        """Rows of the company, newest first; see `relay.store.audit_rows.newest`."""
        return await self.store.read(
            partial(audit_rows.newest, company_id=company_id, query=query, before=before, limit=limit)
        )

    async def names(self, company_id: CompanyId) -> Mapping[str, str]:
        """The names of the company's people, by what the log calls them as actors."""
        return await self.store.read(partial(audit_rows.actor_names, company_id=company_id))

    async def export(
        self, company_id: CompanyId, query: AuditQuery, form: Format, *, technician_id: TechnicianId
    ) -> AsyncIterator[bytes]:
        """The company's rows, written down for `technician_id`, which is noted in the log itself.

        Yields:
            Pieces of the file, see `relay.audit.export.export`.
        """
        row = AuditRow(
            at=self._now(),
            company_id=company_id,
            session_id=None,
            actor=audit_rows.technician_actor(technician_id),
            action="audit_exported",
            fields={"format": form},
        )
        await self.store.write(partial(audit_rows.add, row=row))
        names = await self.names(company_id)
        async for piece in export(self.store, company_id, query, form, names=names):
            yield piece

    async def verify(self, company_id: CompanyId) -> Verdict:
        """Whether the company's chain is what the relay once wrote.

        Raises:
            ConfigError: the file of signed heads holds something else.
            RelayError: the store failed.
        """
        async with self._verifying:
            known = await trio.to_thread.run_sync(read_heads, self._heads_path)
            return await verify_chain(self.store, company_id, public_key=self._public_key, known=known)

    async def history(self, session_id: SessionId) -> History:
        """What happened to a session that the caller may see."""

        def work(tx: Transaction) -> History:
            rows = audit_rows.of_session(tx, session_id, limit=MAX_EVENTS)
            return History(use_rows.of_session(tx, session_id), [_without_proofs(row) for row in rows])

        return await self.store.read(work)

    async def receipt_of_session(self, session_id: SessionId) -> Receipt | None:
        """The receipt of a session that the caller may see; None while it is open."""
        return await self.store.read(partial(receipts.of_session, session_id=session_id))

    async def receipt_of_invite(self, invite: bytes) -> Receipt | None:
        """The receipt for whoever holds the deployment link; None before the end and a day after it."""
        return await self.store.read(partial(receipts.of_invite, invite_hash=digest(invite), now=self._now()))


def _without_proofs(row: AuditRow) -> AuditRow:
    fields = {name: value for name, value in row.fields.items() if name not in _PROOFS}
    return AuditRow(
        at=row.at,
        company_id=row.company_id,
        session_id=row.session_id,
        actor=row.actor,
        action=row.action,
        fields=fields,
    )
