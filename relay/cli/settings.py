"""``relay config show`` and ``relay init``: what the settings are, and a file to keep them in."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from relay.cli.common import AsJson, ConfigFile, Data, PublicUrl, Setting, refuse
from relay.config import Config, explain, load, meaning_of
from relay.errors import ConfigError

app = typer.Typer(help="The relay's settings.", no_args_is_help=True)

QUESTIONS = {
    "public_url": "What people type to reach it: https://support.example.com (empty: this machine only)",
    "company": "Name of your company, as customers read it",
    "company_phone": "Telephone number where customers can call back (may stay empty)",
    "owner_name": "Your name, as customers read it",
    "owner_email": "Your e-mail address, to sign in with",
    "smtp_url": "Mail server (smtp://USER:PASSWORD@HOST:587?starttls=1; empty: mails stay in a folder)",
    "mail_from": "Sender of the mails",
}
"""What ``relay init`` asks on a terminal; everything else has a default that fits."""


@app.command()
def show(config: ConfigFile = None, data: Data = None, as_json: AsJson = False) -> None:
    """Every setting: its value, where that comes from, and what it is for. Passwords are not shown."""
    try:
        facts = explain({"data": data}, os.environ, config)
    except ConfigError as error:
        refuse(error)
    if as_json:
        print(json.dumps([fact._asdict() for fact in facts], indent=2))
        return
    table = Table("setting", "value", "from", "meaning")
    for fact in facts:
        table.add_row(fact.name, fact.value, fact.source, fact.meaning)
    Console().print(table)


def init(
    file: Annotated[Path, typer.Option("--config", help="The file to write.")] = Path("relay.toml"),
    listen: Annotated[Setting, typer.Option(help="ADDRESS:PORT.")] = None,
    data: Data = None,
    public_url: PublicUrl = None,
    tls_cert: Annotated[Setting, typer.Option(help="Certificate chain, PEM.")] = None,
    tls_key: Annotated[Setting, typer.Option(help="Its key, PEM, without password.")] = None,
    smtp_url: Annotated[Setting, typer.Option(help="Mail server.")] = None,
    mail_from: Annotated[Setting, typer.Option(help="Sender of the mail.")] = None,
    company: Annotated[Setting, typer.Option(help="Name of the company.")] = None,
    company_phone: Annotated[Setting, typer.Option(help="Its telephone number.")] = None,
    owner_name: Annotated[Setting, typer.Option(help="Your name.")] = None,
    owner_email: Annotated[Setting, typer.Option(help="What you sign in with.")] = None,
) -> None:
    """Write a settings file with an explanation of every setting. On a terminal it asks for what matters."""
    given = {
        name: value for name, value in locals().items() if name in Config.model_fields and value is not None
    }
    if sys.stdin.isatty():
        _ask(given)
    try:
        load(given, {}, None)
        write_settings(file, given)
    except ConfigError as error:
        refuse(error)
    print(f"{file} is written. Check it with:  relay doctor --config {file}")
    print(f"Then start the relay with:  relay up --config {file}")


def write_settings(file: Path, given: dict[str, Any]) -> None:
    """Write a TOML file of every setting: those `given`, and the others as comments with their defaults.

    Raises:
        ConfigError: the file is there already, or cannot be written.
    """
    try:
        # Mode 0600: the mail server's password may be in it.
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ConfigError(f"{file} is there already; it stays as it is.") from None
    except OSError as error:
        raise ConfigError(f"{file} cannot be written: {error.strerror}.") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        out.write(settings_text(given))


def settings_text(given: dict[str, Any]) -> str:
    """The TOML of `given`, every setting explained."""
    lines = [
        "# Settings of the relay. The environment (ADHOC_...) and the command line win over them.",
        "",
    ]
    for name, field in Config.model_fields.items():
        lines += [f"# {line}" for line in meaning_of(name).splitlines()]
        if name in given:
            # JSON's strings are TOML's basic strings.
            lines.append(f"{name} = {json.dumps(str(given[name]), ensure_ascii=False)}")
        else:
            default = field.get_default()
            shown = str(default) if isinstance(default, int | float) else json.dumps(str(default))
            lines.append(f"#{name} = {'' if default in (None, ()) else shown}".rstrip())
        lines.append("")
    return "\n".join(lines)


def _ask(given: dict[str, Any]) -> None:
    """Ask for what was not given, each until it is good alone."""
    for name, question in QUESTIONS.items():
        if name in given or (name == "mail_from" and "smtp_url" not in given):
            continue
        default = Config.model_fields[name].get_default() or ""
        while True:
            answer = typer.prompt(question, default=default, show_default=bool(default)).strip()
            if not answer:
                break
            complaint = _complaint_about(name, answer)
            if complaint is None:
                given[name] = answer
                break
            print(f"  That {complaint}.")


def _complaint_about(name: str, answer: str) -> str | None:
    """What is wrong with a setting for itself; how they fit together is checked at the end."""
    try:
        load({name: answer}, {}, None)
    except ConfigError as error:
        prefix = f"--{name.replace('_', '-')}: "
        own = [line.removeprefix(prefix) for line in str(error).splitlines() if line.startswith(prefix)]
        return own[0] if own else None
    return None
