"""Recovery codes: ten, for one sign-in each."""

import re

import pytest
from sqlalchemy import select

from relay.errors import AuthError, Refused
from relay.store import Transaction
from relay.store.tables import recovery_codes
from tests.accounts.factors import VISIT, begin, code_at, set_up_totp
from tests.helpers.office import Clock, Office

pytestmark = pytest.mark.usefixtures("quick_hashing")


async def codes_of(office: Office, clock: Clock) -> list[str]:
    await set_up_totp(office, clock)
    return await office.accounts.second_factors.renew_recovery_codes(office.technician)


async def left(office: Office) -> int:
    return (await office.accounts.second_factors.overview(office.technician.id)).recovery_codes_left


async def test_the_first_factor_brings_ten_different_codes(office: Office, clock: Clock) -> None:
    factors = office.accounts.second_factors
    new = await factors.begin_totp(office.technician, office.company)
    changed = await factors.confirm_totp(office.technician, code_at(new.secret, clock), cookie=b"")
    assert changed.recovery_codes is not None
    assert len(set(changed.recovery_codes)) == 10
    assert all(re.fullmatch(r"([2-9a-z]{5}-){2}[2-9a-z]{5}", code) for code in changed.recovery_codes)
    assert await left(office) == 10


async def test_a_code_signs_in_once(office: Office, clock: Clock) -> None:
    code = (await codes_of(office, clock))[3]
    first, second = await begin(office), await begin(office)
    cookie = await office.accounts.signing_in.by_code(first.token, "recovery", code, VISIT)
    assert await office.accounts.technician_of_cookie(cookie) is not None
    with pytest.raises(AuthError):
        await office.accounts.signing_in.by_code(second.token, "recovery", code, VISIT)
    assert await left(office) == 9


async def test_how_it_is_written_does_not_matter(office: Office, clock: Clock) -> None:
    code = (await codes_of(office, clock))[0]
    challenge = await begin(office)
    await office.accounts.signing_in.by_code(
        challenge.token, "recovery", f" {code.upper().replace('-', ' ')} ", VISIT
    )
    assert await left(office) == 9


async def test_new_codes_replace_the_old(office: Office, clock: Clock) -> None:
    old = await codes_of(office, clock)
    await office.accounts.second_factors.renew_recovery_codes(office.technician)
    challenge = await begin(office)
    with pytest.raises(AuthError):
        await office.accounts.signing_in.by_code(challenge.token, "recovery", old[0], VISIT)
    assert await left(office) == 10


async def test_a_code_of_the_app_is_no_recovery_code(office: Office, clock: Clock) -> None:
    secret = await set_up_totp(office, clock)
    challenge = await begin(office)
    with pytest.raises(AuthError):
        await office.accounts.signing_in.by_code(challenge.token, "recovery", code_at(secret, clock), VISIT)


async def test_somebody_elses_code_is_worth_nothing(office: Office, clock: Clock) -> None:
    await set_up_totp(office, clock)
    other = await office.accounts.create_technician(office.company.id, name="Other", email="o@example.com")
    factors = office.accounts.second_factors
    new = await factors.begin_totp(other, office.company)
    changed = await factors.confirm_totp(other, code_at(new.secret, clock), cookie=b"")
    assert changed.recovery_codes is not None
    challenge = await begin(office)
    with pytest.raises(AuthError):
        await office.accounts.signing_in.by_code(
            challenge.token, "recovery", changed.recovery_codes[0], VISIT
        )


async def test_nothing_to_recover_no_codes(office: Office) -> None:
    with pytest.raises(Refused):
        await office.accounts.second_factors.renew_recovery_codes(office.technician)


async def test_a_manager_can_remove_all_factors(office: Office, clock: Clock) -> None:
    await codes_of(office, clock)
    challenge = await begin(office)
    await office.store.write(lambda tx: office.accounts.second_factors.remove_all(tx, office.technician.id))
    assert await left(office) == 0
    with pytest.raises(AuthError):
        await office.accounts.signing_in.by_code(challenge.token, "totp", "123456", VISIT)


async def test_only_hashes_are_kept(office: Office, clock: Clock) -> None:
    codes = await codes_of(office, clock)

    def stored(tx: Transaction) -> list[bytes]:
        return [bytes(code) for code in tx.execute(select(recovery_codes.c.code_hash)).scalars()]

    hashes = await office.store.read(stored)
    assert len(hashes) == 10
    assert not any(code.replace("-", "").encode() in kept for code in codes for kept in hashes)
