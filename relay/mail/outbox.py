"""The durable outbox: what is put here is sent, or it is known that it could not be.

A mail is stored, encrypted, before anything else happens; then it is tried at once, and again after 30 s,
1 min, 2 min … 15 min, each a little earlier or later at random, until it is accepted, refused for good,
expired or withdrawn. Then its content is deleted; the row that says what became of it stays.

A try is claimed in the store before it begins, for a little longer than it can take. So a relay that is
killed in the middle tries again after that: a mail may arrive twice, with the same Message-ID, but is never
lost. Nobody can do better: a server that took the mail and died before saying so looks like one that did not.

A mail with a deployment link is withdrawn as soon as its session is active or over: the link is worth nothing
then, and the access password in it may be.

    put ──▶ waiting ──▶ sent | outbox        a server has it | a file in the relay's folder
               │ ▲  └──▶ failed               5xx, expired
               ▼ │  └──▶ withdrawn            its session needs it no more, or a newer one took its place
             a try
"""

import random
import secrets
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from functools import partial
from typing import Final, Literal, TypeAlias

import structlog
import trio

from relay.auth import Sealer
from relay.errors import RelayError
from relay.mail.carrier import MAX_MAILS_AT_ONCE, Carrier, MailFailed
from relay.mail.composing import Brand, compose
from relay.mail.mails import Envelope, Mail, decode, encode
from relay.mail.servers import MailServer, MailServers
from relay.metrics import Metrics
from relay.people import CompanyId
from relay.sessions import SessionId
from relay.store import Store, Transaction, account_rows, audit_rows, logo_rows, mail_rows
from relay.store.audit_rows import AuditFields, AuditRow
from relay.store.mail_rows import MailRecord, MailRow, MailState
from relay.texts import mark

PATIENCE: Final = 3.0
"""Seconds that `Outbox.put` waits for the first try: somebody looks at a page meanwhile."""
MAX_PER_COMPANY: Final = 2
"""Tries at once for one company: its own mail server may hang, and must not keep others waiting."""
FIRST_WAIT: Final = 30.0
LONGEST_WAIT: Final = 900.0
JITTER: Final = 0.2
"""Of a wait, up or down: mails that failed together do not come back together."""
LEASE_MARGIN: Final = 5.0
"""Seconds that a claim lasts longer than the longest try."""
LOOK_INTERVAL: Final = 10.0
"""Seconds between two looks at least, while mails wait: sessions end, and clocks jump."""
MAX_REMEMBERED: Final = 10_000
"""Sessions whose mail is remembered for the live feed."""

ACCEPTED = mark("The mail server has accepted the mail.")
KEPT = mark("No mail server is set up: the mail is kept in the relay's outbox folder.")
KEPT_LINK = mark("No mail server is set up: the mail is kept in the relay's outbox folder. Copy the link.")
GAVE_UP = mark("The mail could not be delivered in time.")
NOT_NEEDED = mark("The mail is not needed any more.")
REPLACED = mark("A newer mail took its place.")
UNREADABLE = mark("The mail could not be made.")

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class MailChange:
    """Something became of a mail.

    Attributes:
        company_id, session_id, kind: which.
        record: what became of it.
    """

    company_id: CompanyId
    session_id: SessionId | None
    kind: str
    record: MailRecord


@dataclass(frozen=True, slots=True)
class RelayMail:
    """How the relay itself sends mail.

    Attributes:
        server: None keeps mail in the outbox folder.
        sender: the address it comes from.
    """

    server: MailServer | None
    sender: str


@dataclass(frozen=True, slots=True)
class OutboxStatistics:
    """What the outbox does now.

    Attributes:
        waiting: mails, at the last look.
        under_way: tries.
    """

    waiting: int
    under_way: int


_Outcome: TypeAlias = tuple[Literal["sent", "outbox", "failed", "waiting"], str]


