"""The temporary host from its start to its last word, on the command line and from the single file.

::

    python -m host LINK [--terminal] [--display :N] [--data-home DIR]
    python -m host --resume DIR        what autostart runs

Exit codes: 0 the session ended and everything was removed, or the host went offline as it was told to; 1 it
could not do that, for a reason that was said; 2 the command line cannot be used; 3 the session ended, and
something could not be removed (what it was is said; it is tried again at the next start of the computer).

Of the single file's packages, those that were not imported before the removal are gone after it: what the
last words need is imported here.
"""

import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from enum import Enum, auto
from functools import partial
from pathlib import Path
from typing import Final

import trio

from host.absent import AbsentCustomer
from host.arguments import Arguments, parse_arguments
from host.brand import fetch_brand
from host.customer import Customer
from host.exits import EXIT_AGAIN, EXIT_LEFT
from host.farewell import Farewell
from host.hello import learn_facts
from host.installation import Removal
from host.life import HostLife
from host.preflight import Obstacle, report_refusal
from host.receipt import AFTER_START, get_ready, hand_in
from host.restart import Mode, restart_computer
from host.starting import CannotStart, Start, fail, go_on_removing, start
from host.state import HostState, StateError
from host.terminal import open_terminal
from host.texts import Texts
from host.tools import Tools, open_tools
from relay.protocol.close_reasons import CloseReason
from relay.protocol.links import DeploymentLink

DESKTOP_INTERVAL: Final = 5.0
"""Seconds between looks whether somebody has signed in, for a service without a desktop."""
if sys.platform == "win32":
    SIGNALS: Final = (signal.SIGINT, signal.SIGBREAK)
else:
    SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

if sys.platform != "win32":
    from host.desktop_session import find_desktop

Signals = AsyncIterator[int]
OpenCustomer = Callable[[], AbstractAsyncContextManager[Customer]]


