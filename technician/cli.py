"""The command line: ``technician sign-in``, ``prepare``, ``pair``, ``connect``, ``vnc``, ``files``,
``dashboard``, ``chat``, ``shell``, ``reboot``, ``list``, ``end``.

Results go to stdout (tables on a terminal, plain lines or ``--json`` in a pipe), the rest to stderr.
Exit codes: 0 done; 1 it could not be done, with one line that says why; 2 it was asked for in a wrong way.
``shell`` exits with what the shell on the computer exited with.
"""

import ipaddress
import sys
from dataclasses import replace
from typing import Annotated, NoReturn

import trio
import typer

from peer.errors import PeerError
from relay.protocol.codes import CodeError, normalise_access_password
from relay.protocol.hidden import SecretBytes
from relay.protocol.links import LinkError, parse_deployment_link
from technician.chat import chat
from technician.dashboard.commands import app as dashboard
from technician.errors import RelayRefused, TechnicianError
from technician.files.commands import app as files
from technician.files.sync_commands import replicate, sync
from technician.keyring import Keyring, SessionSecrets, SignIn, default_folder
from technician.models import PreparedSession, Session
from technician.pairing import PairingEvents, pair
from technician.printing import (
    prepared_document,
    print_facts,
    print_json,
    print_security_code,
    print_sessions,
    say,
)
from technician.relay_client import RelayClient, open_relay_client, split_sign_in_link
from technician.remote_control import measure_desktop, open_control, serve_vnc
from technician.restart import reboot
from technician.running import (
    AccessPassword,
    AsJson,
    SessionArgument,
    UsageProblem,
    ask_secret,
    choose_session,
    run_signed_in,
    unlock,
)
from technician.shell import shell

