"""Passkeys: made, used, refused in every way that an authenticator or a thief can get it wrong."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import update

from relay.accounts import Visit
from relay.accounts.second_factors import IS_REQUIRED
from relay.errors import AuthError, LimitExceeded, Refused
from relay.store.tables import technicians
from tests.accounts.factors import PASSWORD, VISIT, begin, set_up_totp
from tests.helpers.authenticator import PRESENT, VERIFIED, Authenticator
from tests.helpers.office import ORIGIN, Clock, Office

pytestmark = pytest.mark.usefixtures("quick_hashing")


@pytest.fixture
def device() -> Authenticator:
    """Tess's laptop."""
    return Authenticator()


async def add(office: Office, device: Authenticator, **wrong: Any) -> list[str] | None:
    """Registers the device for Tess; the recovery codes that came with it."""
    passkeys = office.accounts.passkeys
    token, options = await passkeys.begin_registering(office.technician, office.company)
    origin = wrong.pop("origin", ORIGIN)
    credential = device.create(options, origin, **wrong)
    _, changed = await passkeys.register(office.technician, token, "Laptop", credential, cookie=b"")
    return changed.recovery_codes


async def use(office: Office, device: Authenticator, **wrong: Any) -> bytes:
    """Signs in with the device; the cookie."""
    token, options = await office.accounts.passkeys.begin_signing_in(None, VISIT)
    origin = wrong.pop("origin", ORIGIN)
    return await office.accounts.passkeys.sign_in(token, device.get(options, origin, **wrong), VISIT)


async def test_a_passkey_signs_in_alone(office: Office, device: Authenticator) -> None:
    codes = await add(office, device)
    assert codes is not None
    assert len(codes) == 10
    known = await office.accounts.technician_of_cookie(await use(office, device))
    assert known is not None
    assert known[0] == replace(office.technician, has_second_factor=True)
    (row,) = await office.accounts.passkeys.of(office.technician.id)
    assert (row.name, row.transports, row.sign_count) == ("Laptop", ("hybrid", "internal"), 2)
    assert row.used_at is not None


async def test_what_is_asked_for(office: Office, device: Authenticator) -> None:
    _, options = await office.accounts.passkeys.begin_registering(office.technician, office.company)
    assert options["rp"] == {"name": "Company", "id": "relay.example"}
    assert options["attestation"] == "none"
    assert options["authenticatorSelection"]["residentKey"] == "required"
    assert options["authenticatorSelection"]["userVerification"] == "required"
    await add(office, device)
    _, again = await office.accounts.passkeys.begin_registering(office.technician, office.company)
    assert len(again["excludeCredentials"]) == 1
    _, request = await office.accounts.passkeys.begin_signing_in(None, VISIT)
    assert (request["rpId"], request["userVerification"]) == ("relay.example", "required")
    assert request["allowCredentials"] == []


async def test_with_a_passkey_a_password_is_not_enough(office: Office, device: Authenticator) -> None:
    await office.accounts.set_password(office.technician.id, PASSWORD)
    await add(office, device)
    challenge = await begin(office)
    assert challenge.ways == ("passkey", "recovery")
    token, options = await office.accounts.passkeys.begin_signing_in(challenge.token, VISIT)
    assert len(options["allowCredentials"]) == 1
    cookie = await office.accounts.passkeys.sign_in(token, device.get(options, ORIGIN), VISIT)
    assert await office.accounts.technician_of_cookie(cookie) is not None


async def test_somebody_elses_passkey_does_not_finish_a_sign_in(
    office: Office, device: Authenticator, clock: Clock
) -> None:
    await set_up_totp(office, clock)
    other = await office.accounts.create_technician(office.company.id, name="Other", email="o@example.com")
    token, options = await office.accounts.passkeys.begin_registering(other, office.company)
    await office.accounts.passkeys.register(other, token, "Phone", device.create(options, ORIGIN), cookie=b"")
    challenge = await begin(office)
    token, options = await office.accounts.passkeys.begin_signing_in(challenge.token, VISIT)
    with pytest.raises(AuthError):
        await office.accounts.passkeys.sign_in(token, device.get(options, ORIGIN), VISIT)


