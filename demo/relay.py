"""The demonstration's relay: the ``relay`` command in a process of its own."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import trio

from demo.processes import DemoError, open_program

START_TIMEOUT: Final = 60.0
MAX_ANNOUNCEMENT_BYTES: Final = 16 * 1024

_RELAY: Final = (sys.executable, "-m", "relay")


@dataclass(frozen=True, slots=True)
class RunningRelay:
    """A relay that is up.

    Attributes:
        origin: where.
        sign_in_link: for the person at the keyboard; works once.
    """

    origin: str
    sign_in_link: str = field(repr=False)


@asynccontextmanager
async def open_relay(port: int, data: Path, downloads: Path, log: Path) -> AsyncIterator[RunningRelay]:
    """A relay on 127.0.0.1 for the time of the block.

    Args:
        port: 0 takes a free one.
        data: its folder; sessions in it go on from the last time.
        downloads: the folder with the host's file.
        log: for what it says.

    Raises:
        DemoError: it does not start; the sentence is the relay's own.
    """
    where = ["--listen", f"127.0.0.1:{port}", "--data", str(data), "--downloads", str(downloads)]
    names = ["--company", "Demo Support", "--owner-name", "Dana Demo", "--print-link"]
    async with open_program([*_RELAY, "up", *where, *names], log, talks=True) as process:
        if process.stdout is None:
            raise AssertionError("the relay talks through a pipe")
        said = b""
        with trio.move_on_after(START_TIMEOUT):
            async for piece in process.stdout:
                said += piece
                if (b"#" in said and said.endswith(b"\n")) or len(said) > MAX_ANNOUNCEMENT_BYTES:
                    break
        words = said.decode(errors="replace").split()
        link = next((word for word in words if "/sign-in#" in word), None)
        if link is None:
            lines = (await trio.Path(log).read_text(errors="replace")).splitlines()
            raise DemoError(
                lines[-1].removeprefix("relay: ") if lines else f"The relay does not start; see {log}."
            )
        yield RunningRelay(link.partition("/sign-in#")[0], link)


async def make_sign_in_token(data: Path) -> str:
    """Another sign-in link's token, for this program itself."""
    done = await trio.run_process([*_RELAY, "sign-in-link", "--data", str(data)], capture_stdout=True)
    return done.stdout.decode().strip().partition("#")[2]
