"""Accounts: companies, technicians, and how technicians sign in.

A technician signs in with e-mail address and password, or with a one-time sign-in link made on the server's
own terminal (there is no set-up page on the open web). Either gives a cookie: 32 random bytes, of which the
store keeps the hash. It dies `AccountSettings.cookie_idle_timeout` after its last use, `cookie_ttl` after
sign-in in any case, at sign-out, and the moment the technician is disabled or the company suspended.

Sign-in is throttled before any hashing, by address and by account, and costs the same for unknown people.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import trio

from relay.auth import check_new_password, digest, hash_password, new_id, new_secret, verify_password
from relay.errors import AuthError, Refused
from relay.limits import KeyedBuckets, address_key
from relay.people import (
    MAX_SESSION_LIFETIME,
    Company,
    CompanyId,
    Plan,
    Technician,
    TechnicianId,
    TechnicianRole,
)
from relay.protocol.hidden import SecretBytes
from relay.store import Store, Transaction, account_rows, audit_rows
from relay.store.audit_rows import AuditRow
from relay.texts import mark

MAX_HASHING = 2
"""Passwords hashed at once: each takes 64 MiB and a core for 125 ms."""

WRONG_PASSWORD = mark("The e-mail address or the password is not right.")
WRONG_LINK = mark("This sign-in link is not valid (any more).")


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSettings:
    """The numbers of signing in (SECURITY).

    Attributes:
        sign_in_link_ttl: seconds in which a sign-in link must be used.
        cookie_idle_timeout: seconds without a request after which a cookie is dead.
        cookie_ttl: seconds after sign-in at which it is dead in any case.
        tries_per_address: sign-ins tried from one address within `tries_window`.
        tries_per_account: sign-ins tried for one e-mail address within `tries_window`; more than an honest
            person needs, few enough that a password of 12 characters is safe from many addresses.
        tries_window: seconds.
    """

    sign_in_link_ttl: float = 3600.0
    cookie_idle_timeout: float = 1800.0
    cookie_ttl: float = 12 * 3600.0
    tries_per_address: float = 10.0
    tries_per_account: float = 20.0
    tries_window: float = 600.0


class Accounts:
    """Companies and technicians.

    Args:
        store: an open store.
        settings: the numbers.
        now: the clock, aware and in UTC.

    Concurrency: any task may call anything.
    """

    def __init__(self, store: Store, settings: AccountSettings, *, now: Callable[[], datetime]) -> None:
        self._store = store
        self._settings = settings
        self._now = now
        self._hashing = trio.CapacityLimiter(MAX_HASHING)
        self._by_address = _buckets("sign_ins_per_address", settings.tries_per_address, settings.tries_window)
        self._by_account = _buckets("sign_ins_per_account", settings.tries_per_account, settings.tries_window)

    # Companies and technicians

    async def create_company(
        self,
        *,
        name: str,
        phone: str = "",
        plan: Plan = Plan.FREE,
        has_insight: bool = False,
        max_open_per_technician: int = 1,
        max_open_per_company: int = 5,
        session_lifetime: float = MAX_SESSION_LIFETIME,
        preparation_timeout: float = 3600.0,
    ) -> Company:
        """A new company. (`Broker.change_company` changes it: that may end sessions.)

        Raises:
            RelayError: a setting is out of the range that `relay.people.Company` names.
        """
        company = Company(
            id=CompanyId(new_id()),
            name=name,
            phone=phone,
            plan=plan,
            has_insight=has_insight,
            max_open_per_technician=max_open_per_technician,
            max_open_per_company=max_open_per_company,
            session_lifetime=session_lifetime,
            preparation_timeout=preparation_timeout,
        )

        now = self._now()

        def work(tx: Transaction) -> Company:
            account_rows.insert_company(tx, company)
            _audit(tx, now, company.id, actor="relay", action="company_created")
            return company

        return await self._store.write(work)

    async def create_technician(
        self,
        company_id: CompanyId,
        *,
        name: str,
        email: str,
        language: str = "en",
        role: TechnicianRole = TechnicianRole.TECHNICIAN,
    ) -> Technician:
        """A new technician, without a password: a sign-in link lets them in.

        Raises:
            Refused: the e-mail address belongs to a technician already.
        """
        technician = Technician(
            id=TechnicianId(new_id()),
            company_id=company_id,
            name=name,
            email=normalise_email(email),
            language=language,
            role=role,
        )

        now = self._now()

        def work(tx: Transaction) -> Technician:
            if account_rows.technician_by_email(tx, technician.email) is not None:
                raise Refused(mark("There is a technician with this e-mail address already."))
            account_rows.insert_technician(tx, technician)
            _audit(tx, now, company_id, actor="relay", action="technician_created", technician=technician.id)
            return technician

        return await self._store.write(work)

    async def companies(self) -> list[Company]:
        """Every company, by name."""
        return await self._store.read(account_rows.all_companies)

    async def technicians(self) -> list[Technician]:
        """Every technician, by e-mail address."""
        return await self._store.read(account_rows.all_technicians)

    async def set_password(
        self, technician_id: TechnicianId, password: str, *, cookie: bytes | None = None
    ) -> None:
        """Sets or changes a password, and signs the technician out everywhere else.

        Args:
            technician_id: whose.
            password: the new one, untrusted.
            cookie: the cookie of who asks, which stays alive; None: all of them die.

        Raises:
            Refused: the password is too short or too long; nothing was changed.
        """
        check_new_password(password)
        hashed = await trio.to_thread.run_sync(hash_password, password, limiter=self._hashing)
        kept = None if cookie is None else digest(cookie)
        now = self._now()

        def work(tx: Transaction) -> None:
            technician = account_rows.technician_by_id(tx, technician_id)
            if technician is None:
                raise Refused("There is no such technician.")
            account_rows.set_password_hash(tx, technician_id, hashed)
            account_rows.delete_cookies_of(tx, technician_id, but=kept)
            _audit(tx, now, technician.company_id, actor=_actor(technician_id), action="password_set")

        await self._store.write(work)

    # Signing in

    async def sign_in(self, email: str, password: str, address: str) -> SecretBytes:
        """A cookie for whoever knows the password.

        Args:
            email, password: untrusted.
            address: where it was asked from, for the throttle.

        Raises:
            AuthError: unknown, disabled, suspended or wrong; all look and take the same.
            LimitExceeded: ``sign_ins_per_address`` or ``sign_ins_per_account``, with the seconds to wait.
        """
        email = normalise_email(email)
        self._by_address.take(address_key(address), trio.current_time())
        self._by_account.take(email, trio.current_time())
        known = await self._store.read(lambda tx: account_rows.technician_by_email(tx, email))
        stored = None if known is None else known[1]
        is_right = await trio.to_thread.run_sync(verify_password, stored, password, limiter=self._hashing)
        cookie, now = new_secret(), self._now()

        def work(tx: Transaction) -> bool:
            # Looked up again: it may have changed while the password was being hashed.
            found = account_rows.technician_by_email(tx, email)
            if found is not None and is_right and found[1] == stored and _may_work(tx, found[0]) is not None:
                self._let_in(tx, now, found[0], cookie, way="password")
                return True
            company_id = None if found is None else found[0].company_id
            _audit(tx, now, company_id, actor="stranger", action="sign_in_refused")
            return False

        if not await self._store.write(work):
            raise AuthError(WRONG_PASSWORD)
        return cookie

    async def issue_sign_in_link(self, technician_id: TechnicianId) -> SecretBytes:
        """The token of a link that signs this technician in, once."""
        token, now = new_secret(), self._now()
        expires_at = now + timedelta(seconds=self._settings.sign_in_link_ttl)

        def work(tx: Transaction) -> None:
            account_rows.delete_dead_sign_in_links(tx, before=now)
            account_rows.insert_sign_in_link(
                tx, token_hash=digest(token), technician_id=technician_id, expires_at=expires_at
            )
            technician = account_rows.technician_by_id(tx, technician_id)
            company_id = None if technician is None else technician.company_id
            _audit(tx, now, company_id, actor="relay", action="sign_in_link", technician=technician_id)

        await self._store.write(work)
        return token

    async def sign_in_by_link(self, token: bytes) -> SecretBytes:
        """A cookie for whoever holds an unused sign-in link.

        Raises:
            AuthError: unknown, used, dead, or of somebody who may not work; all look the same.
        """
        cookie, now = new_secret(), self._now()

        def work(tx: Transaction) -> bool:
            technician_id = account_rows.use_sign_in_link(tx, digest(token), now)
            technician = None if technician_id is None else account_rows.technician_by_id(tx, technician_id)
            if technician is None or _may_work(tx, technician) is None:
                return False
            self._let_in(tx, now, technician, cookie, way="link")
            return True

        if not await self._store.write(work):
            raise AuthError(WRONG_LINK)
        return cookie

    def _let_in(
        self, tx: Transaction, now: datetime, technician: Technician, cookie: SecretBytes, *, way: str
    ) -> None:
        account_rows.delete_dead_cookies(
            tx,
            expired_before=now,
            unseen_since=now - timedelta(seconds=self._settings.cookie_idle_timeout),
        )
        account_rows.insert_cookie(
            tx,
            cookie_hash=digest(cookie),
            technician_id=technician.id,
            seen_at=now,
            expires_at=now + timedelta(seconds=self._settings.cookie_ttl),
        )
        _audit(tx, now, technician.company_id, actor=_actor(technician.id), action="signed_in", way=way)

    async def technician_of_cookie(self, cookie: bytes) -> tuple[Technician, Company] | None:
        """Who is signed in with this cookie (untrusted), or None if nobody is; notes that it was used."""
        now = self._now()
        cookie_hash = digest(cookie)
        idle = timedelta(seconds=self._settings.cookie_idle_timeout)

        def look(tx: Transaction) -> tuple[Technician, Company, datetime] | None:
            found = account_rows.cookie_by_hash(tx, cookie_hash)
            if found is None:
                return None
            technician_id, seen_at, expires_at = found
            if now >= expires_at or now >= seen_at + idle:
                return None
            technician = account_rows.technician_by_id(tx, technician_id)
            company = None if technician is None else _may_work(tx, technician)
            return None if technician is None or company is None else (technician, company, seen_at)

        known = await self._store.read(look)
        if known is None:
            return None
        technician, company, seen_at = known
        # A write for every request would be a disk flush each; a thirtieth of the timeout is fine enough.
        if now >= seen_at + idle / 30:
            await self._store.write(lambda tx: account_rows.touch_cookie(tx, cookie_hash, now))
        return technician, company

    async def sign_out(self, cookie: bytes) -> None:
        """Kills the cookie. One that is dead already is no error."""
        now = self._now()

        def work(tx: Transaction) -> None:
            technician_id = account_rows.delete_cookie(tx, digest(cookie))
            technician = None if technician_id is None else account_rows.technician_by_id(tx, technician_id)
            if technician is not None:
                _audit(tx, now, technician.company_id, actor=_actor(technician.id), action="signed_out")

        await self._store.write(work)


def normalise_email(email: str) -> str:
    """The one spelling under which an address is stored and looked up: trimmed, lower case."""
    return email.strip().lower()


def _may_work(tx: Transaction, technician: Technician) -> Company | None:
    """The technician's company, unless one of them is shut out."""
    company = account_rows.company_by_id(tx, technician.company_id)
    return None if technician.is_disabled or company is None or company.is_suspended else company


def _actor(technician_id: TechnicianId) -> str:
    return f"technician:{technician_id}"


def _buckets(limit: str, tries: float, window: float) -> KeyedBuckets:
    return KeyedBuckets(limit, rate_per_second=tries / window, burst=tries)


def _audit(
    tx: Transaction, at: datetime, company_id: CompanyId | None, *, actor: str, action: str, **fields: str
) -> None:
    row = AuditRow(at=at, company_id=company_id, session_id=None, actor=actor, action=action, fields=fields)
    audit_rows.add(tx, row)
