"""Companies' webhooks: their settings, the deliveries made for them, and the task that sends those.

    audit log ──(each webhook knows how far it has read)──▶ deliveries ──▶ POST, signed
                                                              ▲     └─ again after 5 s, 30 s, 2 min, 10 min,
                                                              │         1 h, 6 h; then failed
                                                              └─ "test" and "retry" of a person

A delivery is claimed in the store before its try, for longer than that can take: a killed relay tries again.
So receivers may get an event twice, with the same id, and not always in order. A receiver at which everything
has failed for a day is disabled, and the company's owners are told.
"""

import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog
import trio

from relay.auth import Sealer, new_id
from relay.errors import LimitExceeded, RelayError
from relay.limits import KeyedBuckets
from relay.metrics import Metrics
from relay.people import CompanyId, Technician
from relay.store import Store, Transaction, audit_rows, webhook_rows
from relay.store.audit_rows import AuditField, AuditRow, technician_actor
from relay.store.webhook_rows import DeliveryRow, DeliveryState, WebhookRow
from relay.texts import mark
from relay.webhooks.events import TEST_EVENT, write_body
from relay.webhooks.reading import read_log
from relay.webhooks.sending import HTTP_GONE, TIMEOUT, Answer, Sender
from relay.webhooks.signing import new_secret, sign, write_secret

MAX_PER_COMPANY: Final = 5
MAX_AT_ONCE: Final = 16
MAX_PER_WEBHOOK: Final = 2
"""Tries at once for one receiver, which may hang: others must not wait for it."""
WAITS: Final = (5.0, 30.0, 120.0, 600.0, 3600.0, 6 * 3600.0)
"""Seconds between tries."""
JITTER: Final = 0.2
"""Of a wait, up or down."""
DISABLED_AFTER: Final = timedelta(hours=24)
"""Without a single success, and …"""
DISABLED_AT: Final = 10
"""… after so many failures: one event in a quiet week is no proof."""
READ_INTERVAL: Final = 1.0
"""Seconds between two looks into the audit log, while any webhook is enabled."""
PATIENCE: Final = 5.0
"""Seconds that the test button waits for its try."""
LEASE_MARGIN: Final = 5.0
TESTS_AT_ONCE: Final = 10
TESTS_WINDOW: Final = 600.0
"""Seconds until that many tests of a company are allowed again: they are a way to knock at doors."""

TOO_MANY = mark("A company has at most five webhooks.")
DISABLED = mark("The webhook was disabled.")

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class NewWebhook:
    """A webhook that was just added.

    Attributes:
        row: it.
        secret: as the receiver gets it; shown once.
    """

    row: WebhookRow
    secret: str = field(repr=False)


