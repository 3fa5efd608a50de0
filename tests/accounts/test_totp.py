"""Authenticator apps: set up, asked for, each step once; and what a half-done sign-in bears."""

from dataclasses import replace

import pyotp
import pytest
import trio
from sqlalchemy import select, update

from relay.accounts import Challenge, Visit
from relay.accounts.second_factors import IS_REQUIRED
from relay.errors import AuthError, LimitExceeded, Refused
from relay.protocol.hidden import SecretBytes
from relay.store import Transaction
from relay.store.tables import technicians
from tests.accounts.factors import PASSWORD, VISIT, begin, code_at, set_up_totp, sign_in_whole
from tests.helpers.office import Clock, Office

pytestmark = pytest.mark.usefixtures("quick_hashing")


async def test_the_code_of_the_app_finishes_a_sign_in(office: Office, clock: Clock) -> None:
    secret = await set_up_totp(office, clock)
    challenge = await begin(office)
    assert challenge.ways == ("totp", "recovery")
    cookie = await office.accounts.signing_in.by_code(challenge.token, "totp", code_at(secret, clock), VISIT)
    known = await office.accounts.technician_of_cookie(cookie)
    assert known is not None
    assert known[0].has_second_factor


async def test_a_secret_that_was_not_confirmed_decides_nothing(office: Office) -> None:
    await office.accounts.set_password(office.technician.id, PASSWORD)
    await office.accounts.second_factors.begin_totp(office.technician, office.company)
    entry = await office.accounts.signing_in.by_password("tess@example.com", PASSWORD, VISIT)
    assert isinstance(entry, SecretBytes)


async def test_a_wrong_code_confirms_nothing(office: Office, clock: Clock) -> None:
    new = await office.accounts.second_factors.begin_totp(office.technician, office.company)
    wrong = "000000" if code_at(new.secret, clock) != "000000" else "111111"
    with pytest.raises(AuthError):
        await office.accounts.second_factors.confirm_totp(office.technician, wrong, cookie=b"")
    overview = await office.accounts.second_factors.overview(office.technician.id)
    assert overview.totp_confirmed_at is None


async def test_a_secret_in_use_is_not_replaced(office: Office, clock: Clock) -> None:
    await set_up_totp(office, clock)
    with pytest.raises(Refused, match="already"):
        await office.accounts.second_factors.begin_totp(office.technician, office.company)


async def test_a_code_works_once(office: Office, clock: Clock) -> None:
    secret = await set_up_totp(office, clock)
    first, second = await begin(office), await begin(office)
    code = code_at(secret, clock)
    await office.accounts.signing_in.by_code(first.token, "totp", code, VISIT)
    with pytest.raises(AuthError):
        await office.accounts.signing_in.by_code(second.token, "totp", code, VISIT)


async def test_the_code_that_confirmed_the_app_does_not_sign_in(office: Office, clock: Clock) -> None:
    secret = await set_up_totp(office, clock, wait=False)
    challenge = await begin(office)
    with pytest.raises(AuthError):
        await office.accounts.signing_in.by_code(challenge.token, "totp", code_at(secret, clock), VISIT)


async def test_an_earlier_step_is_dead_once_a_later_one_was_used(office: Office, clock: Clock) -> None:
    secret = await set_up_totp(office, clock)
    late, early = code_at(secret, clock, 1), code_at(secret, clock)
    await sign_in_whole(office, late)
    challenge = await begin(office)
    with pytest.raises(AuthError):
        await office.accounts.signing_in.by_code(challenge.token, "totp", early, VISIT)


async def test_of_many_with_the_same_code_one_gets_in(office: Office, clock: Clock) -> None:
    secret = await set_up_totp(office, clock)
    challenges = [await begin(office) for _ in range(4)]
    code, outcomes = code_at(secret, clock), list[str]()

    async def use(challenge: Challenge) -> None:
        try:
            await office.accounts.signing_in.by_code(challenge.token, "totp", code, VISIT)
        except AuthError:
            outcomes.append("refused")
        else:
            outcomes.append("in")

    async with trio.open_nursery() as nursery:
        for challenge in challenges:
            nursery.start_soon(use, challenge)
    assert sorted(outcomes) == ["in", "refused", "refused", "refused"]


