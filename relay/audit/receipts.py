"""The customer's receipt: who helped, when, how long, with which tools, why it ended, and what is left.

It says what the relay knows, and how often the host says that something was changed: what was done inside a
tool is sealed end to end, but the host signs those counts into its removal receipt (docs/protocol.md §7),
which lies in the audit log and is verified again here. The customer's receipt goes to their page for a day
after the end, to whoever holds the deployment link, and by mail if the technician ticked it when preparing.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog
import trio

from relay.errors import RelayError
from relay.people import Company
from relay.protocol.errors import RemoteProtocolError
from relay.protocol.lease import verify_receipt
from relay.sessions import Session, SessionId, SessionState
from relay.store import Store, Transaction, account_rows, audit_rows, receipt_rows, session_rows, use_rows
from relay.store.use_rows import Use

PAGE_WINDOW: Final = timedelta(hours=24)
"""After the end, for which the deployment link still shows the receipt."""
REMOVAL_PATIENCE: Final = timedelta(minutes=2)
"""For the host to say that it removed itself, before the mail goes without that."""
LOOK_INTERVAL: Final = 20.0
"""Seconds between two looks for receipts to mail."""

ACTS: Final = (
    "file_written",
    "file_made",
    "file_copied",
    "file_moved",
    "file_trashed",
    "file_deleted",
    "process_ended",
    "priority_changed",
    "service_start",
    "service_stop",
    "service_restart",
    "shell_opened",
    "restarted",
)
"""What technicians can do that changes the computer, as hosts name it; whatever else one names is "other"."""
OTHER_ACT: Final = "other"
REMOVAL_ACTIONS: Final = ("removal_confirmed", "removal_all_but_last", "removal_incomplete")
"""Rows of the log that have a signed receipt."""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a customer may know about a session that ended.

    Attributes:
        session: ended.
        company: who helped.
        uses: of its tools, in the order in which they began.
        acts: how often what was done, in the order of `ACTS`, as the host signed it; the relay cannot know
            better. Empty if nothing was done, or nothing was heard of the host after the end.
    """

    session: Session
    company: Company
    uses: tuple[Use, ...]
    acts: Mapping[str, int]

    @property
    def technicians(self) -> list[str]:
        """Everybody's names: who prepared the session, then those who connected."""
        names = [self.session.technician_name, *(use.technician_name for use in self.uses)]
        return [name for name in dict.fromkeys(names) if name]

    @property
    def active_seconds(self) -> float:
        """From activation to the end; 0 if it was never active."""
        if self.session.activated_at is None or self.session.ended_at is None:
            return 0.0
        return round((self.session.ended_at - self.session.activated_at).total_seconds(), 1)


def of_session(tx: Transaction, session_id: SessionId) -> Receipt | None:
    """The receipt of a session that ended, or None."""
    session = session_rows.session_by_id(tx, session_id)
    if session is None or session.state is not SessionState.ENDED:
        return None
    company = account_rows.company_by_id(tx, session.company_id)
    if company is None:
        raise AssertionError("a session's company is missing")
    uses = tuple(use_rows.of_session(tx, session_id))
    return Receipt(session, company, uses, _acts_of_session(tx, session))


def _acts_of_session(tx: Transaction, session: Session) -> dict[str, int]:
    row = audit_rows.last_of_actions(tx, session.id, REMOVAL_ACTIONS)
    if row is None or session.host_key is None:
        return {}
    body, signature = (str(row.fields.get(name, "")) for name in ("receipt", "signature"))
    try:
        signed = verify_receipt(
            bytes.fromhex(body),
            bytes.fromhex(signature),
            host_key=session.host_key,
            session=session.id,
        )
    except (RemoteProtocolError, ValueError):  # forgotten by now, or not as it was
        return {}
    found: Counter[str] = Counter()
    for act, count in signed.acts.items():
        found[act if act in ACTS else OTHER_ACT] += count
    return {act: found[act] for act in (*ACTS, OTHER_ACT) if found[act]}


def of_invite(tx: Transaction, invite_hash: bytes, now: datetime) -> Receipt | None:
    """The same for whoever holds the deployment link, within `PAGE_WINDOW` of the end."""
    session = session_rows.session_by_invite(tx, invite_hash)
    if session is None or session.ended_at is None or now >= session.ended_at + PAGE_WINDOW:
        return None
    return of_session(tx, session.id)


class ReceiptPost:
    """Has receipts mailed to customers who are to get one, once, also after a restart.

    Args:
        store: an open store.
        send: puts the mail of kind ``receipt`` into the outbox, durably; that it is there is how
            this knows that it is done.
        now: the clock, aware and in UTC.
    """

    def __init__(
        self, store: Store, send: Callable[[Receipt], Awaitable[None]], *, now: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._send = send
        self._now = now

    async def run(self) -> None:
        """Looks for receipts to mail, until cancelled."""
        while True:
            try:
                await self.post()
            except RelayError:
                log.exception("receipts could not be mailed yet")
            await trio.sleep(LOOK_INTERVAL)

    async def post(self) -> int:
        """Mails those that are due; how many.

        Raises:
            RelayError: the store or the outbox failed.
        """
        now = self._now()
        due = await self._store.read(
            partial(
                receipt_rows.due_receipts,
                ended_since=now - PAGE_WINDOW,
                pending_until=now - REMOVAL_PATIENCE,
            )
        )
        for session_id in due:
            receipt = await self._store.read(partial(of_session, session_id=session_id))
            if receipt is not None and receipt.session.activated_at is not None:
                await self._send(receipt)
        return len(due)
