"""Mail and webhooks of two relays on one PostgreSQL database: everything is sent, and once."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from relay.auth import Sealer
from relay.mail import Carrier, MailServer, MailServers, Outbox, RelayMail, ResetMail
from relay.metrics import Metrics
from relay.store import Store, Transaction, account_rows, audit_rows, open_store
from relay.store.audit_rows import AuditRow
from relay.webhooks import Sender, Webhooks
from tests.helpers.audit_office import COMPANY, TESS
from tests.helpers.mail_servers import Receiver, smtp_server
from tests.helpers.postgres import open_postgres, why_missing
from tests.helpers.webhook_receiver import webhook_receiver

pytestmark = [
    pytest.mark.sockets,
    pytest.mark.slow,
    pytest.mark.skipif(bool(why_missing()), reason=why_missing()),
]

MAILS = 12
EVENTS = 20


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with open_postgres() as started:
        yield started


def now() -> datetime:
    return datetime.now(UTC)


def found(tx: Transaction) -> None:
    if account_rows.company_by_id(tx, COMPANY.id) is None:
        account_rows.insert_company(tx, COMPANY)
        account_rows.insert_technician(tx, TESS)


async def test_two_relays_send_each_mail_once(url: str, tmp_path: Path) -> None:
    sealer, receiver = Sealer(Ed25519PrivateKey.generate()), Receiver()

    def outbox(store: Store, port: int) -> Outbox:
        own = MailServer(host="127.0.0.1", port=port, security="none", is_of_relay=True)
        servers = MailServers(store, sealer, allows_private=True, now=now)
        carrier = Carrier(outbox=tmp_path, timeout=5, allows_private=True)
        relay_mail = RelayMail(own, "relay@help.example")
        return Outbox(store, sealer, carrier, servers, relay_mail, Metrics(), now=now)

    async def put(box: Outbox, number: int) -> None:
        link = f"https://relay.example/reset#{number}"
        mail = ResetMail(to="tess@example.com", language="en", name="Tess", link=link)
        await box.put(mail, company_id=COMPANY.id, expires_at=now() + timedelta(hours=1))

    with smtp_server(receiver) as port:
        async with open_store(url) as one, open_store(url) as two, trio.open_nursery() as nursery:
            await one.write(found)
            boxes = [outbox(one, port), outbox(two, port)]
            for box in boxes:
                await nursery.start(box.run)
            async with trio.open_nursery() as putting:
                for number in range(MAILS):
                    putting.start_soon(put, boxes[number % 2], number)
            await trio.to_thread.run_sync(receiver.wait_for, MAILS)
            nursery.cancel_scope.cancel()
    ids = Counter(message["Message-ID"] for message in receiver.messages)
    assert len(ids) == MAILS
    assert set(ids.values()) == {1}


async def test_two_relays_post_each_event_once(url: str) -> None:
    sealer = Sealer(Ed25519PrivateKey.generate())

    def happen(tx: Transaction) -> None:
        row = AuditRow(
            at=now(),
            company_id=COMPANY.id,
            session_id=None,
            actor="relay",
            action="prepared",
            fields={},
        )
        audit_rows.add_all(tx, [row] * EVENTS)

    async with (
        webhook_receiver() as receiver,
        open_store(url) as one,
        open_store(url) as two,
        trio.open_nursery() as nursery,
    ):
        await one.write(found)
        rooms = [
            Webhooks(store, sealer, Sender(allows_private=True), Metrics(), now=now) for store in (one, two)
        ]
        new = await rooms[0].add(TESS, url=receiver.url, events=["session.prepared"])
        for room in rooms:
            await nursery.start(room.run)
        await one.write(happen)
        await receiver.wait_for(EVENTS)
        page = await rooms[1].deliveries(COMPANY.id, new.row.id, before=None, limit=5)
        assert page is not None
        rest = await rooms[1].deliveries(COMPANY.id, new.row.id, before=page[-1].id, limit=100)
        assert rest is not None
        nursery.cancel_scope.cancel()
    ids = Counter(each.headers["webhook-id"] for each in receiver.received)
    assert len(ids) == EVENTS
    assert set(ids.values()) == {1}
    assert {row.id for row in page + rest} == set(ids)
