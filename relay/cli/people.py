"""Commands about people: who may sign in, from the server's own terminal."""

import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import trio
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from relay import roster
from relay.cli.common import AsJson, ConfigFile, Data, PublicUrl, Setting, refuse
from relay.config import Config, load
from relay.errors import ConfigError
from relay.logging import set_up_logging
from relay.people import TechnicianRole

app = typer.Typer(
    name="technician",
    help="Who may sign in. All of it works beside a running relay.",
    no_args_is_help=True,
)

Whom = Annotated[str, typer.Option(help="E-mail address of the technician.")]

_T = TypeVar("_T")


@app.command()
def add(
    name: Annotated[str, typer.Option(help="What customers read.")],
    email: Annotated[str, typer.Option(help="What they sign in with.")],
    role: TechnicianRole = TechnicianRole.TECHNICIAN,
    language: Literal["en", "es"] = "en",
    company: Annotated[str | None, typer.Option(help="Its name, if there are several.")] = None,
    data: Data = None,
    public_url: PublicUrl = None,
    config: ConfigFile = None,
) -> None:
    """Add somebody, and print a link that signs them in: once, within an hour."""

    async def work(settings: Config) -> str:
        return await roster.add_technician(
            settings.data,
            name=name,
            email=email,
            role=role,
            language=language,
            company=company,
            origin=settings.public_url,
        )

    print(_run(work, config, data=data, public_url=public_url))


@app.command("list")
def list_technicians(data: Data = None, as_json: AsJson = False, config: ConfigFile = None) -> None:
    """Print everybody, by company."""

    async def work(settings: Config) -> list[roster.Member]:
        return await roster.members(settings.data)

    rows = [_facts(member) for member in _run(work, config, data=data)]
    if as_json:
        print(json.dumps(rows, indent=2))
    elif sys.stdout.isatty():
        table = Table("company", "name", "email", "role", "second factor", "state")
        for row in rows:
            table.add_row(*(escape(value) for value in _columns(row)))
        Console().print(table)
    else:
        for row in rows:
            print(*_columns(row), sep="\t")


@app.command()
def disable(email: Whom, data: Data = None, config: ConfigFile = None) -> None:
    """Shut somebody out: now, everywhere. Their open sessions stay, and can be handed over."""
    _run(_set_disabled(email, is_disabled=True), config, data=data)


@app.command()
def enable(email: Whom, data: Data = None, config: ConfigFile = None) -> None:
    """Let somebody in again who was disabled; they sign in as before."""
    _run(_set_disabled(email, is_disabled=False), config, data=data)


@app.command("link")
def sign_in_link(
    data: Data = None,
    email: Annotated[str | None, typer.Option(help="Whom it is for, if there are several.")] = None,
    public_url: PublicUrl = None,
    config: ConfigFile = None,
) -> None:
    """Print a link that signs a technician in: once, within an hour. The relay may be running or not."""

    async def work(settings: Config) -> str:
        return await roster.issue_sign_in_link(settings.data, email=email, origin=settings.public_url)

    print(_run(work, config, data=data, public_url=public_url))


def _set_disabled(email: str, *, is_disabled: bool) -> Callable[[Config], Awaitable[object]]:
    async def work(settings: Config) -> object:
        return await roster.set_disabled(settings.data, email=email, is_disabled=is_disabled)

    return work


def _run(work: Callable[[Config], Awaitable[_T]], file: Path | None, **given: Setting) -> _T:
    """What `work` makes of the settings; ends the program where they cannot be used."""
    try:
        settings = load(given, os.environ, file)
        set_up_logging(settings.log_format)
        return trio.run(work, settings)
    except ConfigError as error:
        refuse(error)


def _facts(member: roster.Member) -> dict[str, str | bool]:
    technician = member.technician
    return {
        "company": member.company.name,
        "name": technician.name,
        "email": technician.email,
        "role": technician.role.value,
        "language": technician.language,
        "has_password": technician.has_password,
        "has_second_factor": technician.has_second_factor,
        "is_disabled": technician.is_disabled,
    }


def _columns(row: dict[str, str | bool]) -> list[str]:
    return [
        *(str(row[name]) for name in ("company", "name", "email", "role")),
        "second factor" if row["has_second_factor"] else "-",
        "disabled" if row["is_disabled"] else "enabled",
    ]
