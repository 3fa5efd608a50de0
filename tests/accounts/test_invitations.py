"""Mailed links: good once, for one purpose, for a while; and a forgotten password that tells nothing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pyotp
import pytest
import trio
import trio.testing

from relay.accounts import Challenge, Visit
from relay.accounts.people import AddressTaken, MayNot, PersonChange
from relay.auth import digest
from relay.errors import LimitExceeded, Refused
from relay.people import Technician, TechnicianRole
from relay.protocol.hidden import SecretBytes
from relay.protocol.links import decode_base64url
from relay.store import account_rows
from tests.accounts.test_people import actions, arrived
from tests.helpers.office import ORIGIN, Clock, Office

pytestmark = pytest.mark.usefixtures("quick_hashing")

PASSWORD = "correct horse battery"
HERE = Visit(address="192.0.2.1", agent="Firefox on Linux")
HOURS = 3600.0


@pytest.fixture
async def owner(office: Office) -> Technician:
    """Olive, who owns the company."""
    return await arrived(office, "Olive", TechnicianRole.OWNER)


async def invite(
    office: Office, by: Technician, *, email: str = "nina@example.com", role: str = "technician"
) -> Technician:
    person, _ = await office.accounts.invitations.invite(
        by, name="Nina", email=email, role=TechnicianRole(role), language="es"
    )
    return person.technician


@asynccontextmanager
async def resets_running(office: Office) -> AsyncIterator[None]:
    """The task that mails links for new passwords."""
    async with trio.open_nursery() as nursery:
        await nursery.start(lambda task_status: office.accounts.invitations.run(task_status=task_status))
        yield
        nursery.cancel_scope.cancel()


async def ask(office: Office, email: str, *, letters: int) -> None:
    """Asks for a new password, and waits until so many letters are out."""
    office.accounts.invitations.ask_reset(email, HERE)
    with trio.fail_after(5):
        await office.letters.wait_for(letters)


async def test_an_invitation_lets_somebody_in_once(office: Office, owner: Technician) -> None:
    nina = await invite(office, owner)
    (letter,) = office.letters.kept
    assert (letter.kind, letter.to, letter.name, letter.language, letter.inviter, letter.is_by_relay) == (
        "invitation",
        "nina@example.com",
        "Nina",
        "es",
        "Olive",
        False,
    )
    assert letter.link.startswith(f"{ORIGIN}/invite#")
    assert letter.link not in repr(letter)
    invitations, token = office.accounts.invitations, office.letters.token
    found = await invitations.look(token, HERE)
    assert (found.technician.id, found.company.id, found.purpose) == (
        nina.id,
        office.company.id,
        "invitation",
    )
    accepted = await invitations.accept(token, PASSWORD, name="Nina Ricci", language="en", visit=HERE)
    assert isinstance(accepted.entry, SecretBytes)
    known = await office.accounts.technician_of_cookie(accepted.entry)
    assert known is not None
    assert (known[0].name, known[0].language, known[0].has_password) == ("Nina Ricci", "en", True)
    with pytest.raises(LookupError):
        await invitations.accept(token, "another password", visit=HERE)
    with pytest.raises(LookupError):
        await invitations.look(token, HERE)
    assert [action for action, _ in await actions(office) if action in ("person_invited", "signed_in")]


async def test_an_invitation_dies_after_72_hours(office: Office, owner: Technician, clock: Clock) -> None:
    await invite(office, owner)
    clock.pass_by(72 * HOURS - 1)
    await office.accounts.invitations.look(office.letters.token, HERE)
    clock.pass_by(1)
    with pytest.raises(LookupError):
        await office.accounts.invitations.accept(office.letters.token, PASSWORD, visit=HERE)


async def test_a_new_invitation_replaces_the_old(office: Office, owner: Technician) -> None:
    nina = await invite(office, owner)
    old = office.letters.token
    await office.accounts.invitations.invite_again(owner, nina.id)
    with pytest.raises(LookupError):
        await office.accounts.invitations.look(old, HERE)
    await office.accounts.invitations.accept(office.letters.token, PASSWORD, visit=HERE)
    with pytest.raises(Refused, match="has a password"):
        await office.accounts.invitations.invite_again(owner, nina.id)


async def test_a_disabled_persons_invitation_is_dead(office: Office, owner: Technician) -> None:
    nina = await invite(office, owner)
    await office.accounts.people.change(owner, nina.id, PersonChange(is_disabled=True))
    with pytest.raises(LookupError):
        await office.accounts.invitations.accept(office.letters.token, PASSWORD, visit=HERE)
    with pytest.raises(Refused, match="disabled"):
        await office.accounts.invitations.invite_again(owner, nina.id)
    await office.accounts.people.change(owner, nina.id, PersonChange(is_disabled=False))
    with pytest.raises(LookupError):
        await office.accounts.invitations.accept(office.letters.token, PASSWORD, visit=HERE)


async def test_mailed_links_and_sign_in_links_are_not_each_other(office: Office, owner: Technician) -> None:
    await invite(office, owner)
    with pytest.raises(Refused):
        await office.accounts.signing_in.by_link(office.letters.token, HERE)
    token = await office.accounts.issue_sign_in_link(owner.id)
    with pytest.raises(LookupError):
        await office.accounts.invitations.accept(token, PASSWORD, visit=HERE)
    await office.accounts.invitations.look(office.letters.token, HERE)


async def test_a_short_password_spends_nothing(office: Office, owner: Technician) -> None:
    await invite(office, owner)
    with pytest.raises(Refused):
        await office.accounts.invitations.accept(office.letters.token, "short", visit=HERE)
    await office.accounts.invitations.accept(office.letters.token, PASSWORD, visit=HERE)


async def test_nothing_is_hashed_for_a_dead_link(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.accounts.desk.hash_password", lambda password: pytest.fail("hashed"))
    with pytest.raises(LookupError):
        await office.accounts.invitations.accept(bytes(32), PASSWORD, visit=HERE)
    assert office.refused == ["dead"]


async def test_admins_invite_no_owners_and_technicians_nobody(office: Office) -> None:
    admin = await arrived(office, "Adam", TechnicianRole.ADMIN)
    with pytest.raises(MayNot):
        await invite(office, admin, role="owner")
    with pytest.raises(MayNot):
        await invite(office, office.technician)
    assert office.letters.kept == []
    assert len(await office.accounts.people.people(office.company.id)) == 2


async def test_an_owners_letters_go_by_the_relays_own_server(office: Office, owner: Technician) -> None:
    await invite(office, owner, role="owner")
    assert office.letters.kept[-1].is_by_relay


async def test_becoming_an_owner_kills_links_that_an_admin_may_have_read(
    office: Office, owner: Technician
) -> None:
    nina = await invite(office, owner)
    await office.accounts.people.change(owner, nina.id, PersonChange(role=TechnicianRole.OWNER))
    with pytest.raises(LookupError):
        await office.accounts.invitations.look(office.letters.token, HERE)


async def test_two_invitations_for_one_address_make_one_person(office: Office, owner: Technician) -> None:
    outcomes: list[str] = []

    async def try_it(email: str) -> None:
        try:
            await invite(office, owner, email=email)
            outcomes.append("invited")
        except AddressTaken:
            outcomes.append("taken")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(try_it, "nina@example.com")
        nursery.start_soon(try_it, "Nina@Example.com")
    assert sorted(outcomes) == ["invited", "taken"]
    assert len(office.letters.kept) == 1


async def test_two_who_use_one_link_at_once_do_not_both_come_in(office: Office, owner: Technician) -> None:
    await invite(office, owner)
    token, outcomes = office.letters.token, list[str]()

    async def accept(password: str) -> None:
        try:
            await office.accounts.invitations.accept(token, password, visit=HERE)
            outcomes.append("in")
        except LookupError:
            outcomes.append("dead")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(accept, PASSWORD)
        nursery.start_soon(accept, PASSWORD + "!")
    assert sorted(outcomes) == ["dead", "in"]


async def test_invitations_are_throttled_by_company_and_person(office: Office, owner: Technician) -> None:
    nina = await invite(office, owner)
    for _ in range(5):
        await office.accounts.invitations.invite_again(owner, nina.id)
    with pytest.raises(LimitExceeded) as refused:
        await office.accounts.invitations.invite_again(owner, nina.id)
    assert refused.value.limit == "invitations_per_person"
    for number in range(44):
        await invite(office, owner, email=f"p{number}@example.com")
    with pytest.raises(LimitExceeded) as refused:
        await invite(office, owner, email="one.more@example.com")
    assert refused.value.limit == "invitations_per_company"


async def test_a_forgotten_password(office: Office, clock: Clock) -> None:
    tess, accounts = office.technician, office.accounts
    await accounts.set_password(tess.id, "the password before")
    cookie = await accounts.sign_in_by_link(await accounts.issue_sign_in_link(tess.id))
    async with resets_running(office):
        await ask(office, " TESS@example.com", letters=1)
    (letter,) = office.letters.kept
    assert (letter.kind, letter.to, letter.inviter) == ("reset", "tess@example.com", "")
    assert letter.link.startswith(f"{ORIGIN}/reset#")
    accepted = await accounts.invitations.accept(
        office.letters.token, PASSWORD, name="Not Tess", language="es", visit=HERE
    )
    assert accepted.dead == [digest(cookie)]
    assert isinstance(accepted.entry, SecretBytes)
    assert await accounts.technician_of_cookie(cookie) is None
    found = await office.store.read(lambda tx: account_rows.technician_by_id(tx, tess.id))
    assert found is not None
    assert (found.name, found.language) == ("Tess", "en")
    with pytest.raises(Refused):
        await accounts.signing_in.by_password("tess@example.com", "the password before", HERE)
    await accounts.signing_in.by_password("tess@example.com", PASSWORD, HERE)
    with pytest.raises(LookupError):
        await accounts.invitations.accept(office.letters.token, PASSWORD, visit=HERE)


async def test_a_new_password_does_not_get_round_the_second_factor(office: Office, clock: Clock) -> None:
    tess, accounts = office.technician, office.accounts
    await accounts.set_password(tess.id, "the password before")
    new = await accounts.second_factors.begin_totp(tess, office.company)
    await accounts.second_factors.confirm_totp(tess, pyotp.TOTP(new.secret).at(clock()), cookie=b"")
    async with resets_running(office):
        await ask(office, "tess@example.com", letters=1)
    accepted = await accounts.invitations.accept(office.letters.token, PASSWORD, visit=HERE)
    assert isinstance(accepted.entry, Challenge)


async def test_a_link_for_a_new_password_dies_after_an_hour(office: Office, clock: Clock) -> None:
    await office.accounts.set_password(office.technician.id, "the password before")
    async with resets_running(office):
        await ask(office, "tess@example.com", letters=1)
    clock.pass_by(HOURS)
    with pytest.raises(LookupError):
        await office.accounts.invitations.accept(office.letters.token, PASSWORD, visit=HERE)


async def test_only_people_with_a_password_get_a_link(office: Office, owner: Technician) -> None:
    await invite(office, owner)  # has none yet
    await office.accounts.set_password(office.technician.id, "the password before")
    shut_out = await arrived(office, "Dora", TechnicianRole.TECHNICIAN)
    await office.accounts.set_password(shut_out.id, "the password before")
    await office.accounts.people.change(owner, shut_out.id, PersonChange(is_disabled=True))
    async with resets_running(office):
        for email in ("nobody@example.com", "nina@example.com", "dora@example.com", "", "x" * 300):
            office.accounts.invitations.ask_reset(email, HERE)
        await ask(office, "tess@example.com", letters=2)
    assert [(letter.kind, letter.to) for letter in office.letters.kept] == [
        ("invitation", "nina@example.com"),
        ("reset", "tess@example.com"),
    ]


async def test_a_stranger_who_asks_all_day_does_not_keep_anybody_out(
    office: Office, owner: Technician
) -> None:
    await office.accounts.set_password(office.technician.id, "the password before")
    async with resets_running(office):
        for count in (1, 2, 3):
            await ask(office, "tess@example.com", letters=count)
        office.accounts.invitations.ask_reset("tess@example.com", HERE)
        await office.accounts.set_password(owner.id, "the password before")
        await ask(office, "olive@example.com", letters=4)
    assert [letter.to for letter in office.letters.kept] == ["tess@example.com"] * 3 + ["olive@example.com"]
    assert office.refused == ["throttled"]
    first = decode_base64url(office.letters.kept[0].link.partition("#")[2], 32)
    await office.accounts.invitations.accept(first, PASSWORD, visit=HERE)


async def test_requests_are_throttled_by_address_whoever_is_known(office: Office) -> None:
    for _ in range(30):
        office.accounts.invitations.ask_reset("nobody@example.com", HERE)
    with pytest.raises(LimitExceeded) as refused:
        office.accounts.invitations.ask_reset("tess@example.com", HERE)
    assert refused.value.retry_after is not None


async def test_a_queue_that_is_full_says_so_to_everybody(office: Office) -> None:
    for number in range(64):
        visit = Visit(address=f"198.51.100.{number}")
        office.accounts.invitations.ask_reset("nobody@example.com", visit)
    with pytest.raises(LimitExceeded, match="Too many requests"):
        office.accounts.invitations.ask_reset("tess@example.com", HERE)


async def test_guessing_tokens_is_throttled(office: Office) -> None:
    for _ in range(30):
        with pytest.raises(LookupError):
            await office.accounts.invitations.look(bytes(32), HERE)
    with pytest.raises(LimitExceeded):
        await office.accounts.invitations.accept(bytes(32), PASSWORD, visit=HERE)
