"""What a customer may know, for how long, and by mail exactly once."""

from datetime import timedelta

import pytest

from relay.audit.receipts import PAGE_WINDOW, Receipt, ReceiptPost, of_invite, of_session
from relay.audit.recorder import Recorder
from relay.errors import RelayError
from relay.protocol.frames import Channel
from relay.sessions import SessionId
from tests.helpers.audit_office import AuditOffice, attached

INVITE_HASH = b"s".ljust(32, b".")


async def use(office: AuditOffice, connection: int, name: str, tool: Channel, seconds: float) -> None:
    recorder = Recorder(office.store, now=office.clock)
    viewer = attached("s", connection=connection, name=name)
    recorder.tool_opened(viewer, tool)
    office.clock.pass_by(seconds)
    recorder.viewer_detached(viewer)
    await recorder.write()


async def receipt_of(office: AuditOffice) -> Receipt | None:
    return await office.store.read(lambda tx: of_session(tx, SessionId("s")))


async def by_link(office: AuditOffice) -> Receipt | None:
    return await office.store.read(lambda tx: of_invite(tx, INVITE_HASH, office.clock()))


async def test_a_receipt_names_everybody_and_every_tool(office: AuditOffice) -> None:
    await office.add_session("s")
    await use(office, 1, "Tess", Channel.CONTROL, 60)
    await use(office, 2, "Ulf", Channel.FILES, 30)
    receipt = await receipt_of(office)
    assert receipt is not None
    assert receipt.technicians == ["Tess", "Ulf"]
    assert [(use.tool, use.seconds) for use in receipt.uses] == [("control", 60), ("files", 30)]
    assert (receipt.active_seconds, receipt.company.name) == (3600, "Company")


async def test_an_open_session_has_no_receipt(office: AuditOffice) -> None:
    await office.add_session("s", ended=False)
    assert await receipt_of(office) is None
    assert await by_link(office) is None


async def test_a_link_shows_it_for_a_day(office: AuditOffice) -> None:
    await office.add_session("s")
    office.clock.pass_by(PAGE_WINDOW.total_seconds() - 1)
    assert await by_link(office) is not None
    office.clock.pass_by(1)
    assert await by_link(office) is None


async def test_a_session_that_was_never_active_took_no_time(office: AuditOffice) -> None:
    await office.add_session("s", activated_at=None)
    receipt = await receipt_of(office)
    assert receipt is not None
    assert (receipt.active_seconds, receipt.uses) == (0, ())


class Post:
    """Takes receipts as an outbox does."""

    def __init__(self, office: AuditOffice) -> None:
        self.office = office
        self.sent: list[str] = []
        self.post = ReceiptPost(office.store, self.send, now=office.clock)

    async def send(self, receipt: Receipt) -> None:
        self.sent.append(receipt.session.id)
        await self.office.run_sql(
            "INSERT INTO mails (company_id, session_id, kind, state, attempts, created_at, "
            "changed_at, due_at, expires_at, detail) SELECT company_id, id, 'receipt', 'waiting', 0, "
            "ended_at, ended_at, ended_at, ended_at, '' FROM sessions WHERE id = :id",
            id=receipt.session.id,
        )


async def want_receipt(office: AuditOffice) -> None:
    await office.run_sql("UPDATE sessions SET wants_receipt = 1")


async def test_a_wanted_receipt_is_mailed_once(office: AuditOffice) -> None:
    await office.add_session("s")
    await office.add_session("unwanted")
    await office.run_sql("UPDATE sessions SET wants_receipt = 1 WHERE id = 's'")
    post = Post(office)
    await post.post.post()
    await post.post.post()
    await Post(office).post.post()
    assert post.sent == ["s"]


async def test_the_mail_waits_a_while_for_the_hosts_word(office: AuditOffice) -> None:
    await office.add_session("s", removal="pending")
    await want_receipt(office)
    post = Post(office)
    await post.post.post()
    assert post.sent == []
    office.clock.pass_by(121)
    await post.post.post()
    assert post.sent == ["s"]


@pytest.mark.parametrize(
    "changes", [{"activated_at": None}, {"ended": False}], ids=["never active", "still open"]
)
async def test_nothing_to_tell_is_not_mailed(office: AuditOffice, changes: dict[str, object]) -> None:
    await office.add_session("s", **changes)  # type: ignore[arg-type] # a field of the session, or `ended`
    await want_receipt(office)
    post = Post(office)
    assert await post.post.post() == 0


async def test_an_old_end_is_not_mailed_any_more(office: AuditOffice) -> None:
    await office.add_session("s")
    await want_receipt(office)
    office.clock.pass_by(timedelta(hours=25).total_seconds())
    assert await Post(office).post.post() == 0


async def test_a_mail_that_was_not_taken_is_tried_again(office: AuditOffice) -> None:
    await office.add_session("s")
    await want_receipt(office)

    async def fail(receipt: Receipt) -> None:
        raise RelayError("no outbox")

    with pytest.raises(RelayError):
        await ReceiptPost(office.store, fail, now=office.clock).post()
    post = Post(office)
    assert await post.post.post() == 1