async def test_a_device_that_does_not_count_is_fine(office: Office) -> None:
    device = Authenticator(counts=False)
    await add(office, device)
    for _ in range(2):
        assert await office.accounts.technician_of_cookie(await use(office, device)) is not None


@pytest.mark.parametrize("back", [0, 1])
async def test_a_counter_that_goes_back_is_a_copy(office: Office, device: Authenticator, back: int) -> None:
    await add(office, device)
    await use(office, device)
    device.counter -= 1 + back
    with pytest.raises(AuthError):
        await use(office, device)


@pytest.mark.parametrize(
    "wrong",
    [
        {"origin": "https://evil.example"},
        {"origin": "http://relay.example"},
        {"origin": "https://relay.example:8443"},
        {"party": "evil.example"},
        {"flags": PRESENT},
        {"flags": VERIFIED},
    ],
)
async def test_wrong_places_and_absent_people_are_refused(
    office: Office, device: Authenticator, wrong: dict[str, Any]
) -> None:
    with pytest.raises(Refused):
        await add(office, Authenticator(), **wrong)
    assert await office.accounts.passkeys.of(office.technician.id) == []
    await add(office, device)
    with pytest.raises(AuthError):
        await use(office, device, **wrong)


async def test_an_answer_counts_once(office: Office, device: Authenticator) -> None:
    await add(office, device)
    token, options = await office.accounts.passkeys.begin_signing_in(None, VISIT)
    answer = device.get(options, ORIGIN)
    await office.accounts.passkeys.sign_in(token, answer, VISIT)
    with pytest.raises(AuthError):
        await office.accounts.passkeys.sign_in(token, answer, VISIT)
    fresh, _ = await office.accounts.passkeys.begin_signing_in(None, VISIT)
    with pytest.raises(AuthError):
        await office.accounts.passkeys.sign_in(fresh, answer, VISIT)


async def test_a_wrong_answer_spends_the_challenge(office: Office, device: Authenticator) -> None:
    await add(office, device)
    token, options = await office.accounts.passkeys.begin_signing_in(None, VISIT)
    with pytest.raises(AuthError):
        await office.accounts.passkeys.sign_in(token, {}, VISIT)
    with pytest.raises(AuthError):
        await office.accounts.passkeys.sign_in(token, device.get(options, ORIGIN), VISIT)


async def test_a_challenge_for_one_thing_is_not_good_for_another(
    office: Office, device: Authenticator
) -> None:
    await add(office, device)
    registering, options = await office.accounts.passkeys.begin_registering(office.technician, office.company)
    request = {"challenge": options["challenge"], "rpId": "relay.example"}
    with pytest.raises(AuthError):
        await office.accounts.passkeys.sign_in(registering, device.get(request, ORIGIN), VISIT)


async def test_a_challenge_is_dead_after_five_minutes(
    office: Office, device: Authenticator, clock: Clock
) -> None:
    await add(office, device)
    token, options = await office.accounts.passkeys.begin_signing_in(None, VISIT)
    clock.pass_by(300)
    with pytest.raises(AuthError):
        await office.accounts.passkeys.sign_in(token, device.get(options, ORIGIN), VISIT)


async def test_a_registration_is_for_who_began_it(office: Office, device: Authenticator) -> None:
    other = await office.accounts.create_technician(office.company.id, name="Other", email="o@example.com")
    token, options = await office.accounts.passkeys.begin_registering(office.technician, office.company)
    with pytest.raises(Refused):
        await office.accounts.passkeys.register(
            other, token, "Mine now", device.create(options, ORIGIN), cookie=b""
        )


async def test_one_credential_is_one_passkey(office: Office, device: Authenticator) -> None:
    await add(office, device)
    with pytest.raises(Refused):
        await add(office, device)


