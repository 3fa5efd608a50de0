"""The customer of the demonstration: starts the temporary host in a terminal and answers what it asks."""

import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import trio

from demo.processes import DemoError, open_program

START_TIMEOUT: Final = 60.0
MAX_HEARD_BYTES: Final = 64 * 1024

CODE_PROMPT: Final = b"code: "
ALLOW_PROMPT: Final = b"[y/N] "


class Customer:
    """A customer whose host runs.

    Attributes:
        home: the folder where the customer lives; whatever the host leaves behind is in there.
    """

    def __init__(self, process: trio.Process, home: Path, log: Path) -> None:
        self.home = home
        self._process = process
        self._log = log
        self._code = trio.Event()
        self._security_code = ""

    def hear_code(self, security_code: str) -> None:
        """The technician reads a code out."""
        self._security_code = security_code
        self._code.set()

    async def answer(self) -> None:
        """Types the code when asked for it, allows when asked, until the host has gone."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise AssertionError("the host talks through pipes")
        heard = b""
        with self._log.open("ab") as log:
            async for data in stdout:
                log.write(data)
                log.flush()
                heard = (heard + data)[-MAX_HEARD_BYTES:]
                if heard.endswith(CODE_PROMPT):
                    await self._code.wait()
                    await stdin.send_all(self._security_code.encode() + b"\n")
                elif heard.endswith(ALLOW_PROMPT):
                    await stdin.send_all(b"y\n")

    async def wait_gone(self) -> list[Path]:
        """Waits until the host's process has ended.

        Returns:
            The files that it left behind.
        """
        await self._process.wait()
        return [path for path in sorted(self.home.rglob("*")) if not path.is_dir()]


@asynccontextmanager
async def open_customer(
    host_file: Path, link: str, environment: dict[str, str], home: Path, log: Path
) -> AsyncIterator[Customer]:
    """A customer who has downloaded the host and starts it, for the time of the block.

    Args:
        host_file: the built single file; it is copied, as the host removes itself in the end.
        link: the deployment link.
        environment: of the customer's terminal, with HOME and DISPLAY.
        home: the customer's folder, emptied first.
        log: for what the host says.
    """
    shutil.rmtree(home, ignore_errors=True)
    downloads = home / "Downloads"
    downloads.mkdir(parents=True)
    try:
        copy = Path(shutil.copy(host_file, downloads))
    except OSError as exc:
        raise DemoError(f"{host_file} is missing; build it with: ./dev build") from exc
    command: list[str | Path] = [sys.executable, copy, link, "--terminal"]
    async with open_program(command, log, environment=environment, folder=downloads, talks=True) as process:
        yield Customer(process, home, log)
