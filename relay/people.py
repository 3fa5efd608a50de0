"""Companies and the people who work for them: records, roles, and what each role may do.

Nothing here awaits or knows a secret. `PERMISSIONS` is the one table of who may do what; the API asks it, a
scope of an API token is one of its words, and whatever it does not grant is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NewType

TechnicianId = NewType("TechnicianId", str)
CompanyId = NewType("CompanyId", str)

MAX_SESSION_LIFETIME: Final = 24 * 3600
"""The product's promise (DESIGN §2), in seconds; a company may choose less, never more."""


class Plan(StrEnum):
    """What a company has subscribed to."""

    FREE = "free"
    BASE = "base"
    PLUS = "plus"
    PREMIER = "premier"


class TechnicianRole(StrEnum):
    """What somebody is in their company; values are the words of the API and the store."""

    OWNER = "owner"
    ADMIN = "admin"
    TECHNICIAN = "technician"
    AUDITOR = "auditor"


class Permission(StrEnum):
    """A thing that may be done in one's own company; values are the scopes of API tokens."""

    READ_SESSIONS = "sessions.read"
    """See one's own sessions, and those one was let into."""
    USE_SESSIONS = "sessions.use"
    """Prepare sessions, connect to the computers, let colleagues in, end them: one's own."""
    READ_ALL_SESSIONS = "sessions.all.read"
    """See every session of the company."""
    MANAGE_ALL_SESSIONS = "sessions.all.manage"
    """End, hand over and revoke the sessions of colleagues."""
    READ_PEOPLE = "people.read"
    """See who works here: whom one can let in."""
    MANAGE_PEOPLE = "people.manage"
    """Invite, change and disable people."""
    MANAGE_COMPANY = "company.manage"
    """Change plan, limits, brand, mail server, identity provider, retention."""
    READ_AUDIT = "audit.read"
    """Read and export the audit log."""
    MANAGE_WEBHOOKS = "webhooks.manage"
    """Say where the company's events are sent."""
    MANAGE_ACCOUNT = "account.manage"
    """Change one's own password, second factors, signed-in browsers and API tokens. No token has it."""


_EVERYBODY = frozenset({Permission.READ_SESSIONS, Permission.READ_PEOPLE, Permission.MANAGE_ACCOUNT})

PERMISSIONS: Final[Mapping[TechnicianRole, frozenset[Permission]]] = MappingProxyType(
    {
        TechnicianRole.OWNER: frozenset(Permission),
        TechnicianRole.ADMIN: frozenset(Permission),
        TechnicianRole.TECHNICIAN: _EVERYBODY | {Permission.USE_SESSIONS},
        TechnicianRole.AUDITOR: _EVERYBODY | {Permission.READ_ALL_SESSIONS, Permission.READ_AUDIT},
    }
)
"""Owner and admin differ in one thing only: nobody but an owner makes, changes or disables an owner."""

TOKEN_SCOPES: Final = frozenset(Permission) - {Permission.MANAGE_ACCOUNT}
"""What an API token can be for; its bearer may do no more than its technician, either."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Company:
    """A tenant and its settings.

    Attributes:
        id: unguessable.
        name: what customers read.
        phone: a number customers can call back; may be empty.
        plan: decides the tools, see `relay.sessions.tools_of`.
        has_insight: has the module that adds the Dashboard to plan ``base``.
        max_open_per_technician: open sessions at once for each technician, at least 1.
        max_open_per_company: open sessions at once for all of them, at least 1.
        session_lifetime: seconds from activation to the end, 1 … `MAX_SESSION_LIFETIME`.
        preparation_timeout: seconds from preparing to lapsing, 1 … `MAX_SESSION_LIFETIME`.
        colour: accent of the pages and mails that its customers see, ``#rrggbb``; empty: the product's own.
        requires_reason: whoever connects to a computer must say why.
        allows_shell: the plan's Dashboard comes with a shell; False: nobody has it.
        requires_second_factor: who has none must set one up before anything else.
        retention_days: days after its end for which a session's personal data are kept, 1 … 3650.
        is_suspended: nobody of it may sign in, prepare or attach.
    """

    id: CompanyId
    name: str
    phone: str = ""
    plan: Plan = Plan.FREE
    has_insight: bool = False
    max_open_per_technician: int = 1
    max_open_per_company: int = 5
    session_lifetime: float = MAX_SESSION_LIFETIME
    preparation_timeout: float = 3600.0
    colour: str = ""
    requires_reason: bool = False
    allows_shell: bool = True
    requires_second_factor: bool = False
    retention_days: int = 365
    is_suspended: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Technician:
    """A person who helps, or who looks after those who do.

    Attributes:
        id: unguessable.
        company_id: the tenant.
        name: what customers read.
        email: lower case, unique on the relay; what they sign in with.
        language: ``en`` or ``es``.
        role: decides what they may do, see `PERMISSIONS`.
        has_password: False while only a sign-in link, a passkey or an identity provider lets them in.
        has_second_factor: a password alone does not let them in.
        is_disabled: may neither sign in nor attach.
    """

    id: TechnicianId
    company_id: CompanyId
    name: str
    email: str
    language: str = "en"
    role: TechnicianRole = TechnicianRole.TECHNICIAN
    has_password: bool = False
    has_second_factor: bool = False
    is_disabled: bool = False

    @property
    def permissions(self) -> frozenset[Permission]:
        """What they may do."""
        return frozenset() if self.is_disabled else PERMISSIONS[self.role]


def may_manage(actor: TechnicianRole, subject: TechnicianRole) -> bool:
    """Whether somebody in the role `actor` may invite, change or disable somebody in the role `subject`."""
    if Permission.MANAGE_PEOPLE not in PERMISSIONS[actor]:
        return False
    return actor is TechnicianRole.OWNER or subject is not TechnicianRole.OWNER


def lacks_second_factor(technician: Technician, company: Company) -> bool:
    """Whether somebody must set up a second factor before they may do anything else."""
    return company.requires_second_factor and not technician.has_second_factor
