"""Instead of `host.windows.window_process` in tests: a customer in a process of their own without a window.

The code is typed from a file, ``C:/customer/code``, as soon as it is there, and access is allowed; what is
shown is written to ``C:/customer/shown``, by each process with its number.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import trio

from host.absent import AbsentCustomer
from host.consent import Consent
from host.customer import Asker
from host.customer_link import MessagePipes, serve_customer
from relay.protocol.claims import PairClaims

HERE = Path("C:\\customer")


class FileCustomer(AbsentCustomer):
    async def ask_code(self, asker: Asker, sentence: str) -> str:
        say(f"asked by {asker.technician}")
        while not (HERE / "code").exists():  # noqa: ASYNC110 - a file tells nobody that it is there
            await trio.sleep(0.1)
        return (HERE / "code").read_text()

    async def ask_allow(self, claims: PairClaims) -> Consent:
        return Consent(True)

    def show_active(self, seconds_left: float) -> None:
        say("active")

    def show_viewers(self, viewers: Mapping[str, Sequence[str]]) -> None:
        say(f"viewers {sorted(viewers)}")

    def show_removed(self, sentence: str, left: Sequence[str]) -> None:
        say(f"removed {list(left)}")

    async def wait_dismissed(self) -> None:
        await trio.lowlevel.checkpoint()


def say(word: str) -> None:
    with (HERE / "shown").open("a") as file:
        file.write(f"{os.getpid()} {word}\n")


def run_window() -> int:
    say("here")
    reading, writing = os.dup(0), os.dup(1)
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - for the whole of this process
    trio.run(serve, reading, writing)
    return 0


async def serve(reading: int, writing: int) -> None:
    await serve_customer(MessagePipes(reading, writing), FileCustomer())