@pytest.mark.parametrize("steps", [-1, 0, 1])
async def test_a_clock_may_be_a_step_off(office: Office, clock: Clock, steps: int) -> None:
    secret = await set_up_totp(office, clock)
    await sign_in_whole(office, code_at(secret, clock, steps))


@pytest.mark.parametrize("steps", [-2, 2])
async def test_a_clock_may_not_be_two_steps_off(office: Office, clock: Clock, steps: int) -> None:
    secret = await set_up_totp(office, clock)
    challenge = await begin(office)
    with pytest.raises(AuthError):
        await office.accounts.signing_in.by_code(
            challenge.token, "totp", code_at(secret, clock, steps), VISIT
        )


@pytest.mark.parametrize("code", ["", "x" * 40, "12345", "1234567", "١٢٣٤٥٦", "\ud800"])
async def test_nonsense_is_a_wrong_code(office: Office, clock: Clock, code: str) -> None:
    await set_up_totp(office, clock)
    challenge = await begin(office)
    with pytest.raises(AuthError):
        await office.accounts.signing_in.by_code(challenge.token, "totp", code, VISIT)


async def test_blanks_in_a_code_are_forgiven(office: Office, clock: Clock) -> None:
    code = code_at(await set_up_totp(office, clock), clock)
    await sign_in_whole(office, f" {code[:3]} {code[3:]} ")


async def test_five_tries_end_a_half_done_sign_in(office: Office, clock: Clock) -> None:
    secret = await set_up_totp(office, clock)
    challenge = await begin(office)
    for _ in range(5):
        with pytest.raises(AuthError):
            await office.accounts.signing_in.by_code(challenge.token, "totp", "no", VISIT)
    with pytest.raises(AuthError):
        await office.accounts.signing_in.by_code(challenge.token, "totp", code_at(secret, clock), VISIT)


async def test_a_half_done_sign_in_is_dead_after_five_minutes(office: Office, clock: Clock) -> None:
    secret = await set_up_totp(office, clock)
    challenge = await begin(office)
    clock.pass_by(300)
    with pytest.raises(AuthError):
        await office.accounts.signing_in.by_code(challenge.token, "totp", code_at(secret, clock), VISIT)


async def test_a_half_done_sign_in_is_finished_once(office: Office, clock: Clock) -> None:
    secret = await set_up_totp(office, clock)
    challenge = await begin(office)
    await office.accounts.signing_in.by_code(challenge.token, "totp", code_at(secret, clock), VISIT)
    with pytest.raises(AuthError):
        await office.accounts.signing_in.by_code(challenge.token, "totp", code_at(secret, clock, 1), VISIT)


async def test_whoever_is_disabled_meanwhile_does_not_get_in(office: Office, clock: Clock) -> None:
    secret = await set_up_totp(office, clock)
    challenge = await begin(office)
    await office.store.write(lambda tx: tx.execute(update(technicians).values({"is_disabled": True})))
    with pytest.raises(AuthError):
        await office.accounts.signing_in.by_code(challenge.token, "totp", code_at(secret, clock), VISIT)


async def test_a_sign_in_link_asks_for_the_second_factor_too(office: Office, clock: Clock) -> None:
    await set_up_totp(office, clock)
    link = await office.accounts.issue_sign_in_link(office.technician.id)
    assert isinstance(await office.accounts.signing_in.by_link(link, VISIT), Challenge)


async def test_a_new_password_ends_half_done_sign_ins(office: Office, clock: Clock) -> None:
    secret = await set_up_totp(office, clock)
    challenge = await begin(office)
    await office.accounts.set_password(office.technician.id, "another long one", cookie=b"x" * 32)
    with pytest.raises(AuthError):
        await office.accounts.signing_in.by_code(challenge.token, "totp", code_at(secret, clock), VISIT)


async def test_setting_it_up_signs_out_the_other_browsers(office: Office, clock: Clock) -> None:
    tokens = [await office.accounts.issue_sign_in_link(office.technician.id) for _ in range(2)]
    here, elsewhere = [await office.accounts.sign_in_by_link(token) for token in tokens]
    new = await office.accounts.second_factors.begin_totp(office.technician, office.company)
    changed = await office.accounts.second_factors.confirm_totp(
        office.technician, code_at(new.secret, clock), cookie=here
    )
    assert len(changed.dead) == 1
    assert await office.accounts.technician_of_cookie(here) is not None
    assert await office.accounts.technician_of_cookie(elsewhere) is None


