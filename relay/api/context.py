"""What every route needs, made once by `relay.server` and kept on the app; and who is asking."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import trio
from fastapi import Depends, Request

from relay.accounts import Accounts
from relay.accounts.api_tokens import read_token
from relay.api.feeds import Feeds
from relay.api.problems import Problem
from relay.api.session_bodies import SessionView
from relay.audit.log import AuditLog
from relay.auth import digest
from relay.broker import Broker
from relay.downloads import Downloads
from relay.limits import KeyedBuckets
from relay.mail import MailServers, Outbox
from relay.metrics import Metrics
from relay.people import Company, Permission, Technician, TechnicianId, lacks_second_factor
from relay.protocol.hidden import SecretBytes
from relay.protocol.links import LinkError, decode_base64url, encode_base64url
from relay.store import Store
from relay.texts import LANGUAGES, best_language, mark
from relay.webhooks import Webhooks

COOKIE_BYTES = 32
COOKIE_MAX_AGE = 12 * 3600
"""Seconds; the absolute life of a signed-in browser (SECURITY). The store enforces it, this tidies up."""

SIGNED_OUT = mark("Please sign in.")
BAD_TOKEN = mark("This API token is not valid (any more).")
NOT_ALLOWED = mark("Your role does not allow this.")
SECOND_FACTOR_REQUIRED = mark("Your company requires a second factor; set one up first.")


@dataclass(frozen=True, kw_only=True)
class ApiSettings:
    """The API's own part of the settings.

    Attributes:
        origin: the one origin that is served, as browsers write it.
        static: folder of the built pages; it may not exist.
        downloads: folder of the host files; it may not exist.
        report_url: where customers report misuse, https: or mailto:; None: nowhere.
        mails_per_technician: mails at once, and …
        mails_window: … seconds until that many are allowed again. The relay must not become somebody's
            means of writing to strangers; a customer who lost the mail three times is served all the same.
        ping_interval: seconds between pings on the events' WebSocket; proxies cut silent ones at 60.
        max_feeds_per_technician: consoles one technician may have open at once.
        refusals_per_address: what hosts that could not begin may say from one address at once, and …
        refusals_window: … seconds until that many are taken again; of one link half as many.
        managed_hosts, knows_managed_hosts: see `relay.config.Config`.
    """

    origin: str
    static: Path
    downloads: Path
    report_url: str | None = None
    mails_per_technician: float = 10.0
    mails_window: float = 600.0
    ping_interval: float = 20.0
    max_feeds_per_technician: int = 16
    refusals_per_address: float = 20.0
    refusals_window: float = 600.0
    managed_hosts: tuple[str, ...] = ()
    knows_managed_hosts: bool = True

    @property
    def has_tls(self) -> bool:
        """True if browsers reach the relay over TLS, its own or a proxy's."""
        return self.origin.startswith("https://")

    @property
    def websocket_origin(self) -> str:
        """`origin` with the WebSocket scheme."""
        return self.origin.replace("http", "ws", 1)

    @property
    def cookie_name(self) -> str:
        """The prefix makes browsers insist on Secure, Path=/ and no Domain (RFC 6265bis §4.1.3.2)."""
        return "__Host-adhoc_session" if self.has_tls else "adhoc_session"


@dataclass(frozen=True, kw_only=True)
class ApiContext:
    """The rooms and books that routes work with.

    Attributes:
        close_viewers_of_asker, close_viewers_of_technician: called synchronously with a cookie's or API
            token's SHA-256 that is dead now, and with a technician who may do less than before.
        stopping: set when the relay begins to drain: nothing new is begun from then on.
    """

    settings: ApiSettings
    store: Store
    broker: Broker
    accounts: Accounts
    outbox: Outbox
    mail_servers: MailServers
    webhooks: Webhooks
    metrics: Metrics
    feeds: Feeds
    audit: AuditLog
    close_viewers_of_asker: Callable[[bytes], None] = lambda asked_by_hash: None
    close_viewers_of_technician: Callable[[TechnicianId], None] = lambda technician_id: None
    stopping: trio.Event = field(default_factory=trio.Event)
    mails: KeyedBuckets = field(init=False)
    refusals: KeyedBuckets = field(init=False)
    downloads: Downloads = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "downloads", Downloads(self.settings.downloads))
        buckets = KeyedBuckets(
            "mails_per_technician",
            rate_per_second=self.settings.mails_per_technician / self.settings.mails_window,
            burst=self.settings.mails_per_technician,
        )
        object.__setattr__(self, "mails", buckets)
        refusals = KeyedBuckets(
            "refusals_per_address",
            rate_per_second=self.settings.refusals_per_address / self.settings.refusals_window,
            burst=self.settings.refusals_per_address,
        )
        object.__setattr__(self, "refusals", refusals)

    def revoke_asker(self, asked_by_hash: bytes) -> None:
        """Close what was opened with a cookie or API token that is dead now (its SHA-256)."""
        self.feeds.close(asked_by_hash)
        self.close_viewers_of_asker(asked_by_hash)

    def revoke_technician(self, technician_id: TechnicianId) -> None:
        """Close what a technician has open: they are disabled, or may do less than before."""
        self.feeds.close_technician(technician_id)
        self.close_viewers_of_technician(technician_id)


