"""The customer's window as a process of its own, with no more rights than they have."""

import os
import sys

import trio

from host.customer_link import MessagePipes, serve_customer
from host.texts import Texts


def run_window() -> int:
    """Show the window that the engine at the other end of standard input and output asks for."""
    reading, writing = os.dup(0), os.dup(1)
    # What some library prints must not become a message.
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    sys.stdin = sys.stdout = sys.stderr = open(os.devnull, "r+")  # noqa: SIM115 - for the whole of this process
    return trio.run(_run, reading, writing)


async def _run(reading: int, writing: int) -> int:
    from host.window import WindowUnavailable, open_window

    pipes = MessagePipes(reading, writing)
    try:
        async with open_window(Texts.of_environment(), "") as customer:
            await serve_customer(pipes, customer)
    except WindowUnavailable:
        return 1
    return 0