async def test_turned_off_it_is_not_asked_for(office: Office, clock: Clock) -> None:
    await set_up_totp(office, clock)
    await office.accounts.second_factors.turn_totp_off(office.technician, office.company, cookie=b"")
    entry = await office.accounts.signing_in.by_password("tess@example.com", PASSWORD, VISIT)
    assert isinstance(entry, SecretBytes)
    overview = await office.accounts.second_factors.overview(office.technician.id)
    assert overview.recovery_codes_left == 0
    with pytest.raises(Refused):
        await office.accounts.second_factors.turn_totp_off(office.technician, office.company, cookie=b"")


async def test_the_last_factor_stays_where_the_company_requires_one(office: Office, clock: Clock) -> None:
    await set_up_totp(office, clock)
    strict = replace(office.company, requires_second_factor=True)
    with pytest.raises(Refused) as caught:
        await office.accounts.second_factors.turn_totp_off(office.technician, strict, cookie=b"")
    assert str(caught.value) == IS_REQUIRED
    assert (await begin(office)).ways == ("totp", "recovery")


async def test_somebody_is_throttled_over_all_their_sign_ins(office: Office, clock: Clock) -> None:
    await set_up_totp(office, clock)
    for number in range(10):
        challenge = await begin(office)
        with pytest.raises(AuthError):
            await office.accounts.signing_in.by_code(
                challenge.token, "totp", "no", Visit(address=f"192.0.2.{number}")
            )
    challenge = await begin(office)
    with pytest.raises(LimitExceeded) as caught:
        await office.accounts.signing_in.by_code(challenge.token, "totp", "no", Visit(address="198.51.100.7"))
    assert caught.value.limit == "codes_per_account"


async def test_a_known_browser_has_tries_of_its_own(office: Office, clock: Clock) -> None:
    secret = await set_up_totp(office, clock)
    known = Visit(known=office.accounts.throttle.make_known(office.technician.id))
    for number in range(20):
        with pytest.raises(AuthError):
            await office.accounts.signing_in.by_password(
                "tess@example.com", "wrong", Visit(address=f"192.0.2.{number}")
            )
    with pytest.raises(LimitExceeded):
        await office.accounts.signing_in.by_password("tess@example.com", PASSWORD, VISIT)
    entry = await office.accounts.signing_in.by_password("tess@example.com", PASSWORD, known)
    assert isinstance(entry, Challenge)
    cookie = await office.accounts.signing_in.by_code(entry.token, "totp", code_at(secret, clock), known)
    assert await office.accounts.technician_of_cookie(cookie) is not None


async def test_a_known_browser_has_not_endless_tries(office: Office) -> None:
    known = Visit(known=office.accounts.throttle.make_known(office.technician.id))
    for _ in range(10):
        with pytest.raises(AuthError):
            await office.accounts.signing_in.by_password("tess@example.com", "wrong", known)
    with pytest.raises(LimitExceeded) as caught:
        await office.accounts.signing_in.by_password("tess@example.com", PASSWORD, known)
    assert caught.value.limit == "sign_ins_per_browser"


async def test_only_ones_own_unforged_token_makes_a_browser_known(office: Office, clock: Clock) -> None:
    throttle, tess = office.accounts.throttle, office.technician.id
    token = throttle.make_known(tess)
    other = await office.accounts.create_technician(office.company.id, name="Other", email="o@example.com")
    assert throttle.is_known(token, tess)
    assert not throttle.is_known(token, other.id)
    assert not throttle.is_known(bytes(len(token)), tess)
    assert not throttle.is_known(token[:-1] + bytes([token[-1] ^ 1]), tess)
    assert not throttle.is_known(None, tess)
    clock.pass_by(180 * 86400)
    assert not throttle.is_known(token, tess)


async def test_the_secret_is_sealed_where_it_is_kept(office: Office, clock: Clock) -> None:
    secret = await set_up_totp(office, clock)

    def sealed(tx: Transaction) -> bytes:
        return bytes(tx.execute(select(technicians.c.sealed_totp_secret)).scalar_one())

    assert secret.encode() not in await office.store.read(sealed)


def test_codes_are_those_of_rfc_6238() -> None:
    # Appendix B, SHA-1, the last six of its eight digits.
    totp = pyotp.TOTP("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")
    assert [totp.at(at) for at in (59, 1111111109, 20000000000)] == ["287082", "081804", "353130"]