async def test_another_key_under_the_same_name_is_refused(office: Office, device: Authenticator) -> None:
    await add(office, device)
    forger = Authenticator()
    forger.credential_id, forger.user_handle, forger.counter = device.credential_id, device.user_handle, 99
    with pytest.raises(AuthError):
        await use(office, forger)


async def test_another_persons_handle_is_refused(office: Office, device: Authenticator) -> None:
    await add(office, device)
    device.user_handle = "c29tZWJvZHkgZWxzZQ"
    with pytest.raises(AuthError):
        await use(office, device)


@pytest.mark.parametrize(
    "nonsense",
    [
        {},
        {"id": 7},
        {"id": "!!", "response": []},
        {"id": "AAAA", "rawId": "AAAA", "type": "public-key", "response": {"clientDataJSON": "AAAA"}},
        {"id": "é", "rawId": None, "type": None, "response": None},
    ],
)
async def test_nonsense_is_refused_politely(office: Office, nonsense: dict[str, Any]) -> None:
    token, _ = await office.accounts.passkeys.begin_registering(office.technician, office.company)
    with pytest.raises(Refused):
        await office.accounts.passkeys.register(office.technician, token, "X", nonsense, cookie=b"")
    token, _ = await office.accounts.passkeys.begin_signing_in(None, VISIT)
    with pytest.raises(AuthError):
        await office.accounts.passkeys.sign_in(token, nonsense, VISIT)
    assert office.refused == ["passkey"]


async def test_a_removed_passkey_opens_nothing(office: Office, device: Authenticator) -> None:
    await add(office, device)
    cookie = await use(office, device)
    (row,) = await office.accounts.passkeys.of(office.technician.id)
    changed = await office.accounts.passkeys.remove(office.technician, office.company, row.id, cookie=b"")
    assert len(changed.dead) == 1
    assert await office.accounts.technician_of_cookie(cookie) is None
    with pytest.raises(AuthError):
        await use(office, device)


async def test_nobody_removes_what_is_not_theirs(office: Office, device: Authenticator) -> None:
    await add(office, device)
    other = await office.accounts.create_technician(office.company.id, name="Other", email="o@example.com")
    (row,) = await office.accounts.passkeys.of(office.technician.id)
    with pytest.raises(LookupError):
        await office.accounts.passkeys.remove(other, office.company, row.id, cookie=b"")
    assert len(await office.accounts.passkeys.of(office.technician.id)) == 1


async def test_the_last_passkey_stays_where_the_company_requires_a_factor(
    office: Office, device: Authenticator
) -> None:
    await add(office, device)
    (row,) = await office.accounts.passkeys.of(office.technician.id)
    strict = replace(office.company, requires_second_factor=True)
    with pytest.raises(Refused) as caught:
        await office.accounts.passkeys.remove(office.technician, strict, row.id, cookie=b"")
    assert str(caught.value) == IS_REQUIRED


async def test_whoever_is_disabled_does_not_get_in(office: Office, device: Authenticator) -> None:
    await add(office, device)
    await office.store.write(lambda tx: tx.execute(update(technicians).values({"is_disabled": True})))
    with pytest.raises(AuthError):
        await use(office, device)


async def test_there_are_at_most_twenty(office: Office) -> None:
    for _ in range(20):
        await add(office, Authenticator())
    with pytest.raises(Refused, match="too many"):
        await add(office, Authenticator())


async def test_asking_for_challenges_is_throttled_by_address(office: Office) -> None:
    for _ in range(30):
        await office.accounts.passkeys.begin_signing_in(None, VISIT)
    with pytest.raises(LimitExceeded) as caught:
        await office.accounts.passkeys.begin_signing_in(None, VISIT)
    assert caught.value.limit == "starts_per_address"
    await office.accounts.passkeys.begin_signing_in(None, Visit(address="198.51.100.7"))


async def test_a_dead_half_done_sign_in_begins_nothing(office: Office) -> None:
    with pytest.raises(AuthError):
        await office.accounts.passkeys.begin_signing_in(b"x" * 32, VISIT)
