"""Colleagues in a session: who may do what, hand-overs, and what is left when a right is taken back."""

from collections import Counter
from dataclasses import replace

import pytest
import trio

from relay.errors import AuthError, LimitExceeded, NotAllowed, ReasonRequired, Refused, SessionUnavailable
from relay.people import Permission, Technician, TechnicianRole
from relay.protocol.close_reasons import CloseReason
from relay.protocol.frames import Channel
from relay.sessions import Session, SessionId, access_of
from relay.store import audit_rows
from tests.helpers.office import Office

CONTROL = frozenset({Channel.CONTROL})
FILES = frozenset({Channel.FILES})


async def hire(office: Office, name: str, role: TechnicianRole = TechnicianRole.TECHNICIAN) -> Technician:
    return await office.accounts.create_technician(
        office.company.id, name=name, email=f"{name}@example.com", role=role
    )


async def stranger(office: Office) -> Technician:
    others = await office.accounts.create_company(name="Others")
    return await office.accounts.create_technician(
        others.id, name="Mallory", email="mallory@example.com", role=TechnicianRole.OWNER
    )


async def actions(office: Office, session: Session) -> list[str]:
    rows = await office.store.read(lambda tx: audit_rows.of_session(tx, session.id))
    return [row.action for row in rows]


async def test_a_colleague_is_let_in_to_do_everything(office: Office) -> None:
    session, _ = await office.activate(wrapped=b"w" * 76)
    ben = await hire(office, "ben")
    with pytest.raises(SessionUnavailable):
        await office.broker.session_for(ben.id, session.id)
    shared = await office.broker.share(office.technician.id, session.id, ben.id, "full")
    assert access_of(shared, ben, ben.permissions) == "full"
    assert (await office.broker.session_for(ben.id, session.id)).shares == shared.shares
    assert await office.broker.wrapped_key(ben.id, session.id) == b"w" * 76
    ticket = await office.broker.issue_ticket(ben.id, session.id, CONTROL | FILES)
    admission = await office.broker.admit_viewer(ticket.secret)
    assert (admission.technician_name, admission.access) == ("ben", "full")
    assert "shared" in await actions(office, session)


async def test_a_colleague_who_may_only_watch_opens_nothing_else(office: Office) -> None:
    session, _ = await office.activate()
    ben = await hire(office, "ben")
    await office.broker.share(office.technician.id, session.id, ben.id, "view")
    for kinds in (FILES, CONTROL | FILES, frozenset({Channel.CHAT}), frozenset({Channel.DASHBOARD})):
        with pytest.raises(Refused) as refused:
            await office.broker.issue_ticket(ben.id, session.id, kinds)
        assert refused.value.close_reason is CloseReason.KIND_NOT_GRANTED
    ticket = await office.broker.issue_ticket(ben.id, session.id, CONTROL)
    assert (await office.broker.admit_viewer(ticket.secret)).access == "view"


async def test_less_access_closes_viewers_and_kills_tickets(office: Office) -> None:
    withdrawn: list[tuple[SessionId, str]] = []
    office.broker.withdraw = lambda session_id, technician_id: withdrawn.append((session_id, technician_id))
    session, _ = await office.activate()
    ben = await hire(office, "ben")
    await office.broker.share(office.technician.id, session.id, ben.id, "full")
    ticket = await office.broker.issue_ticket(ben.id, session.id, CONTROL)
    await office.broker.share(office.technician.id, session.id, ben.id, "view")
    assert withdrawn == [(session.id, ben.id)]
    with pytest.raises(AuthError):
        await office.broker.admit_viewer(ticket.secret)
    ticket = await office.broker.issue_ticket(ben.id, session.id, CONTROL)
    await office.broker.unshare(office.technician.id, session.id, ben.id)
    assert withdrawn == [(session.id, ben.id)] * 2
    with pytest.raises(AuthError):
        await office.broker.admit_viewer(ticket.secret)
    with pytest.raises(SessionUnavailable):
        await office.broker.session_for(ben.id, session.id)


async def test_a_colleague_may_leave_but_not_bring_others_or_end_it(office: Office) -> None:
    session, _ = await office.activate()
    ben, carla = await hire(office, "ben"), await hire(office, "carla")
    await office.broker.share(office.technician.id, session.id, ben.id, "full")
    with pytest.raises(NotAllowed):
        await office.broker.share(ben.id, session.id, carla.id, "full")
    with pytest.raises(NotAllowed):
        await office.broker.end(session.id, CloseReason.ENDED_BY_TECHNICIAN, technician_id=ben.id)
    with pytest.raises(NotAllowed):
        await office.broker.hand_over(ben.id, session.id, ben.id)
    left = await office.broker.unshare(ben.id, session.id, ben.id)
    assert left.shares == ()