@dataclass(frozen=True, kw_only=True)
class Caller:
    """The technician behind a request, the secret that said so, and what may be done with it.

    Attributes:
        technician, company: who.
        permissions: those of the role; of an API token's bearer those that are in its scopes, too.
        cookie: of the browser that asks; of a program that shows an API token, the secret in that. Whoever
            needs a cookie asks for `OwnAccount`, which no token is.
    """

    technician: Technician
    company: Company
    permissions: frozenset[Permission]
    cookie: SecretBytes

    @property
    def language(self) -> str:
        """What to answer them in."""
        return self.technician.language if self.technician.language in LANGUAGES else LANGUAGES[0]

    @property
    def asked_by_hash(self) -> bytes:
        """SHA-256 of the secret that said who asks; what it brought about dies with it."""
        return digest(self.cookie)

    @property
    def view(self) -> SessionView:
        """How sessions are shown to them."""
        return SessionView(
            technician=self.technician,
            company=self.company,
            permissions=self.permissions,
            language=self.language,
        )


async def context_of(request: Request) -> ApiContext:
    """The app's context. (A dependency that is not async would cost every request a worker thread.)"""
    context: ApiContext = request.app.state.context
    return context


def read_cookie(value: str | None) -> SecretBytes | None:
    """The secret in a cookie's value, or None if it cannot be one; untrusted."""
    try:
        return SecretBytes(decode_base64url(value or "", COOKIE_BYTES))
    except LinkError:
        return None


def bearer_of(values: Sequence[str]) -> str | None:
    """The bearer's token in an Authorization header (RFC 6750 §2.1), untrusted; None where there is none.

    Several headers, or another scheme, are a token that is worth nothing.
    """
    if not values:
        return None
    scheme, _, token = values[0].partition(" ")
    return token.strip() if len(values) == 1 and scheme.lower() == "bearer" else ""


def write_cookie(secret: bytes) -> str:
    """A cookie's value."""
    return encode_base64url(secret)


async def signed_on(request: Request) -> Caller:
    """Who is asking, even if all they may do is to set up a second factor.

    Raises:
        Problem: 401, nobody that is known.
    """
    context = await context_of(request)
    bearer = bearer_of(request.headers.getlist("authorization"))
    if bearer is not None:
        return await _bearer(context, bearer)
    cookie = read_cookie(request.cookies.get(context.settings.cookie_name))
    known = None if cookie is None else await context.accounts.technician_of_cookie(cookie)
    if cookie is None or known is None:
        raise Problem(401, SIGNED_OUT)
    technician, company = known
    return Caller(technician=technician, company=company, permissions=technician.permissions, cookie=cookie)


async def _bearer(context: ApiContext, bearer: str) -> Caller:
    """For whom an API token acts. Whoever shows one is nothing else, whatever cookie came along."""
    secret = read_token(bearer)
    held = None if secret is None else await context.accounts.api_tokens.holder(secret)
    if secret is None or held is None:
        raise Problem(401, BAD_TOKEN, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
    technician, company, permissions = held
    return Caller(technician=technician, company=company, permissions=permissions, cookie=secret)


SignedOn = Annotated[Caller, Depends(signed_on)]


async def own_account(caller: SignedOn) -> Caller:
    """Who is asking about their own account: themselves, at a browser.

    Raises:
        Problem: 401, nobody that is known; 403, an API token.
    """
    if Permission.MANAGE_ACCOUNT not in caller.permissions:
        raise Problem(403, NOT_ALLOWED)
    return caller


OwnAccount = Annotated[Caller, Depends(own_account)]


async def signed_in(caller: SignedOn) -> Caller:
    """Who is asking.

    Raises:
        Problem: 401, nobody that is known; 403, somebody who must set up a second factor before all else.
    """
    if lacks_second_factor(caller.technician, caller.company):
        raise Problem(403, SECOND_FACTOR_REQUIRED, code="second_factor_required")
    return caller


SignedIn = Annotated[Caller, Depends(signed_in)]


class Allowed:
    """A route's dependency: who is asking, if they may (`relay.people.PERMISSIONS`).

    Args:
        permission: what the route needs.

    Raises:
        Problem: 401, nobody that is known; 403, somebody who may not.
    """

    def __init__(self, permission: Permission) -> None:
        self.permission = permission

    async def __call__(self, caller: SignedIn) -> Caller:
        """The caller."""
        if self.permission not in caller.permissions:
            raise Problem(403, NOT_ALLOWED)
        return caller


def language_of(request: Request) -> Literal["en", "es"]:
    """What a stranger reads."""
    return "es" if best_language(request.headers.get("accept-language", "")) == "es" else "en"


Context = Annotated[ApiContext, Depends(context_of)]
