"""``./dev run``: relay, virtual desktop, temporary host, and a session that is active, in one command.

    main ── signals ── _demonstrate
                        ├─ relay            (process)
                        ├─ desktop          (processes), unless --this-desktop
                        └─ one session after another
                            ├─ customer     (process): the temporary host, and a task that answers it
                            └─ technician   (library): prepares, pairs

Ctrl-C ends the innermost first: the session, so that the host removes itself, then host, desktop, relay.
"""

import argparse
import fcntl
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trio

from demo.customer import Customer, open_customer
from demo.desktop import make_environment, open_desktop
from demo.processes import DemoError
from demo.relay import RunningRelay, make_sign_in_token, open_relay
from relay.protocol.hidden import SecretBytes
from technician.errors import TechnicianError
from technician.models import PreparedSession
from technician.pairing import PairingEvents, pair
from technician.relay_client import RelayClient, open_relay_client

CUSTOMER_EMAIL: Final = "customer@demo.example"
NOTE: Final = "Demonstration"
PAIRING_TIMEOUT: Final = 60.0
END_TIMEOUT: Final = 10.0
"""Seconds for the last session to end, and its host to remove itself, at Ctrl-C."""

ROOT: Final = Path(__file__).parents[1]
HOST_FILES: Final = ROOT / "build"
HOST_FILE: Final = HOST_FILES / "adhoc-host.pyz"


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for.

    Attributes:
        port: of the relay; 0 for any free one.
        this_desktop: offer $DISPLAY instead of a virtual desktop.
        folder: where everything is kept; never the customer's own home.
    """

    port: int
    this_desktop: bool
    folder: Path

    @property
    def logs(self) -> Path:
        """Of every program."""
        return self.folder / "log"

    @property
    def relay_data(self) -> Path:
        """Of the relay."""
        return self.folder / "relay"

    @property
    def customer_home(self) -> Path:
        """Where the host lives; empty before and, if all is well, after."""
        return self.folder / "demo" / "customer"

    @property
    def desktop_home(self) -> Path:
        """Of the programs on the virtual desktop."""
        return self.folder / "demo" / "desktop"


def main() -> None:
    """Runs the demonstration until Ctrl-C or SIGTERM; exits with 2 where it cannot begin."""
    options = _parse_arguments()
    try:
        trio.run(_run_until_signal, options)
    except* (DemoError, TechnicianError) as group:
        for error in _leaves(group):
            print(f"demo: {error}", file=sys.stderr)
        sys.exit(2)


def _parse_arguments() -> Options:
    parser = argparse.ArgumentParser(prog="./dev run", description="A relay with a computer to take over.")
    parser.add_argument("--port", type=int, default=8080, help="of the relay, on 127.0.0.1; default 8080")
    parser.add_argument("--this-desktop", action="store_true", help="offer this display, not a virtual one")
    parser.add_argument("--folder", type=Path, default=ROOT / "var", help="for data and logs; default var")
    parsed = parser.parse_args()
    if not 0 <= parsed.port <= 65535:
        parser.error("--port is a number from 0 to 65535")
    if parsed.this_desktop and not os.environ.get("DISPLAY"):
        parser.error("--this-desktop needs an X display, and DISPLAY is not set")
    return Options(parsed.port, parsed.this_desktop, parsed.folder.absolute())


def _leaves(group: BaseExceptionGroup[Exception]) -> list[Exception]:
    found: list[Exception] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


async def _run_until_signal(options: Options) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_demonstrate, options)
            async for _ in signals:
                _say("\nStopping …")
                break
            nursery.cancel_scope.cancel()


async def _demonstrate(options: Options) -> None:
    if shutil.which("Xvfb") is None and not options.this_desktop:
        raise DemoError("Xvfb is missing; install it with: sudo apt-get install xvfb")
    options.logs.mkdir(parents=True, exist_ok=True)
    with (options.logs / "demo.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise DemoError("The demonstration is running already.") from exc
        await _run_sessions(options)


async def _run_sessions(options: Options) -> None:
    relay_log = options.logs / "relay.log"
    async with open_relay(options.port, options.relay_data, HOST_FILES, relay_log) as running:
        token = await make_sign_in_token(options.relay_data)
        async with open_relay_client(running.origin) as relay, _open_display(options) as display:
            await relay.sign_in_by_token(token)
            is_first = True
            while True:
                await _hold_session(options, relay, running, display, is_first=is_first)
                is_first = False
                await _wait_enter("Press Enter for another session, Ctrl-C to stop.")


@asynccontextmanager
async def _open_display(options: Options) -> AsyncIterator[str]:
    if options.this_desktop:
        yield os.environ["DISPLAY"]
        return
    async with open_desktop(options.desktop_home, options.logs) as display:
        yield display


# One session


async def _hold_session(
    options: Options, relay: RelayClient, running: RunningRelay, display: str, *, is_first: bool
) -> None:
    """From preparing to the host's removal."""
    prepared = await _prepare(relay)
    home, log = options.customer_home, options.logs / "host.log"
    environment = make_environment(home, display)
    if "XAUTHORITY" in os.environ:
        environment["XAUTHORITY"] = os.environ["XAUTHORITY"]
    async with (
        open_customer(HOST_FILE, prepared.link.url(), environment, home, log) as customer,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(customer.answer)
        try:
            await _pair(relay, prepared, customer, log)
            _print_ready(options, running, prepared, is_first=is_first)
            left = await customer.wait_gone()
        finally:
            # At Ctrl-C too the customer's computer is left clean.
            with trio.move_on_after(END_TIMEOUT, shield=True):
                await relay.end(prepared.session.id)
                await customer.wait_gone()
        nursery.cancel_scope.cancel()
    _print_gone(home, left)


async def _prepare(relay: RelayClient) -> PreparedSession:
    """A new session, in place of one that an earlier demonstration left open."""
    for session in await relay.sessions():
        if session.note == NOTE:
            await relay.end(session.id)
    return await relay.prepare(CUSTOMER_EMAIL, note=NOTE)


async def _pair(relay: RelayClient, prepared: PreparedSession, customer: Customer, log: Path) -> None:
    def forget(_: SecretBytes) -> None:
        """The browser gets the pairing key from the relay, wrapped under the access password."""

    def hear_nothing(_: str) -> None:
        """Nobody mistypes here; the log of the host has the story."""

    customer.hear_code(prepared.security_code)
    events = PairingEvents(say=hear_nothing, show_code=customer.hear_code, store=forget)
    is_paired = False
    with trio.move_on_after(PAIRING_TIMEOUT):
        async with trio.open_nursery() as nursery:

            async def give_up_when_gone() -> None:
                await customer.wait_gone()
                nursery.cancel_scope.cancel()

            nursery.start_soon(give_up_when_gone)
            await pair(relay, prepared.session.id, prepared.link, prepared.security_code, events)
            is_paired = True
            nursery.cancel_scope.cancel()
    if not is_paired:
        raise DemoError(f"The temporary host does not pair; see {log}.")


def _print_ready(
    options: Options, running: RunningRelay, prepared: PreparedSession, *, is_first: bool
) -> None:
    where = running.origin
    if is_first:
        where = f"{running.sign_in_link}\n             (signs you in, once, within an hour)"
    _say(
        f"""
The demonstration is ready: a computer is waiting for help.

  1. Open    {where}
  2. Press   Remote Control   on the session of {CUSTOMER_EMAIL}
  3. Type    {prepared.access_password}   (the access password)

"End session now" in the console ends it; the temporary host then removes itself.
Ctrl-C stops everything. Logs are in {options.logs}.
"""
    )


def _print_gone(home: Path, left: list[Path]) -> None:
    if left:
        names = ", ".join(str(path.relative_to(home)) for path in left)
        _say(f"The session has ended. The host's process is gone, but it left: {names}")
    else:
        _say("The session has ended. The host's process is gone, and so are its files.")


async def _wait_enter(question: str) -> None:
    """Returns at Enter; at once where nobody is at the keyboard."""
    if not sys.stdin.isatty():
        return
    _say(question)
    await trio.lowlevel.wait_readable(sys.stdin)
    sys.stdin.readline()


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()
