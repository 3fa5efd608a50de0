"""Preparing sessions within the limits, renewing codes, issuing tickets."""

import secrets
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import trio
from sqlalchemy import update

from relay.broker import Broker, BrokerSettings
from relay.errors import AuthError, LimitExceeded, Refused, RelayError, SessionUnavailable
from relay.people import Plan, Technician, TechnicianId
from relay.protocol.close_reasons import CloseReason
from relay.protocol.frames import Channel
from relay.sessions import Session, SessionId, SessionState
from relay.store import audit_rows, open_store, session_rows
from relay.store.session_list import SessionQuery
from relay.store.tables import technicians
from tests.helpers.office import Clock, Office, open_office

PAIR = frozenset({Channel.PAIR})
CONTROL = frozenset({Channel.CONTROL})


async def add_technician(office: Office, name: str) -> Technician:
    return await office.accounts.create_technician(office.company.id, name=name, email=f"{name}@example.com")


async def disable(office: Office) -> None:
    await office.store.write(lambda tx: tx.execute(update(technicians).values({"is_disabled": True})))


async def test_a_prepared_session_has_its_times_from_the_company(office: Office, clock: Clock) -> None:
    await office.broker.change_company(
        replace(office.company, preparation_timeout=600.0, session_lifetime=7200.0)
    )
    session = await office.prepare()
    assert session.state is SessionState.PREPARED
    assert (session.created_at, session.lapse_at) == (clock(), clock() + timedelta(minutes=10))
    assert session.lifetime == 7200
    assert session.technician_name == "Tess"
    assert await office.broker.session_for(office.technician.id, session.id) == session


@pytest.mark.slow
async def test_fifty_at_once_get_one_each_and_five_in_all(tmp_path: Path, clock: Clock) -> None:
    """Ten technicians ask five times each through three relays that share only the database file."""
    async with open_office(tmp_path / "relay.db", now=clock) as office, AsyncExitStack() as stack:
        people = [await add_technician(office, f"technician{number}") for number in range(10)]
        brokers = [
            Broker(
                await stack.enter_async_context(open_store(tmp_path / "relay.db")),
                BrokerSettings(),
                now=clock,
                relay_key=office.relay_key,
            )
            for _ in range(3)
        ]
        prepared: list[Session] = []
        refused: list[tuple[TechnicianId, LimitExceeded]] = []

        async def ask(broker: Broker, technician: Technician) -> None:
            try:
                session = await broker.prepare(
                    technician.id, invite=secrets.token_bytes(16), customer_email="c@example.com"
                )
            except LimitExceeded as exc:
                refused.append((technician.id, exc))
            else:
                prepared.append(session)

        async with trio.open_nursery() as nursery:
            for number in range(50):
                nursery.start_soon(ask, brokers[number % 3], people[number % 10])

        stored = await office.store.read(session_rows.open_sessions)
        assert {session.id for session in stored} == {session.id for session in prepared}
        assert len(prepared) == 5
        assert set(Counter(session.technician_id for session in prepared).values()) == {1}
        assert len(refused) == 45
        own = {session.technician_id: session.id for session in prepared}
        for technician_id, exc in refused:
            if exc.limit == "sessions_per_technician":
                assert exc.session_id == own[technician_id]
            else:
                assert exc.limit == "sessions_per_company"
                assert exc.session_id in own.values()
            assert exc.retry_after is None


async def test_limits_other_than_one_and_five_hold_too(office: Office, clock: Clock) -> None:
    await office.broker.change_company(
        replace(office.company, max_open_per_technician=2, max_open_per_company=3)
    )
    other = await add_technician(office, "other")
    first = await office.prepare()
    clock.pass_by(1)
    await office.prepare()
    with pytest.raises(LimitExceeded) as caught:
        await office.prepare()
    assert (caught.value.limit, caught.value.session_id) == ("sessions_per_technician", first.id)
    await office.prepare(other)
    with pytest.raises(LimitExceeded) as caught:
        await office.prepare(other)
    assert (caught.value.limit, caught.value.session_id) == ("sessions_per_company", first.id)


async def test_a_lowered_limit_counts_sessions_in_any_slot(office: Office) -> None:
    await office.broker.change_company(replace(office.company, max_open_per_technician=3))
    first = await office.prepare()
    await office.prepare()
    await office.broker.change_company(replace(office.company, max_open_per_technician=1))
    await office.broker.end(first.id, CloseReason.ENDED_BY_TECHNICIAN, technician_id=office.technician.id)
    with pytest.raises(LimitExceeded):
        await office.prepare()