class Webhooks:
    """Settings and deliveries.

    Args:
        store: an open store.
        sealer: encrypts secrets.
        sender: posts.
        metrics: counts.
        now: the clock, aware and in UTC.

    Attributes:
        disabled: awaited for each webhook that was disabled because nothing could be delivered; what it
            raises as RelayError is logged. To be set before `run`.

    Concurrency: any task may call anything; `run` is called once.
    """

    def __init__(
        self, store: Store, sealer: Sealer, sender: Sender, metrics: Metrics, *, now: Callable[[], datetime]
    ) -> None:
        self.disabled: Callable[[WebhookRow], Awaitable[None]] = _nobody
        self._store = store
        self._sealer = sealer
        self._sender = sender
        self._metrics = metrics
        self._now = now
        self._lease = timedelta(seconds=TIMEOUT + LEASE_MARGIN)
        self._tests = KeyedBuckets(
            "webhook_tests", rate_per_second=TESTS_AT_ONCE / TESTS_WINDOW, burst=TESTS_AT_ONCE
        )
        self._work = trio.Event()  # set when there may be something to do; replaced by `run`
        self._idle = trio.Event()  # set when the last try ended, while draining
        self._is_draining = False
        self._under_way: Counter[str] = Counter()  # by webhook
        self._tried: dict[str, trio.Event] = {}  # by delivery, for who waits

    # Settings

    async def of(self, company_id: CompanyId) -> list[tuple[WebhookRow, DeliveryRow | None]]:
        """A company's webhooks, oldest first, each with the delivery that was tried last."""

        def read(tx: Transaction) -> list[tuple[WebhookRow, DeliveryRow | None]]:
            rows = webhook_rows.webhooks_of(tx, company_id)
            last = webhook_rows.last_deliveries(tx, [row.id for row in rows])
            return [(row, last.get(row.id)) for row in rows]

        return await self._store.read(read)

    async def add(self, by: Technician, *, url: str, events: Sequence[str]) -> NewWebhook:
        """A webhook that gets what happens from now on.

        Args:
            by: who decides; the caller has checked that they may.
            url: untrusted.
            events: some of `relay.webhooks.events.EVENTS`.

        Raises:
            BadUrl: the relay does not post there.
            LimitExceeded: ``webhooks_per_company``.
        """
        self._sender.check_url(url)
        now, secret, webhook_id = self._now(), new_secret(), new_id()
        row = WebhookRow(
            id=webhook_id,
            company_id=by.company_id,
            url=url,
            sealed_secret=self._sealer.seal(secret, place=_place(webhook_id)),
            events=tuple(events),
            is_enabled=True,
            created_at=now,
            seen_number=0,
        )

        def work(tx: Transaction) -> WebhookRow:
            if len(webhook_rows.webhooks_of(tx, by.company_id)) >= MAX_PER_COMPANY:
                raise LimitExceeded(TOO_MANY, limit="webhooks_per_company")
            added = replace(row, seen_number=webhook_rows.newest_number(tx, by.company_id))
            webhook_rows.insert_webhook(tx, added)
            self._audit(tx, added, "webhook_added", by, events=list(added.events))
            return added

        added = await self._store.write(work)
        self._work.set()
        return NewWebhook(added, write_secret(secret))

    async def change(
        self,
        by: Technician,
        webhook_id: str,
        *,
        url: str | None = None,
        events: Sequence[str] | None = None,
        is_enabled: bool | None = None,
    ) -> tuple[WebhookRow, DeliveryRow | None] | None:
        """The webhook after these changes and its last delivery; None if the company has no such webhook.

        What happened while it was disabled is not sent.

        Raises:
            BadUrl: the relay does not post there.
        """
        if url is not None:
            self._sender.check_url(url)
        now = self._now()

        def work(tx: Transaction) -> tuple[WebhookRow, DeliveryRow | None] | None:
            before = webhook_rows.webhook_of(tx, by.company_id, webhook_id)
            if before is None:
                return None
            after = replace(
                before,
                url=before.url if url is None else url,
                events=before.events if events is None else tuple(events),
                is_enabled=before.is_enabled if is_enabled is None else is_enabled,
            )
            if after.is_enabled and not before.is_enabled:  # what happened meanwhile is not told
                seen = webhook_rows.newest_number(tx, by.company_id)
                after = replace(after, seen_number=seen, failures=0, failing_since=None)
            if not after.is_enabled:
                webhook_rows.fail_waiting(tx, webhook_id, DISABLED, now)
            last = webhook_rows.last_deliveries(tx, [webhook_id]).get(webhook_id)
            if after == before:
                return after, last
            webhook_rows.save_webhook(tx, after)
            changed = [name for name in ("url", "events", "is_enabled") if _differ(before, after, name)]
            self._audit(tx, after, "webhook_changed", by, changed=changed, is_enabled=after.is_enabled)
            return after, last

        changed = await self._store.write(work)
        self._work.set()
        return changed

    async def remove(self, by: Technician, webhook_id: str) -> bool:
        """Forgets the webhook and its deliveries; False if the company has no such webhook."""

        def work(tx: Transaction) -> bool:
            row = webhook_rows.webhook_of(tx, by.company_id, webhook_id)
            if row is None:
                return False
            webhook_rows.remove_webhook(tx, webhook_id)
            self._audit(tx, row, "webhook_removed", by)
            return True

        return await self._store.write(work)

    # Deliveries

    async def deliveries(
        self, company_id: CompanyId, webhook_id: str, *, before: str | None, limit: int
    ) -> list[DeliveryRow] | None:
        """A webhook's deliveries, newest first; None if the company has no such webhook.

        Args:
            before: the id of the last delivery of the page before.
        """

        def read(tx: Transaction) -> list[DeliveryRow] | None:
            if webhook_rows.webhook_of(tx, company_id, webhook_id) is None:
                return None
            return webhook_rows.deliveries_of(tx, webhook_id, before=before, limit=limit)

        return await self._store.read(read)

    async def test(self, by: Technician, webhook_id: str) -> DeliveryRow | None:
        """A delivery of `TEST_EVENT`, tried once, even if the webhook is disabled; None if there is no such.

        Raises:
            LimitExceeded: too many tests.
        """
        now, delivery_id = self._now(), new_id()
        delivery = DeliveryRow(
            id=delivery_id,
            webhook_id=webhook_id,
            event=TEST_EVENT,
            body=write_body(TEST_EVENT, now, {"session": None, "end_reason": None, "actor": None}),
            state="waiting",
            attempts=0,
            created_at=now,
            changed_at=now,
            due_at=now,
        )

        def add(tx: Transaction) -> bool:
            if webhook_rows.webhook_of(tx, by.company_id, webhook_id) is None:
                return False
            webhook_rows.insert_deliveries(tx, [delivery])
            return True

        self._tests.take(by.company_id, trio.current_time())
        return await self._wait_tried(by.company_id, webhook_id, delivery_id, add)

    async def retry(self, by: Technician, webhook_id: str, delivery_id: str) -> DeliveryRow | None:
        """The delivery after another try; None if the company has no such delivery.

        Raises:
            LimitExceeded: too many tests.
        """

        def again(tx: Transaction) -> bool:
            if webhook_rows.webhook_of(tx, by.company_id, webhook_id) is None:
                return False
            if webhook_rows.delivery_of(tx, webhook_id, delivery_id) is None:
                return False
            webhook_rows.try_again(tx, delivery_id, self._now())
            return True

        self._tests.take(by.company_id, trio.current_time())
        return await self._wait_tried(by.company_id, webhook_id, delivery_id, again)

    async def _wait_tried(
        self,
        company_id: CompanyId,
        webhook_id: str,
        delivery_id: str,
        work: Callable[[Transaction], bool],
    ) -> DeliveryRow | None:
        """Makes a delivery due and waits for its try, `PATIENCE` at the most."""
        tried = self._tried.setdefault(delivery_id, trio.Event())
        try:
            if not await self._store.write(work):
                return None
            self._work.set()
            with trio.move_on_after(PATIENCE):
                await tried.wait()
        finally:
            self._tried.pop(delivery_id, None)

        def read(tx: Transaction) -> DeliveryRow | None:
            if webhook_rows.webhook_of(tx, company_id, webhook_id) is None:
                return None
            return webhook_rows.delivery_of(tx, webhook_id, delivery_id)

        return await self._store.read(read)

    # Always running

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Makes deliveries and sends them, until cancelled.

        Cancellation: tries that are under way are made again by the next relay, after their claim ends.
        """
        async with trio.open_nursery() as nursery:
            task_status.started()
            while True:
                self._work = trio.Event()
                wait = READ_INTERVAL
                try:
                    await self.make_deliveries()
                    wait = await self._look(nursery)
                except RelayError:
                    log.exception("webhooks could not be looked after")
                with trio.move_on_after(wait):
                    await self._work.wait()

    async def drain(self) -> None:
        """Begins no new try, and returns once those under way are over. The caller sets the deadline."""
        self._is_draining = True
        if self._under_way.total():
            await self._idle.wait()

    async def make_deliveries(self) -> int:
        """Makes deliveries of what happened since the last look; how many.

        Raises:
            RelayError: the store failed.
        """
        if not await self._store.read(webhook_rows.behind):
            return 0
        now = self._now()
        return await self._store.write(
            lambda tx: sum(read_log(tx, row, now) for row in webhook_rows.behind(tx))
        )

    async def _look(self, nursery: trio.Nursery) -> float:
        """Starts what is due; seconds until there may be more."""

        def read(tx: Transaction) -> tuple[bool, datetime | None]:
            return webhook_rows.has_enabled(tx), webhook_rows.next_due(tx)

        has_enabled, due_at = await self._store.read(read)
        wait = READ_INTERVAL if has_enabled else float("inf")
        if due_at is None:
            return wait
        now = self._now()
        if due_at > now:
            return min(wait, (due_at - now).total_seconds())
        for delivery, webhook in await self._store.write(partial(self._claim, now=now)):
            self._under_way[webhook.id] += 1
            nursery.start_soon(self._send, delivery, webhook)
        return READ_INTERVAL

    def _claim(self, tx: Transaction, *, now: datetime) -> list[tuple[DeliveryRow, WebhookRow]]:
        """Deliveries to try now: no more than there is room for, in all and of each webhook."""
        room = 0 if self._is_draining else MAX_AT_ONCE - self._under_way.total()
        taken = Counter(self._under_way)
        claimed: list[tuple[DeliveryRow, WebhookRow]] = []
        while len(claimed) < room:
            busy = {webhook_id for webhook_id, count in taken.items() if count >= MAX_PER_WEBHOOK}
            found = webhook_rows.claim(tx, now, leased_until=now + self._lease, busy=busy)
            if found is None:
                break
            claimed.append(found)
            taken[found[1].id] += 1
        return claimed

    async def _send(self, delivery: DeliveryRow, webhook: WebhookRow) -> None:
        """One try of a claimed delivery, and what follows from it. Raises nothing: others go on."""
        # Who waits by now waits for this try; who comes later is not woken by its end.
        tried = self._tried.get(delivery.id)
        try:
            secret = self._sealer.unseal(webhook.sealed_secret, place=_place(webhook.id))
            headers = sign(secret, delivery_id=delivery.id, at=self._now(), body=delivery.body)
            answer = await self._sender.post(webhook.url, headers, delivery.body)
            settle = partial(self._settle, delivery=delivery, webhook_id=webhook.id, answer=answer)
            outcome, was_disabled = await self._store.write(settle)
            self._metrics.webhook_tries_total.labels(outcome).inc()
            if was_disabled:
                await self.disabled(webhook)
        except RelayError:
            # Its claim ends, and it is tried again.
            log.exception("a webhook's delivery could not be made or stored")
        except Exception:  # a barrier: one delivery that nobody expected must not stop all others
            log.exception("a webhook's delivery crashed")
            self._metrics.crashes_total.labels("webhook").inc()
        finally:
            self._under_way[webhook.id] -= 1
            if not self._under_way[webhook.id]:
                del self._under_way[webhook.id]
            if self._is_draining and not self._under_way.total():
                self._idle.set()
            if tried is not None:
                tried.set()
            self._work.set()

    def _settle(
        self, tx: Transaction, *, delivery: DeliveryRow, webhook_id: str, answer: Answer
    ) -> tuple[str, bool]:
        """Stores what became of a try: delivered, put_off or failed; and whether it disabled the webhook."""
        now = self._now()
        wait = wait_after(delivery.attempts, random.random())  # noqa: S311 - spreading load, no secret
        is_last = delivery.event == TEST_EVENT or answer.status == HTTP_GONE
        state: DeliveryState = "delivered" if answer.is_accepted else "failed"
        outcome: str = state
        due_at = now
        if not answer.is_accepted and wait is not None and not is_last:
            state, outcome, due_at = "waiting", "put_off", now + timedelta(seconds=wait)
        webhook_rows.set_delivery(
            tx, delivery.id, state, status=answer.status, detail=answer.detail, now=now, due_at=due_at
        )
        if delivery.event == TEST_EVENT:
            return outcome, False
        return outcome, self._note_health(tx, webhook_id, answer, now)

    def _note_health(self, tx: Transaction, webhook_id: str, answer: Answer, now: datetime) -> bool:
        row = webhook_rows.webhook_by_id(tx, webhook_id)
        if row is None or not row.is_enabled:
            return False
        if answer.is_accepted:
            if row.failures:
                webhook_rows.set_health(tx, row.id, failures=0, failing_since=None, is_enabled=True)
            return False
        failures, since = row.failures + 1, row.failing_since or now
        is_hopeless = failures >= DISABLED_AT and now - since >= DISABLED_AFTER
        is_over = is_hopeless or answer.status == HTTP_GONE
        webhook_rows.set_health(tx, row.id, failures=failures, failing_since=since, is_enabled=not is_over)
        if is_over:
            webhook_rows.fail_waiting(tx, row.id, DISABLED, now)
            self._audit(tx, row, "webhook_disabled", None, failures=failures)
        return is_over

    def _audit(
        self, tx: Transaction, row: WebhookRow, action: str, by: Technician | None, **fields: AuditField
    ) -> None:
        audit_rows.add(
            tx,
            AuditRow(
                at=self._now(),
                company_id=row.company_id,
                session_id=None,
                actor="relay" if by is None else technician_actor(by.id),
                action=action,
                fields={"webhook": row.id, **fields},
            ),
        )


def wait_after(attempts: int, chance: float) -> float | None:
    """Seconds until the next try, or None after the last.

    Args:
        attempts: tries so far, at least 1.
        chance: 0 … 1, at random.
    """
    if attempts > len(WAITS):
        return None
    return WAITS[attempts - 1] * (1 + JITTER * (2 * chance - 1))


def _differ(before: WebhookRow, after: WebhookRow, name: str) -> bool:
    return bool(getattr(before, name) != getattr(after, name))


def _place(webhook_id: str) -> str:
    return f"webhooks:{webhook_id}"


async def _nobody(webhook: WebhookRow) -> None:
    """Nobody wants to know."""
