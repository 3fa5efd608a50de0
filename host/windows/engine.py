"""The engine: the host's life in the session that has the screen, with the system's rights.

It has no window: that is a process with the customer's own rights, started anew whenever it has ended and
somebody is signed in.
"""

import sys

if sys.platform != "win32":
    raise ImportError("only for Windows")

import os
import signal
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import trio

from host import cli
from host.arguments import Arguments
from host.customer import Customer
from host.customer_link import LinkedCustomer, MessagePipes
from host.problems import RequestProblem
from host.restart import Mode, restart_computer
from host.starting import CannotStart, fail, start
from host.texts import Texts
from host.windows import safe_mode, sessions
from host.windows.folders import system_folder
from host.windows.supervisor import service_name

RESTART_DELAY: Final = 2.0
"""Seconds before the next window, and between two looks whether anybody is signed in."""
FAREWELL_TIMEOUT: Final = 3.0


def run_engine(folder: Path, window: Sequence[str | Path]) -> int:
    """Live the session in `folder` to its end, or until standard input ends. Returns the exit code.

    Args:
        folder: of the session.
        window: the command that shows the customer a window.
    """
    given = Arguments(link=None, resume=folder, is_terminal=False, display=None, data_home=None)
    texts = Texts.of_environment()
    threading.Thread(target=_obey_end_of_input, name="standard input", daemon=True).start()
    try:
        started = start(given, texts)
    except CannotStart as exc:
        return fail(str(exc))
    service = service_name(folder)
    if started.installation.needs_usual_start:
        with suppress(OSError):  # it is tried again with the removal
            safe_mode.leave(service)

    def restart(mode: Mode) -> None:
        if mode == "safe":
            try:
                started.installation.note_safe_mode(service)
                safe_mode.enter(service)
            except OSError as exc:
                raise RequestProblem("unavailable", "safe mode") from exc
        restart_computer("normal")

    return cli.run(
        given,
        started,
        texts,
        install=lambda: None,
        open_customer=lambda: open_linked_customer(window),
        restart=restart,
    )


@asynccontextmanager
async def open_linked_customer(window: Sequence[str | Path]) -> AsyncIterator[Customer]:
    """The customer at a window in another process, for the time of the block."""
    customer = LinkedCustomer()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_keep_window, customer, window)
        try:
            yield customer
        finally:
            nursery.cancel_scope.cancel()


async def _keep_window(customer: LinkedCustomer, window: Sequence[str | Path]) -> None:
    session = sessions.screen_session()
    while True:
        process = await trio.to_thread.run_sync(_start_window, session, window)
        if process is not None:
            try:
                await customer.serve(MessagePipes(process.reading, process.writing))
            finally:
                # Its input has ended, and so it does too.
                with trio.move_on_after(FAREWELL_TIMEOUT, shield=True):
                    await trio.to_thread.run_sync(process.wait, FAREWELL_TIMEOUT)
                process.end()
                process.close(with_pipes=False)
        await trio.sleep(RESTART_DELAY)


def _start_window(session: int, window: Sequence[str | Path]) -> sessions.Process | None:
    """None where nobody is signed in, or nothing can be started."""
    try:
        with sessions.user_token(session) as token:
            return sessions.start_process(token, window, system_folder())
    except OSError:
        return None


def _obey_end_of_input() -> None:
    """The service says by it that the computer shuts down, or that another session has the screen."""
    try:
        while os.read(0, 1):
            pass
    except OSError:
        return  # there is none: started by hand
    signal.raise_signal(signal.SIGBREAK)