class _Stop(Enum):
    """Why a host stops while its session may go on."""

    TOLD_TO = auto()  # by a signal: the computer shuts down, or the customer signs out
    DESKTOP = auto()  # there is one now: the service starts anew to be seen on it
    GONE = auto()  # nobody is there to type the code


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the host from an ordinary Python installation. Returns the exit code."""
    given = parse_arguments(sys.argv[1:] if arguments is None else arguments)
    texts = Texts.of_environment()
    try:
        started = start(given, texts)
    except CannotStart as exc:
        return fail(str(exc))
    # There is no single file that could come back after a restart.
    return run(given, started, texts, install=lambda: None)


def run_bundle(given: Arguments, started: Start, file: Path) -> int:
    """Run the host from its single file `file`, which has been unpacked. Returns the exit code."""
    is_program = getattr(sys, "frozen", False)  # one that brings its Python along

    def install() -> None:
        # A host that cannot come back after a restart of the computer is better than none.
        with contextlib.suppress(OSError):
            started.installation.enable_return(file, None if is_program else sys.executable)

    return run(given, started, Texts.of_environment(), install=install)


def run(
    given: Arguments,
    started: Start,
    texts: Texts,
    *,
    install: Callable[[], None],
    open_customer: OpenCustomer | None = None,
    restart: Callable[[Mode], None] = restart_computer,
) -> int:
    """Run the host of one session to its end. Returns the exit code.

    Args:
        given: the command line.
        started: the lock is given back.
        install: makes the program come back after a restart of the computer; blocks.
        open_customer: the customer; None for one at a window or the terminal of this process.
        restart: restarts the computer for a technician.
    """
    for output in (sys.stdout, sys.stderr):
        if hasattr(output, "reconfigure"):
            output.reconfigure(errors="replace")
    if started.installation.is_ending:
        return finish_removal(started, texts)
    try:
        state = load_state(started.installation.folder, given.link)
    except (StateError, OSError) as exc:
        started.remove()
        return fail(str(exc))
    return trio.run(_run, _Host(given, started, texts, state, install, open_customer, restart))


def finish_removal(started: Start, texts: Texts) -> int:
    """Go on with a removal that had begun, and hand in its receipt if it can be. Returns the exit code."""
    farewell = Farewell.load(started.installation.folder)
    facts = learn_facts()
    if farewell is not None:
        trio.run(get_ready, farewell, facts)

    def report(removal: Removal) -> None:
        if farewell is not None and not removal.pending:
            receipt = farewell.receipt(removal.removed, removal.left, [], again=removal.is_retried)
            trio.run(hand_in, farewell, receipt, facts, AFTER_START)

    return go_on_removing(started, texts, report)


def load_state(folder: Path, link: DeploymentLink | None) -> HostState:
    """The session's state as saved in `folder`, or of a session that begins with `link`.

    Raises:
        StateError: there is nothing to go on with.
        OSError: the new state cannot be saved.
    """
    try:
        state = HostState.load(folder)
    except StateError:
        if link is None:
            raise
        state = HostState.fresh(link)
        state.save(folder)
    if link is not None and not state.pairing_key:
        # The customer may have copied the link again, whole this time.
        state.secret, state.access_password = bytes(link.secret), link.access_password
    return state


class _Host:
    """What the parts below share. Never changed."""

    def __init__(
        self,
        given: Arguments,
        started: Start,
        texts: Texts,
        state: HostState,
        install: Callable[[], None],
        open_customer: OpenCustomer | None,
        restart: Callable[[Mode], None],
    ) -> None:
        self.given = given
        self.started = started
        self.texts = texts
        self.state = state
        self.install = install
        self.open_customer = open_customer
        self.restart = restart
        self.facts = learn_facts()

    def save(self) -> None:
        """Keep the state. A full disk must not end a session that works."""
        with contextlib.suppress(OSError):
            self.state.save(self.started.installation.folder)


async def _run(host: _Host) -> int:
    with trio.open_signal_receiver(*SIGNALS) as signals:
        async with contextlib.AsyncExitStack() as stack:
            customer = await _open_customer(host, stack)
            outcome, obstacle, acts = await _live(host, customer, signals)
            if outcome in (_Stop.TOLD_TO, _Stop.DESKTOP) and host.state.pairing_key:
                host.started.lock.release(remove=False)
                customer.show_gone(host.texts.get("went_offline"))
                if outcome is _Stop.DESKTOP:
                    return EXIT_AGAIN
                if host.given.resume is None:
                    # The terminal was closed, or the customer signed out: a service goes on.
                    await trio.to_thread.run_sync(host.started.installation.start_service)
                return 0
            farewell = _keep_farewell(host, outcome, obstacle, acts)
            removal = await trio.to_thread.run_sync(host.started.remove)
            if isinstance(outcome, _Stop):
                key = "input_ended" if outcome is _Stop.GONE else "interrupted"
                customer.show_gone(host.texts.get(key))
                return 1
            why = host.texts.ending(outcome) if obstacle is None else obstacle.sentence
            sentence = f"{why} {host.texts.get('removed')}"
            customer.show_removed(sentence, removal.left)
            await _say_farewell(host, customer, farewell, removal, obstacle, signals)
            if removal.left:
                return EXIT_LEFT
            return 0 if outcome.ends_session else 1


async def _open_customer(host: _Host, stack: contextlib.AsyncExitStack) -> Customer:
    """The customer at a window, where there is a display and Tk; else at the terminal; or nobody."""
    if host.started.is_unattended:
        return AbsentCustomer()
    if host.open_customer is not None:
        return await stack.enter_async_context(host.open_customer())
    if not host.given.is_terminal:
        with contextlib.suppress(ImportError):  # many systems have Python without Tk
            from host.window import WindowUnavailable, open_window

            with contextlib.suppress(WindowUnavailable):
                return await stack.enter_async_context(open_window(host.texts, host.started.display))
    return await stack.enter_async_context(open_terminal(host.texts))


async def _live(
    host: _Host, customer: Customer, signals: Signals
) -> tuple[CloseReason | _Stop, Obstacle | None, dict[str, int]]:
    """Why it stops, and how often technicians did what: the record goes with everything else."""
    with open_tools(host.started.installation.folder, display=host.started.display) as tools:
        return *await _live_with(host, customer, signals, tools), tools.record.counts()


async def _live_with(
    host: _Host, customer: Customer, signals: Signals, tools: Tools
) -> tuple[CloseReason | _Stop, Obstacle | None]:
    life = HostLife(
        host.state,
        customer,
        host.facts,
        host.texts,
        save=host.save,
        install=host.install,
        tools=tools,
        display=host.started.display,
        way_back=lambda: host.started.installation.way_back,
        restart=host.restart,
    )
    outcome: CloseReason | _Stop | None = None

    async def obey_signals() -> None:
        nonlocal outcome
        async for number in signals:
            if number == signal.SIGINT:
                customer.ask_to_end()
            else:
                outcome = outcome or _Stop.TOLD_TO
                nursery.cancel_scope.cancel()

    async def wait_gone() -> None:
        nonlocal outcome
        await customer.wait_gone()
        outcome = outcome or _Stop.GONE
        nursery.cancel_scope.cancel()

    async def wait_desktop() -> None:
        nonlocal outcome
        await _wait_desktop()
        outcome = outcome or _Stop.DESKTOP
        nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(obey_signals)
        nursery.start_soon(wait_gone)
        if customer.shows_brand:
            nursery.start_soon(_show_brand, host.state, customer)
        if host.started.is_unattended:
            nursery.start_soon(wait_desktop)
        outcome = await life.run()
        nursery.cancel_scope.cancel()
    if outcome is None:
        raise AssertionError("a host stops for a reason")
    return outcome, life.obstacle


async def _show_brand(state: HostState, customer: Customer) -> None:
    """Ask the relay once; what cannot be had by then is not missed."""
    asked = partial(fetch_brand, state.origin, bytes(state.invite))
    brand = await trio.to_thread.run_sync(asked, abandon_on_cancel=True)
    if brand is not None:
        customer.show_brand(brand)


async def _wait_desktop() -> None:
    """Return when there is a desktop; nothing tells of that."""
    if sys.platform == "win32":
        raise AssertionError("Windows always has one")
    else:
        while await trio.to_thread.run_sync(find_desktop, abandon_on_cancel=True) is None:  # noqa: ASYNC110
            await trio.sleep(DESKTOP_INTERVAL)


def _keep_farewell(
    host: _Host, outcome: CloseReason | _Stop, obstacle: Obstacle | None, acts: dict[str, int]
) -> Farewell | None:
    """What the receipt takes, kept as long as the removal may be cut short; None if there is to be none."""
    if isinstance(outcome, _Stop) or obstacle is not None:
        return None
    farewell = Farewell.of(host.state, outcome, acts)
    if farewell is not None:
        with contextlib.suppress(OSError):  # a full disk: there is no receipt then if this is cut short
            farewell.save(host.started.installation.folder)
    return farewell


async def _say_farewell(
    host: _Host,
    customer: Customer,
    farewell: Farewell | None,
    removal: Removal,
    obstacle: Obstacle | None,
    signals: Signals,
) -> None:
    """The customer may read how it ended, while the relay is told; a signal cuts both short."""

    async def tell() -> None:
        if obstacle is not None:
            state = host.state
            await trio.to_thread.run_sync(
                report_refusal, state.origin, state.invite, obstacle.refusal, abandon_on_cancel=True
            )
        elif farewell is not None and not removal.pending:  # else what goes after this program tells
            receipt = farewell.receipt(removal.removed, removal.left, [], again=removal.is_retried)
            await hand_in(farewell, receipt, host.facts)

    async def obey_signals() -> None:
        async for _ in signals:
            nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(obey_signals)
        async with trio.open_nursery() as words:
            words.start_soon(tell)
            words.start_soon(customer.wait_dismissed)
        nursery.cancel_scope.cancel()
