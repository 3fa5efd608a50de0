"""The wires between those who have something to mail and the outbox, on a real broker."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from email.message import EmailMessage
from functools import partial
from pathlib import Path

import pytest
import trio

from relay.accounts.letters import Letter
from relay.audit.receipts import ReceiptPost
from relay.auth import Sealer
from relay.mail import Carrier, DeploymentMail, MailServer, MailServers, Outbox, RelayMail
from relay.mailing import LetterPost, mail_receipt, tell_owners, tell_session
from relay.metrics import Metrics
from relay.people import TechnicianRole
from relay.protocol.close_reasons import CloseReason
from relay.protocol.lease import Receipt as RemovalReceipt
from relay.protocol.lease import sign_receipt
from relay.sessions import Session
from relay.store.webhook_rows import WebhookRow
from tests.helpers.mail_servers import Receiver, smtp_server
from tests.helpers.office import Clock, Office, open_office

pytestmark = pytest.mark.sockets

LINK = "https://relay.example/d/AAECAwQFBgcICQoLDA0ODw#EBESExQVFhcYGRobHB0eHw.correct%20horse"


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with open_office(tmp_path / "relay.db", now=Clock()) as made:
        yield made


@asynccontextmanager
async def running_outbox(office: Office, folder: Path, port: int | None) -> AsyncIterator[Outbox]:
    """A running outbox that tells the broker, with the relay's mail server at `port`."""
    sealer, now = Sealer(office.relay_key), office.broker.now
    own = None if port is None else MailServer(host="127.0.0.1", port=port, security="none", is_of_relay=True)
    outbox = Outbox(
        office.store,
        sealer,
        Carrier(outbox=folder / "outbox", timeout=5, allows_private=True),
        MailServers(office.store, sealer, allows_private=True, now=now),
        RelayMail(own, "relay@help.example"),
        Metrics(),
        now=now,
    )
    outbox.changed = partial(tell_session, office.broker)
    async with trio.open_nursery() as nursery:
        await nursery.start(outbox.run)
        yield outbox
        nursery.cancel_scope.cancel()


async def send_link(outbox: Outbox, session: Session) -> None:
    mail = DeploymentMail(
        to=session.customer_email,
        reply_to="tess@example.com",
        technician="Tess",
        language="en",
        link=LINK,
    )
    await outbox.put(mail, company_id=session.company_id, session_id=session.id, expires_at=session.lapse_at)


async def steps(office: Office, session: Session) -> list[str]:
    found = await office.broker.session_for(session.technician_id, session.id)
    return [step for step, _ in found.funnel]


def text_of(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    assert body is not None
    text: str = body.get_content()
    return text


@pytest.mark.parametrize(("answer", "step"), [("250 ok", "mail_accepted"), ("554 no", "mail_failed")])
async def test_the_funnel_shows_what_became_of_the_mail(
    office: Office, tmp_path: Path, answer: str, step: str
) -> None:
    session = await office.prepare()
    with smtp_server(Receiver(answer)) as port, office.broker.watch(office.company.id) as changes:
        async with running_outbox(office, tmp_path, port) as outbox:
            await send_link(outbox, session)
            assert (await changes.receive()).id == session.id
    assert await steps(office, session) == [step]


async def test_a_mail_that_is_put_off_is_published_without_a_step(office: Office, tmp_path: Path) -> None:
    session = await office.prepare()
    with smtp_server(Receiver("451 later")) as port, office.broker.watch(office.company.id) as changes:
        async with running_outbox(office, tmp_path, port) as outbox:
            await send_link(outbox, session)
            with trio.fail_after(5):
                assert (await changes.receive()).id == session.id
            record = outbox.record_of(session.id)
    assert record is not None
    assert (record.state, record.attempts) == ("waiting", 1)
    assert await steps(office, session) == []


async def test_letters_are_mailed_in_their_language(office: Office, tmp_path: Path) -> None:
    receiver = Receiver()
    with smtp_server(receiver) as port:
        async with running_outbox(office, tmp_path, port) as outbox:
            post = LetterPost(outbox)
            for kind, inviter in (("invitation", "Tess"), ("reset", "")):
                letter = Letter(
                    kind=kind,  # type: ignore[arg-type] # one of the two
                    company=office.company,
                    to="bob@example.com",
                    name="Bob",
                    language="es",
                    link="https://relay.example/invite#secret",
                    inviter=inviter,
                    expires_at=office.broker.now() + timedelta(hours=1),
                    is_by_relay=kind == "reset",
                )
                posted = await post.put(letter)
                assert posted.state == "sent"
    invitation, reset = receiver.messages
    assert "Tess le invita" in text_of(invitation)
    assert "contraseña nueva" in text_of(reset)
    assert "https://relay.example/invite#secret" in text_of(reset)


async def test_a_receipt_is_mailed_once_after_the_end(office: Office, tmp_path: Path) -> None:
    invite = bytes(range(16))
    await office.broker.prepare(
        office.technician.id, invite=invite, customer_email="ana@example.com", wants_receipt=True
    )
    admission = await office.join(invite)
    await office.broker.report_ready(admission.session.id)
    await office.pair(admission.session)
    receiver = Receiver()
    with smtp_server(receiver) as port:
        async with running_outbox(office, tmp_path, port) as outbox:
            receipts = ReceiptPost(office.store, partial(mail_receipt, outbox), now=office.broker.now)
            assert await receipts.post() == 0
            await office.broker.end(admission.session.id, CloseReason.ENDED_BY_CUSTOMER, technician_id=None)
            clock = office.broker.now
            assert isinstance(clock, Clock)
            clock.pass_by(300)
            receipt = RemovalReceipt(
                session=admission.session.id,
                ended_at=1,
                reason="customer",
                removed=["state"],
                left=[],
                acts={"file_written": 3},
            )
            body, signature = sign_receipt(receipt, office.host.key)
            await office.broker.record_receipt(admission.session.id, body, signature)
            assert await receipts.post() == 1
            assert await receipts.post() == 0
    (message,) = receiver.messages
    assert str(message["To"]) == "ana@example.com"
    assert "The customer ended the session." in text_of(message)
    assert "Nobody connected to your computer." in text_of(message)
    assert "has confirmed that it removed itself" in text_of(message)
    assert "Files written: 3" in text_of(message)


async def test_owners_hear_of_a_disabled_webhook_and_nobody_else(office: Office, tmp_path: Path) -> None:
    await office.accounts.create_technician(
        office.company.id, name="Olga", email="olga@example.com", role=TechnicianRole.OWNER
    )
    webhook = WebhookRow(
        id="hook",
        company_id=office.company.id,
        url="https://hooks.example/secret?token=1",
        sealed_secret=b"",
        events=(),
        is_enabled=False,
        created_at=office.broker.now(),
        seen_number=0,
    )
    receiver = Receiver()
    with smtp_server(receiver) as port:
        async with running_outbox(office, tmp_path, port) as outbox:
            await tell_owners(outbox, office.store, webhook, now=office.broker.now)
    (message,) = receiver.messages
    assert str(message["To"]) == "olga@example.com"
    assert "hooks.example" in text_of(message)
    assert "secret" not in text_of(message)
