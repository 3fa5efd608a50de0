"""Webhooks on a real store: deliveries out of the audit log, retries, health, and who may do what."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import update

from relay.auth import Sealer
from relay.errors import LimitExceeded
from relay.metrics import Metrics
from relay.people import Technician, TechnicianId
from relay.store import webhook_rows
from relay.store.tables import webhooks as webhooks_table
from relay.store.webhook_rows import DeliveryRow, WebhookRow
from relay.webhooks import EVENTS, TEST_EVENT, BadUrl, NewWebhook, Sender, Webhooks
from relay.webhooks.reading import MAX_WAITING, TOO_MANY_WAIT
from relay.webhooks.webhooks import (
    DISABLED,
    DISABLED_AFTER,
    DISABLED_AT,
    JITTER,
    MAX_PER_COMPANY,
    MAX_PER_WEBHOOK,
    TESTS_AT_ONCE,
    WAITS,
    wait_after,
)
from tests.helpers.audit_office import COMPANY, OTHERS, TESS, AuditOffice, open_audit_office
from tests.helpers.office import Clock
from tests.helpers.webhook_receiver import WebhookReceiver, webhook_receiver

pytestmark = pytest.mark.sockets

MALLORY = Technician(
    id=TechnicianId("mallory"), company_id=OTHERS.id, name="Mallory", email="mallory@example.com"
)


@dataclass
class HookHouse:
    """A company's webhooks, and what happens there."""

    office: AuditOffice
    webhooks: Webhooks
    metrics: Metrics
    disabled: list[WebhookRow] = field(default_factory=list)
    told: trio.Event = field(default_factory=trio.Event)

    async def add(self, receiver: WebhookReceiver, *events: str) -> NewWebhook:
        return await self.webhooks.add(TESS, url=receiver.url, events=events or EVENTS)

    async def deliveries(self, webhook: NewWebhook) -> list[DeliveryRow]:
        found = await self.webhooks.deliveries(COMPANY.id, webhook.row.id, before=None, limit=100)
        assert found is not None
        return found

    async def row(self, webhook: NewWebhook) -> WebhookRow:
        rows = {row.id: row for row, _ in await self.webhooks.of(COMPANY.id)}
        return rows[webhook.row.id]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with trio.open_nursery() as nursery:
            await nursery.start(self.webhooks.run)
            yield
            nursery.cancel_scope.cancel()

    async def tries(self, outcome: str, count: int) -> None:
        """Returns once so many tries ended in this way."""
        series = f'relay_webhook_tries_total{{outcome="{outcome}"}} {float(count)}'
        with trio.fail_after(15):
            while series not in self.metrics.render().decode():  # noqa: ASYNC110 - counters announce nothing
                await trio.sleep(0.02)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[HookHouse]:
    async with open_audit_office(tmp_path, Clock()) as office:
        metrics = Metrics()
        webhooks = Webhooks(
            office.store,
            Sealer(Ed25519PrivateKey.generate()),
            Sender(allows_private=True),
            metrics,
            now=office.clock,
        )
        made = HookHouse(office, webhooks, metrics)

        async def note(row: WebhookRow) -> None:
            made.disabled.append(row)
            made.told.set()

        webhooks.disabled = note
        yield made


# From the audit log to the receiver


async def test_what_happens_is_posted_and_signed(house: HookHouse) -> None:
    await house.office.add_session("session")
    async with webhook_receiver() as receiver, house.running():
        new = await house.add(receiver)
        await house.office.add("prepared", "activated", "expired", session="session")
        await house.tries("delivered", 3)
    bodies = {json.loads(found.body)["type"]: json.loads(found.body) for found in receiver.received}
    assert set(bodies) == {"session.prepared", "session.activated", "session.ended"}
    assert bodies["session.ended"]["data"]["end_reason"] == "expired"
    assert bodies["session.ended"]["data"]["session"]["id"] == "session"
    assert all(found.is_signed_with(new.secret) for found in receiver.received)
    deliveries = await house.deliveries(new)
    assert {row.id for row in deliveries} == {found.headers["webhook-id"] for found in receiver.received}
    assert {row.state for row in deliveries} == {"delivered"}
    assert {row.last_status for row in deliveries} == {204}


async def test_only_what_was_asked_for_is_posted_and_only_of_ones_own_company(house: HookHouse) -> None:
    async with webhook_receiver() as receiver:
        new = await house.add(receiver, "session.ended")
        await house.office.add("prepared", "signed_in", "expired", session="none")
        await house.office.add("expired", company=OTHERS, session="theirs")
        assert await house.webhooks.make_deliveries() == 1
        assert await house.webhooks.make_deliveries() == 0
    (delivery,) = await house.deliveries(new)
    assert delivery.event == "session.ended"
    assert json.loads(delivery.body)["data"]["session"] is None


