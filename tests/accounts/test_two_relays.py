"""Two relays on one PostgreSQL: what must hold among a company's people holds between them, too."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from relay.accounts import Accounts, AccountSettings
from relay.accounts.people import AddressTaken, MayNot, PersonChange
from relay.auth import Sealer
from relay.people import Technician, TechnicianRole
from relay.store import Store, open_store
from tests.helpers.letters import Letters
from tests.helpers.postgres import open_postgres, why_missing

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(why_missing()), reason=why_missing())]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """An empty database."""
    with open_postgres() as started:
        yield started


def relay_on(store: Store, letters: Letters) -> Accounts:
    return Accounts(
        store,
        AccountSettings(),
        now=lambda: datetime.now(UTC),
        sealer=Sealer(Ed25519PrivateKey.generate()),
        origin="https://relay.example",
        post=letters,
    )


async def test_two_owners_who_demote_each_other_leave_one(url: str) -> None:
    async with open_store(url) as one, open_store(url) as other:
        here, there = relay_on(one, Letters()), relay_on(other, Letters())
        company = await here.create_company(name="Help Ltd")
        owners: list[Technician] = []
        for name in ("olive", "rita"):
            owner = await here.create_technician(
                company.id, name=name, email=f"{name}@help.example", role=TechnicianRole.OWNER
            )
            await here.sign_in_by_link(await here.issue_sign_in_link(owner.id))
            owners.append(owner)
        refused: list[str] = []

        async def demote(accounts: Accounts, by: Technician, whom: Technician) -> None:
            try:
                change = PersonChange(role=TechnicianRole.TECHNICIAN)
                await accounts.people.change(by, whom.id, change)
            except MayNot:
                refused.append(by.name)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(demote, here, owners[0], owners[1])
            nursery.start_soon(demote, there, owners[1], owners[0])
        roles = sorted(person.technician.role for person in await here.people.people(company.id))
        assert (len(refused), roles) == (1, [TechnicianRole.OWNER, TechnicianRole.TECHNICIAN])


async def test_one_address_is_invited_once(url: str) -> None:
    async with open_store(url) as one, open_store(url) as other:
        here, there = relay_on(one, Letters()), relay_on(other, Letters())
        taken: list[str] = []
        managers: list[tuple[Accounts, Technician]] = []
        for accounts, name in ((here, "ann"), (there, "bob")):
            company = await accounts.create_company(name=name)
            manager = await accounts.create_technician(
                company.id, name=name, email=f"{name}@{name}.example", role=TechnicianRole.OWNER
            )
            managers.append((accounts, manager))

        async def invite(accounts: Accounts, manager: Technician) -> None:
            try:
                await accounts.invitations.invite(
                    manager,
                    name="Nina",
                    email="nina@help.example",
                    role=TechnicianRole.TECHNICIAN,
                    language="en",
                )
            except AddressTaken:
                taken.append(manager.name)

        async with trio.open_nursery() as nursery:
            for accounts, manager in managers:
                nursery.start_soon(invite, accounts, manager)
        assert len(taken) == 1
