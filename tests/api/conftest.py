"""The API on a real broker and store in a temporary folder, asked over httpx without any socket."""

from collections.abc import AsyncIterator, Iterator, MutableMapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.types import ASGIApp

from relay.accounts import Accounts, AccountSettings
from relay.api.app import create_app
from relay.api.context import ApiContext, ApiSettings
from relay.api.feeds import Feeds
from relay.audit.heads import HEADS_FILE
from relay.audit.log import AuditLog
from relay.auth import Sealer
from relay.broker import Broker, BrokerSettings
from relay.mail import Carrier, MailServers, Outbox, RelayMail
from relay.mailing import tell_session
from relay.metrics import Metrics
from relay.people import Company, Plan, Technician
from relay.protocol.hidden import SecretBytes
from relay.protocol.links import encode_base64url
from relay.store import open_store
from relay.webhooks import Sender, Webhooks
from tests.helpers.letters import Letters

ORIGIN = "http://127.0.0.1:8080"
CSRF = {"X-Adhoc-Csrf": "1"}
INVITE = encode_base64url(bytes(range(16)))
LINK = f"{ORIGIN}/d/{INVITE}#{encode_base64url(bytes(range(16, 32)))}.correct%20horse"


@dataclass
class Clock:
    """The wall clock of broker and accounts."""

    time: datetime = field(default_factory=lambda: datetime(2025, 1, 1, 12, tzinfo=UTC))

    def now(self) -> datetime:
        """Now."""
        return self.time

    def advance(self, seconds: float) -> None:
        """Later."""
        self.time += timedelta(seconds=seconds)


@dataclass(kw_only=True)
class World:
    """A relay's API and what stands behind it; Alice works for one company, Mallory for another."""

    app: ASGIApp
    context: ApiContext
    broker: Broker
    accounts: Accounts
    metrics: Metrics
    clock: Clock
    company: Company
    alice: Technician
    mallory: Technician
    outbox: Path
    letters: Letters

    def client(self, cookie: bytes | None = None, *, app: ASGIApp | None = None) -> httpx.AsyncClient:
        """A client like the console's page: right origin, right headers, this cookie."""
        name = self.context.settings.cookie_name
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(app or self.app, raise_app_exceptions=False),
            base_url=self.context.settings.origin,
            headers=CSRF | {"Origin": self.context.settings.origin, "Sec-Fetch-Site": "same-origin"},
            cookies={} if cookie is None else {name: encode_base64url(cookie)},
        )

    async def sign_in(self, technician: Technician) -> SecretBytes:
        """A fresh cookie of `technician`."""
        return await self.accounts.sign_in_by_link(await self.accounts.issue_sign_in_link(technician.id))

    async def client_of(self, technician: Technician) -> httpx.AsyncClient:
        """A signed-in client."""
        return self.client(await self.sign_in(technician))


def assert_problem(response: httpx.Response, *statuses: int) -> None:
    assert response.status_code in statuses, (response.request.url.path, response.status_code)
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert body["status"] == response.status_code
    assert body["detail"].endswith(".")


@pytest.fixture(autouse=True)
def log_lines() -> Iterator[list[MutableMapping[str, Any]]]:
    """What was logged."""
    with structlog.testing.capture_logs() as lines:
        yield lines


@pytest.fixture
def origin() -> str:
    """What the relay is reached at; overridden by tests of TLS."""
    return ORIGIN


@pytest.fixture
async def world(tmp_path: Path, origin: str) -> AsyncIterator[World]:
    """A fresh world."""
    clock, metrics = Clock(), Metrics()
    async with open_store(tmp_path / "relay.db") as store, trio.open_nursery() as nursery:
        relay_key = Ed25519PrivateKey.generate()
        broker = Broker(store, BrokerSettings(), now=clock.now, relay_key=relay_key)
        letters = Letters()
        accounts = Accounts(
            store,
            AccountSettings(),
            now=clock.now,
            sealer=Sealer(relay_key),
            origin=origin,
            post=letters,
        )
        company = await accounts.create_company(name="Help Ltd", phone="+44 20 7946 0000", plan=Plan.BASE)
        others = await accounts.create_company(name="Others", plan=Plan.PREMIER)
        settings = ApiSettings(
            origin=origin,
            static=tmp_path / "static",
            downloads=tmp_path / "downloads",
            mails_per_technician=3,
        )
        outbox = tmp_path / "outbox"
        sealer = Sealer(relay_key)
        servers = MailServers(store, sealer, allows_private=True, now=clock.now)
        carrier = Carrier(outbox=outbox, timeout=5, allows_private=True)
        relay_mail = RelayMail(None, "relay@localhost")
        post = Outbox(store, sealer, carrier, servers, relay_mail, metrics, now=clock.now)
        post.changed = partial(tell_session, broker)
        webhooks = Webhooks(store, sealer, Sender(allows_private=True), metrics, now=clock.now)
        await nursery.start(post.run)
        await nursery.start(webhooks.run)
        context = ApiContext(
            settings=settings,
            store=store,
            broker=broker,
            accounts=accounts,
            outbox=post,
            mail_servers=servers,
            webhooks=webhooks,
            metrics=metrics,
            feeds=Feeds(max_per_technician=2),
            audit=AuditLog(store, relay_key.public_key(), tmp_path / HEADS_FILE, now=clock.now),
        )
        yield World(
            app=create_app(context),
            context=context,
            broker=broker,
            accounts=accounts,
            metrics=metrics,
            clock=clock,
            company=company,
            alice=await accounts.create_technician(company.id, name="Alice", email="alice@help.example"),
            mallory=await accounts.create_technician(
                others.id, name="Mallory", email="mallory@others.example"
            ),
            outbox=outbox,
            letters=letters,
        )
        nursery.cancel_scope.cancel()
