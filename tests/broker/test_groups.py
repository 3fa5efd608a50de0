"""Events that share a transaction: each on what the earlier ones left, none harmed by another's refusal."""

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import trio
from sqlalchemy import text
from trio.testing import wait_all_tasks_blocked

from relay.broker import BrokerSettings, HostAdmission
from relay.broker.books import MAX_NOTES
from relay.errors import AuthError, RelayError
from relay.protocol.close_reasons import CloseReason
from relay.sessions import Session, SessionId, SessionState
from relay.store import StoreUnavailable, audit_rows
from tests.helpers.office import Clock, FakeHost, Office, open_office


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Somebody else is writing to the database."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@asynccontextmanager
async def together(office: Office, path: Path) -> AsyncIterator[trio.Nursery]:
    """What is started in the nursery, one after the other, comes into one transaction, in that order."""
    async with trio.open_nursery() as nursery:
        with locked(path):
            nursery.start_soon(office.broker.change_company, office.company)
            await wait_all_tasks_blocked()
            yield nursery
            await wait_all_tasks_blocked()


@pytest.fixture
async def office(tmp_path: Path, clock: Clock) -> AsyncIterator[Office]:
    """An office whose company may have any number of sessions."""
    async with open_office(tmp_path / "relay.db", now=clock) as opened:
        opened.company = replace(opened.company, max_open_per_technician=100, max_open_per_company=100)
        await opened.broker.change_company(opened.company)
        yield opened


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "relay.db"


async def actions(office: Office, session: Session) -> list[str]:
    rows = await office.store.read(lambda tx: audit_rows.of_session(tx, session.id))
    return [row.action for row in rows]


async def current(office: Office, session: Session) -> Session:
    return await office.broker.session_for(office.technician.id, session.id)