async def test_what_was_before_the_webhook_is_not_told(house: HookHouse) -> None:
    await house.office.add("prepared")
    async with webhook_receiver() as receiver:
        new = await house.add(receiver)
        await house.webhooks.make_deliveries()
    assert await house.deliveries(new) == []


async def test_a_refused_delivery_is_tried_again_with_the_same_id(house: HookHouse) -> None:
    async with webhook_receiver() as receiver, house.running():
        receiver.statuses = [503]
        new = await house.add(receiver)
        await house.office.add("prepared")
        await house.tries("put_off", 1)
        (waiting,) = await house.deliveries(new)
        assert (waiting.state, waiting.attempts, waiting.last_status) == ("waiting", 1, 503)
        house.office.clock.pass_by(WAITS[0] * (1 + JITTER))
        await house.tries("delivered", 1)
    first, second = receiver.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert second.headers["webhook-timestamp"] > first.headers["webhook-timestamp"]
    assert second.is_signed_with(new.secret)
    assert (await house.row(new)).failures == 0


@pytest.mark.slow
async def test_after_the_last_try_it_has_failed_and_can_be_sent_again_by_hand(house: HookHouse) -> None:
    async with webhook_receiver() as receiver, house.running():
        receiver.statuses = [500] * (len(WAITS) + 1)
        new = await house.add(receiver)
        await house.office.add("prepared")
        for number, wait in enumerate(WAITS, start=1):
            await house.tries("put_off", number)
            house.office.clock.pass_by(wait * (1 + JITTER))
        await house.tries("failed", 1)
        (failed,) = await house.deliveries(new)
        assert (failed.state, failed.attempts) == ("failed", len(WAITS) + 1)
        again = await house.webhooks.retry(TESS, new.row.id, failed.id)
    assert again is not None
    assert (again.state, again.attempts, again.last_status) == ("delivered", 1, 204)