async def test_an_overdue_session_is_in_nobodys_way(office: Office, clock: Clock) -> None:
    overdue = await office.prepare()
    clock.pass_by(3600)
    session = await office.prepare()
    assert session.state is SessionState.PREPARED
    assert office.revoked == [(overdue.id, CloseReason.LAPSED)]
    ended = await office.broker.session_for(office.technician.id, overdue.id)
    assert ended.end_reason is CloseReason.LAPSED


async def test_an_invite_is_used_once_and_for_all(office: Office) -> None:
    session = await office.prepare()
    invite = office.invite
    await office.broker.end(session.id, CloseReason.ENDED_BY_TECHNICIAN, technician_id=None)
    with pytest.raises(Refused, match="used before"):
        await office.broker.prepare(office.technician.id, invite=invite, customer_email="c@example.com")


async def test_an_invite_has_16_bytes(office: Office) -> None:
    with pytest.raises(Refused, match="16 bytes"):
        await office.broker.prepare(office.technician.id, invite=b"short", customer_email="c@example.com")


async def test_who_may_not_work_prepares_nothing(office: Office) -> None:
    with pytest.raises(AuthError):
        await office.broker.prepare(TechnicianId("nobody"), invite=b"i" * 16, customer_email="c@example.com")
    await office.broker.change_company(replace(office.company, is_suspended=True))
    with pytest.raises(AuthError):
        await office.prepare()
    await office.broker.change_company(office.company)
    await office.prepare()
    await disable(office)
    with pytest.raises(AuthError):
        await office.prepare()


async def test_a_technician_sees_own_sessions_only(office: Office) -> None:
    other = await add_technician(office, "other")
    first = await office.prepare()
    await office.broker.end(first.id, CloseReason.ENDED_BY_TECHNICIAN, technician_id=office.technician.id)
    second = await office.prepare()
    theirs = await office.prepare(other)
    query = SessionQuery(company_id=office.company.id, seen_by=office.technician.id)
    own, _ = await office.broker.sessions(replace(query, states=frozenset({SessionState.PREPARED})))
    every, _ = await office.broker.sessions(query)
    assert [session.id for session in own] == [second.id]
    assert {session.id for session in every} == {first.id, second.id}
    with pytest.raises(SessionUnavailable) as somebody_elses:
        await office.broker.session_for(office.technician.id, theirs.id)
    with pytest.raises(SessionUnavailable) as none:
        await office.broker.session_for(office.technician.id, SessionId("none"))
    assert str(somebody_elses.value) == str(none.value)


async def test_an_invite_leads_to_its_session_while_it_is_open(office: Office, clock: Clock) -> None:
    session = await office.prepare()
    invite = office.invite
    assert await office.broker.session_of_invite(invite) == (session, office.company)
    assert await office.broker.session_of_invite(b"x" * 16) is None
    clock.pass_by(3600)  # overdue, though nobody has noticed
    assert await office.broker.session_of_invite(invite) is None
    await office.prepare()
    assert await office.broker.session_of_invite(invite) is None


async def test_company_settings_out_of_range_are_refused(office: Office) -> None:
    with pytest.raises(RelayError):
        await office.broker.change_company(replace(office.company, session_lifetime=86401.0))


async def test_suspending_a_company_ends_its_sessions(office: Office) -> None:
    session, _ = await office.activate()
    await office.broker.change_company(replace(office.company, is_suspended=True))
    assert office.revoked == [(session.id, CloseReason.SUSPENDED)]


async def test_a_changed_plan_counts_for_open_sessions_at_once(office: Office) -> None:
    session, _ = await office.activate()
    files = frozenset({Channel.FILES})
    assert office.broker.check_open(session.id, Channel.FILES, files) is None
    await office.broker.change_company(replace(office.company, plan=Plan.FREE))
    assert office.broker.check_open(session.id, Channel.FILES, files) is CloseReason.PLAN


# Codes


async def use_up(office: Office, session: Session, code: int) -> None:
    for number in range(1, 6):
        await office.broker.count_try(session.id, code=code, attempt=5 * (code - 1) + number)


async def test_a_new_code_follows_a_dead_one_and_both_sides_are_told(office: Office) -> None:
    session = await office.prepare()
    await use_up(office, session, 1)
    renewed = await office.broker.renew_code(office.technician.id, session.id)
    assert (renewed.code, renewed.tries, renewed.attempts) == (2, 0, 5)
    assert office.notices == [("host", "renewed", {"code": 2}), ("viewer", "renewed", {"code": 2})]


