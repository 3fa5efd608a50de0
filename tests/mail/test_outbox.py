"""The outbox: what is put there is sent, or somebody learns why not; and nothing of it stays."""

from datetime import timedelta
from pathlib import Path

import pytest
import trio
from sqlalchemy import update

from relay.mail import MailChange, ReceiptMail, ResetMail, TestMail
from relay.mail.outbox import (
    FIRST_WAIT,
    JITTER,
    LONGEST_WAIT,
    MAX_PER_COMPANY,
    NOT_NEEDED,
    REPLACED,
    UNREADABLE,
    wait_after,
)
from relay.people import Company, CompanyId
from relay.store import account_rows, logo_rows
from relay.store.logo_rows import Logo
from relay.store.mail_rows import MailState
from relay.store.tables import mails, sessions
from tests.helpers.audit_office import COMPANY, OTHERS, TESS
from tests.helpers.mail_servers import Receiver, scripted_server, smtp_server
from tests.mail.conftest import LINK, MAIL, WORTH, PostOffice

pytestmark = pytest.mark.sockets

SECRETS = (b"EBESExQVFhcYGRobHB0eHw", b"correct%20horse", b"correct horse", b"AAECAwQFBgcICQoLDA0ODw")


def kept(folder: Path) -> bytes:
    """Whatever the database's files hold."""
    return b"".join(path.read_bytes() for path in sorted(folder.glob("relay.db*")))


async def test_a_mail_is_sent_at_once_and_its_content_is_deleted(post_office: PostOffice) -> None:
    session = await post_office.session()
    receiver = Receiver()
    with smtp_server(receiver) as port:
        async with post_office.running(port) as outbox:
            record = await outbox.put(
                MAIL, company_id=COMPANY.id, session_id=session.id, expires_at=session.lapse_at
            )
    assert (record.state, record.attempts) == ("sent", 1)
    assert record.detail == "The mail server has accepted the mail."
    (message,) = receiver.messages
    assert LINK in message.get_body(("plain",)).get_content().split()  # type: ignore[union-attr]
    (row,) = await post_office.rows()
    assert row.sealed_content is None
    assert await post_office.actions() == ["mail_sent"]
    assert post_office.count('relay_mails_total{state="sent"}') == 1


async def test_what_waits_is_encrypted(post_office: PostOffice) -> None:
    session = await post_office.session()
    with smtp_server(Receiver("451 later")) as port:
        async with post_office.running(port) as outbox:
            record = await outbox.put(
                MAIL, company_id=COMPANY.id, session_id=session.id, expires_at=session.lapse_at + WORTH
            )
    assert record.state == "waiting"
    assert record.detail == "The mail server did not accept the mail."
    (row,) = await post_office.rows()
    assert row.sealed_content is not None
    content = await trio.to_thread.run_sync(kept, post_office.folder)
    assert not [secret for secret in SECRETS if secret in content]


async def test_a_mail_that_was_put_off_is_sent_later_under_the_same_id(post_office: PostOffice) -> None:
    async with (
        scripted_server(
            *(b"220 hi\r\n", b"250 ok\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"), b""
        ) as cut,
        post_office.running(cut.port) as outbox,
    ):
        record = await outbox.put(MAIL, company_id=COMPANY.id, expires_at=post_office.clock() + WORTH)
        assert record.state == "waiting"
    (row,) = await post_office.rows()
    (change,) = post_office.changes
    assert change.record.attempts == 1
    receiver = Receiver()
    post_office.clock.pass_by(FIRST_WAIT * (1 + JITTER))
    with smtp_server(receiver) as port:
        async with post_office.running(port):
            await trio.to_thread.run_sync(receiver.wait_for, 1)
            await settled(post_office, "sent")
    (row,) = await post_office.rows()
    assert row.record.attempts == 2
    assert receiver.messages[0]["Message-ID"].endswith("@help.example>")


async def settled(post_office: PostOffice, state: MailState) -> None:
    """Returns once the outbox told of a mail that is in this state."""
    with trio.fail_after(15):
        while state not in [change.record.state for change in post_office.changes]:
            await post_office.changed.wait()


async def test_before_its_time_a_mail_is_not_tried_again(post_office: PostOffice) -> None:
    receiver = Receiver("451 later")
    with smtp_server(receiver) as port:
        async with post_office.running(port) as outbox:
            await outbox.put(MAIL, company_id=COMPANY.id, expires_at=post_office.clock() + WORTH)
            post_office.clock.pass_by(FIRST_WAIT * (1 - JITTER) - 1)
            await outbox.put(MAIL, company_id=COMPANY.id, expires_at=post_office.clock() + WORTH)
    assert [row.record.attempts for row in await post_office.rows()] == [1, 1]
    assert len(receiver.envelopes) == 1