class Outbox:
    """Takes mails and has them sent.

    Args:
        store: an open store.
        sealer: encrypts what waits.
        carrier: hands messages over.
        servers: companies' own mail servers.
        relay_mail: where mail goes whose company has none, or must not.
        metrics: counts.
        now: the clock, aware and in UTC.

    Attributes:
        changed: awaited after each change of a mail, once it is stored; to be set before `run`. What it
            raises as RelayError is logged.

    Concurrency: any task may call anything; `run` is called once.
    """

    def __init__(
        self,
        store: Store,
        sealer: Sealer,
        carrier: Carrier,
        servers: MailServers,
        relay_mail: RelayMail,
        metrics: Metrics,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self.changed: Callable[[MailChange], Awaitable[None]] = _nobody
        self._store = store
        self._sealer = sealer
        self._carrier = carrier
        self._servers = servers
        self._relay_mail = relay_mail
        self._metrics = metrics
        self._now = now
        self._lease = timedelta(seconds=carrier.longest + LEASE_MARGIN)
        self._work = trio.Event()  # set when there may be something to do; replaced by `run`
        self._idle = trio.Event()  # set when the last try ended, while draining
        self._is_draining = False
        self._waiting = 0
        self._under_way: Counter[CompanyId] = Counter()
        self._first_tries: dict[str, trio.Event] = {}  # by Message-ID
        self._records: OrderedDict[SessionId, MailRecord] = OrderedDict()

    # For the rooms above

    async def put(
        self,
        mail: Mail,
        *,
        company_id: CompanyId,
        session_id: SessionId | None = None,
        expires_at: datetime,
        is_by_relay: bool = False,
    ) -> MailRecord:
        """Takes a mail over: when this returns, no crash can lose it.

        Args:
            mail: what it says.
            company_id: whose brand, and whose mail server if it has one.
            session_id: what it belongs to. An earlier mail of the same kind for it that still waits is
                withdrawn.
            expires_at: from then on it is of no use.
            is_by_relay: goes by the relay's own server: nobody of the company chooses who reads it.

        Returns:
            What came of the first try, or ``waiting`` if that takes longer than `PATIENCE`.

        Raises:
            RelayError: it could not be stored.

        Cancellation: it may or may not have been taken over.
        """
        now = self._now()
        message_id = f"<{secrets.token_hex(16)}@{self._relay_mail.sender.rpartition('@')[2]}>"
        content = encode(Envelope(mail, message_id, is_by_relay))
        tried = self._first_tries[message_id] = trio.Event()

        def work(tx: Transaction) -> tuple[int, list[MailRow]]:
            replaced = [] if session_id is None else mail_rows.waiting_of(tx, session_id, mail.kind)
            for row in replaced:
                self._end(tx, row, "withdrawn", REPLACED, now)
            mail_id = mail_rows.insert_mail(
                tx,
                company_id=company_id,
                session_id=session_id,
                kind=mail.kind,
                seal=lambda mail_id: self._sealer.seal(content, place=_place(mail_id)),
                now=now,
                expires_at=expires_at,
            )
            return mail_id, replaced

        try:
            mail_id, replaced = await self._store.write(work)
            for _ in replaced:
                self._metrics.mails_total.labels("withdrawn").inc()
            if mail.kind == mail_rows.DEPLOYMENT_MAIL and session_id is not None:
                self._remember(session_id, MailRecord("waiting", "", 0, now))
            self.wake()
            with trio.move_on_after(PATIENCE):
                await tried.wait()
        finally:
            del self._first_tries[message_id]
        row = await self._store.read(lambda tx: mail_rows.mail_by_id(tx, mail_id))
        return MailRecord("waiting", "", 0, now) if row is None else row.record

    async def try_once(self, mail: Mail, *, company_id: CompanyId) -> MailRecord:
        """Sends a mail now or never, without storing it: to see whether the mail server works.

        Raises:
            RelayError: the store failed.
        """
        message_id = f"<{secrets.token_hex(16)}@{self._relay_mail.sender.rpartition('@')[2]}>"
        state, detail = await self._try(company_id, Envelope(mail, message_id, is_by_relay=False))
        return MailRecord("failed" if state == "waiting" else state, detail, 1, self._now())

    async def way_of(self, company_id: CompanyId) -> Literal["smtp", "outbox"]:
        """Where a company's mail goes: to a server, or into the folder."""
        if self._relay_mail.server is not None or await self._servers.of(company_id) is not None:
            return "smtp"
        return "outbox"

    async def records_of(self, session_ids: Collection[SessionId]) -> dict[SessionId, MailRecord]:
        """What became of the newest mail with the link of each session; those without any are missing."""
        return await self._store.read(partial(mail_rows.records_of, session_ids=session_ids))

    def record_of(self, session_id: SessionId) -> MailRecord | None:
        """The same of one session, from memory: for the feed of what happens now."""
        return self._records.get(session_id)

    def wake(self) -> None:
        """Something may have changed that this should look at."""
        self._work.set()

    def statistics(self) -> OutboxStatistics:
        """Counts as of now."""
        return OutboxStatistics(waiting=self._waiting, under_way=self._under_way.total())

    # Always running

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Sends what is due, until cancelled.

        Cancellation: tries that are under way are made again by the next relay, after their claim ends.
        """
        self._records.update(await self._store.read(mail_rows.open_records))
        async with trio.open_nursery() as nursery:
            task_status.started()
            while True:
                self._work = trio.Event()
                wait = LOOK_INTERVAL
                try:
                    wait = await self._look(nursery)
                except RelayError:
                    log.exception("the mail outbox could not be looked into")
                with trio.move_on_after(wait):
                    await self._work.wait()

    async def drain(self) -> None:
        """Begins no new try, and returns once those under way are over. The caller sets the deadline."""
        self._is_draining = True
        if self._under_way.total():
            await self._idle.wait()

    async def _look(self, nursery: trio.Nursery) -> float:
        """Starts what is due; seconds until there may be more."""
        self._waiting = await self._store.read(mail_rows.count_waiting)
        if not self._waiting:
            return float("inf")
        now = self._now()

        def work(tx: Transaction) -> tuple[list[MailRow], list[MailRow], datetime | None]:
            ended = [self._end(tx, row, "withdrawn", NOT_NEEDED, now) for row in mail_rows.useless(tx)]
            ended += [self._end(tx, row, "failed", GAVE_UP, now) for row in mail_rows.expired(tx, now)]
            return ended, self._claim(tx, now), mail_rows.next_due(tx)

        ended, claimed, due_at = await self._store.write(work)
        for row in claimed:
            self._under_way[row.company_id] += 1
            nursery.start_soon(self._send, row)
        for row in ended:
            await self._tell(row)
        if due_at is None:
            return float("inf")
        return min(LOOK_INTERVAL, max(0.0, (due_at - now).total_seconds())) if due_at > now else LOOK_INTERVAL

    def _claim(self, tx: Transaction, now: datetime) -> list[MailRow]:
        """Mails to try now: no more than there is room for, in all and of each company."""
        room = 0 if self._is_draining else MAX_MAILS_AT_ONCE - self._under_way.total()
        taken = Counter(self._under_way)
        claimed: list[MailRow] = []
        while len(claimed) < room:
            busy = {company_id for company_id, count in taken.items() if count >= MAX_PER_COMPANY}
            # One at a time: the next may be of a company that this one fills.
            found = mail_rows.claim(tx, now, leased_until=now + self._lease, busy=busy, limit=1)
            if not found:
                break
            claimed += found
            taken[found[0].company_id] += 1
        return claimed

    async def _send(self, row: MailRow) -> None:
        """One try of a claimed mail, and what follows from it. Raises nothing: other mails go on."""
        message_id = ""
        try:
            try:
                envelope = self._open(row)
                message_id = envelope.message_id
                outcome = await self._try(row.company_id, envelope)
            except (RelayError, ValueError) as error:
                log.error("a mail could not be made", kind=row.kind, error=type(error).__name__)
                outcome = ("failed", UNREADABLE)
            except Exception:  # a barrier: one mail that nobody expected must not stop all others
                log.exception("a mail crashed", kind=row.kind)
                self._metrics.crashes_total.labels("mail").inc()
                outcome = ("failed", UNREADABLE)
            settled = await self._store.write(partial(self._settle, row=row, outcome=outcome))
            await self._tell(settled)
        except RelayError:
            # Its claim ends, and it is tried again.
            log.exception("what became of a mail could not be stored", kind=row.kind)
        finally:
            self._under_way[row.company_id] -= 1
            if not self._under_way[row.company_id]:
                del self._under_way[row.company_id]
            if self._is_draining and not self._under_way.total():
                self._idle.set()
            if message_id in self._first_tries:
                self._first_tries[message_id].set()
            self.wake()

    def _open(self, row: MailRow) -> Envelope:
        if row.sealed_content is None:
            raise RelayError("The mail has no content.")
        return decode(self._sealer.unseal(row.sealed_content, place=_place(row.id)))

    async def _try(self, company_id: CompanyId, envelope: Envelope) -> _Outcome:
        """Hands one mail over, by the company's settings of this moment.

        Raises:
            RelayError: the settings cannot be read.
            ValueError: the message cannot be made.
        """

        def read(tx: Transaction) -> tuple[Brand, MailServer | None, str]:
            company = account_rows.company_by_id(tx, company_id)
            if company is None:
                raise RelayError("The mail's company is missing.")
            brand = Brand.of(company, logo_rows.logo_of(tx, company_id))
            own = None if envelope.is_by_relay else self._servers.read(tx, company_id)
            if own is not None:
                return brand, *own
            return brand, self._relay_mail.server, self._relay_mail.sender

        brand, server, sender = await self._store.read(read)

        def make() -> EmailMessage:
            return compose(envelope, brand, sender=sender, now=self._now())

        try:
            state = await self._carrier.carry(make, server)
        except MailFailed as error:
            self._metrics.mail_tries_total.labels("refused" if error.is_final else "put_off").inc()
            return ("failed" if error.is_final else "waiting"), str(error)
        self._metrics.mail_tries_total.labels("accepted").inc()
        if state == "sent":
            return state, ACCEPTED
        return state, KEPT_LINK if envelope.mail.kind == mail_rows.DEPLOYMENT_MAIL else KEPT

    def _settle(self, tx: Transaction, *, row: MailRow, outcome: _Outcome) -> MailRow:
        """Stores what became of a try."""
        state, detail = outcome
        now = self._now()
        if state == "waiting":
            chance = random.random()  # noqa: S311 - spreading load, no secret
            due_at = now + timedelta(seconds=wait_after(row.record.attempts, chance))
            if due_at < row.expires_at:
                mail_rows.postpone(tx, row.id, detail, now, due_at)
                return self._now_in(tx, row)
            state = "failed"
        if state == "failed":
            current = self._now_in(tx, row)
            if current.record.state != "waiting":  # withdrawn meanwhile: nobody waits for it
                return current
        return self._end(tx, row, state, detail, now)

    def _now_in(self, tx: Transaction, row: MailRow) -> MailRow:
        return mail_rows.mail_by_id(tx, row.id) or row

    def _end(self, tx: Transaction, row: MailRow, state: MailState, detail: str, now: datetime) -> MailRow:
        """The mail is done: its content goes, and the audit log tells of it."""
        mail_rows.finish(tx, row.id, state, detail, now)
        action = {"failed": "mail_failed", "withdrawn": "mail_withdrawn"}.get(state, "mail_sent")
        fields: AuditFields = {"kind": row.kind, "attempts": row.record.attempts, "detail": detail}
        audit_rows.add(
            tx,
            AuditRow(
                at=now,
                company_id=row.company_id,
                session_id=row.session_id,
                actor="relay",
                action=action,
                fields=fields,
            ),
        )
        return self._now_in(tx, row)

    async def _tell(self, row: MailRow) -> None:
        """Counts and publishes what became of a mail."""
        if row.record.state != "waiting":
            self._metrics.mails_total.labels(row.record.state).inc()
        if row.session_id is not None and row.kind == mail_rows.DEPLOYMENT_MAIL:
            self._remember(row.session_id, row.record)
        change = MailChange(
            company_id=row.company_id, session_id=row.session_id, kind=row.kind, record=row.record
        )
        try:
            await self.changed(change)
        except RelayError:
            log.exception("what became of a mail could not be told")

    def _remember(self, session_id: SessionId, record: MailRecord) -> None:
        self._records[session_id] = record
        self._records.move_to_end(session_id)
        while len(self._records) > MAX_REMEMBERED:
            self._records.popitem(last=False)


def wait_after(attempts: int, chance: float) -> float:
    """Seconds until the next try.

    Args:
        attempts: tries so far, at least 1.
        chance: 0 … 1, at random.
    """
    wait: float = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(attempts - 1, 10))
    return wait * (1 + JITTER * (2 * chance - 1))


def _place(mail_id: int) -> str:
    return f"mails:{mail_id}"


async def _nobody(change: MailChange) -> None:
    """Nobody wants to know."""
