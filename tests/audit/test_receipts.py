"""What a customer may know, for how long, and by mail exactly once."""

from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from relay.audit.receipts import PAGE_WINDOW, Receipt, ReceiptPost, of_invite, of_session
from relay.audit.recorder import Recorder
from relay.errors import RelayError
from relay.protocol.frames import Channel
from relay.protocol.lease import Receipt as Removal
from relay.protocol.lease import sign_receipt
from relay.sessions import SessionId
from tests.helpers.audit_office import AuditOffice, attached

HOST = Ed25519PrivateKey.generate()
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


async def take_removal(office: AuditOffice, acts: dict[str, int], action: str = "removal_confirmed") -> None:
    """The host's signed receipt comes into the log, as the broker writes it."""
    removal = Removal(session="s", ended_at=1, reason="technician", removed=[], left=[], acts=acts)
    body, signature = sign_receipt(removal, HOST)
    await office.add(action, session="s", receipt=body.hex(), signature=signature.hex())


async def add_session_of_host(office: AuditOffice) -> None:
    await office.add_session("s", host_key=HOST.public_key().public_bytes_raw())


async def acts_of(office: AuditOffice) -> list[tuple[str, int]]:
    receipt = await receipt_of(office)
    assert receipt is not None
    return list(receipt.acts.items())


async def test_a_receipt_tells_what_the_host_counted_and_unknown_words_are_other_changes(
    office: AuditOffice,
) -> None:
    await add_session_of_host(office)
    assert await acts_of(office) == []
    await take_removal(office, {"<b>": 2, "process_ended": 1, "later": 5, "file_written": 3})
    assert await acts_of(office) == [("file_written", 3), ("process_ended", 1), ("other", 7)]


async def test_the_last_thing_that_the_host_signed_counts(office: AuditOffice) -> None:
    await add_session_of_host(office)
    await take_removal(office, {"file_written": 1}, "removal_incomplete")
    await take_removal(office, {"file_written": 2}, "removal_all_but_last")
    assert await acts_of(office) == [("file_written", 2)]


async def test_counts_that_were_changed_in_the_log_are_not_shown(office: AuditOffice) -> None:
    await add_session_of_host(office)
    await take_removal(office, {"file_written": 1})
    written = b"file_written\1".hex()
    await office.run_sql(
        "UPDATE audit SET fields = replace(fields, :old, :new)", old=written, new=b"file_written\2".hex()
    )
    assert await acts_of(office) == []
    await office.run_sql("UPDATE audit SET fields = replace(fields, '6669', 'no hex')")
    assert await acts_of(office) == []


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