class Joining:
    """Hosts that join, and what each was answered."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.admitted: dict[int, HostAdmission] = {}
        self.refused: dict[int, RelayError] = {}

    async def join(self, secret: bytes, connection: int, host: FakeHost | None = None) -> None:
        try:
            self.admitted[connection] = await self.office.join(secret, host=host, connection=connection)
        except RelayError as exc:
            self.refused[connection] = exc


# Refusals and failures


async def test_one_refused_among_ten_leaves_nine(office: Office, path: Path) -> None:
    joining, sessions, invites = Joining(office), list[Session](), list[bytes]()
    for _ in range(10):
        sessions.append(await office.prepare())
        invites.append(office.invite)
    await office.broker.end(sessions[4].id, CloseReason.ENDED_BY_CUSTOMER, technician_id=None)
    async with together(office, path) as nursery:
        for connection, invite in enumerate(invites):
            nursery.start_soon(joining.join, invite, connection)
            await wait_all_tasks_blocked()
    assert list(joining.refused) == [4]
    assert isinstance(joining.refused[4], AuthError)
    assert {one: joining.admitted[one].session.id for one in sorted(joining.admitted)} == {
        number: session.id for number, session in enumerate(sessions) if number != 4
    }
    assert office.broker.statistics().hosts_online == 9
    for number, session in enumerate(sessions):
        assert ((await current(office, session)).state is SessionState.WAITING) == (number != 4)


async def test_what_a_refused_event_wrote_is_undone_and_nothing_else(office: Office, path: Path) -> None:
    """Preparing ends overdue sessions by statements of its own before it is refused."""
    session = await office.prepare()
    joining, refused = Joining(office), list[RelayError]()
    invite = office.invite

    async def prepare_again() -> None:
        with pytest.raises(RelayError) as caught:
            await office.broker.prepare(office.technician.id, invite=invite, customer_email="c@example.com")
        refused.append(caught.value)

    async with together(office, path) as nursery:
        nursery.start_soon(joining.join, invite, 1)
        await wait_all_tasks_blocked()
        nursery.start_soon(prepare_again)
        await wait_all_tasks_blocked()
        nursery.start_soon(office.broker.report_ready, session.id)
        await wait_all_tasks_blocked()
    assert len(refused) == 1
    after = await current(office, session)
    assert (after.state, after.host_ready) == (SessionState.WAITING, True)
    assert await actions(office, session) == ["prepared", "host_joined", "ready"]


async def test_a_store_that_fails_fails_all_of_the_group(office: Office, path: Path) -> None:
    joining, sessions = Joining(office), list[Session]()
    async with trio.open_nursery() as nursery:
        invites = []
        for _ in range(3):
            sessions.append(await office.prepare())
            invites.append(office.invite)
        await office.store.write(lambda tx: tx.execute(text("ALTER TABLE audit RENAME TO away")))
        with locked(path):
            for connection, invite in enumerate(invites):
                nursery.start_soon(joining.join, invite, connection)
                await wait_all_tasks_blocked()
    assert sorted(joining.refused) == [0, 1, 2]
    assert len({id(error) for error in joining.refused.values()}) == 3
    assert all(isinstance(error, StoreUnavailable) for error in joining.refused.values())
    assert office.broker.statistics().hosts_online == 0
    await office.store.write(lambda tx: tx.execute(text("ALTER TABLE away RENAME TO audit")))
    for session in sessions:
        assert (await current(office, session)).state is SessionState.PREPARED
    await joining.join(invites[0], 7)
    assert list(joining.admitted) == [7]


async def test_a_row_that_the_database_refuses_spoils_its_own_event_only(office: Office, path: Path) -> None:
    """It is found out when all rows are written, at the end."""
    joining = Joining(office)
    sessions, invites = list[Session](), list[bytes]()
    for _ in range(3):
        sessions.append(await office.prepare())
        invites.append(office.invite)
    await office.store.write(
        lambda tx: tx.execute(
            text(
                "CREATE TRIGGER picky BEFORE UPDATE ON sessions WHEN NEW.computer = 'poison' "
                "BEGIN SELECT RAISE(ABORT, 'refused'); END"
            )
        )
    )
    async with together(office, path) as nursery:
        for connection, invite in enumerate(invites):
            host = FakeHost(computer="poison" if connection == 1 else "PC")
            nursery.start_soon(joining.join, invite, connection, host)
            await wait_all_tasks_blocked()
    assert sorted(joining.admitted) == [0, 2]
    assert list(joining.refused) == [1]
    assert office.broker.statistics().hosts_online == 2
    assert [(await current(office, session)).state.value for session in sessions] == [
        "waiting",
        "prepared",
        "waiting",
    ]


async def test_a_cancelled_joiner_changes_nothing_for_the_others(office: Office, path: Path) -> None:
    joining, sessions, invites = Joining(office), list[Session](), list[bytes]()
    for _ in range(3):
        sessions.append(await office.prepare())
        invites.append(office.invite)
    gone = trio.CancelScope()

    async def join_and_leave() -> None:
        with gone:
            await joining.join(invites[1], 1)

    async with together(office, path) as nursery:
        nursery.start_soon(joining.join, invites[0], 0)
        nursery.start_soon(join_and_leave)
        nursery.start_soon(joining.join, invites[2], 2)
        await wait_all_tasks_blocked()
        gone.cancel()
        await wait_all_tasks_blocked()
    assert sorted(joining.admitted) == [0, 2]
    assert (await current(office, sessions[1])).state is SessionState.PREPARED
    assert office.broker.statistics().hosts_online == 2


async def test_a_caller_whose_connections_cannot_be_closed_hears_of_it_alone(
    office: Office, path: Path
) -> None:
    session, joining = await office.prepare(), Joining(office)
    await office.prepare()

    def revoke(session_id: SessionId, reason: CloseReason) -> None:
        raise ZeroDivisionError(session_id)

    async def end() -> None:
        with pytest.raises(ZeroDivisionError):
            await office.broker.end(session.id, CloseReason.ENDED_BY_CUSTOMER, technician_id=None)

    office.broker.revoke = revoke
    async with together(office, path) as nursery:
        nursery.start_soon(end)
        await wait_all_tasks_blocked()
        nursery.start_soon(joining.join, office.invite, 1)
    assert list(joining.admitted) == [1]
    assert office.broker.statistics().hosts_online == 1


# Several events of one session


async def test_of_two_hosts_at_once_the_later_one_holds_the_session(office: Office, path: Path) -> None:
    session = await office.prepare()
    joining, second = Joining(office), FakeHost(computer="OTHER-PC")
    async with together(office, path) as nursery:
        nursery.start_soon(joining.join, office.invite, 1)
        await wait_all_tasks_blocked()
        nursery.start_soon(joining.join, office.invite, 2, second)
    assert sorted(joining.admitted) == [1, 2]
    after = await current(office, session)
    assert (after.computer, len(after.warnings)) == ("OTHER-PC", 1)
    first_credential = joining.admitted[1].credential
    second_credential = joining.admitted[2].credential
    assert first_credential is not None
    assert second_credential is not None
    with pytest.raises(AuthError):
        await office.join(first_credential, connection=3)
    await office.join(second_credential, host=second, connection=4)


@pytest.mark.parametrize("turn", range(8))  # Trio wakes tasks in an order of its own choice
async def test_of_a_crowd_the_host_that_holds_the_session_returns_last(
    office: Office, path: Path, turn: int
) -> None:
    session, joining = await office.prepare(), Joining(office)
    async with together(office, path) as nursery:
        for connection in range(5):
            nursery.start_soon(joining.join, office.invite, connection, FakeHost(f"PC-{connection}"))
            await wait_all_tasks_blocked()
    assert sorted(joining.admitted) == list(range(5))
    assert list(joining.admitted)[-1] == 4
    assert (await current(office, session)).computer == "PC-4"


async def test_a_return_that_overtakes_another_leaves_that_one_out(office: Office, path: Path) -> None:
    """The first had to wait for the store, since too much was noted."""
    _, credential = await office.activate()
    joining = Joining(office)
    async with together(office, path) as nursery:
        for number in range(MAX_NOTES):
            await office.join(credential, connection=2 + number)
        nursery.start_soon(joining.join, credential, 10_001)
        await wait_all_tasks_blocked()
        nursery.start_soon(joining.join, credential, 10_002)
    assert list(joining.admitted) == [10_002]
    assert joining.refused[10_001].close_reason is CloseReason.REPLACED


async def test_a_credential_dies_with_the_event_that_replaces_it(office: Office, path: Path) -> None:
    await office.prepare()
    invite = office.invite
    credential = (await office.join(invite)).credential
    assert credential is not None
    joining = Joining(office)
    async with together(office, path) as nursery:
        nursery.start_soon(joining.join, credential, 2)
        await wait_all_tasks_blocked()
        nursery.start_soon(joining.join, invite, 3)
        await wait_all_tasks_blocked()
        nursery.start_soon(joining.join, credential, 4)
    assert sorted(joining.admitted) == [2, 3]
    assert list(joining.refused) == [4]


async def test_a_host_that_joined_in_the_same_group_is_not_dropped_with_its_old_connection(
    office: Office, path: Path
) -> None:
    session = await office.prepare()
    credential = (await office.join(office.invite, connection=1)).credential
    assert credential is not None
    async with together(office, path) as nursery:
        nursery.start_soon(Joining(office).join, credential, 2)
        await wait_all_tasks_blocked()
        nursery.start_soon(lambda: office.broker.host_dropped(session.id, connection=1))
    after = await current(office, session)
    assert (after.state, after.host_online) == (SessionState.WAITING, True)
    await office.broker.host_dropped(session.id, connection=2)
    assert (await current(office, session)).state is SessionState.PREPARED


async def test_an_end_in_the_same_group_ends_the_session_that_was_just_joined(
    office: Office, path: Path
) -> None:
    session = await office.prepare()
    joining = Joining(office)
    async with together(office, path) as nursery:
        nursery.start_soon(joining.join, office.invite, 1)
        await wait_all_tasks_blocked()
        nursery.start_soon(
            lambda: office.broker.end(session.id, CloseReason.ENDED_BY_CUSTOMER, technician_id=None)
        )
    assert list(joining.admitted) == [1]
    assert office.revoked == [(session.id, CloseReason.ENDED_BY_CUSTOMER)]
    assert office.broker.statistics().hosts_online == 0
    assert (await current(office, session)).state is SessionState.ENDED
    assert await actions(office, session) == ["prepared", "host_joined", "customer_ended"]


async def test_a_group_may_span_a_change_of_the_company(office: Office, path: Path) -> None:
    session = await office.prepare()
    joining = Joining(office)
    suspended = replace(office.company, is_suspended=True)
    async with together(office, path) as nursery:
        nursery.start_soon(joining.join, office.invite, 1)
        await wait_all_tasks_blocked()
        nursery.start_soon(office.broker.change_company, suspended)
        await wait_all_tasks_blocked()
        nursery.start_soon(joining.join, office.invite, 2)
    assert list(joining.admitted) == [1]
    assert list(joining.refused) == [2]
    assert office.revoked == [(session.id, CloseReason.SUSPENDED)]


# Returns without a write


async def test_the_host_of_an_active_session_returns_while_nobody_can_write(
    office: Office, path: Path
) -> None:
    session, credential = await office.activate()
    with office.broker.watch(office.company.id) as changes, locked(path):
        admission = await office.join(credential, connection=2)
        assert admission.lease is not None
        change = changes.receive_nowait()
        assert (change.id, change.host_online) == (session.id, True)
    assert "host_returned" not in await actions(office, session)
    await office.broker.host_dropped(session.id, connection=2)
    assert (await actions(office, session))[-2:] == ["host_returned", "host_offline"]


async def test_the_next_relay_knows_the_hosts_of_active_sessions(path: Path, clock: Clock) -> None:
    async with open_office(path, now=clock) as first:
        _, credential = await first.activate()
    async with (
        open_office(path, now=clock, email="second@example.com") as second,
        trio.open_nursery() as nursery,
    ):
        await nursery.start(second.broker.run_deadlines)
        with locked(path):
            about = first.host.about(credential)
            admission = await second.broker.join_host(
                credential, about, origin="https://relay.example", connection=1
            )
        assert admission.session.state is SessionState.ACTIVE
        nursery.cancel_scope.cancel()


async def test_a_return_and_the_old_connections_end_may_cross(office: Office, path: Path) -> None:
    session, credential = await office.activate()
    async with trio.open_nursery() as nursery:
        with locked(path):
            nursery.start_soon(lambda: office.broker.host_dropped(session.id, connection=1))
            await wait_all_tasks_blocked()
            await office.join(credential, connection=2)
    assert (await current(office, session)).host_online


async def test_an_ended_sessions_host_does_not_return_from_memory(office: Office) -> None:
    session, credential = await office.activate()
    await office.broker.end(session.id, CloseReason.ENDED_BY_CUSTOMER, technician_id=None)
    assert (await office.join(credential, connection=2)).session.state is SessionState.ENDED
    assert office.broker.statistics().hosts_online == 0


async def test_a_return_at_the_deadline_ends_the_session(office: Office, clock: Clock) -> None:
    _, credential = await office.activate()
    clock.pass_by(24 * 3600)
    assert (await office.join(credential, connection=2)).session.state is SessionState.ENDED
    assert office.revoked[0][1] is CloseReason.EXPIRED


async def test_returns_are_written_down_soon_also_when_nothing_else_happens(path: Path, clock: Clock) -> None:
    settings = BrokerSettings(note_delay=0.0)
    async with open_office(path, now=clock, settings=settings) as office, trio.open_nursery() as nursery:
        await nursery.start(office.broker.run_deadlines)
        session, credential = await office.activate()
        await office.join(credential, connection=2)
        with trio.fail_after(10):
            while "host_returned" not in await actions(office, session):
                await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()


async def test_what_was_noted_outlives_a_failure_of_the_store(office: Office) -> None:
    session, credential = await office.activate()
    await office.join(credential, connection=2)
    await office.store.write(lambda tx: tx.execute(text("ALTER TABLE audit RENAME TO away")))
    with pytest.raises(StoreUnavailable):
        await office.broker.record_step(session.id, "first_picture")
    await office.store.write(lambda tx: tx.execute(text("ALTER TABLE away RENAME TO audit")))
    await office.broker.record_step(session.id, "first_picture")
    assert (await actions(office, session)).count("host_returned") == 1


async def test_a_return_waits_for_the_store_when_too_much_is_noted(office: Office) -> None:
    session, credential = await office.activate()
    about = office.host.about(credential)
    for number in range(MAX_NOTES):
        await office.broker.join_host(
            credential, about, origin="https://relay.example", connection=2 + number
        )
    assert "host_returned" not in await actions(office, session)
    await office.join(credential, connection=9999)
    assert (await actions(office, session)).count("host_returned") == MAX_NOTES + 1


async def test_a_stranger_in_a_crowd_learns_nothing_new(office: Office, path: Path) -> None:
    await office.prepare()
    joining = Joining(office)
    async with together(office, path) as nursery:
        nursery.start_soon(joining.join, b"x" * 16, 1)
        nursery.start_soon(joining.join, b"x" * 32, 2)
        nursery.start_soon(joining.join, office.invite, 3)
    assert list(joining.admitted) == [3]
    assert len({str(error) for error in joining.refused.values()}) == 1
