"""A shell of the customer's on Windows: not there yet, and said so."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import trio

MAX_SIDE: Final = 1000
"""Columns or rows; the largest screens with the smallest letters have fewer."""


@dataclass(frozen=True, slots=True)
class Size:
    """Of a terminal, in letters; each 1 … `MAX_SIDE`."""

    columns: int
    rows: int


class PseudoTerminal:
    """What `host.pseudo_terminal.PseudoTerminal` is elsewhere."""

    status: int = 0

    async def read(self) -> bytes:
        """See there."""
        raise NotImplementedError

    async def write(self, data: bytes) -> None:
        """See there."""
        raise NotImplementedError

    def resize(self, size: Size) -> None:
        """See there."""
        raise NotImplementedError

    async def watch(self) -> None:
        """See there."""
        raise NotImplementedError


@asynccontextmanager
async def open_shell(size: Size, command: str | None = None) -> AsyncIterator[PseudoTerminal]:
    """Refuses. Raises OSError."""
    await trio.lowlevel.checkpoint()
    raise OSError("There is no shell to be had on this system yet.")
    yield PseudoTerminal()