async def test_refused_for_good_fails_at_once(post_office: PostOffice) -> None:
    session = await post_office.session()
    with smtp_server(Receiver("554 no")) as port:
        async with post_office.running(port) as outbox:
            record = await outbox.put(
                MAIL, company_id=COMPANY.id, session_id=session.id, expires_at=session.lapse_at
            )
            assert outbox.record_of(session.id) == record
    assert record.state == "failed"
    (row,) = await post_office.rows()
    assert row.sealed_content is None
    assert await post_office.actions() == ["mail_failed"]
    expected = MailChange(company_id=COMPANY.id, session_id=session.id, kind="deployment", record=row.record)
    assert post_office.changes == [expected]


async def test_without_a_server_it_is_kept_in_the_folder(post_office: PostOffice) -> None:
    async with post_office.running() as outbox:
        record = await outbox.put(MAIL, company_id=COMPANY.id, expires_at=post_office.clock() + WORTH)
        assert await outbox.way_of(COMPANY.id) == "outbox"
        assert record.state == "outbox"
        assert "Copy the link." in record.detail
        reset = ResetMail(to=TESS.email, language="en", name="Tess", link="https://r.example/reset#x")
        record = await outbox.put(reset, company_id=COMPANY.id, expires_at=post_office.clock() + WORTH)
        assert "link" not in record.detail
    assert len(list((post_office.folder / "outbox").iterdir())) == 2


@pytest.mark.slow
async def test_put_does_not_wait_for_a_server_that_hangs(post_office: PostOffice) -> None:
    async with scripted_server() as silent, post_office.running(silent.port, step=30) as outbox:
        with trio.fail_after(10):
            record = await outbox.put(MAIL, company_id=COMPANY.id, expires_at=post_office.clock() + WORTH)
        assert record.state == "waiting"
        assert outbox.statistics().under_way == 1


async def test_one_companys_dead_server_keeps_nobody_else_waiting(post_office: PostOffice) -> None:
    receiver = Receiver()
    async with scripted_server() as silent:
        with smtp_server(receiver) as port:
            await set_server(post_office, silent.port)
            async with post_office.running(port, step=30) as outbox, trio.open_nursery() as nursery:
                for _ in range(MAX_PER_COMPANY + 2):
                    nursery.start_soon(put, outbox.put, post_office, COMPANY.id)
                await silent.visited.wait()
                await put(outbox.put, post_office, OTHERS.id)
                nursery.cancel_scope.cancel()
    assert len(receiver.envelopes) == 1
    assert silent.visits == MAX_PER_COMPANY


async def put(method: object, post_office: PostOffice, company_id: CompanyId) -> None:
    assert callable(method)
    await method(MAIL, company_id=company_id, expires_at=post_office.clock() + WORTH)


async def set_server(post_office: PostOffice, port: int, sender: str = "help@company.example") -> None:
    await post_office.servers().set(
        TESS, host="127.0.0.1", port=port, security="none", user="", password=None, sender=sender
    )


async def test_a_companys_own_server_is_used_with_its_sender(post_office: PostOffice) -> None:
    receiver = Receiver()
    with smtp_server(receiver) as port:
        await set_server(post_office, port)
        async with post_office.running() as outbox:
            assert await outbox.way_of(COMPANY.id) == "smtp"
            record = await outbox.put(MAIL, company_id=COMPANY.id, expires_at=post_office.clock() + WORTH)
            other = await outbox.put(MAIL, company_id=OTHERS.id, expires_at=post_office.clock() + WORTH)
    assert (record.state, other.state) == ("sent", "outbox")
    assert receiver.envelopes[0].mail_from == "help@company.example"


async def test_what_must_go_by_the_relay_never_meets_the_companys_server(post_office: PostOffice) -> None:
    companys, relays = Receiver(), Receiver()
    with smtp_server(companys) as port, smtp_server(relays) as own:
        await set_server(post_office, port)
        async with post_office.running(own) as outbox:
            reset = ResetMail(to=TESS.email, language="en", name="Tess", link="https://r.example/reset#x")
            expires_at = post_office.clock() + WORTH
            await outbox.put(reset, company_id=COMPANY.id, expires_at=expires_at, is_by_relay=True)
    assert companys.envelopes == []
    assert relays.envelopes[0].mail_from == "relay@help.example"


