"""How technicians sign in, stay signed in, and sign out.

With e-mail address and password, or with a one-time link made on the server's own terminal (there is no
set-up page on the open web), and then with a second factor if one is set up; with a passkey or through the
company's identity provider, which stand for both (`relay.accounts.passkeys`,
`relay.accounts.identity_providers`). What comes of it is a cookie: 32 random bytes, of which the store keeps
the hash. It dies `AccountSettings.cookie_idle_timeout` after its last use, `cookie_ttl` after sign-in in any
case, at sign-out, and the moment the technician is disabled or the company suspended.

Passwords are throttled before any hashing and cost the same for unknown people (`relay.accounts.throttle`).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from relay.accounts.challenges import SECOND, Challenges
from relay.accounts.desk import Desk, actor, audit, may_work, normalise_email, working_technician
from relay.accounts.second_factors import CodeWay, SecondFactors, Way
from relay.accounts.throttle import Throttle, Visit
from relay.auth import digest, new_id, new_secret
from relay.errors import AuthError, Refused
from relay.people import Company, Technician, TechnicianId
from relay.protocol.hidden import SecretBytes
from relay.store import Transaction, account_rows, cookie_rows, link_rows
from relay.store.cookie_rows import CookieRow
from relay.store.link_rows import LinkPurpose
from relay.texts import mark

WRONG_PASSWORD = mark("The e-mail address or the password is not right.")
WRONG_LINK = mark("This sign-in link is not valid (any more).")
WRONG_SECOND = mark("The code is not right, or this sign-in took too long; try again, or begin anew.")


@dataclass(frozen=True, slots=True)
class Challenge:
    """A sign-in that waits for a second factor.

    Attributes:
        token: to be shown with it, within `AccountSettings.challenge_ttl`.
        ways: what will do.
    """

    token: SecretBytes
    ways: tuple[Way, ...]


Entry: TypeAlias = SecretBytes | Challenge
"""What comes of a sign-in: a cookie, or what still stands before it."""


class SigningIn:
    """Cookies, and the ways to one that need no other machine.

    Args:
        desk: what all parts work with.
        throttle: books of tries.
        challenges: sign-ins that are half done.
        factors: what must be shown besides a password.

    Concurrency: any task may call anything.
    """

    def __init__(
        self, desk: Desk, throttle: Throttle, challenges: Challenges, factors: SecondFactors
    ) -> None:
        self._desk = desk
        self._throttle = throttle
        self._challenges = challenges
        self._factors = factors

    # Signing in

    async def by_password(self, email: str, password: str, visit: Visit) -> Entry:
        """What comes of a password.

        Args:
            email, password: untrusted.
            visit: where it comes from.

        Raises:
            AuthError: unknown, disabled, suspended or wrong; all look and take the same.
            LimitExceeded: with the seconds to wait.
        """
        email = normalise_email(email)
        known = await self._desk.store.read(lambda tx: account_rows.technician_by_email(tx, email))
        self._throttle.take_sign_in(visit, email, None if known is None else known[0].id)
        stored = None if known is None else known[1]
        is_right = await self._desk.is_password(stored, password)
        now = self._desk.now()

        def work(tx: Transaction) -> Entry | None:
            # Looked up again: it may have changed while the password was being hashed.
            found = account_rows.technician_by_email(tx, email)
            if found is None or not is_right or found[1] != stored or may_work(tx, found[0]) is None:
                return None
            return self.enter(tx, now, found[0], way="password", agent=visit.agent)

        entry = await self._desk.store.write(work) if is_right else None
        if entry is None:
            self._desk.refused(
                "sign_in_refused",
                company_id=None if known is None else known[0].company_id,
                reason="password",
            )
            raise AuthError(WRONG_PASSWORD)
        return entry

    async def by_link(self, token: bytes, visit: Visit) -> Entry:
        """What comes of an unused sign-in link.

        Raises:
            AuthError: unknown, used, dead, or of somebody who may not work; all look the same.
        """
        now = self._desk.now()

        def work(tx: Transaction) -> Entry | None:
            link = link_rows.use(tx, digest(token), [LinkPurpose.SIGN_IN], now)
            technician = None if link is None else working_technician(tx, link.technician_id)
            if technician is None:
                return None
            return self.enter(tx, now, technician, way="link", agent=visit.agent)

        entry = await self._desk.store.write(work)
        if entry is None:
            raise AuthError(WRONG_LINK)
        return entry

    async def by_code(self, token: bytes, way: CodeWay, code: str, visit: Visit) -> SecretBytes:
        """A cookie for whoever finishes a half-done sign-in; every try is counted before it is judged.

        Args:
            token: the challenge's, untrusted.
            way: what `code` is.
            code: untrusted.
            visit: where it comes from.

        Raises:
            AuthError: wrong or used code, dead challenge, too many tries; all look the same.
            LimitExceeded: too many codes for this person, with the seconds to wait.
        """
        now = self._desk.now()
        half = await self._desk.store.read(lambda tx: self._challenges.look(tx, now, SECOND, token))
        if half is None or half.technician_id is None:
            raise AuthError(WRONG_SECOND)
        self._throttle.take_code(visit, half.technician_id)

        def work(tx: Transaction) -> SecretBytes | None:
            opened = self._challenges.attempt(tx, now, SECOND, token)
            technician = None if opened is None else working_technician(tx, opened.technician_id)
            if opened is None or technician is None:
                return None
            if not self._factors.use_code(tx, now, technician.id, way, code):
                audit(tx, now, technician.company_id, by="stranger", action="second_factor_refused", way=way)
                return None
            self._challenges.take(tx, now, SECOND, token)
            return self.admit(
                tx, now, technician, way=opened.data["way"], agent=visit.agent, second_factor=way
            )

        cookie = await self._desk.store.write(work)
        if cookie is None:
            raise AuthError(WRONG_SECOND)
        return cookie

    def enter(self, tx: Transaction, now: datetime, technician: Technician, *, way: str, agent: str) -> Entry:
        """What somebody gets who has shown one factor: a cookie, or a challenge if they have set up another.

        Args:
            tx: the transaction that has spent what they showed.
            now: the time.
            technician: who; the caller has checked that they may work.
            way: what they showed: ``password``, ``link``, ``reset`` or ``invitation``.
            agent: a few words on the browser.
        """
        ways = self._factors.ways(tx, technician.id)
        if not ways:
            return self.admit(tx, now, technician, way=way, agent=agent)
        token = self._challenges.make(tx, now, SECOND, {"way": way}, technician_id=technician.id)
        return Challenge(token, ways)

    def admit(
        self, tx: Transaction, now: datetime, technician: Technician, *, way: str, agent: str, **fields: str
    ) -> SecretBytes:
        """A cookie for somebody who has shown all they must; arguments as for `enter`.

        Args:
            fields: more for the audit log.
        """
        cookie, settings = new_secret(), self._desk.settings
        cookie_rows.remove_dead(
            tx, expired_before=now, unseen_since=now - timedelta(seconds=settings.cookie_idle_timeout)
        )
        row = CookieRow(
            cookie_hash=digest(cookie),
            technician_id=technician.id,
            id=new_id(),
            agent=agent,
            way=way,
            created_at=now,
            seen_at=now,
            expires_at=now + timedelta(seconds=settings.cookie_ttl),
        )
        cookie_rows.add(tx, row)
        account_rows.note_sign_in(tx, technician.id, now)
        audit(tx, now, technician.company_id, by=actor(technician.id), action="signed_in", way=way, **fields)
        return cookie

    # Being signed in

    async def technician_of_cookie(self, cookie: bytes) -> tuple[Technician, Company] | None:
        """Who is signed in with this cookie (untrusted), or None if nobody is; notes that it was used."""
        now = self._desk.now()
        cookie_hash = digest(cookie)

        def look(tx: Transaction) -> tuple[Technician, Company, datetime] | None:
            found = cookie_rows.by_hash(tx, cookie_hash)
            if found is None or not self._is_alive(found, now):
                return None
            technician = account_rows.technician_by_id(tx, found.technician_id)
            company = None if technician is None else may_work(tx, technician)
            return None if technician is None or company is None else (technician, company, found.seen_at)

        known = await self._desk.store.read(look)
        if known is None:
            return None
        technician, company, seen_at = known
        # A write for every request would be a disk flush each; a thirtieth of the timeout is fine enough.
        if now >= seen_at + timedelta(seconds=self._desk.settings.cookie_idle_timeout / 30):
            await self._desk.store.write(lambda tx: cookie_rows.touch(tx, cookie_hash, now))
        return technician, company

    async def browsers(self, technician_id: TechnicianId) -> list[CookieRow]:
        """Where somebody is signed in now, the last seen first."""
        now = self._desk.now()
        rows = await self._desk.store.read(lambda tx: cookie_rows.of_technician(tx, technician_id))
        return [row for row in rows if self._is_alive(row, now)]

    async def sign_out(self, cookie: bytes) -> None:
        """Kills the cookie. One that is dead already is no error."""
        now = self._desk.now()

        def work(tx: Transaction) -> None:
            technician_id = cookie_rows.remove(tx, digest(cookie))
            technician = None if technician_id is None else account_rows.technician_by_id(tx, technician_id)
            if technician is not None:
                audit(tx, now, technician.company_id, by=actor(technician.id), action="signed_out")

        await self._desk.store.write(work)

    async def sign_out_browser(self, technician: Technician, browser_id: str) -> bytes | None:
        """Kills the cookie of one of somebody's browsers; its hash, or None if there is no such browser."""
        now = self._desk.now()

        def work(tx: Transaction) -> bytes | None:
            dead = cookie_rows.remove_by_id(tx, technician.id, browser_id)
            if dead is not None:
                audit(tx, now, technician.company_id, by=actor(technician.id), action="browser_signed_out")
            return dead

        return await self._desk.store.write(work)

    async def sign_out_others(self, technician: Technician, *, cookie: bytes) -> list[bytes]:
        """Kills all cookies of somebody but this one; the hashes of the dead."""
        now = self._desk.now()

        def work(tx: Transaction) -> list[bytes]:
            audit(tx, now, technician.company_id, by=actor(technician.id), action="browsers_signed_out")
            return self._factors.end_others(tx, technician.id, cookie=cookie)

        return await self._desk.store.write(work)

    # Passwords

    async def set_password(
        self, technician_id: TechnicianId, password: str, *, cookie: bytes | None = None
    ) -> list[bytes]:
        """Sets or changes a password, and signs the technician out everywhere else.

        Args:
            technician_id: whose.
            password: the new one, untrusted.
            cookie: the cookie of who asks, which stays alive; None: all of them die.

        Returns:
            The hashes of the dead cookies.

        Raises:
            Refused: the password is too short or too long; nothing was changed.
        """
        hashed = await self._desk.hash_new_password(password)
        now = self._desk.now()
        return await self._desk.store.write(
            lambda tx: self.replace_password(tx, now, technician_id, hashed, cookie=cookie)
        )

    def replace_password(
        self,
        tx: Transaction,
        now: datetime,
        technician_id: TechnicianId,
        hashed: str,
        *,
        cookie: bytes | None,
    ) -> list[bytes]:
        """What `set_password` does, for a caller with a transaction of its own.

        Raises:
            Refused: there is no such technician.
        """
        technician = account_rows.technician_by_id(tx, technician_id)
        if technician is None:
            raise Refused(mark("There is no such technician."))
        account_rows.set_password_hash(tx, technician_id, hashed)
        audit(tx, now, technician.company_id, by=actor(technician_id), action="password_set")
        if cookie is not None:
            return self._factors.end_others(tx, technician_id, cookie=cookie)
        return cookie_rows.remove_of(tx, technician_id)

    async def prove_password(self, technician: Technician, password: str) -> bool:
        """Whether somebody who is signed in knows their password; True if they have none.

        Raises:
            LimitExceeded: too many tries.
        """
        if not technician.has_password:
            return True
        self._throttle.take_password(technician.id)
        known = await self._desk.store.read(lambda tx: account_rows.technician_by_email(tx, technician.email))
        return await self._desk.is_password(None if known is None else known[1], password)

    def _is_alive(self, cookie: CookieRow, now: datetime) -> bool:
        idle = timedelta(seconds=self._desk.settings.cookie_idle_timeout)
        return now < cookie.expires_at and now < cookie.seen_at + idle
