"""What every command of the technician's program needs: who is signed in, which session, its keys."""

import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import trio
import typer

from relay.protocol.codes import normalise_access_password
from relay.protocol.hidden import SecretBytes
from technician.attaching import fetch_pairing_key
from technician.errors import RelayRefused, TechnicianError
from technician.keyring import Keyring, SessionSecrets, default_folder
from technician.models import Session
from technician.relay_client import RelayClient, open_relay_client

Result = TypeVar("Result")

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
SessionArgument = Annotated[
    str | None,
    typer.Argument(metavar="[SESSION]", help="Its id or the beginning of it; not needed when one is open."),
]
AccessPassword = Annotated[
    str | None,
    typer.Option(envvar="ADHOC_ACCESS_PASSWORD", help="Better in the environment; asked for when not given."),
]


class UsageProblem(Exception):
    """What was asked for cannot be meant; exit code 2."""


def run_signed_in(command: Callable[[RelayClient, Keyring], Awaitable[Result]]) -> Result:
    """Runs `command` with the relay that was signed in to."""
    keyring = Keyring(default_folder())
    sign_in = keyring.sign_in()
    if sign_in is None:
        raise TechnicianError("Nobody is signed in here; use: technician sign-in ADDRESS")

    async def run() -> Result:
        async with open_relay_client(sign_in.origin, cookie=sign_in.cookie) as relay:
            return await command(relay, keyring)

    try:
        return trio.run(run)
    except RelayRefused as exc:
        if exc.is_sign_in_needed:
            raise TechnicianError("You are signed out (by now); use: technician sign-in ADDRESS") from exc
        raise


async def choose_session(relay: RelayClient, wanted: str | None, state: str | None = None) -> Session:
    """The open session whose id begins with `wanted`, or the only one."""
    found = [session for session in await relay.sessions() if session.id.startswith(wanted or "")]
    if not found:
        raise TechnicianError("No session is open." if wanted is None else "There is no such open session.")
    if len(found) > 1:
        raise UsageProblem("More than one session fits; say which: technician list")
    if state is not None and found[0].state != state:
        raise TechnicianError(f"The session is not {state} yet; use: technician pair")
    return found[0]


async def unlock(
    relay: RelayClient, keyring: Keyring, session: Session, access_password: str | None
) -> tuple[str, SecretBytes]:
    """The access password, and the pairing key: from here or, wrapped, from the relay."""
    password = normalise_access_password(access_password or ask_secret("Access password"))
    secrets = keyring.session(session.id)
    if secrets is not None and secrets.pairing_key is not None:
        return password, secrets.pairing_key
    key = await fetch_pairing_key(relay, session.id, password)
    keyring.keep_session(session.id, SessionSecrets(origin=relay.origin, pairing_key=key))
    return password, key


def ask_secret(what: str) -> str:
    """A secret typed without being shown, or one line of a pipe."""
    if sys.stdin.isatty():
        typed: str = typer.prompt(what, hide_input=True, err=True)
        return typed
    return sys.stdin.readline().rstrip("\r\n")