async def test_brand_is_that_of_the_moment_of_sending(post_office: PostOffice) -> None:
    receiver = Receiver("451 later")
    with smtp_server(receiver) as port:
        async with post_office.running(port) as outbox:
            await outbox.put(MAIL, company_id=COMPANY.id, expires_at=post_office.clock() + WORTH)
            renamed = Company(id=COMPANY.id, name="New name", colour="#123456")
            await post_office.store.write(lambda tx: account_rows.save_company(tx, renamed))
            logo = Logo("image/png", b"picture")
            await post_office.store.write(lambda tx: logo_rows.save_logo(tx, COMPANY.id, logo))
            post_office.clock.pass_by(60)
            outbox.wake()
            await trio.to_thread.run_sync(receiver.wait_for, 1)
    html = receiver.messages[0].get_body(("html",)).get_content()  # type: ignore[union-attr]
    assert "New name" in html
    assert "#123456" in html
    assert "cid:" in html


# Withdrawn and expired


@pytest.mark.parametrize("state", ["active", "ended"])
async def test_a_link_that_is_of_no_use_any_more_is_withdrawn(post_office: PostOffice, state: str) -> None:
    session = await post_office.session()
    with smtp_server(Receiver("451 later")) as port:
        async with post_office.running(port) as outbox:
            await outbox.put(
                MAIL, company_id=COMPANY.id, session_id=session.id, expires_at=session.lapse_at + WORTH
            )
            now = post_office.clock()
            values = {"state": state} | ({"ended_at": now} if state == "ended" else {})
            await post_office.store.write(lambda tx: tx.execute(update(sessions).values(values)) and None)
            outbox.wake()
            await settled(post_office, "withdrawn")
            record = outbox.record_of(session.id)
    (row,) = await post_office.rows()
    assert row.sealed_content is None
    assert row.record == record
    assert row.record.detail == NOT_NEEDED
    assert await post_office.actions() == ["mail_withdrawn"]


async def test_a_receipt_is_not_withdrawn_when_its_session_is_over(post_office: PostOffice) -> None:
    session = await post_office.office.add_session("over")
    assert session.activated_at is not None
    assert session.ended_at is not None
    receipt = ReceiptMail(
        to="ana@example.com",
        language="en",
        technicians=("Tess",),
        activated_at=session.activated_at,
        ended_at=session.ended_at,
        end_sentence="The customer ended the session.",
        removal="confirmed",
        uses=(),
    )
    async with post_office.running() as outbox:
        expires_at = post_office.clock() + WORTH
        record = await outbox.put(
            receipt, company_id=COMPANY.id, session_id=session.id, expires_at=expires_at
        )
        assert record.state == "outbox"
        assert outbox.record_of(session.id) is None


async def test_a_newer_link_takes_the_place_of_one_that_waits(post_office: PostOffice) -> None:
    session = await post_office.session()
    expires_at = session.lapse_at + WORTH
    with smtp_server(Receiver("451 later", "451 later")) as port:
        async with post_office.running(port) as outbox:
            for _ in range(2):
                await outbox.put(MAIL, company_id=COMPANY.id, session_id=session.id, expires_at=expires_at)
            records = await outbox.records_of([session.id])
    first, second = await post_office.rows()
    assert (first.record.state, first.record.detail) == ("withdrawn", REPLACED)
    assert first.sealed_content is None
    assert records == {session.id: second.record}
    assert second.record.state == "waiting"


async def test_a_mail_whose_time_is_over_has_failed(post_office: PostOffice) -> None:
    with smtp_server(Receiver("451 later")) as port:
        async with post_office.running(port) as outbox:
            await outbox.put(MAIL, company_id=COMPANY.id, expires_at=post_office.clock() + WORTH)
            post_office.clock.pass_by(WORTH.total_seconds())
            outbox.wake()
            await settled(post_office, "failed")
    (row,) = await post_office.rows()
    assert row.sealed_content is None


async def test_a_mail_that_cannot_be_tried_again_in_time_has_failed(post_office: PostOffice) -> None:
    with smtp_server(Receiver("451 later")) as port:
        async with post_office.running(port) as outbox:
            expires_at = post_office.clock() + timedelta(seconds=10)
            record = await outbox.put(MAIL, company_id=COMPANY.id, expires_at=expires_at)
    assert (record.state, record.detail) == ("failed", "The mail server did not accept the mail.")


# Crashes


