"""From the first try of a code to an active session."""

from itertools import permutations
from pathlib import Path

import pytest
import trio

from relay.errors import Refused, SessionUnavailable
from relay.protocol.close_reasons import CloseReason
from relay.protocol.frames import Channel
from relay.protocol.lease import verify_lease
from relay.sessions import Session, SessionId, SessionState
from relay.store import session_rows
from tests.helpers.office import Clock, FakeHost, Office, open_office

WRAPPED = b"w" * 76


async def waiting(office: Office) -> Session:
    """A session whose host has joined."""
    await office.prepare()
    return (await office.join(office.invite)).session


async def count(office: Office, session: Session, attempt: int) -> None:
    await office.broker.count_try(session.id, code=1 + (attempt - 1) // 5, attempt=attempt)


async def test_a_try_is_stored_before_it_may_be_forwarded(office: Office) -> None:
    session = await waiting(office)
    tries = await office.broker.count_try(session.id, code=1, attempt=1)
    assert (tries.code, tries.tries, tries.attempts) == (1, 1, 1)
    stored = await office.store.read(lambda tx: session_rows.session_by_id(tx, session.id))
    assert stored is not None
    assert (stored.tries, stored.attempts) == (1, 1)


async def test_of_two_tries_with_one_number_one_is_counted(office: Office) -> None:
    session = await waiting(office)
    outcomes: list[object] = []

    async def one_try() -> None:
        try:
            outcomes.append((await office.broker.count_try(session.id, code=1, attempt=1)).attempts)
        except Refused as exc:
            outcomes.append(exc.close_reason)

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(one_try)
    assert outcomes.count(1) == 1
    assert outcomes.count(CloseReason.OUT_OF_ORDER) == 4


async def test_a_dead_code_takes_no_more_tries_until_the_next_one(office: Office) -> None:
    session = await waiting(office)
    pair = frozenset({Channel.PAIR})
    for attempt in range(1, 6):
        assert office.broker.check_open(session.id, Channel.PAIR, pair) is None
        await count(office, session, attempt)
    assert office.broker.check_open(session.id, Channel.PAIR, pair) is CloseReason.TOO_MANY_TRIES
    with pytest.raises(Refused) as caught:
        await office.broker.count_try(session.id, code=1, attempt=6)
    assert caught.value.close_reason is CloseReason.TOO_MANY_TRIES
    assert office.revoked == []
    await office.broker.renew_code(office.technician.id, session.id)
    await count(office, session, 6)


async def all_tries(office: Office) -> Session:
    """A session with 15 tries, of which the last is not known to be wrong."""
    session = await waiting(office)
    for attempt in range(1, 16):
        if attempt in (6, 11):
            await office.broker.renew_code(office.technician.id, session.id)
        await count(office, session, attempt)
    return session


async def test_the_fifteenth_wrong_try_ends_the_session(office: Office) -> None:
    session = await all_tries(office)
    assert office.revoked == []
    await office.broker.try_failed(session.id)
    assert office.revoked == [(session.id, CloseReason.GUESSES)]
    await office.broker.try_failed(session.id)  # the other side says so too
    assert len(office.revoked) == 1


async def test_asking_for_a_sixteenth_try_ends_the_session(office: Office) -> None:
    session = await all_tries(office)
    with pytest.raises(Refused) as caught:
        await office.broker.count_try(session.id, code=3, attempt=16)
    assert caught.value.close_reason is CloseReason.TOO_MANY_TRIES
    assert office.revoked == [(session.id, CloseReason.GUESSES)]


async def test_the_fifteenth_try_can_be_the_right_one(office: Office) -> None:
    session = await all_tries(office)
    await office.broker.report_ready(session.id)
    await office.broker.report_paired(session.id, role="host", attempt=15, wrapped=None)
    after = await office.broker.report_paired(session.id, role="viewer", attempt=15, wrapped=None)
    assert after.state is SessionState.ACTIVE


async def test_wrong_tries_are_in_the_funnel_each_once(office: Office) -> None:
    session = await waiting(office)
    await office.broker.try_failed(session.id)
    for attempt in (1, 2):
        await count(office, session, attempt)
        await office.broker.try_failed(session.id)
        await office.broker.try_failed(session.id)
    after = await office.broker.session_for(office.technician.id, session.id)
    assert [step for step, _ in after.funnel] == ["wrong_code", "wrong_code"]


@pytest.mark.parametrize("order", list(permutations(["ready", "host", "viewer"])))
async def test_the_session_is_active_when_the_last_of_three_reports_came(
    office: Office, order: tuple[str, ...]
) -> None:
    session = await waiting(office)
    await count(office, session, 1)
    for report in order:
        before = await office.broker.session_for(office.technician.id, session.id)
        assert before.state is SessionState.WAITING
        assert office.notices == []
        if report == "ready":
            after = await office.broker.report_ready(session.id)
        else:
            after = await office.broker.report_paired(
                session.id, role="host" if report == "host" else "viewer", attempt=1, wrapped=None
            )
    assert after.state is SessionState.ACTIVE
    assert after.expires_at is not None
    (_, _, to_host), (_, _, to_viewer) = office.notices
    assert [(role, name) for role, name, _ in office.notices] == [("host", "active"), ("viewer", "active")]
    assert to_viewer == {"expires_at": int(after.expires_at.timestamp())}
    assert isinstance(to_host["lease"], bytes)
    lease = verify_lease(
        to_host["lease"],
        relay_key=office.relay_key.public_key().public_bytes_raw(),
        host_key=office.host.key.public_key().public_bytes_raw(),
        session=session.id,
    )
    assert lease.expires_at == to_host["expires_at"] == to_viewer["expires_at"]
    assert office.broker.check_open(session.id, Channel.CONTROL, frozenset({Channel.CONTROL})) is None


async def test_reports_said_again_change_nothing(office: Office) -> None:
    session, _ = await office.activate(WRAPPED)
    office.notices.clear()
    assert await office.broker.report_ready(session.id) == session
    again = await office.broker.report_paired(session.id, role="viewer", attempt=1, wrapped=b"other")
    assert again == session
    assert office.notices == []
    assert await office.broker.wrapped_key(office.technician.id, session.id) == WRAPPED


async def test_a_host_that_drops_between_pairing_and_the_viewers_report_can_finish(office: Office) -> None:
    session = await office.prepare()
    credential = (await office.join(office.invite, connection=1)).credential
    assert credential is not None
    await office.broker.report_ready(session.id)
    await office.broker.report_ready(session.id)
    await count(office, session, 1)
    await office.broker.report_paired(session.id, role="host", attempt=1, wrapped=None)
    await office.broker.host_dropped(session.id, connection=1)
    after = await office.broker.report_paired(session.id, role="viewer", attempt=1, wrapped=WRAPPED)
    assert after.state is SessionState.PREPARED
    await office.join(credential, connection=2)
    after = await office.broker.report_ready(session.id)
    assert after.state is SessionState.ACTIVE
    assert await office.broker.wrapped_key(office.technician.id, session.id) == WRAPPED


async def test_pairing_with_a_replaced_host_is_void(office: Office) -> None:
    session = await waiting(office)
    await count(office, session, 1)
    await office.broker.report_paired(session.id, role="viewer", attempt=1, wrapped=WRAPPED)
    await office.join(office.invite, host=FakeHost(), connection=2)
    await office.broker.report_ready(session.id)
    after = await office.broker.report_paired(session.id, role="host", attempt=1, wrapped=None)
    assert after.state is SessionState.WAITING


async def test_nobody_is_ready_in_a_session_without_a_host(office: Office) -> None:
    session = await office.prepare()
    with pytest.raises(SessionUnavailable):
        await office.broker.report_ready(session.id)


async def test_wrapped_keys_come_from_viewers_and_are_short(office: Office) -> None:
    session = await waiting(office)
    await count(office, session, 1)
    with pytest.raises(Refused):
        await office.broker.report_paired(session.id, role="host", attempt=1, wrapped=WRAPPED)
    with pytest.raises(Refused):
        await office.broker.report_paired(session.id, role="viewer", attempt=1, wrapped=b"w" * 257)


async def test_the_wrapped_key_is_there_while_the_session_is_active(office: Office) -> None:
    session, _ = await office.activate(WRAPPED)
    assert await office.broker.wrapped_key(office.technician.id, session.id) == WRAPPED
    other = await office.accounts.create_technician(office.company.id, name="o", email="o@example.com")
    with pytest.raises(SessionUnavailable):
        await office.broker.wrapped_key(other.id, session.id)
    await office.broker.end(session.id, CloseReason.ENDED_BY_CUSTOMER, technician_id=None)
    assert await office.broker.wrapped_key(office.technician.id, session.id) is None
    assert await office.store.read(lambda tx: session_rows.wrapped_key(tx, session.id)) is None


async def test_funnel_steps_are_kept_until_the_end(office: Office, clock: Clock) -> None:
    session = await office.prepare()
    await office.broker.record_step(session.id, "link_opened")
    opened_at = clock()
    clock.pass_by(5)
    await office.broker.record_step(session.id, "link_opened")
    await office.broker.end(session.id, CloseReason.ENDED_BY_CUSTOMER, technician_id=None)
    await office.broker.record_step(session.id, "host_downloaded")
    after = await office.broker.session_for(office.technician.id, session.id)
    assert after.funnel == (("link_opened", opened_at),)
    with pytest.raises(ValueError, match="no funnel step"):
        await office.broker.record_step(session.id, "dance")


async def test_unknown_sessions_take_no_reports(office: Office) -> None:
    unknown = SessionId("unknown")
    with pytest.raises(SessionUnavailable):
        await office.broker.count_try(unknown, code=1, attempt=1)
    with pytest.raises(SessionUnavailable):
        await office.broker.try_failed(unknown)
    with pytest.raises(SessionUnavailable):
        await office.broker.end(unknown, CloseReason.ENDED_BY_CUSTOMER, technician_id=None)


async def test_tries_are_known_to_the_next_relay(tmp_path: Path, clock: Clock) -> None:
    async with open_office(tmp_path / "relay.db", now=clock) as office:
        session = await waiting(office)
        await count(office, session, 1)
    async with open_office(tmp_path / "relay.db", now=clock, email="second@example.com") as later:
        assert (await later.broker.count_try(session.id, code=1, attempt=2)).tries == 2
