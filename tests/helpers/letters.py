"""A post that keeps the letters, for tests that read them."""

import trio

from relay.accounts.letters import Letter, Posted
from relay.protocol.links import decode_base64url


class Letters:
    """Carries letters nowhere.

    Attributes:
        kept: all that were put, in order.
        answer: what became of each.
    """

    def __init__(self) -> None:
        self.kept: list[Letter] = []
        self.answer = Posted("sent", "The mail server has accepted the mail.")
        self._arrived = trio.Event()

    async def put(self, letter: Letter) -> Posted:
        """Keeps the letter."""
        self.kept.append(letter)
        self._arrived.set()
        self._arrived = trio.Event()
        return self.answer

    async def wait_for(self, count: int) -> None:
        """Returns once so many were put."""
        while len(self.kept) < count:
            await self._arrived.wait()

    @property
    def token(self) -> bytes:
        """The secret in the last one."""
        return decode_base64url(self.kept[-1].link.partition("#")[2], 32)