async def test_a_relay_that_died_in_the_middle_sends_after_its_claim_ended(post_office: PostOffice) -> None:
    async with (
        scripted_server() as silent,
        post_office.running(silent.port) as outbox,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(put, outbox.put, post_office, COMPANY.id)
        await silent.visited.wait()
        nursery.cancel_scope.cancel()
    receiver = Receiver()
    with smtp_server(receiver) as port:
        async with post_office.running(port) as outbox:
            post_office.clock.pass_by(21)
            outbox.wake()
            await settled(post_office, "sent")
    (row,) = await post_office.rows()
    assert row.record.attempts == 2
    assert len(receiver.envelopes) == 1


async def test_while_it_is_claimed_nobody_else_sends_it(post_office: PostOffice) -> None:
    receiver = Receiver()
    async with (
        scripted_server() as silent,
        post_office.running(silent.port, step=30) as outbox,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(put, outbox.put, post_office, COMPANY.id)
        await silent.visited.wait()
        with smtp_server(receiver) as port:
            async with post_office.running(port) as other:
                await put(other.put, post_office, OTHERS.id)
        nursery.cancel_scope.cancel()
    assert len(receiver.envelopes) == 1


async def test_what_cannot_be_read_fails_and_harms_nobody(post_office: PostOffice) -> None:
    with smtp_server(Receiver("451 later")) as port:
        async with post_office.running(port) as outbox:
            await put(outbox.put, post_office, COMPANY.id)
    await post_office.store.write(
        lambda tx: tx.execute(update(mails).values(sealed_content=b"x" * 60)) and None
    )
    receiver = Receiver()
    with smtp_server(receiver) as port:
        async with post_office.running(port) as outbox:
            post_office.clock.pass_by(60)
            outbox.wake()
            await settled(post_office, "failed")
            await put(outbox.put, post_office, COMPANY.id)
    assert len(receiver.envelopes) == 1
    assert (await post_office.rows())[0].record.detail == UNREADABLE


async def test_a_crash_of_one_mail_does_not_stop_the_others(
    post_office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*arguments: object, **keywords: object) -> None:
        raise ZeroDivisionError

    async with post_office.running() as outbox:
        with monkeypatch.context() as patched:
            patched.setattr("relay.mail.outbox.compose", crash)
            record = await outbox.put(MAIL, company_id=COMPANY.id, expires_at=post_office.clock() + WORTH)
        assert (record.state, record.detail) == ("failed", UNREADABLE)
        assert post_office.count('relay_crashes_total{place="mail"}') == 1
        record = await outbox.put(MAIL, company_id=COMPANY.id, expires_at=post_office.clock() + WORTH)
        assert record.state == "outbox"


async def test_what_was_known_before_a_restart_is_known_after_it(post_office: PostOffice) -> None:
    session = await post_office.session()
    async with post_office.running() as outbox:
        record = await outbox.put(
            MAIL, company_id=COMPANY.id, session_id=session.id, expires_at=session.lapse_at
        )
    async with post_office.running() as outbox:
        assert outbox.record_of(session.id) == record


@pytest.mark.slow
async def test_drain_waits_for_what_is_under_way_and_begins_nothing(post_office: PostOffice) -> None:
    async with (
        scripted_server() as silent,
        post_office.running(silent.port, step=1) as outbox,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(put, outbox.put, post_office, COMPANY.id)
        await silent.visited.wait()
        with trio.fail_after(10):
            await outbox.drain()
        assert outbox.statistics().under_way == 0
        await put(outbox.put, post_office, OTHERS.id)
    assert silent.visits == 1
    assert [row.record.attempts for row in await post_office.rows()] == [1, 0]


# One try only


async def test_a_test_mail_is_tried_once_and_not_stored(post_office: PostOffice) -> None:
    mail = TestMail(to=TESS.email, language="en", name="Tess")
    receiver = Receiver("451 later")
    with smtp_server(receiver) as port:
        outbox = post_office.outbox(port)
        failed = await outbox.try_once(mail, company_id=COMPANY.id)
        sent = await outbox.try_once(mail, company_id=COMPANY.id)
    assert (failed.state, sent.state) == ("failed", "sent")
    assert await post_office.rows() == []
    assert len(receiver.envelopes) == 1


@pytest.mark.parametrize(
    ("attempts", "wait"),
    [(1, FIRST_WAIT), (2, 60), (3, 120), (5, 480), (6, LONGEST_WAIT), (5000, LONGEST_WAIT)],
)
def test_waits_grow_up_to_a_quarter_of_an_hour(attempts: int, wait: float) -> None:
    assert wait_after(attempts, 0.5) == wait
    assert wait_after(attempts, 0.0) == pytest.approx(wait * 0.8)
    assert wait_after(attempts, 1.0) == pytest.approx(wait * 1.2)
