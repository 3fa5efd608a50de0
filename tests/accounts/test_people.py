"""People: who may change whom, what disabling takes away, and the last owner."""

import pytest
import trio

from relay.accounts.people import AddressTaken, MayNot, PersonChange
from relay.auth import digest
from relay.errors import LimitExceeded, Refused
from relay.people import Technician, TechnicianId, TechnicianRole
from relay.sessions import SessionState
from relay.store import account_rows, audit_rows, session_rows
from tests.helpers.office import Clock, Office

OWNER, ADMIN, TECHNICIAN, AUDITOR = TechnicianRole


@pytest.fixture
async def owner(office: Office) -> Technician:
    """Olive, who owns the company and was here."""
    return await arrived(office, "Olive", OWNER)


async def arrived(office: Office, name: str, role: TechnicianRole) -> Technician:
    """Somebody who has signed in once."""
    person = await office.accounts.create_technician(
        office.company.id, name=name, email=f"{name.lower()}@example.com", role=role
    )
    await office.accounts.sign_in_by_link(await office.accounts.issue_sign_in_link(person.id))
    return person


async def actions(office: Office) -> list[tuple[str, object]]:
    """What the company's log says, with the names of changed fields."""
    rows = await office.store.read(lambda tx: audit_rows.of_company(tx, office.company.id))
    return [(row.action, row.fields.get("fields")) for row in rows]


async def role_of(office: Office, person: Technician) -> TechnicianRole:
    found = await office.store.read(lambda tx: account_rows.technician_by_id(tx, person.id))
    assert found is not None
    return found.role


async def test_a_person_is_changed_and_the_log_names_the_fields(office: Office, owner: Technician) -> None:
    change = PersonChange(name="Tessa", role=AUDITOR)
    changed = await office.accounts.people.change(owner, office.technician.id, change)
    assert (changed.person.technician.name, changed.person.technician.role) == ("Tessa", AUDITOR)
    assert changed.is_narrowed
    assert ("person_changed", "name role") in await actions(office)


async def test_a_change_that_changes_nothing_is_not_logged(office: Office, owner: Technician) -> None:
    before = await actions(office)
    changed = await office.accounts.people.change(owner, office.technician.id, PersonChange(name="Tess"))
    assert not changed.is_narrowed
    assert await actions(office) == before


@pytest.mark.parametrize("role", [TECHNICIAN, AUDITOR])
async def test_who_manages_nobody_changes_nobody(office: Office, role: TechnicianRole) -> None:
    other = await arrived(office, "Otto", role)
    with pytest.raises(MayNot):
        await office.accounts.people.change(other, office.technician.id, PersonChange(name="X"))


async def test_admins_leave_owners_alone_and_make_none(office: Office, owner: Technician) -> None:
    admin = await arrived(office, "Adam", ADMIN)
    people = office.accounts.people
    for change in (PersonChange(name="X"), PersonChange(role=ADMIN), PersonChange(is_disabled=True)):
        with pytest.raises(MayNot):
            await people.change(admin, owner.id, change)
    with pytest.raises(MayNot):
        await people.change(admin, office.technician.id, PersonChange(role=OWNER))
    with pytest.raises(MayNot):
        await people.change(admin, admin.id, PersonChange(role=OWNER))
    with pytest.raises(MayNot):
        await people.reset_second_factors(admin, owner.id)
    await people.change(admin, office.technician.id, PersonChange(role=ADMIN))
    assert await role_of(office, office.technician) is ADMIN


async def test_people_of_other_companies_are_nobody(office: Office, owner: Technician) -> None:
    others = await office.accounts.create_company(name="Others")
    mallory = await office.accounts.create_technician(others.id, name="Mallory", email="m@others.example")
    for subject in (mallory.id, TechnicianId("A" * 22), TechnicianId("")):
        with pytest.raises(LookupError):
            await office.accounts.people.change(owner, subject, PersonChange(is_disabled=True))
        with pytest.raises(LookupError):
            await office.accounts.people.reset_second_factors(owner, subject)
    assert {person.technician.name for person in await office.accounts.people.people(others.id)} == {
        "Mallory"
    }


async def test_the_last_owner_stays_one(office: Office, owner: Technician) -> None:
    for change in (PersonChange(role=ADMIN), PersonChange(is_disabled=True)):
        with pytest.raises(Refused, match="at least one owner"):
            await office.accounts.people.change(owner, owner.id, change)
    with pytest.raises(Refused, match="at least one owner"):
        await office.accounts.people.set_disabled(owner.id, is_disabled=True)
    assert await role_of(office, owner) is OWNER