app = typer.Typer(
    help="Help a customer's computer from the command line.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
files.command()(sync)
files.command()(replicate)
app.add_typer(files, name="files")
app.add_typer(dashboard, name="dashboard")
app.command()(chat)
app.command()(shell)
app.command()(reboot)


def main() -> None:
    """The entry point: every expected error becomes one line and an exit code."""
    try:
        app()
    except (UsageProblem, CodeError, LinkError) as exc:
        _fail(exc, 2)
    except (TechnicianError, PeerError) as exc:
        _fail(exc, 1)
    except BaseExceptionGroup as group:
        # Ctrl-C, wherever in its tasks the program was.
        if group.split(KeyboardInterrupt)[1] is not None:
            raise
        sys.exit(130)


# -- signing in --


@app.command("sign-in")
def sign_in(
    address: Annotated[str, typer.Argument(help="The relay's address, or a sign-in link.")],
    email: Annotated[str | None, typer.Option(help="Asked for when not given.")] = None,
) -> None:
    """Sign in, by a sign-in link or with e-mail and password."""
    origin, token = split_sign_in_link(address)

    async def run() -> None:
        async with open_relay_client(origin) as relay:
            if token is None:
                challenge = await relay.sign_in(
                    email or typer.prompt("E-mail", err=True), ask_secret("Password")
                )
            else:
                challenge = await relay.sign_in_by_token(token)
            if challenge is not None:
                if not {"totp", "recovery"} & set(challenge.ways):
                    raise TechnicianError("Only a passkey signs you in; use the browser.")
                code = ask_secret("Code of your authenticator app, or a recovery code")
                await relay.finish_sign_in(challenge, code)
            me = await relay.me()
            Keyring(default_folder()).keep_sign_in(SignIn(origin=relay.origin, cookie=relay.cookie or ""))
            say(f"Signed in at {origin} as {me.technician.name}, {me.company.name}.")

    trio.run(run)


@app.command("sign-out")
def sign_out() -> None:
    """Sign out, here and at the relay."""

    async def run(relay: RelayClient, keyring: Keyring) -> None:
        try:
            await relay.sign_out()
        except RelayRefused as exc:
            if not exc.is_sign_in_needed:
                raise
        keyring.forget_sign_in()

    run_signed_in(run)


# -- sessions --


@app.command()
def prepare(
    email: Annotated[str, typer.Option(help="The customer's e-mail address.")],
    note: Annotated[str, typer.Option(help="For yourself; the customer does not see it.")] = "",
    language: Annotated[str, typer.Option(help="Of the customer's mail and page: en or es.")] = "en",
    mail: Annotated[bool, typer.Option("--mail", help="Have the relay mail the deployment link.")] = False,
    choose_password: Annotated[
        bool,
        typer.Option("--choose-password", help="Type the access password; else one is proposed."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Prepare a session: prints the deployment link, the access password and the security code, once."""
    password = normalise_access_password(ask_secret("Access password")) if choose_password else None

    async def run(relay: RelayClient, keyring: Keyring) -> PreparedSession:
        prepared = await relay.prepare(
            email, access_password=password, note=note, language=language, mail=mail
        )
        secrets = SessionSecrets(
            origin=relay.origin, link=prepared.link.url(), security_code=prepared.security_code
        )
        keyring.keep_session(prepared.session.id, secrets)
        return prepared

    prepared = run_signed_in(run)
    if as_json:
        print_json(prepared_document(prepared))
        return
    facts = {
        "session": prepared.session.id,
        "deployment link": prepared.link.url(),
        "access password": prepared.access_password,
    }
    if mail:
        facts["e-mail"] = prepared.mail.detail or prepared.mail.state
    print_facts(facts)
    print_security_code(prepared.security_code)
    say("Then: technician pair")


@app.command("list")
def list_sessions(
    ended: Annotated[bool, typer.Option("--ended", help="Ended sessions too.")] = False,
    as_json: AsJson = False,
) -> None:
    """List your sessions."""

    async def run(relay: RelayClient, keyring: Keyring) -> list[Session]:
        sessions = await relay.sessions(include_ended=ended)
        keyring.keep_only(relay.origin, (session.id for session in sessions if session.state != "ended"))
        return sessions

    sessions = run_signed_in(run)
    if as_json:
        print_json(sessions)
    else:
        print_sessions(sessions)


@app.command("pair")
def pair_session(session: SessionArgument = None) -> None:
    """Pair a session: shows the security code and waits for the customer to type it and to allow."""

    async def run(relay: RelayClient, keyring: Keyring) -> None:
        chosen = await choose_session(relay, session)
        secrets = keyring.session(chosen.id)
        if secrets is not None and secrets.pairing_key is not None:
            say("This session is paired already.")
            return
        if secrets is None or secrets.link is None or secrets.security_code is None:
            raise TechnicianError(
                "This session was prepared elsewhere; its security code is known only there."
            )
        prepared = secrets

        def show_code(code: str) -> None:
            keyring.keep_session(chosen.id, replace(prepared, security_code=code))
            print_security_code(code)

        def store(pairing_key: SecretBytes) -> None:
            keyring.keep_session(chosen.id, SessionSecrets(origin=relay.origin, pairing_key=pairing_key))

        print_security_code(secrets.security_code)
        link = parse_deployment_link(secrets.link)
        events = PairingEvents(say=say, show_code=show_code, store=store)
        await pair(relay, chosen.id, link, secrets.security_code, events)
        say("Paired: the session is active. Connect with: technician connect")

    run_signed_in(run)


@app.command()
def end(session: SessionArgument = None) -> None:
    """End a session for good; the host removes itself from the computer."""

    async def run(relay: RelayClient, keyring: Keyring) -> None:
        chosen = await choose_session(relay, session)
        ended = await relay.end(chosen.id)
        keyring.forget_session(chosen.id)
        say(ended.end_sentence or "The session is ended.")

    run_signed_in(run)


# -- Remote Control --


@app.command()
def connect(
    session: SessionArgument = None, as_json: AsJson = False, access_password: AccessPassword = None
) -> None:
    """Test the connection: opens Remote Control, prints the desktop's name, size and round trip."""

    async def run(relay: RelayClient, keyring: Keyring) -> dict[str, str]:
        chosen = await choose_session(relay, session, "active")
        password, key = await unlock(relay, keyring, chosen, access_password)
        async with open_control(relay, chosen.id, key, password) as stream:
            facts = await measure_desktop(stream)
        return {
            "session": chosen.id,
            "desktop": facts.name,
            "size": f"{facts.width}x{facts.height}",
            "round trip": f"{facts.round_trip * 1000:.1f} ms",
        }

    facts = run_signed_in(run)
    if as_json:
        print_json({name.replace(" ", "_"): value for name, value in facts.items()})
    else:
        print_facts(facts)


@app.command()
def vnc(
    session: SessionArgument = None,
    listen: Annotated[
        str, typer.Option(help="ADDRESS:PORT of this computer; port 0 for any free one.")
    ] = "127.0.0.1:5900",
    access_password: AccessPassword = None,
) -> None:
    """Let any VNC viewer on this computer use the desktop, until Ctrl-C."""
    address, port = _parse_listen(listen)

    async def run(relay: RelayClient, keyring: Keyring) -> None:
        chosen = await choose_session(relay, session, "active")
        password, key = await unlock(relay, keyring, chosen, access_password)
        listener = await _listen(address, port)
        host, port_in_use = listener.socket.getsockname()[:2]
        say(f"VNC viewers of this computer may connect to {host}:{port_in_use}; Ctrl-C ends it.")
        await serve_vnc(listener, lambda: open_control(relay, chosen.id, key, password), say)

    run_signed_in(run)


def _parse_listen(text: str) -> tuple[str, int]:
    """An address of this computer itself: what is served there asks for no password."""
    address, separator, port = text.rpartition(":")
    try:
        is_ours = ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        is_ours = False
    if not separator or not is_ours or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise UsageProblem("--listen needs an address of this computer alone, such as 127.0.0.1:5900.")
    return address.strip("[]"), int(port)


async def _listen(address: str, port: int) -> trio.SocketListener:
    try:
        (listener,) = await trio.open_tcp_listeners(port, host=address)
    except OSError as exc:
        raise TechnicianError(f"Nothing can listen on {address}:{port}: {exc.strerror}.") from exc
    return listener


def _fail(error: Exception, code: int) -> NoReturn:
    say(f"technician: {error}")
    sys.exit(code)
