"""Sessions end, by a person or by the clock, and whoever watches learns of it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trio
from sqlalchemy import text
from trio.testing import MockClock, wait_all_tasks_blocked

from relay.broker import BrokerSettings
from relay.errors import AuthError, SessionUnavailable
from relay.protocol.close_reasons import CloseReason
from relay.protocol.frames import Channel
from relay.sessions import Session, SessionState
from relay.store import audit_rows
from tests.helpers.office import Clock, Office, open_office

CONTROL = frozenset({Channel.CONTROL})
DAY = 24 * 3600


def clock_of_trio() -> Callable[[], datetime]:
    """A wall clock that goes exactly as Trio's, which tests move."""
    start, started = datetime(2026, 3, 1, 12, 0, tzinfo=UTC), trio.current_time()
    return lambda: start + timedelta(seconds=trio.current_time() - started)


async def wait_ended(changes: trio.MemoryReceiveChannel[Session]) -> Session:
    async for session in changes:
        if session.state is SessionState.ENDED:
            return session
    raise AssertionError("the queue ended before the session")


async def test_ending_kills_ticket_credential_and_streams_at_once(office: Office) -> None:
    session, credential = await office.activate()
    ticket = await office.broker.issue_ticket(office.technician.id, session.id, CONTROL)
    ended = await office.broker.end(
        session.id, CloseReason.ENDED_BY_TECHNICIAN, technician_id=office.technician.id
    )
    assert (ended.state, ended.end_reason) == (SessionState.ENDED, CloseReason.ENDED_BY_TECHNICIAN)
    assert office.revoked == [(session.id, CloseReason.ENDED_BY_TECHNICIAN)]
    with pytest.raises(AuthError):
        await office.broker.admit_viewer(ticket.secret)
    assert office.broker.check_open(session.id, Channel.CONTROL, CONTROL) is CloseReason.REFUSED
    assert (await office.join(credential)).session.state is SessionState.ENDED  # for its receipt, no more


async def test_ending_twice_is_no_error_and_keeps_the_first_reason(office: Office) -> None:
    session = await office.prepare()
    await office.broker.end(session.id, CloseReason.ENDED_BY_CUSTOMER, technician_id=None)
    again = await office.broker.end(
        session.id, CloseReason.ENDED_BY_TECHNICIAN, technician_id=office.technician.id
    )
    assert again.end_reason is CloseReason.ENDED_BY_CUSTOMER
    assert len(office.revoked) == 1
    rows = await office.store.read(lambda tx: audit_rows.of_session(tx, session.id))
    assert [(row.action, row.actor) for row in rows][1:] == [("customer_ended", "customer")]


async def test_nobody_elses_session_can_be_ended(office: Office) -> None:
    session = await office.prepare()
    other = await office.accounts.create_technician(office.company.id, name="o", email="o@example.com")
    with pytest.raises(SessionUnavailable):
        await office.broker.end(session.id, CloseReason.ENDED_BY_TECHNICIAN, technician_id=other.id)
    assert office.revoked == []


async def test_a_reason_that_ends_no_session_is_a_mistake(office: Office) -> None:
    session = await office.prepare()
    with pytest.raises(KeyError):
        await office.broker.end(session.id, CloseReason.DONE, technician_id=None)