async def test_an_owner_who_was_never_here_is_no_successor(office: Office, owner: Technician) -> None:
    await office.accounts.create_technician(
        office.company.id, name="Heir", email="heir@example.com", role=OWNER
    )
    with pytest.raises(Refused, match="at least one owner"):
        await office.accounts.people.change(owner, owner.id, PersonChange(role=ADMIN))


async def test_two_owners_who_demote_each_other_leave_one(office: Office, owner: Technician) -> None:
    rival = await arrived(office, "Rita", OWNER)
    refused: list[Exception] = []

    async def demote(by: Technician, whom: Technician) -> None:
        try:
            await office.accounts.people.change(by, whom.id, PersonChange(role=TECHNICIAN))
        except MayNot as error:
            refused.append(error)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(demote, owner, rival)
        nursery.start_soon(demote, rival, owner)
    assert len(refused) == 1
    assert sorted([await role_of(office, owner), await role_of(office, rival)]) == [OWNER, TECHNICIAN]


async def test_two_owners_who_leave_at_once_do_not_both_go(office: Office, owner: Technician) -> None:
    rival = await arrived(office, "Rita", OWNER)
    refused: list[Exception] = []

    async def leave(who: Technician) -> None:
        try:
            await office.accounts.people.change(who, who.id, PersonChange(is_disabled=True))
        except Refused as error:
            refused.append(error)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(leave, owner)
        nursery.start_soon(leave, rival)
    assert len(refused) == 1


async def test_disabling_takes_everything_but_the_sessions(office: Office, owner: Technician) -> None:
    accounts, tess = office.accounts, office.technician
    session, _ = await office.activate()
    cookie = await accounts.sign_in_by_link(await accounts.issue_sign_in_link(tess.id))
    link = await accounts.issue_sign_in_link(tess.id)
    changed = await accounts.people.change(owner, tess.id, PersonChange(is_disabled=True))
    assert changed.is_narrowed
    assert digest(cookie) in changed.dead
    assert await accounts.technician_of_cookie(cookie) is None
    stays = await office.store.read(lambda tx: session_rows.session_by_id(tx, session.id))
    assert stays is not None
    assert stays.state is SessionState.ACTIVE
    back = await accounts.people.change(owner, tess.id, PersonChange(is_disabled=False))
    assert back.dead == []
    assert await accounts.technician_of_cookie(cookie) is None
    with pytest.raises(Refused):
        await accounts.sign_in_by_link(link)


async def test_a_manager_resets_somebodys_second_factors_but_not_their_own(
    office: Office, owner: Technician, clock: Clock
) -> None:
    cookie = await office.accounts.sign_in_by_link(
        await office.accounts.issue_sign_in_link(office.technician.id)
    )
    dead = await office.accounts.people.reset_second_factors(owner, office.technician.id)
    assert dead == [digest(cookie)]
    assert ("second_factors_reset", None) in await actions(office)
    with pytest.raises(Refused, match="in your account"):
        await office.accounts.people.reset_second_factors(owner, owner.id)


async def test_one_address_belongs_to_one_person(office: Office) -> None:
    with pytest.raises(AddressTaken):
        await office.accounts.create_technician(office.company.id, name="Tess", email=" TESS@example.com ")


async def test_a_company_has_a_largest_number_of_people(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account_rows, "count_people", lambda tx, company_id: 500)
    with pytest.raises(LimitExceeded):
        await office.accounts.create_technician(office.company.id, name="One", email="one@example.com")


async def test_whoever_another_process_disables_is_noticed(office: Office, owner: Technician) -> None:
    seen, revoked = trio.Event(), []

    def revoke(technician_id: TechnicianId) -> None:
        revoked.append(technician_id)
        seen.set()

    async with trio.open_nursery() as nursery:
        await nursery.start(
            lambda task_status: office.accounts.people.run_watch(revoke, task_status=task_status)
        )
        await office.accounts.people.set_disabled(office.technician.id, is_disabled=True)
        with trio.fail_after(5):
            await seen.wait()
        nursery.cancel_scope.cancel()
    assert revoked == [office.technician.id]


async def test_disabling_nobody_says_so(office: Office) -> None:
    with pytest.raises(LookupError):
        await office.accounts.people.set_disabled(TechnicianId("nobody"), is_disabled=True)
