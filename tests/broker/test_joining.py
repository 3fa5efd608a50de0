"""Hosts come and go, by invite and by credential; viewers attach and detach."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from relay.auth import REFUSED_SENTENCE
from relay.broker import ViewerAdmission
from relay.errors import AuthError, SessionUnavailable
from relay.protocol.close_reasons import CloseReason
from relay.protocol.errors import RemoteProtocolError
from relay.protocol.frames import Channel
from relay.protocol.lease import Receipt, sign_receipt, verify_lease
from relay.protocol.links import encode_base64url
from relay.sessions import Session, SessionId, SessionState
from relay.store import audit_rows
from tests.helpers.office import Clock, FakeHost, Office


def make_receipt(session: Session, key: Ed25519PrivateKey, **fields: Any) -> tuple[bytes, bytes]:
    known = {"ended_at": 1, "reason": "technician", "removed": ["files"], "left": []}
    return sign_receipt(Receipt(session=session.id, **{**known, **fields}), key)


def read_all(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


async def current(office: Office, session: Session) -> Session:
    return await office.broker.session_for(office.technician.id, session.id)


async def test_the_invite_lets_the_host_in_with_a_credential(office: Office) -> None:
    session = await office.prepare()
    admission = await office.join(office.invite)
    assert admission.session.state is SessionState.WAITING
    assert (admission.session.computer, admission.session.os, admission.session.host_user) == (
        "FRONT-DESK",
        "Linux",
        "ana",
    )
    assert admission.credential is not None
    assert len(admission.credential) == 32
    assert admission.lease is None
    assert (admission.company, admission.technician_name) == (office.company, "Tess")
    assert admission.relay_public_key == office.relay_key.public_key().public_bytes_raw()
    assert await current(office, session) == replace(admission.session, host_online=True)


async def test_a_dropped_host_leaves_the_session_prepared_and_may_return(office: Office) -> None:
    session = await office.prepare()
    admission = await office.join(office.invite, connection=1)
    await office.broker.host_dropped(session.id, connection=1)
    after = await current(office, session)
    assert (after.state, after.host_online) == (SessionState.PREPARED, False)
    assert admission.credential is not None
    again = await office.join(admission.credential, connection=2)
    assert (again.session.state, again.credential) == (SessionState.WAITING, None)


async def test_the_end_of_an_older_connection_means_nothing(office: Office) -> None:
    session = await office.prepare()
    admission = await office.join(office.invite, connection=1)
    assert admission.credential is not None
    await office.join(admission.credential, connection=2)
    await office.broker.host_dropped(session.id, connection=1)
    after = await current(office, session)
    assert (after.state, after.host_online) == (SessionState.WAITING, True)


async def test_going_offline_leaves_an_active_session_active(office: Office) -> None:
    session, credential = await office.activate()
    await office.broker.host_dropped(session.id, connection=1)
    after = await current(office, session)
    assert (after.state, after.host_online) == (SessionState.ACTIVE, False)
    admission = await office.join(credential, connection=2)
    assert (await current(office, session)).host_online
    assert admission.lease is not None
    lease = verify_lease(
        admission.lease,
        relay_key=admission.relay_public_key,
        host_key=office.host.key.public_key().public_bytes_raw(),
        session=session.id,
    )
    assert lease.expires_at - lease.activated_at == 24 * 3600
    assert lease.kinds == ["control", "files", "dashboard", "shell", "chat"]


async def test_a_second_computer_takes_over_before_activation_and_the_technician_is_warned(
    office: Office,
) -> None:
    session = await office.prepare()
    first = await office.join(office.invite)
    second = FakeHost(computer="OTHER-PC")
    admission = await office.join(office.invite, host=second, connection=2)
    assert admission.session.computer == "OTHER-PC"
    assert admission.session.warnings == (
        "A second computer opened the link: OTHER-PC (before: FRONT-DESK).",
    )
    assert first.credential is not None
    with pytest.raises(AuthError):
        await office.join(first.credential, connection=3)
    rows = await office.store.read(lambda tx: audit_rows.of_session(tx, session.id))
    assert [row.action for row in rows] == ["prepared", "host_joined", "host_replaced", "host_returned"]


@pytest.mark.parametrize(
    "wrong",
    [
        "unknown invite",
        "unknown credential",
        "no secret",
        "other origin",
        "proof of another key",
        "ended",
        "lapsed",
        "active already",
        "credential with another key",
        "credential after the receipt window",
        "credential after the receipt",
    ],
)
async def test_whatever_is_wrong_a_host_reads_the_same(office: Office, clock: Clock, wrong: str) -> None:
    if wrong in ("unknown invite", "ended", "lapsed", "other origin", "proof of another key"):
        session, secret = await office.prepare(), office.invite
    else:
        session, secret = await office.activate()
    about = office.host.about(secret)
    customer = CloseReason.ENDED_BY_CUSTOMER
    match wrong:
        case "unknown invite":
            secret = b"x" * 16
            about = office.host.about(secret)
        case "unknown credential":
            secret = b"x" * 32
            about = office.host.about(secret)
        case "no secret":
            secret = b""
            about = office.host.about(secret)
        case "other origin":
            about = office.host.about(secret, origin="https://evil.example")
        case "proof of another key":
            about = replace(about, proof=FakeHost().about(secret).proof)
        case "ended":
            await office.broker.end(session.id, customer, technician_id=None)
        case "lapsed":
            clock.pass_by(3600)
        case "active already":
            secret = office.invite
            about = office.host.about(secret)
        case "credential with another key":
            about = FakeHost().about(secret)
        case "credential after the receipt window":
            await office.broker.end(session.id, customer, technician_id=None)
            clock.pass_by(24 * 3600)
        case "credential after the receipt":
            await office.broker.end(session.id, customer, technician_id=None)
            await office.broker.record_receipt(session.id, *make_receipt(session, office.host.key))
    with pytest.raises(AuthError) as caught:
        await office.broker.join_host(secret, about, origin="https://relay.example", connection=9)
    assert str(caught.value) == REFUSED_SENTENCE
    assert caught.value.close_reason is CloseReason.REFUSED


# Receipts


async def test_the_host_of_an_ended_session_hands_in_its_receipt(office: Office) -> None:
    session, credential = await office.activate()
    ended = await office.broker.end(
        session.id, CloseReason.ENDED_BY_TECHNICIAN, technician_id=office.technician.id
    )
    assert ended.removal == "pending"
    admission = await office.join(credential, connection=2)
    assert (admission.session.state, admission.lease) == (SessionState.ENDED, None)
    assert not admission.session.host_online
    confirmed = await office.broker.record_receipt(session.id, *make_receipt(session, office.host.key))
    assert confirmed.removal == "confirmed"
    with pytest.raises(SessionUnavailable):
        await office.broker.record_receipt(session.id, *make_receipt(session, office.host.key))


async def test_a_receipt_that_leaves_something_confirms_nothing(office: Office) -> None:
    session, credential = await office.activate()
    await office.broker.end(session.id, CloseReason.EXPIRED, technician_id=None)
    after = await office.broker.record_receipt(
        session.id, *make_receipt(session, office.host.key, left=["autostart entry"])
    )
    assert after.removal == "pending"
    assert after.warnings == ("The host could not remove everything: autostart entry",)
    await office.join(credential, connection=2)  # it may come back when it has removed the rest
    confirmed = await office.broker.record_receipt(session.id, *make_receipt(session, office.host.key))
    assert confirmed.removal == "confirmed"
    assert confirmed.warnings == ()


async def test_what_is_tried_again_is_said_and_an_older_sentence_of_it_is_not_kept(office: Office) -> None:
    session, _ = await office.activate()
    await office.broker.end(session.id, CloseReason.EXPIRED, technician_id=None)
    for left in (["download", "program"], ["program"]):
        receipt = make_receipt(session, office.host.key, left=left, again=True)
        after = await office.broker.record_receipt(session.id, *receipt)
    assert after.removal == "pending"
    assert after.warnings == (
        "The host could not remove everything: program. It tries again when the computer starts next.",
    )


async def test_a_host_that_still_ran_when_it_signed_confirms_all_but_its_last_files(office: Office) -> None:
    session, credential = await office.activate()
    await office.broker.end(session.id, CloseReason.EXPIRED, technician_id=None)
    receipt = make_receipt(session, office.host.key, going=["running files"])
    after = await office.broker.record_receipt(session.id, *receipt)
    assert (after.removal, after.warnings) == ("all_but_last", ())
    rows = await office.store.read(lambda tx: audit_rows.of_session(tx, session.id))
    assert (rows[-1].action, rows[-1].fields["going"]) == ("removal_all_but_last", ["running files"])
    with pytest.raises(SessionUnavailable):  # it is the last that is heard of it
        await office.broker.record_receipt(session.id, *make_receipt(session, office.host.key))
    with pytest.raises(AuthError):
        await office.join(credential, connection=2)


async def test_with_something_left_what_is_going_confirms_nothing(office: Office) -> None:
    session, _ = await office.activate()
    await office.broker.end(session.id, CloseReason.EXPIRED, technician_id=None)
    receipt = make_receipt(session, office.host.key, left=["service"], going=["running files"])
    after = await office.broker.record_receipt(session.id, *receipt)
    assert after.removal == "pending"
    assert after.warnings == ("The host could not remove everything: service, running files",)


async def test_a_forged_receipt_confirms_nothing(office: Office) -> None:
    session, _ = await office.activate()
    await office.broker.end(session.id, CloseReason.ENDED_BY_CUSTOMER, technician_id=None)
    with pytest.raises(RemoteProtocolError):
        await office.broker.record_receipt(session.id, *make_receipt(session, Ed25519PrivateKey.generate()))
    assert (await current(office, session)).removal == "pending"


async def test_there_is_no_receipt_before_the_end(office: Office) -> None:
    session, _ = await office.activate()
    with pytest.raises(SessionUnavailable):
        await office.broker.record_receipt(session.id, *make_receipt(session, office.host.key))


# Viewers


async def admitted(office: Office, session: Session) -> ViewerAdmission:
    ticket = await office.broker.issue_ticket(
        office.technician.id, session.id, frozenset({Channel.CONTROL}), reason="slow"
    )
    return await office.broker.admit_viewer(ticket.secret)


async def test_viewers_are_counted_and_their_stay_is_audited(office: Office, clock: Clock) -> None:
    session, _ = await office.activate()
    admission = await admitted(office, session)
    await office.broker.viewer_attached(1, admission)
    await office.broker.viewer_attached(2, admission)
    assert (await current(office, session)).viewers == 2
    clock.pass_by(90)
    await office.broker.viewer_detached(1, admission)
    assert (await current(office, session)).viewers == 1
    assert office.broker.statistics().viewers == 1
    rows = await office.store.read(lambda tx: audit_rows.of_session(tx, session.id))
    attached = next(row for row in rows if row.action == "attached")
    assert attached.actor == f"technician:{office.technician.id}"
    assert (attached.fields["access"], attached.fields["reason"]) == ("full", "slow")
    assert rows[-1].action == "detached"
    assert rows[-1].fields == {"viewer": 1, "duration": 90.0}


async def test_a_viewer_that_never_attached_cannot_detach(office: Office) -> None:
    session, _ = await office.activate()
    admission = await admitted(office, session)
    before = await office.store.read(lambda tx: audit_rows.of_session(tx, session.id))
    await office.broker.viewer_detached(7, admission)
    assert await office.store.read(lambda tx: audit_rows.of_session(tx, session.id)) == before


async def test_a_viewers_number_may_be_in_use_again_before_its_end_is_noted(office: Office) -> None:
    session, _ = await office.activate()
    admission = await admitted(office, session)
    await office.broker.viewer_attached(1, admission)
    await office.broker.viewer_attached(1, admission)
    await office.broker.viewer_detached(1, admission)
    assert (await current(office, session)).viewers == 1


async def test_viewers_leave_an_ended_session_without_a_trace(office: Office) -> None:
    session, _ = await office.activate()
    admission = await admitted(office, session)
    await office.broker.viewer_attached(1, admission)
    await office.broker.end(session.id, CloseReason.ENDED_BY_CUSTOMER, technician_id=None)
    await office.broker.viewer_detached(1, admission)
    statistics = office.broker.statistics()
    assert (statistics.viewers, statistics.hosts_online) == (0, 0)


async def test_streams_of_unknown_sessions_are_refused(office: Office) -> None:
    control = frozenset({Channel.CONTROL})
    assert office.broker.check_open(SessionId("unknown"), Channel.CONTROL, control) is CloseReason.REFUSED


async def test_no_secret_is_in_the_database(office: Office, tmp_path: Path) -> None:
    session, credential = await office.activate()
    ticket = await office.broker.issue_ticket(office.technician.id, session.id, frozenset({Channel.CONTROL}))
    link = await office.accounts.issue_sign_in_link(office.technician.id)
    cookie = await office.accounts.sign_in_by_link(link)
    stored = await trio.to_thread.run_sync(read_all, tmp_path)
    assert session.id.encode() in stored
    for secret in (office.invite, credential, ticket.secret, link, cookie):
        for spelling in (bytes(secret), bytes(secret).hex().encode(), encode_base64url(secret).encode()):
            assert spelling not in stored
    for shown in (repr(ticket), repr(await office.join(credential, connection=5))):
        assert encode_base64url(credential) not in shown
        assert repr(bytes(credential)) not in shown