async def test_an_active_session_expires_after_24_hours(tmp_path: Path, mock_clock: MockClock) -> None:
    async with (
        open_office(tmp_path / "relay.db", now=clock_of_trio()) as office,
        trio.open_nursery() as nursery,
    ):
        await nursery.start(office.broker.run_deadlines)
        session, credential = await office.activate()
        mock_clock.jump(DAY - 20)
        ticket = await office.broker.issue_ticket(office.technician.id, session.id, CONTROL)
        assert office.broker.check_open(session.id, Channel.CONTROL, CONTROL) is None
        with office.broker.watch(office.company.id) as changes:
            mock_clock.jump(20)
            # By the clock alone, before anybody has written it down.
            assert office.broker.check_open(session.id, Channel.CONTROL, CONTROL) is CloseReason.EXPIRED
            ended = await wait_ended(changes)
        assert (ended.id, ended.end_reason) == (session.id, CloseReason.EXPIRED)
        assert ended.activated_at is not None
        assert ended.ended_at == ended.activated_at + timedelta(hours=24)
        assert office.revoked == [(session.id, CloseReason.EXPIRED)]
        with pytest.raises(AuthError):
            await office.broker.admit_viewer(ticket.secret)  # it had 10 s left
        assert (await office.join(credential)).session.state is SessionState.ENDED
        mock_clock.jump(DAY)
        with pytest.raises(AuthError):
            await office.join(credential)
        nursery.cancel_scope.cancel()


async def test_a_session_nobody_activates_lapses(tmp_path: Path, mock_clock: MockClock) -> None:
    async with (
        open_office(tmp_path / "relay.db", now=clock_of_trio()) as office,
        trio.open_nursery() as nursery,
    ):
        await nursery.start(office.broker.run_deadlines)
        session = await office.prepare()
        await office.join(office.invite)
        with office.broker.watch(office.company.id) as changes:
            mock_clock.jump(3600)
            ended = await wait_ended(changes)
        assert (ended.id, ended.end_reason, ended.removal) == (session.id, CloseReason.LAPSED, "pending")
        nursery.cancel_scope.cancel()


async def test_a_short_lifetime_is_noticed_though_the_next_look_is_far_away(tmp_path: Path) -> None:
    """On the real clock, with looks an hour apart: only the change itself can have woken the task."""

    def now() -> datetime:
        return datetime.now(UTC)

    async with (
        open_office(
            tmp_path / "relay.db",
            now=now,
            settings=BrokerSettings(recheck_interval=3600.0),
            session_lifetime=1.0,
        ) as office,
        trio.open_nursery() as nursery,
    ):
        await nursery.start(office.broker.run_deadlines)
        session, _ = await office.activate()
        with office.broker.watch(office.company.id) as changes, trio.fail_after(20):
            ended = await wait_ended(changes)
        assert (ended.id, ended.end_reason) == (session.id, CloseReason.EXPIRED)
        assert ended.ended_at is not None
        assert ended.expires_at is not None
        assert timedelta(0) <= ended.ended_at - ended.expires_at < timedelta(seconds=1)
        nursery.cancel_scope.cancel()


async def test_a_wall_clock_that_jumps_is_noticed_within_half_a_minute(
    tmp_path: Path, mock_clock: MockClock, clock: Clock
) -> None:
    async with open_office(tmp_path / "relay.db", now=clock) as office, trio.open_nursery() as nursery:
        await nursery.start(office.broker.run_deadlines)
        await office.activate()
        with office.broker.watch(office.company.id) as changes:
            clock.pass_by(DAY)  # Trio's clock did not move
            await wait_all_tasks_blocked()
            assert office.revoked == []
            mock_clock.jump(30)
            assert (await wait_ended(changes)).end_reason is CloseReason.EXPIRED
        nursery.cancel_scope.cancel()


async def test_a_store_that_fails_lengthens_nobodys_session(tmp_path: Path, mock_clock: MockClock) -> None:
    async with (
        open_office(tmp_path / "relay.db", now=clock_of_trio()) as office,
        trio.open_nursery() as nursery,
    ):
        await nursery.start(office.broker.run_deadlines)
        session, _ = await office.activate()
        revoked = trio.Event()

        def revoke(session_id: object, reason: CloseReason) -> None:
            office.revoked.append((session.id, reason))
            revoked.set()

        office.broker.revoke = revoke
        await office.store.write(lambda tx: tx.execute(text("ALTER TABLE tickets RENAME TO away")))
        mock_clock.jump(DAY)
        await revoked.wait()
        assert office.revoked == [(session.id, CloseReason.EXPIRED)]
        assert office.broker.check_open(session.id, Channel.CONTROL, CONTROL) is CloseReason.EXPIRED
        await office.store.write(lambda tx: tx.execute(text("ALTER TABLE away RENAME TO tickets")))
        with office.broker.watch(office.company.id) as changes:
            mock_clock.jump(1)
            assert (await wait_ended(changes)).end_reason is CloseReason.EXPIRED
        nursery.cancel_scope.cancel()


