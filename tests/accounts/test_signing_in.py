"""Technicians sign in, by password or link, and stay signed in as long as they may."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
import trio
from sqlalchemy import update

from relay.accounts import Visit, desk
from relay.accounts.signing_in import WRONG_LINK, WRONG_PASSWORD
from relay.errors import AuthError, LimitExceeded, Refused, RelayError
from relay.people import CompanyId, TechnicianId
from relay.protocol.hidden import SecretBytes
from relay.store import Transaction, audit_rows
from relay.store.tables import cookies, sign_in_links, technicians
from tests.helpers.office import Clock, Office

PASSWORD = "correct horse battery"
VISIT = Visit(address="192.0.2.1")


async def sign_in_by_link(office: Office) -> SecretBytes:
    token = await office.accounts.issue_sign_in_link(office.technician.id)
    return await office.accounts.sign_in_by_link(token)


async def disable(office: Office) -> None:
    await office.store.write(lambda tx: tx.execute(update(technicians).values({"is_disabled": True})))


async def suspend(office: Office) -> None:
    await office.broker.change_company(replace(office.company, is_suspended=True))


async def actions(office: Office) -> list[str]:
    rows = await office.store.read(lambda tx: audit_rows.of_company(tx, office.company.id))
    return [row.action for row in rows]


@pytest.mark.slow
async def test_a_password_signs_in_and_the_cookie_says_who(office: Office) -> None:
    await office.accounts.set_password(office.technician.id, PASSWORD)
    cookie = await office.accounts.signing_in.by_password(" Tess@Example.com ", PASSWORD, VISIT)
    assert isinstance(cookie, SecretBytes)
    assert len(cookie) == 32
    known = await office.accounts.technician_of_cookie(cookie)
    assert known == (replace(office.technician, has_password=True), office.company)
    assert (await actions(office))[-2:] == ["password_set", "signed_in"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("email", "password"),
    [("tess@example.com", "wrong horse battery"), ("nobody@example.com", PASSWORD), ("", "")],
)
async def test_wrong_and_unknown_look_alike(office: Office, email: str, password: str) -> None:
    await office.accounts.set_password(office.technician.id, PASSWORD)
    with pytest.raises(AuthError) as caught:
        await office.accounts.signing_in.by_password(email, password, VISIT)
    assert str(caught.value) == WRONG_PASSWORD


@pytest.mark.usefixtures("quick_hashing")
@pytest.mark.parametrize("shut_out", [disable, suspend])
async def test_who_is_shut_out_looks_like_nobody(
    office: Office, shut_out: Callable[[Office], Awaitable[None]]
) -> None:
    await office.accounts.set_password(office.technician.id, PASSWORD)
    cookie = await office.accounts.signing_in.by_password("tess@example.com", PASSWORD, VISIT)
    assert isinstance(cookie, SecretBytes)
    token = await office.accounts.issue_sign_in_link(office.technician.id)
    await shut_out(office)
    with pytest.raises(AuthError) as caught:
        await office.accounts.signing_in.by_password("tess@example.com", PASSWORD, VISIT)
    assert str(caught.value) == WRONG_PASSWORD
    with pytest.raises(AuthError):
        await office.accounts.sign_in_by_link(token)
    assert await office.accounts.technician_of_cookie(cookie) is None


@pytest.mark.usefixtures("quick_hashing")
async def test_a_password_changed_while_it_was_hashed_lets_nobody_in(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    await office.accounts.set_password(office.technician.id, PASSWORD)

    def verify(stored: str | None, password: str) -> bool:
        trio.from_thread.run(office.accounts.set_password, office.technician.id, "another password")
        return True

    monkeypatch.setattr(desk, "verify_password", verify)
    with pytest.raises(AuthError):
        await office.accounts.signing_in.by_password("tess@example.com", PASSWORD, VISIT)


@pytest.mark.usefixtures("quick_hashing")
async def test_one_address_is_throttled_before_any_hashing(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(10):
        with pytest.raises(AuthError):
            await office.accounts.signing_in.by_password(f"somebody{number}@example.com", PASSWORD, VISIT)

    def never(stored: str | None, password: str) -> bool:
        raise AssertionError("hashed although throttled")

    with monkeypatch.context() as patch:
        patch.setattr(desk, "verify_password", never)
        with pytest.raises(LimitExceeded) as caught:
            await office.accounts.signing_in.by_password("tess@example.com", PASSWORD, VISIT)
    assert caught.value.limit == "sign_ins_per_address"
    assert caught.value.retry_after is not None
    assert 0 < caught.value.retry_after <= 60
    with pytest.raises(AuthError):
        await office.accounts.signing_in.by_password("tess@example.com", PASSWORD, Visit(address="192.0.2.2"))


@pytest.mark.usefixtures("quick_hashing")
async def test_one_account_is_throttled_from_all_addresses(office: Office) -> None:
    for number in range(20):
        with pytest.raises(AuthError):
            await office.accounts.signing_in.by_password(
                "tess@example.com", "wrong", Visit(address=f"192.0.2.{number}")
            )
    with pytest.raises(LimitExceeded) as caught:
        await office.accounts.signing_in.by_password(
            "TESS@example.com", PASSWORD, Visit(address="198.51.100.1")
        )
    assert caught.value.limit == "sign_ins_per_account"


@pytest.mark.parametrize("length", [11, 257])
async def test_a_bad_new_password_changes_nothing(office: Office, length: int) -> None:
    cookie = await sign_in_by_link(office)
    with pytest.raises(Refused):
        await office.accounts.set_password(office.technician.id, "x" * length)
    assert await office.accounts.technician_of_cookie(cookie) == (office.technician, office.company)


@pytest.mark.usefixtures("quick_hashing")
async def test_a_new_password_signs_out_everywhere_else(office: Office) -> None:
    here, elsewhere = await sign_in_by_link(office), await sign_in_by_link(office)
    await office.accounts.set_password(office.technician.id, PASSWORD, cookie=here)
    assert await office.accounts.technician_of_cookie(here) is not None
    assert await office.accounts.technician_of_cookie(elsewhere) is None
    await office.accounts.set_password(office.technician.id, PASSWORD)
    assert await office.accounts.technician_of_cookie(here) is None


@pytest.mark.usefixtures("quick_hashing")
async def test_nobody_has_no_password_to_set(office: Office) -> None:
    with pytest.raises(Refused):
        await office.accounts.set_password(TechnicianId("nobody"), PASSWORD)


async def test_a_sign_in_link_works_once(office: Office) -> None:
    token = await office.accounts.issue_sign_in_link(office.technician.id)
    outcomes: list[str] = []

    async def use() -> None:
        try:
            await office.accounts.sign_in_by_link(token)
        except AuthError as exc:
            outcomes.append(str(exc))
        else:
            outcomes.append("signed in")

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(use)
    assert sorted(outcomes) == [WRONG_LINK] * 4 + ["signed in"]


async def test_a_sign_in_link_is_dead_after_an_hour(office: Office, clock: Clock) -> None:
    token = await office.accounts.issue_sign_in_link(office.technician.id)
    clock.pass_by(3600)
    with pytest.raises(AuthError, match="not valid"):
        await office.accounts.sign_in_by_link(token)


async def test_no_link_is_made_for_nobody(office: Office) -> None:
    with pytest.raises(RelayError):
        await office.accounts.issue_sign_in_link(TechnicianId("nobody"))


async def test_a_cookie_lives_half_an_hour_from_its_last_use(office: Office, clock: Clock) -> None:
    cookie = await sign_in_by_link(office)
    for _ in range(3):
        clock.pass_by(1799)
        assert await office.accounts.technician_of_cookie(cookie) is not None
    clock.pass_by(1800)
    assert await office.accounts.technician_of_cookie(cookie) is None


async def test_a_cookie_is_dead_after_twelve_hours_in_any_case(office: Office, clock: Clock) -> None:
    cookie = await sign_in_by_link(office)
    for _ in range(12 * 3 - 1):
        clock.pass_by(1200)
        assert await office.accounts.technician_of_cookie(cookie) is not None
    clock.pass_by(1200)
    assert await office.accounts.technician_of_cookie(cookie) is None


async def test_unknown_cookies_are_nobody(office: Office) -> None:
    assert await office.accounts.technician_of_cookie(b"x" * 32) is None


async def test_signing_out_kills_that_cookie_only(office: Office) -> None:
    first, second = await sign_in_by_link(office), await sign_in_by_link(office)
    await office.accounts.sign_out(first)
    await office.accounts.sign_out(first)
    assert await office.accounts.technician_of_cookie(first) is None
    assert await office.accounts.technician_of_cookie(second) is not None
    assert (await actions(office)).count("signed_out") == 1


async def test_dead_cookies_and_links_are_forgotten(office: Office, clock: Clock) -> None:
    await sign_in_by_link(office)
    clock.pass_by(24 * 3600)
    await sign_in_by_link(office)

    def rows(tx: Transaction) -> tuple[int, int]:
        return len(tx.execute(cookies.select()).all()), len(tx.execute(sign_in_links.select()).all())

    assert await office.store.read(rows) == (1, 1)


async def test_an_address_belongs_to_one_technician(office: Office) -> None:
    with pytest.raises(Refused, match="already"):
        await office.accounts.create_technician(office.company.id, name="Other", email="TESS@example.com ")
    assert await office.accounts.technicians() == [office.technician]


async def test_a_technician_needs_a_company(office: Office) -> None:
    with pytest.raises(RelayError):
        await office.accounts.create_technician(CompanyId("none"), name="Other", email="o@example.com")


@pytest.mark.parametrize("seconds", [0.0, 86401.0])
async def test_company_settings_have_bounds(office: Office, seconds: float) -> None:
    with pytest.raises(RelayError):
        await office.accounts.create_company(name="Other", session_lifetime=seconds)
    with pytest.raises(RelayError):
        await office.accounts.create_company(name="Other", preparation_timeout=seconds)
    assert await office.accounts.companies() == [office.company]
