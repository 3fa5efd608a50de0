"""What the command line prints: tables for people, plain lines or JSON for pipes, errors as one line."""

import json
import sys
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pydantic import BaseModel
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from relay.protocol.codes import format_security_code
from technician.models import PreparedSession, Session

MAX_SHOWN_CHARACTERS: Final = 200

# Letters, marks, numbers, punctuation, symbols, the plain space; no controls, formats (bidi), line breaks.
_SHOWN: Final = frozenset("LMNPS")


def printable(text: str, max_characters: int = MAX_SHOWN_CHARACTERS) -> str:
    """`text` as it may be shown on a terminal, whoever wrote it: one line, no escapes, not reordered."""
    shown = (
        character if character == " " or unicodedata.category(character)[0] in _SHOWN else " "
        for character in text[:max_characters]
    )
    return "".join(shown).strip()


def format_left(until: datetime | None, now: datetime) -> str:
    """How long it is from `now` to `until`: ``23 h 59 min``, ``12 min``, ``over``; empty for None."""
    if until is None:
        return ""
    left = until - now
    if left <= timedelta():
        return "over"
    hours, minutes = divmod(int(left.total_seconds()) // 60, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min"


def say(text: str) -> None:
    """One line of progress, on stderr: stdout is for results."""
    print(printable(text), file=sys.stderr, flush=True)


def print_json(value: BaseModel | Sequence[BaseModel] | dict[str, Any]) -> None:
    """One JSON document on stdout."""
    if isinstance(value, BaseModel):
        document: Any = value.model_dump(mode="json")
    elif isinstance(value, dict):
        document = value
    else:
        document = [item.model_dump(mode="json") for item in value]
    json.dump(document, sys.stdout, indent=2)
    print()


def print_facts(facts: dict[str, str]) -> None:
    """Names and values: in columns on a terminal, lines of ``name<TAB>value`` in a pipe. No value is cut."""
    if not sys.stdout.isatty():
        for name, value in facts.items():
            print(f"{name}\t{printable(value, len(value))}")
        return
    console, width = Console(), max(map(len, facts))
    for name, value in facts.items():
        # Lines are left to the terminal to wrap: a link that is broken into two cannot be copied.
        shown = escape(printable(value, len(value)))
        console.print(f"[dim]{name:<{width}}[/dim]  {shown}", soft_wrap=True, highlight=False)


def print_sessions(sessions: Sequence[Session]) -> None:
    """The list of sessions: a table on a terminal, tab-separated lines in a pipe."""
    rows = [_row(session) for session in sessions]
    if not sys.stdout.isatty():
        for row in rows:
            print("\t".join(row))
        return
    if not rows:
        Console().print("No open session.")
        return
    table = Table("Session", "State", "Customer", "Computer", "Time left", "Viewers", box=None)
    for row in rows:
        table.add_row(*map(escape, row))
    Console().print(table)


def print_security_code(code: str) -> None:
    """The code to read out, as the largest thing on the terminal; in a pipe, its line."""
    shown = format_security_code(code)
    if not sys.stdout.isatty():
        print(f"security code\t{shown}", flush=True)
        return
    sentence = "Read these nine digits out to the customer, on the phone:"
    Console().print(Panel.fit(f"{sentence}\n\n    [bold]{shown}[/bold]\n", title="Security code"))


def prepared_document(prepared: PreparedSession) -> dict[str, Any]:
    """What `prepare --json` prints: everything, secrets included, for a program that goes on from here."""
    return {
        "session": prepared.session.model_dump(mode="json"),
        "mail": prepared.mail.model_dump(mode="json"),
        "link": prepared.link.url(),
        "access_password": prepared.access_password,
        "security_code": prepared.security_code,
    }


def _row(session: Session) -> tuple[str, ...]:
    now = datetime.now(UTC)
    until = session.expires_at if session.state == "active" else session.lapse_at
    computer = ""
    if session.host is not None:
        computer = printable(session.host.computer) + ("" if session.host.online else " (offline)")
    return (
        session.id,
        session.state,
        printable(session.customer_email),
        computer,
        "" if session.state == "ended" else format_left(until, now),
        str(session.viewers),
    )