async def test_a_new_code_for_a_living_one_gains_no_tries(office: Office) -> None:
    session = await office.prepare()
    await office.broker.count_try(session.id, code=1, attempt=1)
    renewed = await office.broker.renew_code(office.technician.id, session.id)
    assert (renewed.code, renewed.tries) == (1, 1)


async def test_there_is_no_fourth_code(office: Office) -> None:
    session = await office.prepare()
    for code in (1, 2, 3):
        await use_up(office, session, code)
        session = await office.broker.renew_code(office.technician.id, session.id)
    assert session.end_reason is CloseReason.GUESSES
    assert office.revoked == [(session.id, CloseReason.GUESSES)]


async def test_only_the_owner_renews_and_only_before_activation(office: Office) -> None:
    session, _ = await office.activate()
    other = await add_technician(office, "other")
    for technician_id in (other.id, office.technician.id):
        with pytest.raises(SessionUnavailable):
            await office.broker.renew_code(technician_id, session.id)


# Tickets


async def test_a_ticket_admits_with_its_kinds(office: Office, clock: Clock) -> None:
    session, _ = await office.activate()
    ticket = await office.broker.issue_ticket(office.technician.id, session.id, CONTROL)
    assert ticket.expires_at == clock() + timedelta(seconds=30)
    admission = await office.broker.admit_viewer(ticket.secret)
    assert (admission.session.id, admission.kinds, admission.technician_name) == (session.id, CONTROL, "Tess")
    rows = await office.store.read(lambda tx: audit_rows.of_session(tx, session.id))
    assert [(row.action, row.fields) for row in rows][-1] == ("admitted", {"kinds": ["control"]})


@pytest.mark.parametrize(
    ("is_active", "kind", "reason"),
    [
        (False, Channel.CONTROL, CloseReason.NOT_ACTIVE),
        (True, Channel.PAIR, CloseReason.OUT_OF_ORDER),
        (True, Channel.FILES, CloseReason.PLAN),
        (True, Channel.DASHBOARD, CloseReason.PLAN),
    ],
)
async def test_tickets_are_refused_by_state_and_plan(
    office: Office, is_active: bool, kind: Channel, reason: CloseReason
) -> None:
    await office.broker.change_company(replace(office.company, plan=Plan.FREE))
    session = (await office.activate())[0] if is_active else await office.prepare()
    with pytest.raises(Refused) as caught:
        await office.broker.issue_ticket(office.technician.id, session.id, frozenset({kind}))
    assert caught.value.close_reason is reason


async def test_a_ticket_for_nothing_or_somebody_elses_session_is_refused(office: Office) -> None:
    session = await office.prepare()
    with pytest.raises(Refused):
        await office.broker.issue_ticket(office.technician.id, session.id, frozenset())
    other = await add_technician(office, "other")
    with pytest.raises(SessionUnavailable):
        await office.broker.issue_ticket(other.id, session.id, PAIR)


async def test_of_many_at_once_one_spends_the_ticket(office: Office) -> None:
    session = await office.prepare()
    ticket = await office.broker.issue_ticket(office.technician.id, session.id, PAIR)
    outcomes: list[str] = []

    async def attach() -> None:
        try:
            await office.broker.admit_viewer(ticket.secret)
        except AuthError as exc:
            outcomes.append(str(exc))
        else:
            outcomes.append("admitted")

    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(attach)
    assert sorted(outcomes) == [CloseReason.REFUSED.sentence] * 19 + ["admitted"]


@pytest.mark.parametrize("why", ["late", "ended", "suspended", "disabled", "activated", "lapsed"])
async def test_dead_tickets_all_look_like_none(office: Office, clock: Clock, why: str) -> None:
    session = await office.prepare()
    await office.join(office.invite)
    ticket = await office.broker.issue_ticket(office.technician.id, session.id, PAIR)
    match why:
        case "late":
            clock.pass_by(30)
        case "lapsed":
            clock.pass_by(3600 - 10)
            ticket = await office.broker.issue_ticket(office.technician.id, session.id, PAIR)
            clock.pass_by(10)
        case "ended":
            await office.broker.end(session.id, CloseReason.ENDED_BY_CUSTOMER, technician_id=None)
        case "suspended":
            await office.broker.change_company(replace(office.company, is_suspended=True))
        case "disabled":
            await disable(office)
        case "activated":
            await office.broker.report_ready(session.id)
            await office.pair(session)
    with pytest.raises(AuthError) as dead:
        await office.broker.admit_viewer(ticket.secret)
    with pytest.raises(AuthError) as unknown:
        await office.broker.admit_viewer(b"x" * 32)
    assert (str(dead.value), dead.value.close_reason) == (str(unknown.value), unknown.value.close_reason)