async def test_the_next_relay_finds_active_sessions_and_no_hosts(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "relay.db"
    async with open_office(path, now=clock) as first:
        active, credential = await first.activate()
    async with open_office(path, now=clock, email="second@example.com") as second:
        waiting = await second.prepare()
        await second.join(second.invite)
        overdue = await second.accounts.create_technician(second.company.id, name="o", email="o@example.com")
        await second.broker.change_company(replace(second.company, preparation_timeout=1.0))
        late = await second.prepare(overdue)
    clock.pass_by(10)
    async with (
        open_office(path, now=clock, email="third@example.com") as third,
        trio.open_nursery() as nursery,
    ):
        assert third.broker.check_open(active.id, Channel.CONTROL, CONTROL) is CloseReason.REFUSED
        await nursery.start(third.broker.run_deadlines)
        assert third.broker.check_open(active.id, Channel.CONTROL, CONTROL) is None
        assert third.revoked == [(late.id, CloseReason.LAPSED)]
        found = await third.broker.session_for(second.technician.id, waiting.id)
        assert (found.state, found.host_online) == (SessionState.PREPARED, False)
        assert third.broker.statistics().sessions == {
            SessionState.PREPARED: 1,
            SessionState.WAITING: 0,
            SessionState.ACTIVE: 1,
        }
        about = first.host.about(credential)
        admission = await third.broker.join_host(
            credential, about, origin="https://relay.example", connection=1
        )
        assert admission.session.state is SessionState.ACTIVE
        nursery.cancel_scope.cancel()


# Watching


async def test_a_console_sees_each_change_of_its_company_only(office: Office) -> None:
    other = await office.accounts.create_company(name="Other")
    with office.broker.watch(office.company.id) as changes, office.broker.watch(other.id) as others:
        session = await office.prepare()
        await office.join(office.invite)
        await office.broker.host_dropped(session.id, connection=1)
        seen = [changes.receive_nowait() for _ in range(3)]
        assert [(one.state.value, one.host_online) for one in seen] == [
            ("prepared", False),
            ("waiting", True),
            ("prepared", False),
        ]
        for queue in (changes, others):
            with pytest.raises(trio.WouldBlock):
                queue.receive_nowait()
    assert office.broker.statistics().watchers == 0


async def test_a_console_that_is_too_slow_is_dropped_and_others_are_not(tmp_path: Path, clock: Clock) -> None:
    settings = BrokerSettings(watch_buffer=2)
    async with open_office(tmp_path / "relay.db", now=clock, settings=settings) as office:
        session = await office.prepare()
        with (
            office.broker.watch(office.company.id) as slow,
            office.broker.watch(office.company.id) as quick,
        ):
            steps = ["link_opened", "host_downloaded", "started"]
            for step in steps:
                await office.broker.record_step(session.id, step)
                assert (await quick.receive()).funnel[-1][0] == step
            assert [(await slow.receive()).funnel[-1][0] for _ in range(2)] == steps[:2]
            with pytest.raises(trio.EndOfChannel):
                await slow.receive()
            statistics = office.broker.statistics()
            assert (statistics.watchers, statistics.watchers_dropped) == (1, 1)


async def test_a_cancelled_caller_leaves_the_books_straight(office: Office) -> None:
    """Cancelled at any moment, what is in the store is in memory too, and the gate is open."""
    session = await office.prepare()
    for checkpoints in range(4):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(office.join, office.invite)
            for _ in range(checkpoints):
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
        stored = await office.broker.session_for(office.technician.id, session.id)
        assert stored.host_online == (stored.state is SessionState.WAITING)
        await office.broker.host_dropped(session.id, connection=1)
