"""What all parts of this room work with: the store, the clock, the numbers, and a few steps they share."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import trio

from relay.auth import Sealer, check_new_password, hash_password, verify_password
from relay.people import Company, CompanyId, Technician, TechnicianId
from relay.store import Store, Transaction, account_rows, audit_rows
from relay.store.audit_rows import AuditRow

MAX_HASHING = 2
"""Passwords hashed at once: each takes 64 MiB and a core for 125 ms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSettings:
    """The numbers of signing in (SECURITY; docs/threats.md has the arithmetic).

    Attributes:
        sign_in_link_ttl: seconds in which a sign-in link must be used.
        cookie_idle_timeout: seconds without a request after which a cookie is dead.
        cookie_ttl: seconds after sign-in at which it is dead in any case.
        challenge_ttl: seconds in which a sign-in that is half done must be finished.
        tries_per_challenge: codes that may be tried for one of those.
        tries_per_address: sign-ins tried from one address within `tries_window`.
        tries_per_account: sign-ins tried for one e-mail address within `tries_window`; more than an honest
            person needs, few enough that a password of 12 characters is safe from many addresses.
        tries_per_browser: sign-ins tried from a browser that this person used before, within `tries_window`.
        starts_per_address: passkeys and identity providers asked for from one address within `tries_window`.
        tries_window: seconds.
        codes_per_account: second factors tried for one person within `codes_window`.
        codes_window: seconds.
        known_browser_ttl: seconds after its last sign-in for which a browser counts as known.
        max_passkeys: of one person.
        invitation_ttl: seconds in which an invitation must be accepted.
        reset_ttl: seconds in which a mailed link must be used to set a new password.
        invitations_per_company: mails to people that a company may send within `invitations_window`.
        invitations_per_person: of those, to one person.
        invitations_window: seconds.
        resets_per_account: mails for a new password to one person within `reset_ttl`. Whoever asks for more
            has one of them in their mailbox that is still good.
        max_people: of one company, disabled ones included.
    """

    sign_in_link_ttl: float = 3600.0
    cookie_idle_timeout: float = 1800.0
    cookie_ttl: float = 12 * 3600.0
    challenge_ttl: float = 300.0
    tries_per_challenge: int = 5
    tries_per_address: float = 10.0
    tries_per_account: float = 20.0
    tries_per_browser: float = 10.0
    starts_per_address: float = 30.0
    tries_window: float = 600.0
    codes_per_account: float = 10.0
    codes_window: float = 3600.0
    known_browser_ttl: float = 180 * 86400.0
    max_passkeys: int = 20
    invitation_ttl: float = 72 * 3600.0
    reset_ttl: float = 3600.0
    invitations_per_company: float = 50.0
    invitations_per_person: float = 5.0
    invitations_window: float = 3600.0
    resets_per_account: float = 3.0
    max_people: int = 500


def _ignore(
    action: str, *, company_id: CompanyId | None = None, actor: str = "stranger", reason: str = ""
) -> None:
    """Notes nothing."""


@dataclass(frozen=True, kw_only=True)
class Desk:
    """What every part gets.

    Attributes:
        store: an open store.
        settings: the numbers.
        now: the clock, aware and in UTC.
        sealer: of secrets that must be read again.
        origin: the relay's, as browsers write it; passkeys and identity providers are bound to it.
        refused: told of each sign-in that was refused (action, company_id, actor, reason); never awaits.
    """

    store: Store
    settings: AccountSettings
    now: Callable[[], datetime]
    sealer: Sealer
    origin: str
    refused: Callable[..., None] = _ignore
    hashing: trio.CapacityLimiter = field(default_factory=lambda: trio.CapacityLimiter(MAX_HASHING))

    async def hash_new_password(self, password: str) -> str:
        """What is stored of a new password.

        Raises:
            Refused: it is too short or too long.
        """
        check_new_password(password)
        return await trio.to_thread.run_sync(hash_password, password, limiter=self.hashing)

    async def is_password(self, stored: str | None, password: str) -> bool:
        """Whether `password` is the one behind `stored`; takes as long for None."""
        return await trio.to_thread.run_sync(verify_password, stored, password, limiter=self.hashing)


def normalise_email(email: str) -> str:
    """The one spelling under which an address is stored and looked up: trimmed, lower case."""
    return email.strip().lower()


def may_work(tx: Transaction, technician: Technician) -> Company | None:
    """The technician's company, unless one of them is shut out."""
    company = account_rows.company_by_id(tx, technician.company_id)
    return None if technician.is_disabled or company is None or company.is_suspended else company


def working_technician(tx: Transaction, technician_id: TechnicianId | None) -> Technician | None:
    """The technician, unless there is none or they are shut out."""
    found = None if technician_id is None else account_rows.technician_by_id(tx, technician_id)
    return None if found is None or may_work(tx, found) is None else found


def actor(technician_id: TechnicianId) -> str:
    """How the audit log names a technician."""
    return f"technician:{technician_id}"


def audit(
    tx: Transaction,
    at: datetime,
    company_id: CompanyId | None,
    *,
    by: str,
    action: str,
    **fields: str | int | bool,
) -> None:
    """Adds a row about an account to the audit log."""
    row = AuditRow(at=at, company_id=company_id, session_id=None, actor=by, action=action, fields=fields)
    audit_rows.add(tx, row)
