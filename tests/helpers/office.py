"""A relay's back office for tests: store, broker and accounts on one file, and hosts that are only keys."""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from relay.accounts import Accounts, AccountSettings
from relay.auth import Sealer
from relay.broker import Broker, BrokerSettings, HostAbout, HostAdmission
from relay.people import Company, Plan, Technician
from relay.protocol.close_reasons import CloseReason
from relay.protocol.frames import Fields
from relay.protocol.lease import make_join_proof
from relay.sessions import Session, SessionId
from relay.store import Store, open_store
from tests.helpers.letters import Letters

ORIGIN = "https://relay.example"


class Clock:
    """A wall clock that moves when told to."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def pass_by(self, seconds: float) -> None:
        """Moves on (or back, for a jump)."""
        self.time += timedelta(seconds=seconds)


@dataclass
class FakeHost:
    """A host as the broker sees it: a key, and what it says about itself."""

    computer: str = "FRONT-DESK"
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    def about(self, secret: bytes, *, origin: str = ORIGIN) -> HostAbout:
        """What it says when joining with `secret`."""
        return HostAbout(
            key=self.key.public_key().public_bytes_raw(),
            computer=self.computer,
            os="Linux",
            user="ana",
            program="adhoc-host 1",
            proof=make_join_proof(secret, origin, self.key),
        )


@dataclass
class Office:
    """Everything behind the connections. `revoked` and `notices` collect what the broker said,
    `refused` the ways of sign-ins that were refused, in order; `letters` what people were to be mailed."""

    store: Store
    broker: Broker
    accounts: Accounts
    company: Company
    technician: Technician
    relay_key: Ed25519PrivateKey
    revoked: list[tuple[SessionId, CloseReason]] = field(default_factory=list)
    notices: list[tuple[str, str, Fields]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    letters: Letters = field(default_factory=Letters)
    host: FakeHost = field(default_factory=FakeHost)
    invite: bytes = b""

    async def prepare(self, technician: Technician | None = None) -> Session:
        """A prepared session with a new `invite`."""
        self.invite = secrets.token_bytes(16)
        return await self.broker.prepare(
            (technician or self.technician).id, invite=self.invite, customer_email="customer@example.com"
        )

    async def join(
        self, secret: bytes, *, host: FakeHost | None = None, connection: int = 1
    ) -> HostAdmission:
        """The host joins."""
        about = (host or self.host).about(secret)
        return await self.broker.join_host(secret, about, origin=ORIGIN, connection=connection)

    async def activate(self, wrapped: bytes | None = None) -> tuple[Session, bytes]:
        """An active session, and its host's credential."""
        session = await self.prepare()
        admission = await self.join(self.invite)
        if admission.credential is None:
            raise AssertionError("a join by invite gives a credential")
        await self.broker.report_ready(session.id)
        await self.pair(session, wrapped)
        return await self.broker.session_for(self.technician.id, session.id), admission.credential

    async def pair(self, session: Session, wrapped: bytes | None = None) -> Session:
        """One more try, which both sides find right."""
        attempt = (await self.broker.session_for(session.technician_id, session.id)).attempts + 1
        tries = await self.broker.count_try(session.id, code=session.code, attempt=attempt)
        await self.broker.report_paired(session.id, role="host", attempt=tries.attempts, wrapped=None)
        return await self.broker.report_paired(
            session.id, role="viewer", attempt=tries.attempts, wrapped=wrapped
        )


@asynccontextmanager
async def open_office(
    path: Path,
    *,
    now: Callable[[], datetime],
    settings: BrokerSettings | None = None,
    plan: Plan = Plan.PREMIER,
    session_lifetime: float = 86400.0,
    email: str = "tess@example.com",
) -> AsyncIterator[Office]:
    """An office on the database file `path`, with one new company and one new technician."""
    async with open_store(path) as store:
        relay_key = Ed25519PrivateKey.generate()
        broker = Broker(store, settings or BrokerSettings(), now=now, relay_key=relay_key)
        refused: list[str] = []
        letters = Letters()
        accounts = Accounts(
            store,
            AccountSettings(),
            now=now,
            sealer=Sealer(relay_key),
            origin=ORIGIN,
            refused=lambda action, **about: refused.append(about["reason"]),
            post=letters,
        )
        company = await accounts.create_company(name="Company", plan=plan, session_lifetime=session_lifetime)
        technician = await accounts.create_technician(company.id, name="Tess", email=email)
        office = Office(
            store, broker, accounts, company, technician, relay_key, refused=refused, letters=letters
        )
        broker.revoke = lambda session_id, reason: office.revoked.append((session_id, reason))
        broker.notify = lambda session_id, role, name, fields: office.notices.append((role, name, fields))
        yield office
