"""Second factors that are typed: codes of an authenticator (TOTP, RFC 6238) and recovery codes.

TOTP is what every authenticator app does by default: SHA-1, 30 s, 6 digits. A code counts one step early or
late, and each step once, whoever was quicker. A secret decides nothing until a code has proven that it
arrived in an app. Recovery codes are ten, shown once, each good for one sign-in; they come with the first
second factor and go with the last.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import pyotp

from relay.accounts.desk import Desk, actor, audit
from relay.accounts.throttle import Throttle, Visit
from relay.auth import digest
from relay.errors import AuthError, Refused
from relay.people import Company, Technician, TechnicianId
from relay.store import Transaction, cookie_rows, factor_rows
from relay.store.factor_rows import PasskeyRow
from relay.texts import mark

CodeWay = Literal["totp", "recovery"]
Way = Literal["totp", "recovery", "passkey"]

TOTP_INTERVAL: Final = 30
"""Seconds of a step (RFC 6238 §5.2)."""
RECOVERY_CODES: Final = 10
_RECOVERY_LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"
_RECOVERY_GROUPS, _RECOVERY_GROUP_LENGTH = 3, 5
# 15 of 31 letters: 74 bit, so that a fast hash is enough at rest (10¹⁰ tries a second: 60 000 years).

WRONG_CODE = mark("The code is not right, or was used before.")
ALREADY_ON = mark("An authenticator app is set up already; turn it off first.")
NOT_BEGUN = mark("Begin with a new secret first.")
IS_REQUIRED = mark("Your company requires a second factor; set another one up first.")
NOTHING_TO_RECOVER = mark("Set up an authenticator app or a passkey first.")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTotp:
    """A secret for an authenticator app, to be confirmed.

    Attributes:
        secret: base32, 160 bit, as people type it.
        uri: ``otpauth://``, as a QR code carries it.
    """

    secret: str
    uri: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """What a change of the factors brought.

    Attributes:
        recovery_codes: new ones, to be shown once; None: the old ones stay (or there are none).
        dead: hashes of the cookies that were killed by it.
    """

    recovery_codes: list[str] | None = None
    dead: list[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Factors:
    """What second factors somebody has.

    Attributes:
        totp_confirmed_at: since when an authenticator app is asked for, or None.
        passkeys: the oldest first.
        recovery_codes_left: codes not used yet.
    """

    totp_confirmed_at: datetime | None
    passkeys: list[PasskeyRow]
    recovery_codes_left: int


class SecondFactors:
    """TOTP and recovery codes.

    Args:
        desk: what all parts work with.
        throttle: books of tries.
    """

    def __init__(self, desk: Desk, throttle: Throttle) -> None:
        self._desk = desk
        self._throttle = throttle

    # Within the transactions of others

    def ways(self, tx: Transaction, technician_id: TechnicianId) -> tuple[Way, ...]:
        """What besides a password this person must (and can) show; nothing if the password is enough."""
        totp = factor_rows.totp_of(tx, technician_id)
        ways: list[Way] = []
        if totp is not None and totp.confirmed_at is not None:
            ways.append("totp")
        if factor_rows.passkeys_of(tx, technician_id):
            ways.append("passkey")
        if ways and factor_rows.recovery_codes_left(tx, technician_id):
            ways.append("recovery")
        return tuple(ways)

    def use_code(
        self, tx: Transaction, now: datetime, technician_id: TechnicianId, way: CodeWay, code: str
    ) -> bool:
        """Spends a code (untrusted); False if it is wrong, or was used before."""
        if way == "recovery":
            spent = _recovery_hash(technician_id, code)
            return factor_rows.use_recovery_code(tx, technician_id, spent, now)
        totp = factor_rows.totp_of(tx, technician_id)
        if totp is None or totp.confirmed_at is None:
            return False
        return self._use_step(tx, now, technician_id, totp.sealed_secret, code)

    def ensure_recovery_codes(self, tx: Transaction, technician_id: TechnicianId) -> list[str] | None:
        """New recovery codes, if none are left: whoever has a second factor can lose it."""
        if factor_rows.recovery_codes_left(tx, technician_id):
            return None
        return _replace_codes(tx, technician_id)

    def settle(
        self, tx: Transaction, technician: Technician, company: Company, *, cookie: bytes
    ) -> list[bytes]:
        """After a factor went: checks that enough are left, and ends what the change makes doubtful.

        Args:
            cookie: of the browser that asks, which stays signed in.

        Returns:
            Hashes of the cookies that were killed.

        Raises:
            Refused: the company requires a second factor, and this was the last.
        """
        if not self.ways(tx, technician.id):
            if company.requires_second_factor:
                raise Refused(IS_REQUIRED)
            factor_rows.replace_recovery_codes(tx, technician.id, [])
        return self.end_others(tx, technician.id, cookie=cookie)

    def end_others(self, tx: Transaction, technician_id: TechnicianId, *, cookie: bytes) -> list[bytes]:
        """Signs out all browsers but one and forgets what is half done; hashes of the dead cookies."""
        factor_rows.remove_challenges_of(tx, technician_id)
        return cookie_rows.remove_of(tx, technician_id, but=digest(cookie))

    def remove_all(self, tx: Transaction, technician_id: TechnicianId) -> None:
        """Forgets every second factor: somebody lost theirs, and a manager helps. The caller audits."""
        factor_rows.remove_totp(tx, technician_id)
        factor_rows.remove_passkeys_of(tx, technician_id)
        factor_rows.replace_recovery_codes(tx, technician_id, [])
        factor_rows.remove_challenges_of(tx, technician_id)

    # On behalf of somebody who is signed in

    async def overview(self, technician_id: TechnicianId) -> Factors:
        """What somebody has."""

        def look(tx: Transaction) -> Factors:
            totp = factor_rows.totp_of(tx, technician_id)
            return Factors(
                totp_confirmed_at=None if totp is None else totp.confirmed_at,
                passkeys=factor_rows.passkeys_of(tx, technician_id),
                recovery_codes_left=factor_rows.recovery_codes_left(tx, technician_id),
            )

        return await self._desk.store.read(look)

    async def begin_totp(self, technician: Technician, company: Company) -> NewTotp:
        """A fresh secret; an earlier one that was not confirmed is forgotten.

        Raises:
            Refused: one is in use.
        """
        secret = pyotp.random_base32()
        sealed = self._desk.sealer.seal(secret.encode(), place=_totp_place(technician.id))
        if not await self._desk.store.write(lambda tx: factor_rows.begin_totp(tx, technician.id, sealed)):
            raise Refused(ALREADY_ON)
        uri = pyotp.TOTP(secret).provisioning_uri(name=technician.email, issuer_name=company.name)
        return NewTotp(secret=secret, uri=uri)

    async def confirm_totp(self, technician: Technician, code: str, *, cookie: bytes) -> Changed:
        """From now on the app's codes are asked for; all other browsers are signed out.

        Args:
            technician: whose app.
            code: the app's, untrusted.
            cookie: of the browser that asks.

        Raises:
            AuthError: the code is wrong.
            Refused: nothing was begun.
        """
        now = self._desk.now()

        def work(tx: Transaction) -> Changed:
            totp = factor_rows.totp_of(tx, technician.id)
            if totp is None or totp.confirmed_at is not None:
                raise Refused(NOT_BEGUN)
            if not self._use_step(tx, now, technician.id, totp.sealed_secret, code):
                raise AuthError(WRONG_CODE)
            factor_rows.confirm_totp(tx, technician.id, now)
            audit(tx, now, technician.company_id, by=actor(technician.id), action="totp_on")
            codes = self.ensure_recovery_codes(tx, technician.id)
            return Changed(recovery_codes=codes, dead=self.end_others(tx, technician.id, cookie=cookie))

        return await self._desk.store.write(work)

    async def turn_totp_off(self, technician: Technician, company: Company, *, cookie: bytes) -> Changed:
        """Forgets the app's secret. The caller has made sure that the person may.

        Raises:
            Refused: there is none, or the company requires a second factor and this is the last.
        """
        now = self._desk.now()

        def work(tx: Transaction) -> Changed:
            if not factor_rows.remove_totp(tx, technician.id):
                raise Refused(NOT_BEGUN)
            audit(tx, now, technician.company_id, by=actor(technician.id), action="totp_off")
            return Changed(dead=self.settle(tx, technician, company, cookie=cookie))

        return await self._desk.store.write(work)

    async def renew_recovery_codes(self, technician: Technician) -> list[str]:
        """Ten new codes; the old ones are worth nothing any more.

        Raises:
            Refused: there is no second factor that they could stand in for.
        """
        now = self._desk.now()

        def work(tx: Transaction) -> list[str]:
            if not self.ways(tx, technician.id):
                raise Refused(NOTHING_TO_RECOVER)
            audit(tx, now, technician.company_id, by=actor(technician.id), action="recovery_codes")
            return _replace_codes(tx, technician.id)

        return await self._desk.store.write(work)

    async def prove_code(self, technician: Technician, code: str) -> bool:
        """Whether somebody who is signed in has their app at hand; the code is spent.

        Raises:
            LimitExceeded: too many tries.
        """
        self._throttle.take_code(Visit(), technician.id)
        now = self._desk.now()
        return await self._desk.store.write(lambda tx: self.use_code(tx, now, technician.id, "totp", code))

    def _use_step(
        self, tx: Transaction, now: datetime, technician_id: TechnicianId, sealed: bytes, code: str
    ) -> bool:
        secret = self._desk.sealer.unseal(sealed, place=_totp_place(technician_id)).decode()
        totp = pyotp.TOTP(secret, interval=TOTP_INTERVAL)
        typed = "".join(code.split())
        current = totp.timecode(now)
        # All three are computed whatever the first says; a used step is a wrong code.
        steps = [
            step for step in (current - 1, current, current + 1) if _is_code(totp.generate_otp(step), typed)
        ]
        return any(factor_rows.use_totp_step(tx, technician_id, step) for step in steps)


def _is_code(right: str, typed: str) -> bool:
    return secrets.compare_digest(right.encode(), typed.encode(errors="surrogatepass"))


def _totp_place(technician_id: TechnicianId) -> str:
    return f"technicians.sealed_totp_secret:{technician_id}"


def _replace_codes(tx: Transaction, technician_id: TechnicianId) -> list[str]:
    codes = [_new_recovery_code() for _ in range(RECOVERY_CODES)]
    hashes = [_recovery_hash(technician_id, code) for code in codes]
    factor_rows.replace_recovery_codes(tx, technician_id, hashes)
    return codes


def _new_recovery_code() -> str:
    letters = range(_RECOVERY_GROUP_LENGTH)
    groups = ["".join(secrets.choice(_RECOVERY_LETTERS) for _ in letters) for _ in range(_RECOVERY_GROUPS)]
    return "-".join(groups)


def _recovery_hash(technician_id: TechnicianId, code: str) -> bytes:
    """Dashes, blanks and capitals are how people write, not part of the code."""
    bare = "".join(letter for letter in code.lower() if letter.isalnum())
    return digest(f"{technician_id}:{bare}".encode(errors="surrogatepass"))
