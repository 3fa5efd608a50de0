"""``technician reboot``: restarts the customer's computer, and waits for it (docs/protocol.md §14)."""

from typing import Annotated, Final

import trio
import typer

from peer.errors import StreamClosed
from peer.messages import MessageStream
from relay.protocol.errors import RemoteProtocolError
from relay.protocol.frames import Channel, FieldReader
from relay.protocol.maps import encode_map
from technician.attaching import open_tool
from technician.errors import TechnicianError, ToolFailed
from technician.keyring import Keyring
from technician.printing import say
from technician.relay_client import RelayClient
from technician.requests import RequestClient, RequestRefused
from technician.running import (
    AccessPassword,
    SessionArgument,
    UsageProblem,
    choose_session,
    run_signed_in,
    unlock,
)

ACT: Final = "restart"
LOOK_INTERVAL: Final = 2.0
"""Seconds between questions whether the computer is back."""
DOWN_TIMEOUT: Final = 120.0
"""Seconds in which the computer must have gone down."""

_SENTENCES: Final = {
    "declined": "The customer said no.",
    "no_return": "The program there would not come back by itself; the customer has to restart it.",
    "busy": "Somebody else asks for it at this moment.",
    "denied": "That computer's user may not restart it.",
    "unavailable": "That computer cannot be restarted so.",
}


def reboot(
    session: SessionArgument = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask here.")] = False,
    safe_mode: Annotated[bool, typer.Option("--safe-mode", help="Windows: safe mode with network.")] = False,
    wait: Annotated[float, typer.Option(help="Seconds to wait until it is back; 0: do not.")] = 600.0,
    access_password: AccessPassword = None,
) -> None:
    """Restart the customer's computer; the session goes on when it is back. The customer can say no."""

    async def run(relay: RelayClient, keyring: Keyring) -> bool:
        chosen = await choose_session(relay, session, "active")
        name = chosen.host.computer if chosen.host is not None else ""
        if not yes and not typer.confirm(f"Restart {name}? What is not saved there is lost.", err=True):
            raise UsageProblem("Nothing was restarted.")
        password, key = await unlock(relay, keyring, chosen, access_password)
        claims = encode_map({"act": ACT})
        async with open_tool(relay, chosen.id, Channel.CONTROL, key, password, claims=claims) as stream:
            way = await ask_restart(RequestClient(MessageStream(stream)), "safe" if safe_mode else "normal")
        if way == "sign_in":
            say("It is restarting; the program there comes back when somebody signs in.")
        else:
            say("It is restarting.")
        if not wait:
            return True
        return await wait_back(relay, chosen.id, wait)

    if not run_signed_in(run):
        raise ToolFailed("The computer is not back yet; the session goes on when it is.")


async def ask_restart(client: RequestClient, mode: str) -> str:
    """Ask on a stream that is for it, and wait for the customer's time to say no; when the program returns.

    Raises:
        ToolFailed: it is not restarted; says why.
        StreamClosed: the stream ended, or the host broke the protocol.
    """
    number = await client.ask(ACT, mode=mode)
    way = ""
    try:
        while "ok" not in (message := await client.answer_to(number)).head:
            with client.reading():
                fields = FieldReader(message.head)
                if "begins" in message.head:
                    way = "sign_in" if fields.text("begins", max_length=16) == "sign_in" else "boot"
                    continue
                seconds = fields.number("waits", at_most=300)
            say(f"The customer sees it, and can say no for {seconds} seconds.")
    except StreamClosed:
        if not way:
            raise
        # It went down before it could say that it does.
    except RequestRefused as exc:
        code = exc.word
        raise ToolFailed(_SENTENCES.get(code, str(exc))) from exc
    except RemoteProtocolError as exc:
        raise client.broken(str(exc)) from exc
    return way or "boot"


async def wait_back(relay: RelayClient, session: str, seconds: float) -> bool:
    """Wait until the computer went down and came back; False if it has not in this time.

    Raises:
        TechnicianError: the session ended meanwhile.
    """
    with trio.move_on_after(min(seconds, DOWN_TIMEOUT)):
        await _wait_online(relay, session, False)
    with trio.move_on_after(seconds):
        await _wait_online(relay, session, True)
        say("It is back.")
        return True
    return False


async def _wait_online(relay: RelayClient, session: str, wanted: bool) -> None:
    while True:  # the API has no event for programs
        found = await relay.session(session)
        if found.state != "active":
            raise TechnicianError("The session has ended meanwhile.")
        if found.host is not None and found.host.online is wanted:
            return
        await trio.sleep(LOOK_INTERVAL)