async def test_retrying_waits_for_its_own_try_and_not_for_the_end_of_the_one_before(
    house: HookHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hear_late(row: WebhookRow) -> None:
        told.set()
        await is_over.wait()

    told, is_over = trio.Event(), trio.Event()
    house.webhooks.disabled = hear_late
    async with webhook_receiver() as receiver, house.running():
        receiver.statuses = [410]
        new = await house.add(receiver)
        await house.office.add("prepared")
        await told.wait()  # the first try is stored, and its task goes on
        (failed,) = await house.deliveries(new)
        monkeypatch.setattr("relay.webhooks.webhooks.MAX_AT_ONCE", 1)  # the next begins after it
        async with trio.open_nursery() as nursery:
            again: list[DeliveryRow | None] = []

            async def retry() -> None:
                again.append(await house.webhooks.retry(TESS, new.row.id, failed.id))

            nursery.start_soon(retry)
            await trio.testing.wait_all_tasks_blocked(0.2)
            is_over.set()
    assert again[0] is not None
    assert (again[0].state, again[0].attempts) == ("delivered", 1)


async def test_a_relay_that_died_in_the_middle_sends_again_after_its_claim(house: HookHouse) -> None:
    async with webhook_receiver() as receiver:
        receiver.is_hanging = True
        new = await house.add(receiver)
        await house.office.add("prepared")
        async with house.running():
            await receiver.wait_for(1)
        receiver.is_hanging = False
        house.office.clock.pass_by(20)
        async with house.running():
            await house.tries("delivered", 1)
    (delivery,) = await house.deliveries(new)
    assert delivery.attempts == 2


async def test_a_receiver_that_hangs_keeps_no_other_waiting(house: HookHouse) -> None:
    async with webhook_receiver() as hanging, webhook_receiver() as receiver, house.running():
        hanging.is_hanging = True
        await house.add(hanging)
        await house.add(receiver)
        await house.office.add(*["prepared"] * (MAX_PER_WEBHOOK + 3))
        await house.tries("delivered", MAX_PER_WEBHOOK + 3)
        assert len(hanging.received) == MAX_PER_WEBHOOK


async def test_deliveries_that_wait_are_bounded(house: HookHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.webhooks.reading.MAX_WAITING", 2)
    assert MAX_WAITING > 2
    async with webhook_receiver() as receiver:
        new = await house.add(receiver)
        await house.office.add(*["prepared"] * 4)
        assert await house.webhooks.make_deliveries() == 4
    states = [(row.state, row.detail) for row in await house.deliveries(new)]
    assert sorted(states) == [("failed", TOO_MANY_WAIT)] * 2 + [("waiting", "")] * 2


async def test_drain_waits_for_what_is_under_way(house: HookHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.webhooks.sending.TIMEOUT", 0.3)
    async with webhook_receiver() as receiver, house.running():
        receiver.is_hanging = True
        await house.add(receiver)
        await house.office.add("prepared")
        await receiver.wait_for(1)
        with trio.fail_after(5):
            await house.webhooks.drain()
        assert 'outcome="put_off"} 1.0' in house.metrics.render().decode()


# Health


async def fail_for_a_day(house: HookHouse, new: NewWebhook, failures: int) -> None:
    since = house.office.clock() - DISABLED_AFTER
    await house.office.store.write(
        lambda tx: webhook_rows.set_health(
            tx, new.row.id, failures=failures, failing_since=since, is_enabled=True
        )
    )


async def test_a_receiver_that_fails_for_a_day_is_disabled_and_its_owners_hear_of_it(
    house: HookHouse,
) -> None:
    async with webhook_receiver() as receiver, house.running():
        receiver.statuses = [500]
        new = await house.add(receiver)
        await fail_for_a_day(house, new, DISABLED_AT - 1)
        await house.office.add("prepared")
        await house.tries("put_off", 1)
        with trio.fail_after(5):
            await house.told.wait()
    assert [row.id for row in house.disabled] == [new.row.id]
    assert not (await house.row(new)).is_enabled
    (delivery,) = await house.deliveries(new)
    assert (delivery.state, delivery.detail) == ("failed", DISABLED)
    assert "webhook_disabled" in [row.action for row in await house.office.rows()]


async def test_few_failures_or_a_short_time_disable_nothing(house: HookHouse) -> None:
    async with webhook_receiver() as receiver, house.running():
        receiver.statuses = [500, 500]
        new = await house.add(receiver)
        await fail_for_a_day(house, new, DISABLED_AT - 2)
        await house.office.add("prepared")
        await house.tries("put_off", 1)
        assert (await house.row(new)).is_enabled
        values = {
            "failures": DISABLED_AT,
            "failing_since": house.office.clock() - DISABLED_AFTER + timedelta(hours=1),
        }
        await house.office.store.write(lambda tx: tx.execute(update(webhooks_table).values(values)) and None)
        await house.office.add("prepared")
        await house.tries("put_off", 2)
        assert (await house.row(new)).is_enabled


async def test_one_success_makes_good_for_all_failures(house: HookHouse) -> None:
    async with webhook_receiver() as receiver, house.running():
        new = await house.add(receiver)
        await fail_for_a_day(house, new, DISABLED_AT + 5)
        await house.office.add("prepared")
        await house.tries("delivered", 1)
    row = await house.row(new)
    assert (row.failures, row.failing_since, row.is_enabled) == (0, None, True)


async def test_a_receiver_that_is_gone_is_disabled_at_once(house: HookHouse) -> None:
    async with webhook_receiver() as receiver, house.running():
        receiver.statuses = [410]
        new = await house.add(receiver)
        await house.office.add("prepared")
        await house.tries("failed", 1)
        assert not (await house.row(new)).is_enabled


async def test_what_happens_while_it_is_disabled_is_not_told(house: HookHouse) -> None:
    async with webhook_receiver() as receiver:
        new = await house.add(receiver)
        await house.webhooks.change(TESS, new.row.id, is_enabled=False)
        await house.office.add("prepared")
        await house.webhooks.make_deliveries()
        await house.webhooks.change(TESS, new.row.id, is_enabled=True)
        await house.office.add("activated")
        await house.webhooks.make_deliveries()
    assert [row.event for row in await house.deliveries(new)] == ["session.activated"]


# Settings


async def test_a_test_is_sent_once_even_to_a_disabled_webhook(house: HookHouse) -> None:
    async with webhook_receiver() as receiver, house.running():
        receiver.statuses = [500]
        new = await house.add(receiver)
        await house.webhooks.change(TESS, new.row.id, is_enabled=False)
        failed = await house.webhooks.test(TESS, new.row.id)
        delivered = await house.webhooks.test(TESS, new.row.id)
    assert failed is not None
    assert delivered is not None
    assert (failed.state, failed.last_status, failed.event) == ("failed", 500, TEST_EVENT)
    assert delivered.state == "delivered"
    assert receiver.received[1].is_signed_with(new.secret)
    assert (await house.row(new)).failures == 0


async def test_tests_are_limited(house: HookHouse) -> None:
    for _ in range(TESTS_AT_ONCE):
        assert await house.webhooks.test(TESS, "none") is None
    with pytest.raises(LimitExceeded) as caught:
        await house.webhooks.test(TESS, "none")
    assert caught.value.limit == "webhook_tests"


async def test_a_company_has_five_webhooks_also_when_many_are_added_at_once(house: HookHouse) -> None:
    refused: list[LimitExceeded] = []

    async def add(number: int) -> None:
        try:
            await house.webhooks.add(TESS, url=f"https://hooks.example/{number}", events=["session.ended"])
        except LimitExceeded as error:
            refused.append(error)

    async with trio.open_nursery() as nursery:
        for number in range(MAX_PER_COMPANY + 3):
            nursery.start_soon(add, number)
    assert len(await house.webhooks.of(COMPANY.id)) == MAX_PER_COMPANY
    assert [error.limit for error in refused] == ["webhooks_per_company"] * 3
    await house.webhooks.add(MALLORY, url="https://hooks.example/", events=["session.ended"])


async def test_the_secret_is_encrypted(house: HookHouse) -> None:
    async with webhook_receiver() as receiver:
        new = await house.add(receiver)
    files = sorted(house.office.folder.glob("relay.db*"))
    content = await trio.to_thread.run_sync(lambda: b"".join(path.read_bytes() for path in files))
    assert new.secret.removeprefix("whsec_").encode() not in content
    assert new.secret not in repr(new)


async def test_bad_urls_are_refused_when_adding_and_when_changing(house: HookHouse) -> None:
    with pytest.raises(BadUrl):
        await house.webhooks.add(TESS, url="http://hooks.example/", events=["session.ended"])
    async with webhook_receiver() as receiver:
        new = await house.add(receiver)
    with pytest.raises(BadUrl):
        await house.webhooks.change(TESS, new.row.id, url="ftp://hooks.example/")
    assert (await house.row(new)).url == receiver.url


@pytest.mark.parametrize("method", ["change", "remove", "test", "deliveries", "retry"])
async def test_another_companys_webhook_does_not_exist(house: HookHouse, method: str) -> None:
    async with webhook_receiver() as receiver:
        new = await house.add(receiver)
        await house.office.add("prepared")
        await house.webhooks.make_deliveries()
    (delivery,) = await house.deliveries(new)
    calls: dict[str, Any] = {
        "change": lambda: house.webhooks.change(MALLORY, new.row.id, is_enabled=False),
        "remove": lambda: house.webhooks.remove(MALLORY, new.row.id),
        "test": lambda: house.webhooks.test(MALLORY, new.row.id),
        "deliveries": lambda: house.webhooks.deliveries(OTHERS.id, new.row.id, before=None, limit=1),
        "retry": lambda: house.webhooks.retry(MALLORY, new.row.id, delivery.id),
    }
    assert not await calls[method]()
    assert (await house.row(new)).is_enabled
    assert await house.deliveries(new) == [delivery]


async def test_a_removed_webhook_leaves_nothing(house: HookHouse) -> None:
    async with webhook_receiver() as receiver:
        new = await house.add(receiver)
        await house.office.add("prepared")
        await house.webhooks.make_deliveries()
    assert await house.webhooks.remove(TESS, new.row.id)
    assert await house.webhooks.of(COMPANY.id) == []
    assert await house.webhooks.deliveries(COMPANY.id, new.row.id, before=None, limit=1) is None
    actions = [row.action for row in await house.office.rows()]
    assert actions[-1] == "webhook_removed"


async def test_deliveries_come_in_pages(house: HookHouse) -> None:
    async with webhook_receiver() as receiver:
        new = await house.add(receiver)
        for _ in range(5):
            await house.office.add("prepared")
            house.office.clock.pass_by(1)
        await house.office.add("activated", "expired")  # at the same moment
        await house.webhooks.make_deliveries()
    everything = [row.id for row in await house.deliveries(new)]
    pages: list[str] = []
    before = None
    while found := await house.webhooks.deliveries(COMPANY.id, new.row.id, before=before, limit=2):
        pages += [row.id for row in found]
        before = found[-1].id
    assert pages == everything
    assert len(pages) == 7


@pytest.mark.parametrize(("attempts", "wait"), [(1, 5.0), (2, 30.0), (6, 6 * 3600.0), (7, None)])
def test_waits(attempts: int, wait: float | None) -> None:
    assert wait_after(attempts, 0.5) == wait
    if wait is not None:
        assert wait_after(attempts, 0.0) == pytest.approx(wait * 0.8)