async def test_an_administrator_manages_and_an_auditor_only_reads(office: Office) -> None:
    tess = await hire(office, "dora")
    admin = await hire(office, "boss", TechnicianRole.ADMIN)
    auditor = await hire(office, "audrey", TechnicianRole.AUDITOR)
    session = await office.prepare(tess)
    assert access_of(session, auditor, auditor.permissions) == "read"
    assert (await office.broker.session_for(auditor.id, session.id)).id == session.id
    for forbidden in (auditor, admin):
        with pytest.raises(NotAllowed):
            await office.broker.issue_ticket(forbidden.id, session.id, frozenset({Channel.PAIR}))
    with pytest.raises(NotAllowed):
        await office.broker.end(session.id, CloseReason.ENDED_BY_TECHNICIAN, technician_id=auditor.id)
    with pytest.raises(Refused):
        await office.broker.share(tess.id, session.id, auditor.id, "view")
    # A token of the administrator's that is not for this may not do it, either.
    few = frozenset({Permission.READ_SESSIONS, Permission.READ_ALL_SESSIONS, Permission.USE_SESSIONS})
    with pytest.raises(NotAllowed):
        await office.broker.end(
            session.id, CloseReason.ENDED_BY_TECHNICIAN, technician_id=admin.id, permissions=few
        )
    with pytest.raises(SessionUnavailable):
        await office.broker.session_for(
            admin.id, session.id, permissions=frozenset({Permission.READ_SESSIONS})
        )
    ended = await office.broker.end(session.id, CloseReason.ENDED_BY_TECHNICIAN, technician_id=admin.id)
    assert ended.end_reason is CloseReason.ENDED_BY_TECHNICIAN


async def test_nobody_of_another_company_is_let_in_or_finds_out(office: Office) -> None:
    session, _ = await office.activate()
    mallory = await stranger(office)
    with pytest.raises(SessionUnavailable):
        await office.broker.share(office.technician.id, session.id, mallory.id, "full")
    for attempt in (
        lambda: office.broker.session_for(mallory.id, session.id),
        lambda: office.broker.share(mallory.id, session.id, mallory.id, "full"),
        lambda: office.broker.unshare(mallory.id, session.id, mallory.id),
        lambda: office.broker.hand_over(mallory.id, session.id, mallory.id),
        lambda: office.broker.change_session(mallory.id, session.id, note="hello"),
        lambda: office.broker.wrapped_key(mallory.id, session.id),
    ):
        with pytest.raises(SessionUnavailable):
            await attempt()


async def test_a_session_is_handed_over_within_the_colleagues_limit(office: Office) -> None:
    session, _ = await office.activate()
    ben = await hire(office, "ben")
    busy = await office.prepare(ben)
    with pytest.raises(LimitExceeded) as limit:
        await office.broker.hand_over(office.technician.id, session.id, ben.id)
    assert (limit.value.limit, limit.value.session_id) == ("sessions_per_technician", busy.id)
    await office.broker.end(busy.id, CloseReason.ENDED_BY_TECHNICIAN, technician_id=ben.id)
    handed = await office.broker.hand_over(office.technician.id, session.id, ben.id)
    assert (handed.technician_id, handed.technician_name) == (ben.id, "ben")
    assert [share.technician_id for share in handed.shares] == [office.technician.id]
    # Whose it was has a slot again, and is still in the session.
    await office.prepare()
    await office.broker.issue_ticket(office.technician.id, session.id, CONTROL)
    with pytest.raises(LimitExceeded):
        await office.prepare(ben)


async def test_of_two_hand_overs_at_once_one_wins_and_no_limit_breaks(office: Office) -> None:
    await office.broker.change_company(replace(office.company, max_open_per_technician=1))
    ben, carla = await hire(office, "ben"), await hire(office, "carla")
    first, _ = await office.activate()
    second = await office.prepare(carla)
    outcomes: Counter[str] = Counter()

    async def hand_over(owner: Technician, session: Session) -> None:
        try:
            await office.broker.hand_over(owner.id, session.id, ben.id)
            outcomes["done"] += 1
        except LimitExceeded:
            outcomes["refused"] += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(hand_over, office.technician, first)
        nursery.start_soon(hand_over, carla, second)
    assert outcomes == {"done": 1, "refused": 1}


async def test_a_reason_is_required_where_the_company_wants_one(office: Office) -> None:
    await office.broker.change_company(replace(office.company, requires_reason=True))
    session, _ = await office.activate()
    with pytest.raises(ReasonRequired):
        await office.broker.issue_ticket(office.technician.id, session.id, CONTROL)
    ticket = await office.broker.issue_ticket(
        office.technician.id, session.id, CONTROL, reason="Printer, ticket 4711"
    )
    assert (await office.broker.admit_viewer(ticket.secret)).reason == "Printer, ticket 4711"


async def test_a_ticket_dies_with_the_cookie_that_asked_for_it(office: Office) -> None:
    session, _ = await office.activate()
    ticket = await office.broker.issue_ticket(
        office.technician.id, session.id, CONTROL, asked_by_hash=b"h" * 32
    )
    with pytest.raises(AuthError):
        await office.broker.admit_viewer(ticket.secret)  # there is no such cookie


async def test_those_who_follow_along_see_who_is_in_it(office: Office) -> None:
    session, _ = await office.activate()
    ben = await hire(office, "ben")
    with office.broker.watch(office.company.id) as changes:
        await office.broker.share(office.technician.id, session.id, ben.id, "view")
        assert [share.access for share in (await changes.receive()).shares] == ["view"]
        await office.broker.change_session(office.technician.id, session.id, note="More")
        seen = await changes.receive()
        assert (seen.note, [share.access for share in seen.shares]) == ("More", ["view"])
        await office.broker.unshare(office.technician.id, session.id, ben.id)
        assert (await changes.receive()).shares == ()
        await office.broker.end(
            session.id, CloseReason.ENDED_BY_TECHNICIAN, technician_id=office.technician.id
        )
        await changes.receive()
    with pytest.raises(Refused):
        await office.broker.share(office.technician.id, session.id, ben.id, "view")
