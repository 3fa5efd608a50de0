"""Retention: personal data go when their time is over; the audit log's chain stays whole.

After `Company.retention_days` a session that ended keeps ids, times and states. Gone are the customer's
address, note, computer and its user, names, reasons and warnings, its mails, and the fields of its rows in
the audit log; a row ``forgotten`` says so, and the chain holds without them (`relay.store.audit_chain`). Rows
of other tables that nobody can use any more (dead cookies, tickets, links) go as well.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog
import trio

from relay.errors import RelayError
from relay.people import Company
from relay.store import Store, Transaction, account_rows, audit_rows, retention_rows
from relay.store.audit_rows import FORGOTTEN, AuditRow

BATCH: Final = 50
"""Sessions of one transaction: it takes some milliseconds, for which others wait."""
BATCH_ROWS: Final = 500
PAUSE: Final = 0.1
"""Seconds between two transactions, for whoever waits for the writer."""
INTERVAL: Final = 3600.0

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Swept:
    """What one round deleted.

    Attributes:
        sessions: that were forgotten.
        rows: of other tables.
    """

    sessions: int
    rows: int


class Retention:
    """Deletes what is too old.

    Args:
        store: an open store.
        now: the clock, aware and in UTC.
    """

    def __init__(self, store: Store, *, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now

    async def run(self) -> None:
        """One round now and then one every hour, until cancelled."""
        while True:
            try:
                swept = await self.sweep()
            except RelayError:
                log.exception("what is too old could not be deleted yet")
            else:
                if swept.sessions or swept.rows:
                    log.info("retention", sessions=swept.sessions, rows=swept.rows)
            await trio.sleep(INTERVAL)

    async def sweep(self) -> Swept:
        """One round, in transactions of bounded length.

        Raises:
            RelayError: the store failed; what was deleted until then stays deleted.

        Cancellation: between two transactions.
        """
        sessions = 0
        for company in await self._store.read(account_rows.all_companies):
            sessions += await self._repeat(partial(self._forget_some, company=company), BATCH)
        rows = 0
        for table, condition in retention_rows.dead_rows(self._now()).items():
            delete = partial(retention_rows.delete_dead, table=table, condition=condition, limit=BATCH_ROWS)
            rows += await self._repeat(delete, BATCH_ROWS)
        return Swept(sessions, rows)

    async def _repeat(self, work: Callable[[Transaction], int], full: int) -> int:
        """The same work until it finds less than a batch; how much it found in all."""
        total = 0
        while True:
            found = await self._store.write(work)
            total += found
            if found < full:
                return total
            await trio.sleep(PAUSE)

    def _forget_some(self, tx: Transaction, *, company: Company) -> int:
        now = self._now()
        before = now - timedelta(days=company.retention_days)
        found = retention_rows.sessions_to_forget(tx, company.id, ended_before=before, limit=BATCH)
        if not found:
            return 0
        retention_rows.forget_sessions(tx, found)
        audit_rows.forget_fields(tx, found)
        rows = [
            AuditRow(
                at=now,
                company_id=company.id,
                session_id=session_id,
                actor="clock",
                action=FORGOTTEN,
                fields={"days": company.retention_days},
            )
            for session_id in found
        ]
        audit_rows.add_all(tx, rows)
        return len(found)
