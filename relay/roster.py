"""Who works here, from the server's own terminal: whoever may read and write the relay's folder owns it.

All of it works beside a running relay, on the same folder. What is told of it there: a cookie that died is
dead at its next request, and whoever was disabled is disconnected within a second
(`relay.accounts.people.People.run_watch`).
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import trio

from relay.accounts import Accounts, AccountSettings, normalise_email
from relay.addresses import parse_address
from relay.auth import Sealer, load_or_make_relay_key
from relay.errors import ConfigError, Refused
from relay.people import Company, Technician, TechnicianRole
from relay.server import last_origin, sign_in_url
from relay.store import open_store
from relay.texts import one_line

MAX_NAME_LENGTH = 100


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody on the roster.

    Attributes:
        technician: who.
        company: where.
    """

    technician: Technician
    company: Company


async def members(data: Path) -> list[Member]:
    """Everybody, by company and e-mail address.

    Raises:
        ConfigError: there is no relay in `data`.
    """
    async with _open_accounts(data, origin="") as accounts:
        companies = {company.id: company for company in await accounts.companies()}
        found = [Member(person, companies[person.company_id]) for person in await accounts.technicians()]
    return sorted(found, key=lambda member: (member.company.name, member.technician.email))


async def add_technician(
    data: Path,
    *,
    name: str,
    email: str,
    role: TechnicianRole,
    language: str,
    company: str | None,
    origin: str | None,
) -> str:
    """A sign-in link for somebody new.

    Args:
        data: the relay's folder.
        name, email: as somebody typed them.
        role, language: see `relay.people.Technician`.
        company: its name; None: the only one there is.
        origin: what the link begins with; None: what the relay last ran as.

    Raises:
        ConfigError: there is no relay in `data`, the company is not clear, or the person cannot be added.
    """
    origin = origin or last_origin(_existing(data))
    try:
        name, email = one_line(name), parse_address(email)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    if not 1 <= len(name) <= MAX_NAME_LENGTH:
        raise ConfigError(f"A name has 1 to {MAX_NAME_LENGTH} characters.")
    async with _open_accounts(data, origin=origin) as accounts:
        companies = [found for found in await accounts.companies() if company in (None, found.name)]
        if not companies:
            raise ConfigError(f"There is no company {company}.")
        if len(companies) > 1:
            raise ConfigError("There are several companies; say which with --company.")
        try:
            technician = await accounts.create_technician(
                companies[0].id, name=name, email=email, role=role, language=language
            )
        except Refused as error:
            raise ConfigError(str(error)) from None
        return sign_in_url(origin, await accounts.issue_sign_in_link(technician.id))


async def set_disabled(data: Path, *, email: str, is_disabled: bool) -> Technician:
    """Shuts somebody out, or lets them in again; who it was.

    Raises:
        ConfigError: there is no relay in `data`, nobody has the address, or it is the last owner.
    """
    async with _open_accounts(data, origin="") as accounts:
        technician = await _technician(accounts, email)
        try:
            await accounts.people.set_disabled(technician.id, is_disabled=is_disabled)
        except Refused as error:
            raise ConfigError(str(error)) from None
    return technician


async def issue_sign_in_link(data: Path, *, email: str | None, origin: str | None) -> str:
    """A sign-in link.

    Args:
        data: the relay's folder.
        email: whom it is for; None: the only technician there is.
        origin: what the link begins with; None: what the relay last ran as.

    Raises:
        ConfigError: there is no relay in `data`, or nobody (or nobody in particular) to make a link for.
    """
    origin = origin or last_origin(_existing(data))
    async with _open_accounts(data, origin=origin) as accounts:
        technician = await _technician(accounts, email)
        return sign_in_url(origin, await accounts.issue_sign_in_link(technician.id))


async def _technician(accounts: Accounts, email: str | None) -> Technician:
    technicians = await accounts.technicians()
    if email is not None:
        wanted = normalise_email(email)
        technicians = [technician for technician in technicians if technician.email == wanted]
        if not technicians:
            raise ConfigError(f"There is no technician with the address {email}.")
    if len(technicians) != 1:
        raise ConfigError("There are several technicians; say which with --email.")
    return technicians[0]


@asynccontextmanager
async def _open_accounts(data: Path, *, origin: str) -> AsyncIterator[Accounts]:
    async with open_store(_existing(data) / "relay.db") as store:
        key = await trio.to_thread.run_sync(load_or_make_relay_key, data / "relay.key")
        yield Accounts(store, AccountSettings(), now=_now, sealer=Sealer(key), origin=origin)


def _existing(data: Path) -> Path:
    if not (data / "relay.db").is_file():
        raise ConfigError(f"{data} is not the folder of a relay; start one with: relay up --data {data}")
    return data


def _now() -> datetime:
    return datetime.now(UTC)
