"""Tess and her second factors, for the tests of this folder."""

from datetime import timedelta

import pyotp

from relay.accounts import Challenge, Visit
from relay.protocol.hidden import SecretBytes
from tests.helpers.office import Clock, Office

PASSWORD = "correct horse battery"
VISIT = Visit(address="192.0.2.1", agent="Firefox on Linux")


def code_at(secret: str, clock: Clock, steps: int = 0) -> str:
    """What the app shows, `steps` of 30 s from now."""
    return pyotp.TOTP(secret).at(clock() + timedelta(seconds=30 * steps))


async def set_up_totp(office: Office, clock: Clock, *, wait: bool = True) -> str:
    """Gives Tess a password and an app; the app's secret. `wait` until the step that confirmed it is over."""
    await office.accounts.set_password(office.technician.id, PASSWORD)
    factors = office.accounts.second_factors
    new = await factors.begin_totp(office.technician, office.company)
    await factors.confirm_totp(office.technician, code_at(new.secret, clock), cookie=b"")
    if wait:
        clock.pass_by(60)
    return new.secret


async def begin(office: Office, visit: Visit | None = None) -> Challenge:
    """A half-done sign-in of Tess's, from an address of its own."""
    known = Visit(known=office.accounts.throttle.make_known(office.technician.id))
    entry = await office.accounts.signing_in.by_password("tess@example.com", PASSWORD, visit or known)
    if not isinstance(entry, Challenge):
        raise AssertionError("no second factor was asked for")
    return entry


async def sign_in_whole(office: Office, code: str) -> SecretBytes:
    """Tess's cookie, by password and code."""
    challenge = await begin(office)
    return await office.accounts.signing_in.by_code(challenge.token, "totp", code, VISIT)
